//! Writing: what every builder takes and gives. The octets of a format are its own file's.
//!
//! A builder is fed records in the order that [`Format::rank`] asks for, keeps a bounded part of them in memory, and
//! writes whole pages to a [`PageSink`]. What was written is a map only after [`MapFileBuilder::finish`].

use std::io;

use crate::{Duplicates, Format};

/// Where a new file goes: positioned writes. What was never written between two writes is zeros.
pub trait PageSink {
    /// Writes all of `octets` from `offset` on.
    ///
    /// # Errors
    /// Whatever the file says.
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()>;
}

/// A file in memory.
impl PageSink for Vec<u8> {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(octets.len()).ok_or(io::ErrorKind::OutOfMemory)?;
        if self.len() < end {
            self.resize(end, 0);
        }
        self[start..end].copy_from_slice(octets);
        Ok(())
    }
}

impl<S: PageSink + ?Sized> PageSink for &mut S {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, octets)
    }
}

/// What is known of a map before its first record is added.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whether a key may have several values; [`Duplicates::Sorted`] is not built.
    pub duplicates: Duplicates,
    /// How much will come, at least: a hash chooses its number of buckets by it. More makes a larger file, less a
    /// slower one, and both are right.
    pub volume: Volume,
    /// Random octets, by which libdb tells open files apart (section 5.4 of the format).
    pub file_id: [u8; 12],
}

/// How much there is to store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Volume {
    /// How many records.
    pub records: u64,
    /// Octets of their keys and values, of which each counts for no more than [`Volume::MOST`].
    pub octets: u64,
}

impl Volume {
    /// What a longer key or value counts: with 4096-octet pages it is kept on pages of its own, and in its place
    /// stand a few octets.
    pub const MOST: usize = 1024;

    /// Counts one record more.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        self.octets += (key.len().min(Self::MOST) + value.len().min(Self::MOST)) as u64;
    }
}

/// A map file in the making.
pub trait MapFileBuilder {
    /// Adds a record. Records come in ascending order of rank (see [`Format::rank`]) and then key; equal keys only where
    /// the plan allows duplicates, in the order in which their values are to be kept.
    ///
    /// # Errors
    /// [`MapBuildError`]; the builder is of no more use then.
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError>;

    /// Writes what is still missing. The file is complete when this returns, and not before.
    ///
    /// # Errors
    /// [`MapBuildError`].
    fn finish(self: Box<Self>) -> Result<(), MapBuildError>;
}

/// Why a map file was not built.
#[derive(Debug, thiserror::Error)]
pub enum MapBuildError {
    /// The format is only read.
    #[error("this format is not written: {}", .0.name())]
    NotBuilt(Format),
    /// The format has one value for each key.
    #[error("this format holds one value for each key: {}", .0.name())]
    NoDuplicates(Format),
    /// Values sorted by themselves.
    #[error("duplicates that are sorted by value are not written: {}", .0.name())]
    NoSortedDuplicates(Format),
    /// A record before the one that came last, or with the same key where duplicates are refused.
    #[error("keys out of order")]
    Order,
    /// The format has no empty keys.
    #[error("an empty key cannot be stored")]
    EmptyKey,
    /// A key that the format cannot hold.
    #[error("a key of {octets} octets, more than the format can hold ({limit})")]
    KeyTooLong {
        /// Its length.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// A value that the format cannot hold.
    #[error("a value of {octets} octets, more than the format can hold ({limit})")]
    ValueTooLong {
        /// Its length.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// A file that the format cannot hold.
    #[error("the map becomes larger than its format allows, octets: {limit}")]
    FileTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sink failed.
    #[error("the file cannot be written: {0}")]
    Sink(#[from] io::Error),
}
