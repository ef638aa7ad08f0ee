//! The bytes of map files: Berkeley DB hash and btree, CDB, LMDB and GDBM, read and (but for GDBM) written without the
//! libraries that belong to them.
//!
//! A file comes in as a [`PageSource`], positioned reads over octets that the caller has opened and judged, and
//! leaves as a [`MapReader`]: look-ups and records. Every octet is taken for hostile. Offsets, counts and page
//! numbers pass through `page.rs` alone, each walk visits a page once, and nothing is allocated on the word of the
//! file beyond [`Limits`]. The other way round a [`MapFileBuilder`] takes records in order and writes to a
//! [`PageSink`].
//!
//! A format is a file or folder below, a variant of [`Format`] and a line in each of [`open_as`] and [`build`]. Not
//! here: paths, locks, what a key or value means to mail, and redb.

mod bdb;
mod build;
mod cdb;
mod detect;
mod error;
mod gdbm;
mod lmdb;
mod octets;
mod page;

pub use build::{MapBuildError, MapFileBuilder, PageSink, Plan, Volume};
pub use detect::{DETECT_OCTETS, Detected, detect};
pub use error::{Fault, Feature, MapFileError, Place};
pub use lmdb::lmdb_transaction;
pub use page::{InPlace, Limits, PageSource, Whole, lend};

use std::sync::Arc;

/// Opens a map file by its magic number. CDB has none: see [`open_as`].
///
/// Only the metadata is read. A `source` that borrows gives a reader that borrows.
///
/// # Errors
/// - [`MapFileError::Empty`] for no octets at all (a writer may be about to fill it),
/// - [`MapFileError::Unknown`] without a known magic,
/// - [`MapFileError::NotRead`] for a format that is recognised only,
/// - [`MapFileError::Unsupported`] and [`MapFileError::Damaged`] by what the metadata says,
/// - [`MapFileError::TooLarge`] and [`MapFileError::Source`].
pub fn open<'a>(
    source: impl PageSource + 'a,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    let (detected, _) = detect::start_of(&source)?;
    let format = detected.format().ok_or(MapFileError::NotRead(detected))?;
    open_as(format, source, limits)
}

/// Opens a map file that is of this format, whatever else it might look like.
///
/// # Errors
/// As [`open`]; [`MapFileError::Unknown`] where the magic number is not that of the format.
pub fn open_as<'a>(
    format: Format,
    source: impl PageSource + 'a,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    if source.length() == 0 {
        return Err(MapFileError::Empty);
    }
    if source.length() > limits.file {
        return Err(MapFileError::TooLarge { octets: source.length(), limit: limits.file });
    }
    match format {
        Format::Hash | Format::Btree => bdb::open(source, format, limits),
        Format::Cdb => cdb::open(source, limits),
        Format::Lmdb => lmdb::open(source, limits),
        Format::Gdbm => gdbm::open(source, limits),
    }
}

/// Begins to write a map file of this format.
///
/// # Errors
/// [`MapBuildError::NotBuilt`], [`MapBuildError::NoDuplicates`], [`MapBuildError::Sink`].
pub fn build<'a>(
    format: Format,
    sink: impl PageSink + 'a,
    plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    match format {
        Format::Hash => bdb::build_hash(sink, plan),
        Format::Btree => bdb::build_btree(sink, plan),
        Format::Cdb => cdb::build(sink, plan),
        Format::Lmdb => lmdb::build(sink, plan),
        Format::Gdbm => Err(MapBuildError::NotBuilt(format)),
    }
}

/// A format that this crate reads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// Berkeley DB hash, versions 7 to 10; written as version 9, little endian.
    Hash,
    /// Berkeley DB btree, versions 8 to 10; written as version 9, little endian.
    Btree,
    /// D. J. Bernstein's constant database.
    Cdb,
    /// LMDB, data format 1, of 64-bit machines.
    Lmdb,
    /// GDBM, all layouts; only read.
    Gdbm,
}

impl Format {
    /// The word that makemap and postmap have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Btree => "btree",
            Self::Cdb => "cdb",
            Self::Lmdb => "lmdb",
            Self::Gdbm => "gdbm",
        }
    }

    /// Whether a file says by a magic number that it is of this format.
    pub fn has_magic(self) -> bool {
        self != Self::Cdb
    }

    /// What goes before the key when records are sorted for a builder: a hash wants those of one bucket together. 0 for
    /// all keys of a format that has the order of the keys.
    pub fn rank(self, key: &[u8]) -> u32 {
        match self {
            Self::Hash => bdb::rank(key),
            Self::Btree | Self::Cdb | Self::Lmdb | Self::Gdbm => 0,
        }
    }
}

/// Whether a map may hold several values for a key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Duplicates {
    /// One value for each key.
    Refused,
    /// Any number, in the order in which they were added.
    InOrder,
    /// Any number, sorted by value.
    Sorted,
}

/// A map file that has been opened.
pub trait MapReader: Send + Sync {
    /// Which format it is.
    fn format(&self) -> Format;

    /// Whether the file says that a key may have several values.
    fn duplicates(&self) -> Duplicates;

    /// The first value of exactly this key, in time that grows with the logarithm of the map, or with the one
    /// bucket.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError>;

    /// All records, streamed: in the order of the buckets (hash) or of the keys (btree), values of one key as the
    /// file has them. After an error there is nothing more.
    fn records(&self) -> Records<'_>;

    /// The value as mail programs look it up: the key as it is, then with a terminating NUL counted. A value that
    /// was found with the NUL loses its own.
    fn get_as_mail(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        if let Some(value) = self.get(key)? {
            return Ok(Some(value));
        }
        let mut counted = Vec::with_capacity(key.len() + 1);
        counted.extend_from_slice(key);
        counted.push(0);
        Ok(self.get(&counted)?.map(|mut value| {
            if value.last() == Some(&0) {
                value.pop();
            }
            value
        }))
    }
}

/// What [`MapReader::records`] gives.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record, MapFileError>> + Send + 'a>;

/// One key with one value. Not `Debug`: a value may be a password.
pub struct Record {
    /// The key, shared by all its duplicates.
    pub key: Arc<[u8]>,
    /// The value.
    pub value: Vec<u8>,
    /// How it relates to earlier records of the same key.
    pub occurrence: Occurrence,
}

/// Whether a key was met before.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Occurrence {
    /// The first value of its key: what a look-up finds.
    First,
    /// A further value, in a file that allows them.
    Further,
    /// The key stood before in a file that has no duplicates: no look-up ever finds this record. (libdb itself
    /// leaves such behind when many keys are kept off-page.)
    Shadowed,
}
