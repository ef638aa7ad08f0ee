//! What a file is, by its magic number; never by its name.

use crate::page::{Order, read_up_to};
use crate::{Format, MapFileError, PageSource};

/// How many octets from the start of a file [`detect`] looks at.
pub const DETECT_OCTETS: usize = 20;

/// A format that a magic number names. CDB has none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Detected {
    /// Berkeley DB hash.
    Hash,
    /// Berkeley DB btree.
    Btree,
    /// Berkeley DB queue: record numbers, no keys.
    Queue,
    /// Berkeley DB heap: record numbers, no keys.
    Heap,
    /// Berkeley DB 1.85 hash, as the C library of the BSDs writes it.
    Hash185,
    /// Berkeley DB 1.85 btree.
    Btree185,
    /// GDBM, all layouts.
    Gdbm,
    /// LMDB, of 64-bit and of 32-bit machines.
    Lmdb,
}

impl Detected {
    /// The format that is read, if it is one.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Hash => Some(Format::Hash),
            Self::Btree => Some(Format::Btree),
            Self::Gdbm => Some(Format::Gdbm),
            Self::Lmdb => Some(Format::Lmdb),
            Self::Queue | Self::Heap | Self::Hash185 | Self::Btree185 => None,
        }
    }

    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "Berkeley DB hash",
            Self::Btree => "Berkeley DB btree",
            Self::Queue => "Berkeley DB queue",
            Self::Heap => "Berkeley DB heap",
            Self::Hash185 => "Berkeley DB 1.85 hash",
            Self::Btree185 => "Berkeley DB 1.85 btree",
            Self::Gdbm => "GDBM",
            Self::Lmdb => "LMDB",
        }
    }
}

/// Names the format of a file that starts with `start` (the first [`DETECT_OCTETS`], or all there are).
pub fn detect(start: &[u8]) -> Option<Detected> {
    find(start).map(|(format, _)| format)
}

/// The same for an open file, with the byte order that the magic gives away.
pub(crate) fn start_of(source: &impl PageSource) -> Result<(Detected, Order), MapFileError> {
    if source.length() == 0 {
        return Err(MapFileError::Empty);
    }
    let start = read_up_to(source, DETECT_OCTETS)?;
    find(&start).ok_or(MapFileError::Unknown)
}

fn find(start: &[u8]) -> Option<(Detected, Order)> {
    MAGICS.iter().find_map(|&(at, magic, format)| {
        let octets: [u8; 4] = start.get(at..at + 4)?.try_into().ok()?;
        [Order::Little, Order::Big]
            .into_iter()
            .find(|order| order.u32(octets) == magic)
            .map(|order| (format, order))
    })
}

/// Offset, value, format. Those of today's Berkeley DB first: the octets before theirs are a log position, which
/// could look like anything.
const MAGICS: [(usize, u32, Detected); 13] = [
    (12, 0x0006_1561, Detected::Hash),
    (12, 0x0005_3162, Detected::Btree),
    (12, 0x0004_2253, Detected::Queue),
    (12, 0x0007_4582, Detected::Heap),
    (16, 0xBEEF_C0DE, Detected::Lmdb),
    (12, 0xBEEF_C0DE, Detected::Lmdb),
    (0, 0x1357_9ACD, Detected::Gdbm),
    (0, 0x1357_9ACE, Detected::Gdbm),
    (0, 0x1357_9ACF, Detected::Gdbm),
    (0, 0x1357_9AD0, Detected::Gdbm),
    (0, 0x1357_9AD1, Detected::Gdbm),
    (0, 0x0006_1561, Detected::Hash185),
    (0, 0x0005_3162, Detected::Btree185),
];
