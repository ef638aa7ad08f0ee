//! Trees of pages, of the btree and of sets of duplicates, from left to right: leaves are filled one after the other,
//! and each that is full gets an entry in the level above. One page of each level is in memory.

use super::PageWriter;
use super::page::{Links, PageBuffer, capacity};
use crate::bdb::leaf::{KEY_DATA, OVERFLOW};
use crate::bdb::overflow::{Chain, Stored};
use crate::bdb::tree::{INTERNAL_OCTETS, RECNO_INTERNAL_OCTETS, Shape};
use crate::octets::Octets;
use crate::{MapBuildError, PageSink};

/// A tree in the making.
pub(super) struct Tree {
    shape: Shape,
    page_octets: usize,
    /// The leaf that is being filled.
    pub(super) leaf: PageBuffer,
    /// Its number, which the leaf before names as the next. The first has none yet: alone, it is the root.
    number: Option<u32>,
    previous: u32,
    /// What separates it from the leaf before.
    separator: Separator,
    levels: Vec<Level>,
}

impl Tree {
    pub(super) fn new(page_octets: usize, shape: Shape) -> Self {
        Self {
            shape,
            page_octets,
            leaf: PageBuffer::new(page_octets, shape.leaf(), 1),
            number: None,
            previous: 0,
            separator: Separator::default(),
            levels: Vec::new(),
        }
    }

    /// Writes the leaf and begins the next, which `separator` separates from it.
    pub(super) fn next_leaf<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        separator: Separator,
    ) -> Result<(), MapBuildError> {
        let number = self.number.map_or_else(|| pages.allocate(1), Ok)?;
        let next = pages.allocate(1)?;
        self.write_leaf(pages, Links { number, previous: self.previous, next })?;
        self.number = Some(next);
        self.previous = number;
        self.separator = separator;
        Ok(())
    }

    /// Writes what is still in memory, the root at `root` or else anywhere: its number.
    pub(super) fn finish<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        root: Option<u32>,
    ) -> Result<u32, MapBuildError> {
        let Some(number) = self.number else {
            let number = root.map_or_else(|| pages.allocate(1), Ok)?;
            self.leaf.write(pages, Links { number, previous: 0, next: 0 })?;
            return Ok(number);
        };
        self.write_leaf(pages, Links { number, previous: self.previous, next: 0 })?;
        let mut height = 0;
        while height + 1 < self.levels.len() {
            let entry = self.levels[height].write(pages, None)?;
            height += 1;
            self.enter(pages, height, entry)?;
        }
        self.levels[height].write(pages, root).map(|entry| entry.child)
    }

    fn write_leaf<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        links: Links,
    ) -> Result<(), MapBuildError> {
        let records = self.leaf.items() as u32;
        self.leaf.write(pages, links)?;
        let separator = std::mem::take(&mut self.separator);
        self.enter(pages, 0, Entry { separator, child: links.number, records })
    }

    /// Adds an entry at this height above the leaves; where a page is full, its own entry goes to the next height.
    fn enter<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        mut height: usize,
        mut entry: Entry,
    ) -> Result<(), MapBuildError> {
        loop {
            if height == self.levels.len() {
                self.levels.push(Level::new(self.page_octets, self.shape, height));
            }
            let level = &mut self.levels[height];
            if level.has_room(&entry) {
                level.take(entry);
                return Ok(());
            }
            let full = level.write(pages, None)?;
            level.take(entry);
            entry = full;
            height += 1;
        }
    }
}

/// What stands between two children: all keys on the left are less, all on the right are not.
pub(super) struct Separator {
    item_type: u8,
    octets: Vec<u8>,
}

impl Separator {
    /// Stands before `key` and behind `before`, the greatest key on the left: the shortest start of `key` that does.
    pub(super) fn between<S: PageSink>(
        pages: &mut PageWriter<S>,
        before: &[u8],
        key: &[u8],
    ) -> Result<Self, MapBuildError> {
        let same = before.iter().zip(key).take_while(|(one, other)| one == other).count();
        let start = &key[..key.len().min(same + 1)];
        Ok(match pages.store(start, on_page_limit(pages.size))? {
            Stored::Here(octets) => Self { item_type: KEY_DATA, octets: octets.to_vec() },
            Stored::Chain(chain) => Self { item_type: OVERFLOW, octets: chain_item(chain).to_vec() },
        })
    }

