//! Berkeley DB hash and btree: sendmail's and Postfix's usual maps, both of which write them in place under an exclusive
//! flock(2).

use mapfile::Format;

use super::joint::{Guard, Joint};
use super::sort::Order;
use super::{MapType, Readers, TypeInfo, Values};

pub(super) const HASH: TypeInfo = TypeInfo {
    map_type: MapType::Hash,
    name: "hash",
    suffix: ".db",
    can_read: true,
    can_write: true,
    values: Values::AsMade,
    readers: Readers::OtherPrograms,
};

pub(super) const BTREE: TypeInfo = TypeInfo { map_type: MapType::Btree, name: "btree", ..HASH };

pub(super) const HASH_JOINT: Joint = Joint {
    map_type: MapType::Hash,
    format: Format::Hash,
    order: Order::Ranked(|key| Format::Hash.rank(key)),
    guard: Guard::Flock,
};

pub(super) const BTREE_JOINT: Joint =
    Joint { map_type: MapType::Btree, format: Format::Btree, order: Order::Keys, guard: Guard::Flock };
