//! GDBM: no mail program's map, but some systems keep their sasldb2 in it. Its library writes in place under an
//! exclusive flock(2), and who finds it locked fails at once instead of waiting: so ours is held for no longer than it
//! takes to read the file.

use mapfile::Format;

use super::joint::{Guard, Joint};
use super::sort::Order;
use super::{MapType, Readers, TypeInfo, Values};

pub(super) const GDBM: TypeInfo = TypeInfo {
    map_type: MapType::Gdbm,
    name: "gdbm",
    suffix: ".gdbm",
    can_read: true,
    can_write: false,
    values: Values::One,
    readers: Readers::OtherPrograms,
};

pub(super) const JOINT: Joint =
    Joint { map_type: MapType::Gdbm, format: Format::Gdbm, order: Order::Keys, guard: Guard::Flock };
