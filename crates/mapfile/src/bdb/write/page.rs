//! One page in memory: header and index from the front, items from the end downwards (section 1.4 of the format).

use super::PageWriter;
use crate::octets::Octets;
use crate::{MapBuildError, PageSink};

/// A page that is being filled, used again for the next.
pub(super) struct PageBuffer {
    octets: Octets,
    kind: u8,
    level: u8,
    items: usize,
    /// Where the lowest item starts.
    free_end: usize,
}

/// A page's own number and its neighbours in a chain, 0 = none.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) number: u32,
    /// Internal pages of a tree of duplicates keep their count of records here.
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl PageBuffer {
    pub(super) fn new(size: usize, kind: u8, level: u8) -> Self {
        Self { octets: Octets::zeros(size), kind, level, items: 0, free_end: size }
    }

    /// How many items there are.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Whether so many items more, of so many octets together, have room.
    pub(super) fn fits(&self, items: usize, octets: usize) -> bool {
        HEADER_OCTETS + INDEX_OCTETS * (self.items + items) + octets <= self.free_end
    }

    /// Takes room for an item or several below those that are there, to be filled: where it is.
    pub(super) fn place(&mut self, octets: &[u8]) -> usize {
        let end = self.free_end;
        self.free_end -= octets.len();
        self.octets[self.free_end..end].copy_from_slice(octets);
        self.free_end
    }

    /// Adds an item that stands at `offset` to the index.
    pub(super) fn index(&mut self, offset: usize) {
        let at = HEADER_OCTETS + INDEX_OCTETS * self.items;
        put_u16(&mut self.octets, at, offset);
        self.items += 1;
    }

    /// Writes the page and begins an empty one.
    pub(super) fn write<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        links: Links,
    ) -> Result<(), MapBuildError> {
        let gap = HEADER_OCTETS + INDEX_OCTETS * self.items..self.free_end;
        // What stood there on a page before is not a part of this one.
        self.octets[gap].fill(0);
        self.put_header(links, self.items, self.free_end);
        pages.write(links.number, &self.octets)?;
        self.items = 0;
        self.free_end = self.octets.len();
        Ok(())
    }

    /// Makes it the overflow page with this part of an item.
    pub(super) fn seal_overflow(&mut self, part: &[u8], links: Links) -> &[u8] {
        let (data, rest) = self.octets[HEADER_OCTETS..].split_at_mut(part.len());
        data.copy_from_slice(part);
        rest.fill(0);
        // One item refers to each page of the chain.
        self.put_header(links, 1, part.len());
        &self.octets
    }

    fn put_header(&mut self, links: Links, items: usize, free_end: usize) {
        put_lsn(&mut self.octets);
        put_u32(&mut self.octets, 8, links.number);
        put_u32(&mut self.octets, 12, links.previous);
        put_u32(&mut self.octets, 16, links.next);
        put_u16(&mut self.octets, 20, items);
        put_u16(&mut self.octets, 22, free_end);
        self.octets[24] = self.level;
        self.octets[25] = self.kind;
    }
}

/// Octets of a page of this size that are not header.
pub(super) fn capacity(size: usize) -> usize {
    size - HEADER_OCTETS
}

/// What stands in a field for a log position in files that have no log: (0, 1).
pub(super) fn put_lsn(page: &mut [u8]) {
    put_u32(page, 0, 0);
    put_u32(page, 4, 1);
}

pub(super) fn put_u32(page: &mut [u8], at: usize, number: u32) {
    page[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// Numbers of a page fit, with one exception that is so in the format: the end of a page of 65536 octets is 0.
fn put_u16(page: &mut [u8], at: usize, number: usize) {
    page[at..at + 2].copy_from_slice(&(number as u16).to_le_bytes());
}

pub(super) const HEADER_OCTETS: usize = 26;
pub(super) const INDEX_OCTETS: usize = 2;
