//! Writing: leaves from left to right, and above each level of pages the branches that lead to it. The meta pages come
//! last: a file that was not finished has no magic number.

use std::io;
use std::mem;

use super::{DATA_VERSION, HEADER_OCTETS, MAGIC, NO_PAGE, NODE_OCTETS, kind, node};
use crate::octets::Octets;
use crate::{MapBuildError, MapFileBuilder, PageSink};

/// A file in the making.
pub(super) struct LmdbBuilder<S> {
    out: Output<S>,
    leaf: Sheet,
    /// The branches above the leaves, lowest first.
    levels: Vec<Level>,
    last: Vec<u8>,
    entries: u64,
}

impl<S: PageSink> LmdbBuilder<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            out: Output { sink, next: FIRST_PAGE, branch: 0, leaf: 0, overflow: 0 },
            leaf: Sheet::default(),
            levels: Vec::new(),
            last: Vec::new(),
            entries: 0,
        }
    }

    fn check(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        if key.is_empty() {
            return Err(MapBuildError::EmptyKey);
        }
        if key.len() > KEY_LIMIT {
            return Err(MapBuildError::KeyTooLong { octets: key.len(), limit: KEY_LIMIT });
        }
        if value.len() > VALUE_LIMIT {
            return Err(MapBuildError::ValueTooLong { octets: value.len(), limit: VALUE_LIMIT });
        }
        // Nothing is less than a key of one octet but the empty one before the first.
        if key <= self.last.as_slice() {
            return Err(MapBuildError::Order);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }

    /// Puts a node on the leaf, or on a new one where it is full.
    fn push(&mut self, value_octets: u32, flags: u16, key: &[u8], data: &[u8]) -> io::Result<()> {
        if !self.leaf.fits(key, data) {
            let leaf = self.write_leaf()?;
            self.add_child(leaf)?;
        }
        self.leaf.push(value_octets, flags, key, data);
        Ok(())
    }

    fn write_leaf(&mut self) -> io::Result<Child> {
        let first_key = self.leaf.key(0).to_vec();
        Ok(Child { first_key, page: self.out.write(&mut self.leaf, kind::LEAF)? })
    }

    /// Enters a page in the branch above it, and that branch above itself when it has been written.
    fn add_child(&mut self, child: Child) -> io::Result<()> {
        let mut above = Some(child);
        let mut level = 0;
        while let Some(child) = above {
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            above = self.levels[level].add(child, &mut self.out)?;
            level += 1;
        }
        Ok(())
    }

    /// Writes what is still open, level by level upwards: the root and how many levels there are.
    fn write_tree(&mut self) -> io::Result<(u64, u16)> {
        if self.leaf.nodes == 0 {
            return Ok((NO_PAGE, 0));
        }
        let leaf = self.write_leaf()?;
        let (mut root, mut depth) = (leaf.page, 1);
        if !self.levels.is_empty() {
            self.add_child(leaf)?;
        }
        while !self.levels.is_empty() {
            depth += 1;
            let (before, last) = self.levels.remove(0).close(&mut self.out)?;
            root = last.page;
            if before.is_some() || !self.levels.is_empty() {
                before.map_or(Ok(()), |before| self.add_child(before))?;
                self.add_child(last)?;
            }
        }
        Ok((root, depth))
    }
}

impl<S: PageSink> MapFileBuilder for LmdbBuilder<S> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        self.check(key, value)?;
        let octets = value.len() as u32;
        if NODE_OCTETS + key.len() + value.len() > NODE_LIMIT {
            let run = self.out.write_run(value)?;
            self.push(octets, node::BIG, key, &run.to_le_bytes())?;
        } else {
            self.push(octets, 0, key, value)?;
        }
        self.entries += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), MapBuildError> {
        let (root, depth) = self.write_tree()?;
        let last = self.out.next - 1;
        let octets = self.out.next * PAGE_OCTETS as u64;
        let map_size = LEAST_MAP_SIZE.max(2 * octets);
        let counts = [self.out.branch, self.out.leaf, self.out.overflow, self.entries, root];
        let mut pages = [0; 2 * PAGE_OCTETS];
        let (first, second) = pages.split_at_mut(PAGE_OCTETS);
        // The first is that of a new file, before anything was written to it.
        put_meta(first, 0, map_size, &tree(0, EMPTY), FIRST_PAGE - 1);
        put_meta(second, 1, map_size, &tree(depth, counts), last);
        self.out.sink.write_at(0, &pages)?;
        Ok(())
    }
}

/// The branches of one level. Of two neighbours the left one is written when the right one is full as well: the library
/// insists on two children for each branch, and so the last may need one of its neighbour's.
#[derive(Default)]
struct Level {
    held: Option<Branch>,
    open: Branch,
}

