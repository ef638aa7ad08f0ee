//! Berkeley DB, versions 3 to 18 of the library: what hash and btree share is below, one file for each of the two;
//! `write` has the way back.
//!
//! Not here: the access methods that no mail program uses (recno, queue, heap).

mod btree;
mod dup;
mod hash;
mod leaf;
mod meta;
mod overflow;
mod page;
mod tree;
mod write;

use crate::{
    Format, Limits, MapBuildError, MapFileBuilder, MapFileError, MapReader, PageSink, PageSource, Plan,
    detect,
};

/// Opens a file in the byte order of its magic number.
pub(crate) fn open<'a>(
    source: impl PageSource + 'a,
    format: Format,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    let (detected, order) = detect::start_of(&source)?;
    if detected.format() != Some(format) {
        return Err(MapFileError::Unknown);
    }
    let (meta, pages) = meta::open(source, format, order, limits)?;
    Ok(match format {
        Format::Hash => Box::new(hash::HashFile::new(&meta, pages)?),
        _ => Box::new(btree::BtreeFile::new(&meta, pages)?),
    })
}

/// Begins a hash.
pub(crate) fn build_hash<'a>(
    sink: impl PageSink + 'a,
    plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    Ok(Box::new(write::HashBuilder::new(sink, plan, write::PAGE_OCTETS)?))
}

/// Begins a btree.
pub(crate) fn build_btree<'a>(
    sink: impl PageSink + 'a,
    plan: &Plan,
) -> Result<Box<dyn MapFileBuilder + 'a>, MapBuildError> {
    Ok(Box::new(write::BtreeBuilder::new(sink, plan, write::PAGE_OCTETS)?))
}

/// Keys of one bucket together, whatever power of two the number of buckets is: the hash with its lowest bit first.
pub(crate) fn rank(key: &[u8]) -> u32 {
    hash::hash(key).reverse_bits()
}