    fn item_octets(&self) -> usize {
        (INTERNAL_OCTETS + self.octets.len()).next_multiple_of(ALIGNMENT)
    }
}

/// Less than every key.
impl Default for Separator {
    fn default() -> Self {
        Self { item_type: KEY_DATA, octets: Vec::new() }
    }
}

/// What an internal page says of a child.
struct Entry {
    separator: Separator,
    child: u32,
    /// Records below it.
    records: u32,
}

/// The page of a level that is being filled.
struct Level {
    shape: Shape,
    page: PageBuffer,
    /// What separates it from the page before. It is not on the page: the first child's is never looked at there, and
    /// a chain has one item that refers to it.
    separator: Separator,
    records: u32,
    item: Vec<u8>,
}

impl Level {
    fn new(page_octets: usize, shape: Shape, height: usize) -> Self {
        let page = PageBuffer::new(page_octets, shape.internal(), height as u8 + 2);
        Self { shape, page, separator: Separator::default(), records: 0, item: Vec::new() }
    }

    fn has_room(&self, entry: &Entry) -> bool {
        let octets = match self.shape {
            Shape::Duplicates => RECNO_INTERNAL_OCTETS,
            Shape::Main | Shape::SortedDuplicates => entry.separator.item_octets(),
        };
        self.page.fits(1, octets)
    }

    fn take(&mut self, entry: Entry) {
        let Entry { mut separator, child, records } = entry;
        if self.page.items() == 0 {
            self.separator = std::mem::take(&mut separator);
        }
        self.records = self.records.saturating_add(records);
        self.item.clear();
        match self.shape {
            Shape::Duplicates => {
                self.item.extend_from_slice(&child.to_le_bytes());
                self.item.extend_from_slice(&records.to_le_bytes());
            }
            Shape::Main | Shape::SortedDuplicates => self.put_separator(&separator, child),
        }
        let offset = self.page.place(&self.item);
        self.page.index(offset);
    }

    /// Counts of records are kept in trees of duplicates alone.
    fn put_separator(&mut self, separator: &Separator, child: u32) {
        self.item.extend_from_slice(&(separator.octets.len() as u16).to_le_bytes());
        self.item.extend_from_slice(&[separator.item_type, 0]);
        self.item.extend_from_slice(&child.to_le_bytes());
        self.item.extend_from_slice(&[0; 4]);
        self.item.extend_from_slice(&separator.octets);
        self.item.resize(separator.item_octets(), 0);
    }

    /// Writes the page, at `root` if that is what it is, and begins an empty one: what the level above says of it.
    fn write<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        root: Option<u32>,
    ) -> Result<Entry, MapBuildError> {
        let child = root.map_or_else(|| pages.allocate(1), Ok)?;
        let records = std::mem::take(&mut self.records);
        let previous = if self.shape == Shape::Duplicates { records } else { 0 };
        self.page.write(pages, Links { number: child, previous, next: 0 })?;
        Ok(Entry { separator: std::mem::take(&mut self.separator), child, records })
    }
}

/// The longest item that stays on the page of a tree: four of them and their places in the index have to fit
/// (section 3.2 of the format).
pub(super) fn on_page_limit(page_octets: usize) -> usize {
    capacity(page_octets) / 4 - 10
}

/// Adds an item of a leaf, which starts and ends aligned.
pub(super) fn push_item(to: &mut Octets, stored: Stored<'_>) {
    match stored {
        Stored::Here(octets) => {
            let [low, high] = (octets.len() as u16).to_le_bytes();
            to.push_all(&[low, high, KEY_DATA]);
            to.push_all(octets);
            to.align(ALIGNMENT);
        }
        Stored::Chain(chain) => to.push_all(&chain_item(chain)),
    }
}

/// `B_OVERFLOW`.
pub(super) fn chain_item(chain: Chain) -> [u8; 12] {
    long_item(OVERFLOW, chain.first, chain.length)
}

/// An item of three fields: a type and two numbers.
pub(super) fn long_item(item_type: u8, first: u32, second: u32) -> [u8; 12] {
    let mut item = [0; 12];
    item[2] = item_type;
    item[4..8].copy_from_slice(&first.to_le_bytes());
    item[8..].copy_from_slice(&second.to_le_bytes());
    item
}

/// Items of trees start on a multiple of it.
const ALIGNMENT: usize = 4;
