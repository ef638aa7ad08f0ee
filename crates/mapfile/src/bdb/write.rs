//! Writing version 9, little endian, which every libdb since 4.6 reads: what hash and btree share is here and in `page`,
//! `meta`, `tree` and `dup`, one file for each of the two.
//!
//! Memory is bounded by a few pages, a bucket and the longest key: an item that is long goes to pages of its own at
//! once. What may be a password is wiped when it is no longer needed. Not here: sorting, and adding to a file that
//! exists.

mod btree;
mod bucket;
mod dup;
mod hash;
mod meta;
mod page;
mod tree;

pub(super) use btree::BtreeBuilder;
pub(super) use hash::HashBuilder;

use self::page::{Links, PageBuffer};
use super::overflow::{Chain, Stored};
use super::page::kind;
use crate::{Duplicates, Format, MapBuildError, PageSink, Plan};

/// The pages of a new file: numbers given out one after the other, and written at any time.
struct PageWriter<S> {
    sink: S,
    size: usize,
    /// How many numbers were given out, the metadata included.
    count: u32,
    overflow: PageBuffer,
}

impl<S: PageSink> PageWriter<S> {
    /// Begins a file with `reserved` pages after the metadata, which get the numbers from 1 on.
    fn new(sink: S, size: usize, reserved: u32) -> Self {
        let overflow = PageBuffer::new(size, kind::OVERFLOW, 0);
        Self { sink, size, count: reserved + 1, overflow }
    }

    /// Gives out the next `pages` numbers: the first of them.
    fn allocate(&mut self, pages: u32) -> Result<u32, MapBuildError> {
        let first = self.count;
        self.count = first.checked_add(pages).ok_or_else(|| too_large(self.size))?;
        Ok(first)
    }

    fn write(&mut self, number: u32, octets: &[u8]) -> Result<(), MapBuildError> {
        let at = u64::from(number) * self.size as u64;
        Ok(self.sink.write_at(at, octets)?)
    }

    /// What stands for `octets` on a page: they themselves up to `limit`, else the chain that they are written to.
    fn store<'o>(&mut self, octets: &'o [u8], limit: usize) -> Result<Stored<'o>, MapBuildError> {
        if octets.len() <= limit {
            return Ok(Stored::Here(octets));
        }
        self.write_chain(octets).map(Stored::Chain)
    }

    /// Writes pages of their own for `octets`, next to each other: all are full but the last.
    fn write_chain(&mut self, octets: &[u8]) -> Result<Chain, MapBuildError> {
        let length = u32::try_from(octets.len()).map_err(|_| too_large(self.size))?;
        let part = page::capacity(self.size);
        let pages = length.div_ceil(part as u32);
        let first = self.allocate(pages)?;
        let end = first + pages;
        for (number, octets) in (first..).zip(octets.chunks(part)) {
            let links = Links {
                number,
                previous: if number == first { 0 } else { number - 1 },
                next: if number + 1 == end { 0 } else { number + 1 },
            };
            let page = self.overflow.seal_overflow(octets, links);
            self.sink.write_at(u64::from(number) * self.size as u64, page)?;
        }
        Ok(Chain { first, length })
    }
}

/// Fails where one value for each key is not what is wanted, nor several in order.
fn check_duplicates(format: Format, plan: &Plan) -> Result<(), MapBuildError> {
    match plan.duplicates {
        Duplicates::Refused | Duplicates::InOrder => Ok(()),
        Duplicates::Sorted => Err(MapBuildError::NoSortedDuplicates(format)),
    }
}

/// Page numbers have 32 bits.
fn too_large(page_octets: usize) -> MapBuildError {
    MapBuildError::FileTooLarge { limit: u64::from(u32::MAX) * page_octets as u64 }
}

/// Of a new file. The size of the pages of most file systems, and so of nearly every map that libdb made.
pub(super) const PAGE_OCTETS: usize = 4096;

#[cfg(test)]
mod tests;
