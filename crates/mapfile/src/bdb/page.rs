//! Pages but the first: header, index, and the checks that each page has to pass before anything on it is believed.

use crate::page::{Block, Order, Seen};
use crate::{Fault, MapFileError, PageSource};

/// The pages of a file whose metadata has been checked.
pub(super) struct Pages<S> {
    source: S,
    order: Order,
    size: u32,
    /// By the length of the file.
    count: u32,
    checksums: bool,
    /// The longest item off-page that is accepted.
    item_limit: u32,
}

impl<S: PageSource> Pages<S> {
    pub(super) fn new(
        source: S,
        order: Order,
        size: u32,
        count: u32,
        checksums: bool,
        item_limit: u32,
    ) -> Self {
        Self { source, order, size, count, checksums, item_limit }
    }

    /// How many pages there are, the metadata included.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Octets of data that an overflow page can hold.
    pub(super) fn capacity(&self) -> u32 {
        self.size - self.header_octets() as u32
    }

    /// The longest item that may be kept off-page: what the caller allows, and not more than the whole file.
    pub(super) fn longest_item(&self) -> u64 {
        u64::from(self.item_limit).min(u64::from(self.count) * u64::from(self.size))
    }

    /// Octets taken from a page, numbers in them in the order of the file.
    pub(super) fn block(&self, octets: &[u8]) -> Block<'static> {
        Block::new(octets.to_vec().into(), self.order)
    }

    /// Reads a page that this walk has not met, which has to be written.
    pub(super) fn read(&self, number: u32, seen: &mut Seen) -> Result<Page<'_>, MapFileError> {
        self.read_or_blank(number, seen)?.ok_or_else(|| MapFileError::damaged(number, Fault::PageType(0)))
    }

    /// The same, or `None` for a page that was never written: all zeros, its number too.
    pub(super) fn read_or_blank(
        &self,
        number: u32,
        seen: &mut Seen,
    ) -> Result<Option<Page<'_>>, MapFileError> {
        if number == 0 || number >= self.count {
            return Err(MapFileError::damaged(number, Fault::OutOfFile(number)));
        }
        seen.visit(number)?;
        let at = u64::from(number) * u64::from(self.size);
        let block = Block::new(self.source.read_at(at, self.size as usize)?, self.order);
        if block.is_blank() {
            return Ok(None);
        }
        if self.checksums && !checksum_fits(&block, CHECKSUM_AT) {
            return Err(MapFileError::damaged(number, Fault::Checksum));
        }
        Page::new(number, self.header_octets(), block).map(Some)
    }

    /// Where the index starts: after the checksum, where there is one.
    fn header_octets(&self) -> usize {
        if self.checksums { 32 } else { 26 }
    }
}

/// A page whose own number is right.
pub(super) struct Page<'a> {
    /// Its number.
    pub(super) number: u32,
    /// The page before, in a chain.
    pub(super) previous: u32,
    /// The next page of the chain, 0 = none.
    pub(super) next: u32,
    /// Items of the index; on overflow pages a count of references.
    pub(super) items: u16,
    /// End of free space; on overflow pages the octets used.
    pub(super) free_end: u16,
    /// Height above the leaves, which are 1.
    pub(super) level: u8,
    /// The type.
    pub(super) kind: u8,
    header: usize,
    block: Block<'a>,
}

impl<'a> Page<'a> {
    fn new(number: u32, header: usize, block: Block<'a>) -> Result<Self, MapFileError> {
        let short = || MapFileError::damaged(number, Fault::Short(block.len() as u64));
        let own = block.u32(8).ok_or_else(short)?;
        if own != number {
            return Err(MapFileError::damaged(number, Fault::OwnNumber(own)));
        }
        Ok(Self {
            number,
            previous: block.u32(12).ok_or_else(short)?,
            next: block.u32(16).ok_or_else(short)?,
            items: block.u16(20).ok_or_else(short)?,
            free_end: block.u16(22).ok_or_else(short)?,
            level: block.u8(24).ok_or_else(short)?,
            kind: block.u8(25).ok_or_else(short)?,
            header,
            block,
        })
    }

