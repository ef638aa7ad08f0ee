//! Reading: one way down the tree for a key, all leaves from left to right for all records.

use std::sync::Arc;

use super::NO_PAGE;
use super::meta::{self, Meta};
use super::page::{Entry, Kind, Page, Pages, Value};
use crate::page::{Seen, first_where};
use crate::{
    Duplicates, Fault, Format, Limits, MapFileError, MapReader, Occurrence, PageSource, Record, Records,
};

/// A file whose meta pages have been checked.
pub(super) struct LmdbFile<S> {
    pages: Pages<S>,
    meta: Meta,
    /// None of an empty map.
    root: Option<u32>,
}

impl<S: PageSource> LmdbFile<S> {
    pub(super) fn new(source: S, limits: Limits) -> Result<Self, MapFileError> {
        let meta = meta::newest(&source)?;
        meta.check()?;
        let pages = Pages::new(source, &meta, limits.item);
        let root = match meta.main.root {
            NO_PAGE => None,
            root => Some(pages.check_number(root, meta.page)?),
        };
        Ok(Self { pages, meta, root })
    }

    /// The kind of page on a level, of which the root is 1: all leaves are on the lowest.
    fn kind(&self, level: usize) -> Kind {
        if level < usize::from(self.meta.main.depth) { Kind::Branch } else { Kind::Leaf }
    }

    /// Goes down to the one leaf that may hold `key`. A circle cannot hold it up: it has as many steps as the tree has
    /// levels.
    fn leaf_for(&self, root: u32, key: &[u8]) -> Result<Page<'_>, MapFileError> {
        let mut level = 1;
        let mut page = self.pages.read(root, self.kind(level))?;
        while page.kind == Kind::Branch {
            // The last child whose key is not greater. The first has none: it counts as less than any.
            let above = first_where(1, page.nodes, |index| Ok(page.key_of(index)? > key))?;
            let (_, child) = page.child(above - 1)?;
            level += 1;
            page = self.pages.read(self.pages.check_number(child, page.number)?, self.kind(level))?;
        }
        Ok(page)
    }
}

impl<S: PageSource> MapReader for LmdbFile<S> {
    fn format(&self) -> Format {
        Format::Lmdb
    }

    fn duplicates(&self) -> Duplicates {
        Duplicates::Refused
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        let Some(root) = self.root else { return Ok(None) };
        let leaf = self.leaf_for(root, key)?;
        let index = first_where(0, leaf.nodes, |index| Ok(leaf.key_of(index)? >= key))?;
        if index == leaf.nodes {
            return Ok(None);
        }
        match leaf.entry(index)? {
            Entry { key: found, .. } if found != key => Ok(None),
            Entry { value: Value::Here(octets), .. } => Ok(Some(octets.to_vec())),
            Entry { value: Value::Run { first, octets }, .. } => {
                let run = self.pages.run(first, octets, leaf.number)?;
                self.pages.read_run(&run).map(Some)
            }
        }
    }

    fn records(&self) -> Records<'_> {
        Box::new(LmdbRecords {
            file: self,
            start: self.root,
            path: Vec::new(),
            leaf: None,
            seen: Seen::default(),
            order: KeyOrder::default(),
            found: 0,
        })
    }
}

/// A walk over all leaves.
struct LmdbRecords<'a, S> {
    file: &'a LmdbFile<S>,
    /// The root, until it has been read.
    start: Option<u32>,
    /// Branches from the root down, with the child that is next.
    path: Vec<(Page<'a>, u16)>,
    leaf: Option<Leaf<'a>>,
    seen: Seen,
    order: KeyOrder,
    found: u64,
}

/// A leaf on a walk.
struct Leaf<'a> {
    page: Page<'a>,
    next: u16,
    /// What the nodes still to come can take at most: if they might overlap, a page could give thousands of times its
    /// size.
    room: usize,
}

