//! Leaves of trees, of the btree as of sets of duplicates: their items, given one after the other.

use super::dup::Item;
use super::overflow::{Chain, Stored};
use super::page::Page;
use super::tree::aligned;
use crate::{Fault, MapFileError};

/// A leaf on a walk.
pub(super) struct Leaf<'a> {
    page: Page<'a>,
    next: u16,
    /// What the items that are still to come can take at most. Items do not overlap in a sound file; if they might,
    /// a page could give thousands of times its size.
    room: usize,
}

impl<'a> Leaf<'a> {
    pub(super) fn new(page: Page<'a>) -> Self {
        let room = page.size();
        Self { page, next: 0, room }
    }

    pub(super) fn page(&self) -> &Page<'a> {
        &self.page
    }

    /// Takes the next `count` items, if there are any left: the index of the first.
    pub(super) fn take(&mut self, count: u16) -> Option<u16> {
        let first = self.next;
        if first >= self.page.items {
            return None;
        }
        self.next = first.saturating_add(count);
        Some(first)
    }

    /// Counts the octets of an item as used up.
    pub(super) fn charge(&mut self, index: u16) -> Result<(), MapFileError> {
        let octets = leaf_item(&self.page, index)?.octets;
        self.room = self
            .room
            .checked_sub(octets)
            .ok_or_else(|| self.page.damaged(Fault::ItemLength(octets as u32)))?;
        Ok(())
    }
}

/// An item of a leaf.
pub(super) struct LeafItem<'p> {
    /// What it is.
    pub(super) item: Item<'p>,
    /// Deleted, and only not yet removed.
    pub(super) deleted: bool,
    /// What it takes on the page.
    octets: usize,
}

/// Reads item `index` of a leaf of any tree.
pub(super) fn leaf_item<'p>(page: &'p Page<'_>, index: u16) -> Result<LeafItem<'p>, MapFileError> {
    let at = aligned(page, index)?;
    let kind = page.u8(at + 2)?;
    let (item, octets) = match kind & !DELETED {
        KEY_DATA => {
            let length = usize::from(page.u16(at)?);
            (Item::One(Stored::Here(page.octets(at + 3, length)?)), 3 + length)
        }
        OVERFLOW => (Item::One(Stored::Chain(chain(page, at)?)), LONG_ITEM_OCTETS),
        DUPLICATE => {
            page.octets(at, LONG_ITEM_OCTETS)?;
            (Item::Tree(page.u32(at + 4)?), LONG_ITEM_OCTETS)
        }
        other => return Err(page.damaged(Fault::ItemType(other))),
    };
    Ok(LeafItem { item, deleted: kind & DELETED != 0, octets })
}

/// Reads the key of pair `pair`.
pub(super) fn key<'p>(page: &'p Page<'_>, pair: u16) -> Result<Stored<'p>, MapFileError> {
    match leaf_item(page, 2 * pair)?.item {
        Item::One(stored) => Ok(stored),
        Item::Set(_) | Item::Tree(_) => Err(page.damaged(Fault::ItemType(DUPLICATE))),
    }
}

/// Reads the value of pair `pair`, none when the pair is deleted.
pub(super) fn value<'p>(page: &'p Page<'_>, pair: u16) -> Result<Option<Item<'p>>, MapFileError> {
    let key = leaf_item(page, 2 * pair)?;
    let value = leaf_item(page, 2 * pair + 1)?;
    Ok((!key.deleted && !value.deleted).then_some(value.item))
}

/// Reads a `B_OVERFLOW` item.
pub(super) fn chain(page: &Page<'_>, at: usize) -> Result<Chain, MapFileError> {
    page.octets(at, LONG_ITEM_OCTETS)?;
    Ok(Chain { first: page.u32(at + 4)?, length: page.u32(at + 8)? })
}

pub(super) const KEY_DATA: u8 = 1;
pub(super) const DUPLICATE: u8 = 2;
pub(super) const OVERFLOW: u8 = 3;
pub(super) const DELETED: u8 = 0x80;
/// `B_OVERFLOW` and `B_DUPLICATE`.
pub(super) const LONG_ITEM_OCTETS: usize = 12;