    /// Fails unless the index fits the page, and for [`Items::Pairs`] is even.
    pub(super) fn check_index(&self, items: Items) -> Result<(), MapFileError> {
        if self.index_end() > self.block.len() {
            return Err(self.damaged(Fault::ItemCount(self.items)));
        }
        if items == Items::Pairs && !self.items.is_multiple_of(2) {
            return Err(self.damaged(Fault::OddItems(self.items)));
        }
        Ok(())
    }

    /// Where an item starts: not inside header or index, nor beyond the page.
    pub(super) fn offset(&self, item: u16) -> Result<usize, MapFileError> {
        let offset = (item < self.items)
            .then(|| self.block.u16(self.header + 2 * usize::from(item)))
            .flatten()
            .ok_or_else(|| self.damaged(Fault::ItemCount(item)))?;
        let offset = usize::from(offset);
        if offset < self.index_end() || offset >= self.block.len() {
            return Err(self.damaged(Fault::ItemOffset(offset as u32)));
        }
        Ok(offset)
    }

    /// Octets of an item, which have to be on the page.
    pub(super) fn octets(&self, at: usize, length: usize) -> Result<&[u8], MapFileError> {
        at.checked_add(length)
            .and_then(|end| self.block.slice(at..end))
            .ok_or_else(|| self.damaged(Fault::ItemLength(u32::try_from(length).unwrap_or(u32::MAX))))
    }

    /// Octets after the header: the data of an overflow page.
    pub(super) fn data(&self, length: usize) -> Result<&[u8], MapFileError> {
        self.octets(self.header, length)
    }

    pub(super) fn u8(&self, at: usize) -> Result<u8, MapFileError> {
        self.block.u8(at).ok_or_else(|| self.damaged(Fault::ItemOffset(at as u32)))
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, MapFileError> {
        self.block.u16(at).ok_or_else(|| self.damaged(Fault::ItemOffset(at as u32)))
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| self.damaged(Fault::ItemOffset(at as u32)))
    }

    /// Octets of the whole page.
    pub(super) fn size(&self) -> usize {
        self.block.len()
    }

    pub(super) fn damaged(&self, fault: Fault) -> MapFileError {
        MapFileError::damaged(self.number, fault)
    }

    pub(super) fn wrong_type(&self) -> MapFileError {
        self.damaged(Fault::PageType(self.kind))
    }

    fn index_end(&self) -> usize {
        self.header + 2 * usize::from(self.items)
    }
}

/// How the items of a page belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Items {
    /// Key, value, key, value.
    Pairs,
    /// Each for itself.
    Single,
}

/// Whether the sum at `at` is that of the block, its own four octets counted as zeros.
pub(super) fn checksum_fits(block: &Block<'_>, at: usize) -> bool {
    let sum = |sum: u32, octets: &[u8]| {
        octets.iter().fold(sum, |sum, &octet| sum.wrapping_mul(33).wrapping_add(u32::from(octet)))
    };
    let (Some(before), Some(after)) = (block.slice(0..at), block.slice(at + 4..block.len())) else {
        return false;
    };
    Some(sum(sum(sum(0, before), &[0; 4]), after)) == block.u32(at)
}

const CHECKSUM_AT: usize = 28;

/// Page types (section 1.4 of the format).
pub(super) mod kind {
    pub(in crate::bdb) const HASH_UNSORTED: u8 = 2;
    pub(in crate::bdb) const INTERNAL: u8 = 3;
    pub(in crate::bdb) const RECNO_INTERNAL: u8 = 4;
    pub(in crate::bdb) const LEAF: u8 = 5;
    pub(in crate::bdb) const RECNO_LEAF: u8 = 6;
    pub(in crate::bdb) const OVERFLOW: u8 = 7;
    pub(in crate::bdb) const DUPLICATE_LEAF: u8 = 12;
    pub(in crate::bdb) const HASH: u8 = 13;
}