impl Level {
    fn add<S: PageSink>(&mut self, child: Child, out: &mut Output<S>) -> io::Result<Option<Child>> {
        if self.open.fits(&child) {
            self.open.push(child);
            return Ok(None);
        }
        let full = mem::take(&mut self.open);
        self.open.push(child);
        self.held.replace(full).map(|before| before.write(out)).transpose()
    }

    /// Writes the last page, and the one before it if it is still there.
    fn close<S: PageSink>(mut self, out: &mut Output<S>) -> io::Result<(Option<Child>, Child)> {
        if self.open.sheet.nodes == 1
            && let Some(held) = &mut self.held
        {
            let only = self.open.pop();
            self.open = Branch::default();
            self.open.push(held.pop());
            self.open.push(only);
        }
        let before = self.held.map(|held| held.write(out)).transpose()?;
        Ok((before, self.open.write(out)?))
    }
}

/// A page that stands below another, and the first key on it or below.
struct Child {
    first_key: Vec<u8>,
    page: u64,
}

/// A branch in the making.
#[derive(Default)]
struct Branch {
    sheet: Sheet,
    /// Of its first child, whose node has none: it counts as less than any.
    first_key: Vec<u8>,
}

impl Branch {
    fn fits(&self, child: &Child) -> bool {
        self.sheet.fits(&child.first_key, &[])
    }

    fn push(&mut self, child: Child) {
        let (low, high) = (child.page as u32, (child.page >> 32) as u16);
        if self.sheet.nodes == 0 {
            self.first_key = child.first_key;
            self.sheet.push(low, high, &[], &[]);
        } else {
            self.sheet.push(low, high, &child.first_key, &[]);
        }
    }

    /// Takes the last child away, of which there has to be one.
    fn pop(&mut self) -> Child {
        let (low, high, key) = self.sheet.pop();
        let first_key = if self.sheet.nodes == 0 { mem::take(&mut self.first_key) } else { key };
        Child { first_key, page: u64::from(low) | u64::from(high) << 32 }
    }

    fn write<S: PageSink>(mut self, out: &mut Output<S>) -> io::Result<Child> {
        let page = out.write(&mut self.sheet, kind::BRANCH)?;
        Ok(Child { first_key: self.first_key, page })
    }
}

/// A page in the making: offsets of nodes from the header upwards, the nodes from the end downwards.
struct Sheet {
    octets: Octets,
    nodes: usize,
    /// Where the last node starts.
    upper: usize,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { octets: Octets::zeros(PAGE_OCTETS), nodes: 0, upper: PAGE_OCTETS }
    }
}

impl Sheet {
    fn fits(&self, key: &[u8], data: &[u8]) -> bool {
        self.lower() + 2 + node_octets(key, data) <= self.upper
    }

    /// Adds a node that fits. Its first six octets are the length of the value with flags (leaf), or the number of the
    /// child (branch).
    fn push(&mut self, low: u32, high: u16, key: &[u8], data: &[u8]) {
        let index_at = self.lower();
        self.upper -= node_octets(key, data);
        self.nodes += 1;
        let at = self.upper;
        put(&mut self.octets, index_at, &(at as u16).to_le_bytes());
        put(&mut self.octets, at, &low.to_le_bytes());
        put(&mut self.octets, at + 4, &high.to_le_bytes());
        put(&mut self.octets, at + 6, &(key.len() as u16).to_le_bytes());
        put(&mut self.octets, at + NODE_OCTETS, key);
        put(&mut self.octets, at + NODE_OCTETS + key.len(), data);
    }

    /// Takes the last node of a branch away: its six octets and its key.
    fn pop(&mut self) -> (u32, u16, Vec<u8>) {
        let (at, node) = (self.upper, &self.octets[self.upper..]);
        let low = u32::from_le_bytes([node[0], node[1], node[2], node[3]]);
        let high = u16::from_le_bytes([node[4], node[5]]);
        let key = self.key(self.nodes - 1).to_vec();
        self.nodes -= 1;
        let index_at = self.lower();
        self.upper += node_octets(&key, &[]);
        self.octets[at..self.upper].fill(0);
        put(&mut self.octets, index_at, &[0; 2]);
        (low, high, key)
    }

    fn key(&self, index: usize) -> &[u8] {
        let number = |at: usize| usize::from(u16::from_le_bytes([self.octets[at], self.octets[at + 1]]));
        let at = number(HEADER_OCTETS + 2 * index);
        &self.octets[at + NODE_OCTETS..][..number(at + 6)]
    }

    /// Where the next offset goes.
    fn lower(&self) -> usize {
        HEADER_OCTETS + 2 * self.nodes
    }

