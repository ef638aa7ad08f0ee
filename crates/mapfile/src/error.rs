//! What can be wrong with a map file. Page and field are named, their numbers given; never an octet of a key or a
//! value.

use std::fmt;

use crate::Detected;

/// Why a map file could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum MapFileError {
    /// The file has no octets. The real makemap leaves it so between creating and writing: try again.
    #[error("the file is empty; it may be about to be written")]
    Empty,
    /// No magic number that is known.
    #[error("not a Berkeley DB file, nor another format that is known by its magic number")]
    Unknown,
    /// A format that is recognised, but not read here.
    #[error("the file is in a format that is not read: {}", .0.name())]
    NotRead(Detected),
    /// A feature of the format that maps do not have and that is not read.
    #[error("the file uses something that maps do not have: {0}")]
    Unsupported(Feature),
    /// The file contradicts its format.
    #[error("{place}: {fault}")]
    Damaged {
        /// Where it was seen.
        place: Place,
        /// What is wrong there.
        fault: Fault,
    },
    /// More than the caller's [`Limits`](crate::Limits) allow.
    #[error("the file has {octets} octets, more than the limit of {limit}")]
    TooLarge {
        /// Its length.
        octets: u64,
        /// The limit.
        limit: u64,
    },
    /// The source failed.
    #[error("the file cannot be read: {0}")]
    Source(#[from] std::io::Error),
}

impl MapFileError {
    /// Damage on a page.
    pub(crate) fn damaged(page: u32, fault: Fault) -> Self {
        Self::Damaged { place: Place::Page(page), fault }
    }

    /// Damage in a format without pages.
    pub(crate) fn damaged_at(offset: u64, fault: Fault) -> Self {
        Self::Damaged { place: Place::Octet(offset), fault }
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A page; 0 is the metadata.
    Page(u32),
    /// So many octets from the start, in formats without pages.
    Octet(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(page) => write!(f, "page {page}"),
            Self::Octet(offset) => write!(f, "octet {offset}"),
        }
    }
}

/// A feature of Berkeley DB that is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feature {
    /// A version of the format that this release does not know.
    Version(u32),
    /// Encrypted pages.
    Encryption(u8),
    /// Bits of the metadata flags other than checksums: partitions, slices, or unknown.
    MetaFlags(u8),
    /// Partitions without their flag.
    Partitions(u32),
    /// Several databases in one file.
    Subdatabases,
    /// Bits of the flags of hash or btree that are not known or not for maps: record numbers as keys, fixed
    /// lengths, renumbering, compression, slices.
    Flags(u32),
    /// A hash function other than the one that is built into libdb.
    HashFunction(u32),
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(number) => write!(f, "format version {number}"),
            Self::Encryption(kind) => write!(f, "encryption {kind}"),
            Self::MetaFlags(bits) => write!(f, "partitions, slices or unknown metadata flags {bits:#x}"),
            Self::Partitions(number) => write!(f, "{number} partitions"),
            Self::Subdatabases => write!(f, "several databases in one file"),
            Self::Flags(bits) => write!(f, "record numbers, compression or unknown flags {bits:#x}"),
            Self::HashFunction(charkey) => write!(f, "a hash function of its own, check value {charkey:#x}"),
        }
    }
}

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A field of a format that has no word of its own for it below: its name, and what stands there.
    #[error("{0}: {1}")]
    Field(&'static str, u64),
    /// The file ends inside its metadata.
    #[error("the file ends inside its metadata, after octet {0}")]
    Short(u64),
    /// The page size is no power of two from 512 to 65536.
    #[error("page size {0}")]
    PageSize(u32),
    /// The length of the file is no multiple of its page size.
    #[error("file length {length} is no multiple of the page size {page_size}")]
    Length {
        /// Octets in the file.
        length: u64,
        /// Octets of a page.
        page_size: u32,
    },
    /// The metadata names a last page beyond the end of the file.
    #[error("the last page is said to be {last}, the file has {pages} pages")]
    LastPage {
        /// What it says.
        last: u32,
        /// What there is.
        pages: u32,
    },
    /// A page number is 0 or beyond the end of the file.
    #[error("page number out of the file: {0}")]
    OutOfFile(u32),
    /// A page says that it is another.
    #[error("the page says that it is page {0}")]
    OwnNumber(u32),
    /// A page of a type that cannot stand here.
    #[error("unexpected page type {0}")]
    PageType(u8),
    /// The checksum does not fit.
    #[error("checksum mismatch")]
    Checksum,
    /// Two ways lead to the same page, or it leads to itself.
    #[error("the page is reached twice")]
    ReachedTwice,
    /// A page of a bucket names another predecessor.
    #[error("the page before is said to be {found}, it is {expected}")]
    Previous {
        /// What the page says.
        found: u32,
        /// Where the walk came from.
        expected: u32,
    },
    /// A page that looks unused, but is not all zeros.
    #[error("the page is neither written nor blank")]
    NotBlank,
    /// More items than the page can hold.
    #[error("number of items does not fit: {0}")]
    ItemCount(u16),
    /// Keys and values come in pairs.
    #[error("odd number of items: {0}")]
    OddItems(u16),
    /// A page of a tree without a child.
    #[error("no item on an internal page")]
    NoChild,
    /// The place of an item is outside its page, misaligned, or out of order.
    #[error("item at offset {0}")]
    ItemOffset(u32),
    /// An item reaches beyond the place that it has.
    #[error("item of {0} octets")]
    ItemLength(u32),
    /// An item of a type that cannot stand here.
    #[error("item type {0}")]
    ItemType(u8),
    /// A set of duplicates contradicts itself.
    #[error("duplicate of {0} octets")]
    DuplicateLength(u16),
    /// Duplicates in a file that says it has none.
    #[error("duplicates in a file without them")]
    NoDuplicates,
    /// A page of a tree stands on the wrong level.
    #[error("level {found} where {expected} is expected")]
    Level {
        /// What the page says.
        found: u8,
        /// What its parent asks for, or the least for its type.
        expected: u8,
    },
    /// An item kept off-page is longer than the file or the limit.
    #[error("item of {0} octets kept off-page")]
    OffPageLength(u32),
    /// A page of an off-page item holds an impossible number of octets.
    #[error("off-page part of {0} octets")]
    OffPagePart(u16),
    /// The chain of an off-page item ends early, or goes on after the end.
    #[error("off-page item of {length} octets ends after {found}")]
    OffPageEnd {
        /// The length that its owner gives.
        length: u32,
        /// What the chain holds.
        found: u64,
    },
    /// The root of the btree is page 0 or beyond the end.
    #[error("root page {0}")]
    Root(u32),
    /// More buckets than pages, or 2^31 and more.
    #[error("highest bucket {0}")]
    MaxBucket(u32),
    /// The masks of the hash do not fit the highest bucket.
    #[error("hash masks {high:#x}, {low:#x}")]
    Masks {
        /// `high_mask`
        high: u32,
        /// `low_mask`
        low: u32,
    },
    /// A bucket would be outside the file.
    #[error("bucket {0} is outside the file")]
    Bucket(u32),
}
