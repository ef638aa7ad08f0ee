//! LMDB: Postfix's, which changes it in place, transaction by transaction, and reads it without LMDB's own locks.

use mapfile::Format;

use super::joint::{Guard, Joint};
use super::sort::Order;
use super::{MapType, Readers, TypeInfo, Values};

pub(super) const LMDB: TypeInfo = TypeInfo {
    map_type: MapType::Lmdb,
    name: "lmdb",
    suffix: ".lmdb",
    can_read: true,
    can_write: true,
    values: Values::One,
    readers: Readers::OtherPrograms,
};

pub(super) const JOINT: Joint =
    Joint { map_type: MapType::Lmdb, format: Format::Lmdb, order: Order::Keys, guard: Guard::Transactions };