impl<'a, S: PageSource> LmdbRecords<'a, S> {
    fn step(&mut self) -> Result<Option<Record>, MapFileError> {
        loop {
            if let Some(mut leaf) = self.leaf.take()
                && leaf.next < leaf.page.nodes
            {
                let record = self.record(&mut leaf)?;
                self.leaf = Some(leaf);
                return Ok(Some(record));
            }
            let Some(page) = self.next_page()? else {
                return self.check_count().map(|()| None);
            };
            match page.kind {
                Kind::Branch => self.path.push((page, 0)),
                Kind::Leaf => self.leaf = Some(Leaf { next: 0, room: page.room(), page }),
            }
        }
    }

    fn record(&mut self, leaf: &mut Leaf<'a>) -> Result<Record, MapFileError> {
        let page = &leaf.page;
        let index = leaf.next;
        let entry = page.entry(index)?;
        leaf.room = leaf
            .room
            .checked_sub(entry.octets())
            .ok_or_else(|| page.damaged(Fault::ItemLength(entry.octets() as u32)))?;
        let value = match entry.value {
            Value::Here(octets) => octets.to_vec(),
            Value::Run { first, octets } => {
                let run = self.file.pages.run(first, octets, page.number)?;
                run.visit(&mut self.seen)?;
                self.file.pages.read_run(&run)?
            }
        };
        let key = self.order.key(entry.key).ok_or_else(|| out_of_order(page, index))?;
        leaf.next += 1;
        self.found += 1;
        Ok(Record { key, value, occurrence: Occurrence::First })
    }

    fn next_page(&mut self) -> Result<Option<Page<'a>>, MapFileError> {
        if let Some(root) = self.start.take() {
            return self.read(root).map(Some);
        }
        while let Some((parent, next)) = self.path.last_mut() {
            let index = *next;
            if index == parent.nodes {
                self.path.pop();
                continue;
            }
            *next += 1;
            let (key, child) = parent.child(index)?;
            if index > 0 && !self.order.separator(key) {
                return Err(out_of_order(parent, index));
            }
            let child = self.file.pages.check_number(child, parent.number)?;
            return self.read(child).map(Some);
        }
        Ok(None)
    }

    /// Reads a page below those of the path, which this walk has not met.
    fn read(&mut self, number: u32) -> Result<Page<'a>, MapFileError> {
        self.seen.visit(number)?;
        self.file.pages.read(number, self.file.kind(self.path.len() + 1))
    }

    /// A page that lost nodes looks sound by itself; the meta page knows better.
    fn check_count(&self) -> Result<(), MapFileError> {
        let said = self.file.meta.main.entries;
        if self.found == said {
            return Ok(());
        }
        Err(self.file.meta.damaged(Fault::Field("number of entries, which are more or fewer", said)))
    }
}

impl<S: PageSource> Iterator for LmdbRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.leaf = None;
            self.path.clear();
            // So that the end is no second error.
            self.found = self.file.meta.main.entries;
        }
        step.transpose()
    }
}

/// What the keys of a walk have to be: each greater than the one before, and on the side of each separator on which a
/// look-up would search for it.
#[derive(Default)]
struct KeyOrder {
    last: Option<Arc<[u8]>>,
    /// The separator before the next leaf.
    least: Vec<u8>,
}

impl KeyOrder {
    fn key(&mut self, key: &[u8]) -> Option<Arc<[u8]>> {
        if key < self.least.as_slice() || self.last.as_ref().is_some_and(|last| key <= &last[..]) {
            return None;
        }
        let key = Arc::from(key);
        self.last = Some(Arc::clone(&key));
        Some(key)
    }

    fn separator(&mut self, key: &[u8]) -> bool {
        self.least.clear();
        self.least.extend_from_slice(key);
        self.last.as_ref().is_none_or(|last| key > &last[..])
    }
}

fn out_of_order(page: &Page<'_>, index: u16) -> MapFileError {
    page.damaged(Fault::Field("out of the order of the keys: node", u64::from(index)))
}
