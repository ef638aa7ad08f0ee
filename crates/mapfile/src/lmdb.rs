//! LMDB: two meta pages, each with a tree of branch and leaf pages, and long values in runs of pages of their own. A
//! transaction writes what it changes to free pages and then one of the two meta pages, so the tree of the other one
//! is still whole (section 9 of the format).
//!
//! Read and written is what 64-bit little-endian machines make: one database without a name, no flags. Not here: locks,
//! and changing a file in place.

mod meta;
mod page;
mod read;
mod write;

use crate::{
    Duplicates, Format, Limits, MapBuildError, MapFileBuilder, MapFileError, MapReader, PageSink, PageSource,
    Plan,
};

/// The number of the transaction that last changed an LMDB file.
///
/// A live file is read without the library's locks by asking for the number, copying the file, and asking again: where
/// both are the same, the copy is whole.
///
/// # Errors
/// As [`open_as`](crate::open_as), by what the meta pages say.
pub fn lmdb_transaction(source: &impl PageSource) -> Result<u64, MapFileError> {
    if source.length() == 0 {
        return Err(MapFileError::Empty);
    }
    meta::newest(source).map(|meta| meta.transaction)
}

/// Opens a file by its meta pages, which are all that is read.
pub(crate) fn open<'a>(
    source: impl PageSource + 'a,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    Ok(Box::new(read::LmdbFile::new(source, limits)?))
}

/// Begins a file of one transaction, packed and without a free page. Memory is that of a leaf and of two branch pages
/// for each level above.
pub(crate) fn build<'a>(
    sink: impl PageSink + 'a,
    plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    match plan.duplicates {
        Duplicates::Refused => Ok(Box::new(write::LmdbBuilder::new(sink))),
        Duplicates::InOrder | Duplicates::Sorted => Err(MapBuildError::NoDuplicates(Format::Lmdb)),
    }
}

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;
/// "No page": the root of an empty tree.
const NO_PAGE: u64 = u64::MAX;
/// Page number, flags, bounds of free space; on the first page of a run the number of its pages.
const HEADER_OCTETS: usize = 16;
/// Before the key of a node.
const NODE_OCTETS: usize = 8;

/// Flags of a page, of which one at a time is set.
mod kind {
    pub(super) const BRANCH: u16 = 0x01;
    pub(super) const LEAF: u16 = 0x02;
    pub(super) const OVERFLOW: u16 = 0x04;
    pub(super) const META: u16 = 0x08;
}

/// Flags of a node on a leaf.
mod node {
    /// The value is kept in a run of pages, and the number of the first stands in its place.
    pub(super) const BIG: u16 = 0x01;
    /// The value describes another database.
    pub(super) const SUBDATABASE: u16 = 0x02;
}
