//! Btree: leaves of pairs in the order of their keys, under internal pages of separators.

use std::cmp::Ordering;
use std::sync::Arc;

use super::dup::{Item, Values};
use super::meta::{Meta, damaged};
use super::overflow::Chain;
use super::page::{Page, Pages};
use super::tree::{self, INTERNAL_OCTETS, Leaves, Node, Shape, aligned};
use crate::page::Seen;
use crate::{Duplicates, Fault, Format, MapFileError, MapReader, Occurrence, PageSource, Record, Records};

/// A btree whose metadata has been checked.
pub(super) struct BtreeFile<S> {
    pages: Pages<S>,
    duplicates: Duplicates,
    root: u32,
}

impl<S: PageSource> BtreeFile<S> {
    pub(super) fn new(meta: &Meta, pages: Pages<S>) -> Result<Self, MapFileError> {
        meta.check_flags(DUPLICATES | RECORD_NUMBERS | SORTED, SUBDATABASES)?;
        let root = meta.u32(88)?;
        if root == 0 || root >= pages.count() {
            return Err(damaged(Fault::Root(root)));
        }
        Ok(Self { pages, duplicates: meta.duplicates(DUPLICATES, SORTED), root })
    }

    /// Goes down to the one leaf that may hold `key`.
    fn leaf_for(&self, key: &[u8], seen: &mut Seen) -> Result<Page<'_>, MapFileError> {
        let mut page = self.pages.read(self.root, seen)?;
        while let Node::Internal = tree::check(&page, Shape::Main)? {
            let item = self.child_for(&page, key)?;
            page = tree::child(&self.pages, &page, item, seen)?;
        }
        Ok(page)
    }

    /// The last child whose separator is not greater than `key`. The first separator is never looked at: it counts
    /// as less than any key, and its octets may be stale.
    fn child_for(&self, page: &Page<'_>, key: &[u8]) -> Result<u16, MapFileError> {
        first_where(1, page.items, |item| {
            self.compare(&separator(page, item)?, key).map(|order| order == Ordering::Greater)
        })
        .map(|above| above - 1)
    }

    /// The first pair on a leaf whose key is not less than `key`.
    fn pair_for(&self, leaf: &Page<'_>, key: &[u8]) -> Result<u16, MapFileError> {
        first_where(0, leaf.items / 2, |pair| {
            self.compare(&key_item(leaf, pair)?, key).map(|order| order != Ordering::Less)
        })
    }

    /// Octets compare as unsigned numbers, and a prefix sorts before what it is a prefix of.
    fn compare(&self, item: &Item<'_>, key: &[u8]) -> Result<Ordering, MapFileError> {
        match item {
            Item::Chain(chain) => chain.compare(&self.pages, key),
            Item::Here(octets) | Item::Set(octets) => Ok((*octets).cmp(key)),
            Item::Tree(root) => Err(MapFileError::damaged(*root, Fault::ItemType(DUPLICATE))),
        }
    }

    fn values(&self, leaf: &Page<'_>, item: &Item<'_>, seen: &mut Seen) -> Result<Values<'_>, MapFileError> {
        if matches!(item, Item::Tree(_)) && self.duplicates == Duplicates::Refused {
            return Err(leaf.damaged(Fault::NoDuplicates));
        }
        Values::of(&self.pages, leaf.number, item, seen)
    }
}

impl<S: PageSource> MapReader for BtreeFile<S> {
    fn format(&self) -> Format {
        Format::Btree
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        let mut seen = Seen::default();
        let leaf = self.leaf_for(key, &mut seen)?;
        for pair in self.pair_for(&leaf, key)?..leaf.items / 2 {
            if self.compare(&key_item(&leaf, pair)?, key)?.is_ne() {
                break;
            }
            if let Some(item) = value_item(&leaf, pair)? {
                return self.values(&leaf, &item, &mut seen)?.next(&self.pages, &mut seen);
            }
        }
        Ok(None)
    }

    fn records(&self) -> Records<'_> {
        Box::new(BtreeRecords {
            file: self,
            seen: Seen::default(),
            leaves: None,
            started: false,
            place: None,
            key: None,
            values: Values::Done,
        })
    }
}

/// A walk over all leaves.
struct BtreeRecords<'a, S> {
    file: &'a BtreeFile<S>,
    seen: Seen,
    leaves: Option<Leaves<'a>>,
    started: bool,
    /// The leaf and the pair on it that is next.
    place: Option<(Page<'a>, u16)>,
    key: Option<Key>,
    values: Values<'a>,
}

/// The key whose values are being given.
struct Key {
    octets: Arc<[u8]>,
    /// The leaf and the offset on it that it was read from: pairs with the same key share it.
    from: (u32, usize),
    /// What to say of its next value.
    occurrence: Occurrence,
}

impl<'a, S: PageSource> BtreeRecords<'a, S> {
    fn step(&mut self) -> Result<Option<Record>, MapFileError> {
        loop {
            if let Some(key) = &mut self.key {
                if let Some(value) = self.values.next(&self.file.pages, &mut self.seen)? {
                    let record = Record { key: Arc::clone(&key.octets), value, occurrence: key.occurrence };
                    key.occurrence = self.file.again();
                    return Ok(Some(record));
                }
            }
            if !self.next_pair()? {
                return Ok(None);
            }
        }
    }

    fn next_pair(&mut self) -> Result<bool, MapFileError> {
        loop {
            if let Some((leaf, pair)) = self.place.take_if(|(leaf, pair)| *pair < leaf.items / 2) {
                self.take_pair(&leaf, pair)?;
                self.place = Some((leaf, pair + 1));
                return Ok(true);
            }
            match self.next_leaf()? {
                Some(leaf) => self.place = Some((leaf, 0)),
                None => return Ok(false),
            }
        }
    }

