//! Btree: leaves of pairs in the order of their keys, under internal pages of separators.

use std::cmp::Ordering;
use std::sync::Arc;

use super::dup::{Item, Values};
use super::leaf::{self, DELETED, KEY_DATA, LONG_ITEM_OCTETS, Leaf, OVERFLOW};
use super::meta::{Meta, damaged};
use super::overflow::Stored;
use super::page::{Page, Pages};
use super::tree::{self, INTERNAL_OCTETS, Leaves, Node, Shape, aligned};
use crate::page::{Seen, first_where};
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
            separator(page, item)?.compare(&self.pages, key).map(|order| order == Ordering::Greater)
        })
        .map(|above| above - 1)
    }

    /// The first pair on a leaf whose key is not less than `key`.
    fn pair_for(&self, leaf: &Page<'_>, key: &[u8]) -> Result<u16, MapFileError> {
        first_where(0, leaf.items / 2, |pair| {
            leaf::key(leaf, pair)?.compare(&self.pages, key).map(|order| order != Ordering::Less)
        })
    }

    fn values(&self, page: &Page<'_>, item: &Item<'_>, seen: &mut Seen) -> Result<Values<'_>, MapFileError> {
        if item.is_several() && self.duplicates == Duplicates::Refused {
            return Err(page.damaged(Fault::NoDuplicates));
        }
        Values::of(&self.pages, page.number, item, seen)
    }

    /// What a record is whose key has been met.
    fn again(&self) -> Occurrence {
        if self.duplicates == Duplicates::Refused { Occurrence::Shadowed } else { Occurrence::Further }
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
        let page = self.leaf_for(key, &mut seen)?;
        for pair in self.pair_for(&page, key)?..page.items / 2 {
            if !leaf::key(&page, pair)?.is(&self.pages, key)? {
                break;
            }
            if let Some(item) = leaf::value(&page, pair)? {
                return self.values(&page, &item, &mut seen)?.next(&self.pages, &mut seen);
            }
        }
        Ok(None)
    }

    fn records(&self) -> Records<'_> {
        Box::new(BtreeRecords {
            file: self,
            seen: Seen::default(),
            leaves: Walk::NotStarted,
            leaf: None,
            key: None,
            values: Values::Done,
        })
    }
}

/// A walk over all leaves.
struct BtreeRecords<'a, S> {
    file: &'a BtreeFile<S>,
    seen: Seen,
    leaves: Walk<'a>,
    leaf: Option<Leaf<'a>>,
    key: Option<Key>,
    values: Values<'a>,
}

enum Walk<'a> {
    NotStarted,
    Under(Leaves<'a>),
    Failed,
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
            if let Some(key) = &mut self.key
                && let Some(value) = self.values.next(&self.file.pages, &mut self.seen)?
            {
                let record = Record { key: Arc::clone(&key.octets), value, occurrence: key.occurrence };
                key.occurrence = self.file.again();
                return Ok(Some(record));
            }
            if !self.next_pair()? {
                return Ok(None);
            }
        }
    }

    fn next_pair(&mut self) -> Result<bool, MapFileError> {
        loop {
            if let Some(mut leaf) = self.leaf.take()
                && let Some(index) = leaf.take(2)
            {
                self.take_pair(&mut leaf, index / 2)?;
                self.leaf = Some(leaf);
                return Ok(true);
            }
            match self.next_leaf()? {
                Some(page) => self.leaf = Some(Leaf::new(page)),
                None => return Ok(false),
            }
        }
    }

    fn next_leaf(&mut self) -> Result<Option<Page<'a>>, MapFileError> {
        if matches!(self.leaves, Walk::NotStarted) {
            let root = self.file.pages.read(self.file.root, &mut self.seen)?;
            self.leaves = Walk::Under(Leaves::new(root, Shape::Main));
        }
        match &mut self.leaves {
            Walk::Under(leaves) => leaves.next(&self.file.pages, &mut self.seen),
            Walk::NotStarted | Walk::Failed => Ok(None),
        }
    }

    fn take_pair(&mut self, leaf: &mut Leaf<'a>, pair: u16) -> Result<(), MapFileError> {
        self.take_key(leaf, pair)?;
        leaf.charge(2 * pair + 1)?;
        self.values = match leaf::value(leaf.page(), pair)? {
            Some(value) => self.file.values(leaf.page(), &value, &mut self.seen)?,
            None => Values::Done,
        };
        Ok(())
    }

    /// Reads the key of a pair, unless it is the very item that was read last.
    fn take_key(&mut self, leaf: &mut Leaf<'a>, pair: u16) -> Result<(), MapFileError> {
        let from = (leaf.page().number, aligned(leaf.page(), 2 * pair)?);
        if self.key.as_ref().is_some_and(|key| key.from == from) {
            return Ok(());
        }
        leaf.charge(2 * pair)?;
        let octets: Arc<[u8]> = leaf::key(leaf.page(), pair)?.read(&self.file.pages, &mut self.seen)?.into();
        // A key whose pairs were all deleted was not met.
        let occurrence = match &self.key {
            Some(before) if before.octets == octets => before.occurrence,
            _ => Occurrence::First,
        };
        self.key = Some(Key { octets, from, occurrence });
        Ok(())
    }
}

impl<S: PageSource> Iterator for BtreeRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.leaves = Walk::Failed;
            self.leaf = None;
            self.key = None;
        }
        step.transpose()
    }
}

fn separator<'p>(page: &'p Page<'_>, index: u16) -> Result<Stored<'p>, MapFileError> {
    let at = aligned(page, index)?;
    let length = usize::from(page.u16(at)?);
    match page.u8(at + 2)? & !DELETED {
        KEY_DATA => page.octets(at + INTERNAL_OCTETS, length).map(Stored::Here),
        OVERFLOW if length == LONG_ITEM_OCTETS => leaf::chain(page, at + INTERNAL_OCTETS).map(Stored::Chain),
        OVERFLOW => Err(page.damaged(Fault::ItemLength(length as u32))),
        other => Err(page.damaged(Fault::ItemType(other))),
    }
}

const DUPLICATES: u32 = 0x01;
const RECORD_NUMBERS: u32 = 0x04;
const SUBDATABASES: u32 = 0x20;
const SORTED: u32 = 0x40;
