//! Berkeley DB, versions 3 to 18 of the library: what hash and btree share is below, one file for each of the two.
//!
//! Not here: writing, and the access methods that no mail program uses (recno, queue, heap).

mod btree;
mod dup;
mod hash;
mod leaf;
mod meta;
mod overflow;
mod page;
mod tree;

use crate::page::Order;
use crate::{Format, Limits, MapFileError, MapReader, PageSource};

/// Opens a file that [`detect`](crate::detect()) called `format`, in the byte order of its magic.
pub(crate) fn open<'a>(
    source: impl PageSource + 'a,
    format: Format,
    order: Order,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    let (meta, pages) = meta::open(source, format, order, limits)?;
    Ok(match format {
        Format::Hash => Box::new(hash::HashFile::new(&meta, pages)?),
        Format::Btree => Box::new(btree::BtreeFile::new(&meta, pages)?),
    })
}
