//! CDB: Postfix's and tinycdb's, always written beside the old file and renamed.

use mapfile::Format;

use super::joint::{Guard, Joint};
use super::sort::Order;
use super::{MapType, Readers, TypeInfo, Values};

pub(super) const CDB: TypeInfo = TypeInfo {
    map_type: MapType::Cdb,
    name: "cdb",
    suffix: ".cdb",
    can_read: true,
    can_write: true,
    values: Values::Any,
    readers: Readers::OtherPrograms,
};

pub(super) const JOINT: Joint =
    Joint { map_type: MapType::Cdb, format: Format::Cdb, order: Order::Keys, guard: Guard::Replaced };