    fn put_header(&mut self, number: u64, flags: u16) {
        let (lower, upper) = (self.lower() as u16, self.upper as u16);
        put(&mut self.octets, 0, &number.to_le_bytes());
        put(&mut self.octets, 10, &flags.to_le_bytes());
        put(&mut self.octets, 12, &lower.to_le_bytes());
        put(&mut self.octets, 14, &upper.to_le_bytes());
    }

    fn clear(&mut self) {
        self.octets.fill(0);
        self.nodes = 0;
        self.upper = PAGE_OCTETS;
    }
}

/// Pages one after the other, counted by their kinds.
struct Output<S> {
    sink: S,
    /// The number of the next page.
    next: u64,
    branch: u64,
    leaf: u64,
    overflow: u64,
}

impl<S: PageSink> Output<S> {
    /// Writes a page and leaves it empty.
    fn write(&mut self, sheet: &mut Sheet, flags: u16) -> io::Result<u64> {
        let number = self.next;
        sheet.put_header(number, flags);
        self.sink.write_at(number * PAGE_OCTETS as u64, &sheet.octets)?;
        sheet.clear();
        self.next += 1;
        let count = if flags == kind::LEAF { &mut self.leaf } else { &mut self.branch };
        *count += 1;
        Ok(number)
    }

    /// Writes a long value to pages of its own. What is left of the last one is zeros: the leaf that names the run
    /// comes behind it.
    fn write_run(&mut self, value: &[u8]) -> io::Result<u64> {
        let number = self.next;
        let pages = (HEADER_OCTETS + value.len()).div_ceil(PAGE_OCTETS) as u64;
        let mut header = [0; HEADER_OCTETS];
        put(&mut header, 0, &number.to_le_bytes());
        put(&mut header, 10, &kind::OVERFLOW.to_le_bytes());
        put(&mut header, 12, &(pages as u32).to_le_bytes());
        let at = number * PAGE_OCTETS as u64;
        self.sink.write_at(at, &header)?;
        self.sink.write_at(at + HEADER_OCTETS as u64, value)?;
        self.next += pages;
        self.overflow += pages;
        Ok(number)
    }
}

/// A meta page; the number of the transaction is that of the page.
fn put_meta(page: &mut [u8], number: u64, map_size: u64, main: &[u8; DATABASE_OCTETS], last: u64) {
    put(page, 0, &number.to_le_bytes());
    put(page, 10, &kind::META.to_le_bytes());
    put(page, 16, &MAGIC.to_le_bytes());
    put(page, 20, &DATA_VERSION.to_le_bytes());
    put(page, 32, &map_size.to_le_bytes());
    put(page, 40, &tree(0, EMPTY));
    // The tree of free pages keeps the page size, and has numbers as keys.
    put(page, 40, &(PAGE_OCTETS as u32).to_le_bytes());
    put(page, 44, &INTEGER_KEYS.to_le_bytes());
    put(page, 88, main);
    put(page, 136, &last.to_le_bytes());
    put(page, 144, &number.to_le_bytes());
}

/// A tree, by its branch, leaf and overflow pages, its entries and its root.
fn tree(depth: u16, counts: [u64; 5]) -> [u8; DATABASE_OCTETS] {
    let mut tree = [0; DATABASE_OCTETS];
    put(&mut tree, 6, &depth.to_le_bytes());
    for (at, count) in (8..).step_by(8).zip(counts) {
        put(&mut tree, at, &count.to_le_bytes());
    }
    tree
}

/// What a node takes: they start at even places.
fn node_octets(key: &[u8], data: &[u8]) -> usize {
    (NODE_OCTETS + key.len() + data.len()).next_multiple_of(2)
}

fn put(octets: &mut [u8], at: usize, field: &[u8]) {
    octets[at..at + field.len()].copy_from_slice(field);
}

const PAGE_OCTETS: usize = 4096;
/// After the two meta pages.
const FIRST_PAGE: u64 = 2;
/// Compiled into the library.
const KEY_LIMIT: usize = 511;
const VALUE_LIMIT: usize = u32::MAX as usize;
/// The largest node that stays on a page: two of them fit, with their offsets (section 9.1 of the format).
const NODE_LIMIT: usize = (((PAGE_OCTETS - HEADER_OCTETS) / 2) & !1) - 2;
const DATABASE_OCTETS: usize = 48;
/// A tree without pages, entries and root.
const EMPTY: [u64; 5] = [0, 0, 0, 0, NO_PAGE];
const INTEGER_KEYS: u16 = 0x08;
/// How far a program that adds to the file gets before it has to raise the size itself: what Postfix begins with, and
/// for large maps twice what there is. It is addresses, not memory nor disk.
const LEAST_MAP_SIZE: u64 = 16 << 20;