    fn next_leaf(&mut self) -> Result<Option<Page<'a>>, MapFileError> {
        if !self.started {
            self.started = true;
            let root = self.file.pages.read(self.file.root, &mut self.seen)?;
            self.leaves = Some(Leaves::new(root, Shape::Main));
        }
        match &mut self.leaves {
            Some(leaves) => leaves.next(&self.file.pages, &mut self.seen),
            None => Ok(None),
        }
    }

    fn take_pair(&mut self, leaf: &Page<'a>, pair: u16) -> Result<(), MapFileError> {
        let Some(value) = value_item(leaf, pair)? else {
            self.values = Values::Done;
            return Ok(());
        };
        self.take_key(leaf, pair)?;
        self.values = self.file.values(leaf, &value, &mut self.seen)?;
        Ok(())
    }

    /// Reads the key of a pair, unless it is the very item that was read last.
    fn take_key(&mut self, leaf: &Page<'a>, pair: u16) -> Result<(), MapFileError> {
        let from = (leaf.number, aligned(leaf, 2 * pair)?);
        if self.key.as_ref().is_some_and(|key| key.from == from) {
            return Ok(());
        }
        let octets: Arc<[u8]> = match key_item(leaf, pair)? {
            Item::Chain(chain) => chain.read(&self.file.pages, &mut self.seen)?.into(),
            Item::Here(octets) | Item::Set(octets) => octets.into(),
            Item::Tree(_) => return Err(leaf.damaged(Fault::ItemType(DUPLICATE))),
        };
        let again = self.key.as_ref().is_some_and(|key| key.octets == octets);
        let occurrence = if again { self.file.again() } else { Occurrence::First };
        self.key = Some(Key { octets, from, occurrence });
        Ok(())
    }
}

impl<S: PageSource> BtreeFile<S> {
    /// What a record is whose key has been met.
    fn again(&self) -> Occurrence {
        if self.duplicates == Duplicates::Refused { Occurrence::Shadowed } else { Occurrence::Further }
    }
}

impl<S: PageSource> Iterator for BtreeRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.started = true;
            self.leaves = None;
            self.place = None;
            self.key = None;
        }
        step.transpose()
    }
}

/// An item of a leaf.
pub(super) struct LeafItem<'p> {
    /// Where its octets are.
    pub(super) item: Item<'p>,
    /// Deleted, and only not yet removed.
    pub(super) deleted: bool,
}

/// Reads item `index` of a leaf of any tree.
pub(super) fn leaf_item<'p>(page: &'p Page<'_>, index: u16) -> Result<LeafItem<'p>, MapFileError> {
    let at = aligned(page, index)?;
    let kind = page.u8(at + 2)?;
    let item = match kind & !DELETED {
        KEY_DATA => Item::Here(page.octets(at + 3, usize::from(page.u16(at)?))?),
        OVERFLOW => chain(page, at)?,
        DUPLICATE => {
            page.octets(at, LONG_ITEM_OCTETS)?;
            Item::Tree(page.u32(at + 4)?)
        }
        other => return Err(page.damaged(Fault::ItemType(other))),
    };
    Ok(LeafItem { item, deleted: kind & DELETED != 0 })
}

/// The first number from `low` up to `high` for which `is` holds, `high` when there is none: bisection, so it has
/// to hold for all after the first.
fn first_where(
    mut low: u16,
    mut high: u16,
    is: impl Fn(u16) -> Result<bool, MapFileError>,
) -> Result<u16, MapFileError> {
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

fn separator<'p>(page: &'p Page<'_>, index: u16) -> Result<Item<'p>, MapFileError> {
    let at = aligned(page, index)?;
    let length = usize::from(page.u16(at)?);
    match page.u8(at + 2)? & !DELETED {
        KEY_DATA => page.octets(at + INTERNAL_OCTETS, length).map(Item::Here),
        OVERFLOW if length == LONG_ITEM_OCTETS => chain(page, at + INTERNAL_OCTETS),
        OVERFLOW => Err(page.damaged(Fault::ItemLength(length as u32))),
        other => Err(page.damaged(Fault::ItemType(other))),
    }
}

fn chain<'p>(page: &'p Page<'_>, at: usize) -> Result<Item<'p>, MapFileError> {
    page.octets(at, LONG_ITEM_OCTETS)?;
    Ok(Item::Chain(Chain { first: page.u32(at + 4)?, length: page.u32(at + 8)? }))
}

fn key_item<'p>(leaf: &'p Page<'_>, pair: u16) -> Result<Item<'p>, MapFileError> {
    match leaf_item(leaf, 2 * pair)?.item {
        Item::Tree(_) => Err(leaf.damaged(Fault::ItemType(DUPLICATE))),
        key => Ok(key),
    }
}

/// The value of a pair, none when the pair is deleted.
fn value_item<'p>(leaf: &'p Page<'_>, pair: u16) -> Result<Option<Item<'p>>, MapFileError> {
    let key = leaf_item(leaf, 2 * pair)?;
    let value = leaf_item(leaf, 2 * pair + 1)?;
    Ok((!key.deleted && !value.deleted).then_some(value.item))
}

const DUPLICATES: u32 = 0x01;
const RECORD_NUMBERS: u32 = 0x04;
const SUBDATABASES: u32 = 0x20;
const SORTED: u32 = 0x40;

const KEY_DATA: u8 = 1;
const DUPLICATE: u8 = 2;
const OVERFLOW: u8 = 3;
const DELETED: u8 = 0x80;
/// `B_OVERFLOW` and `B_DUPLICATE`.
const LONG_ITEM_OCTETS: usize = 12;
