//! Pages of the tree and runs of long values, and the checks that each has to pass before anything on it is believed.

use super::meta::Meta;
use super::{HEADER_OCTETS, NODE_OCTETS, kind, node};
use crate::page::{Block, Order, Seen};
use crate::{Fault, Feature, MapFileError, PageSource};

/// The pages of a file whose meta pages have been checked.
pub(super) struct Pages<S> {
    source: S,
    size: u32,
    /// The last one in use, by the meta page and within the file.
    last: u32,
    /// The longest value that is accepted.
    item_limit: u32,
}

impl<S: PageSource> Pages<S> {
    pub(super) fn new(source: S, meta: &Meta, item_limit: u32) -> Self {
        Self { source, size: meta.page_size, last: meta.last as u32, item_limit }
    }

    /// Fails unless `number` can be a page of the tree; `from` names it.
    pub(super) fn check_number(&self, number: u64, from: u32) -> Result<u32, MapFileError> {
        match u32::try_from(number) {
            Ok(page) if page >= FIRST_PAGE && page <= self.last => Ok(page),
            _ => Err(MapFileError::damaged(from, Fault::Field("page number out of the file", number))),
        }
    }

    /// Reads a page of the tree, of the kind that its level asks for.
    pub(super) fn read(&self, number: u32, kind: Kind) -> Result<Page<'_>, MapFileError> {
        let octets = self.source.read_at(self.offset(number), self.size as usize)?;
        Page::new(number, kind, Block::new(octets, Order::Little))
    }

    /// Checks the run of pages that holds a long value.
    pub(super) fn run(&self, first: u64, octets: u32, from: u32) -> Result<Run, MapFileError> {
        let first = self.check_number(first, from)?;
        let damaged = |fault| MapFileError::damaged(first, fault);
        if octets > self.item_limit {
            return Err(damaged(Fault::OffPageLength(octets)));
        }
        let block = Block::new(self.source.read_at(self.offset(first), HEADER_OCTETS)?, Order::Little);
        let short = || damaged(Fault::Short(block.len() as u64));
        check_header(first, kind::OVERFLOW, &block)?;
        let pages = block.u32(12).ok_or_else(short)?;
        // A value that became shorter keeps the run that it had.
        let needed = (HEADER_OCTETS as u64 + u64::from(octets)).div_ceil(u64::from(self.size));
        if u64::from(pages) < needed {
            return Err(damaged(Fault::OffPageLength(octets)));
        }
        if pages > self.last - first + 1 {
            return Err(damaged(Fault::Field("pages of a run", u64::from(pages))));
        }
        Ok(Run { first, pages, octets })
    }

    /// The value in a run.
    pub(super) fn read_run(&self, run: &Run) -> Result<Vec<u8>, MapFileError> {
        // At once, so that no part of a secret is left behind by growing.
        let mut value = Vec::with_capacity(run.octets as usize);
        let mut at = self.offset(run.first) + HEADER_OCTETS as u64;
        while value.len() < run.octets as usize {
            let piece = PIECE.min(run.octets as usize - value.len());
            value.extend_from_slice(&self.source.read_at(at, piece)?);
            at += piece as u64;
        }
        Ok(value)
    }

    fn offset(&self, number: u32) -> u64 {
        u64::from(number) * u64::from(self.size)
    }
}

/// Which pages of a tree there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Children, and the keys between them.
    Branch,
    /// Keys and values.
    Leaf,
}

/// A page of the tree whose header has been checked.
pub(super) struct Page<'a> {
    /// Its number.
    pub(super) number: u32,
    /// Which of the two it is.
    pub(super) kind: Kind,
    /// How many nodes there are, at least one.
    pub(super) nodes: u16,
    /// Where the nodes begin.
    upper: u16,
    block: Block<'a>,
}

impl<'a> Page<'a> {
    fn new(number: u32, kind: Kind, block: Block<'a>) -> Result<Self, MapFileError> {
        let flags = if kind == Kind::Branch { kind::BRANCH } else { kind::LEAF };
        check_header(number, flags, &block)?;
        let damaged = |fault| MapFileError::damaged(number, fault);
        let short = || damaged(Fault::Short(block.len() as u64));
        let lower = block.u16(12).ok_or_else(short)?;
        let upper = block.u16(14).ok_or_else(short)?;
        if usize::from(upper) > block.len() {
            return Err(damaged(Fault::Field("end of free space", u64::from(upper))));
        }
        if usize::from(lower) < HEADER_OCTETS || lower > upper || !lower.is_multiple_of(2) {
            return Err(damaged(Fault::Field("start of free space", u64::from(lower))));
        }
        match (lower - HEADER_OCTETS as u16) / 2 {
            0 => Err(damaged(Fault::ItemCount(0))),
            nodes => Ok(Self { number, kind, nodes, upper, block }),
        }
    }

    /// Key and child of a node of a branch.
    pub(super) fn child(&self, index: u16) -> Result<(&[u8], u64), MapFileError> {
        let at = self.node(index)?;
        let low = self.u32(at)?;
        let high = self.u16(at + 4)?;
        Ok((self.key(at)?, u64::from(low) | u64::from(high) << 32))
    }

    /// Key and value of a node of a leaf.
    pub(super) fn entry(&self, index: u16) -> Result<Entry<'_>, MapFileError> {
        let at = self.node(index)?;
        let octets = self.u32(at)?;
        let flags = self.u16(at + 4)?;
        let key = self.key(at)?;
        if key.is_empty() {
            return Err(self.damaged(Fault::Field("length of a key", 0)));
        }
        let value_at = at + NODE_OCTETS + key.len();
        let value = match flags {
            0 => Value::Here(self.octets(value_at, octets as usize)?),
            node::BIG => {
                let number = self.octets(value_at, RUN_OCTETS)?;
                Value::Run { first: number_in(number), octets }
            }
            flags if flags & node::SUBDATABASE != 0 => {
                return Err(MapFileError::Unsupported(Feature::Subdatabases));
            }
            flags => return Err(self.damaged(Fault::Field("flags of a node", u64::from(flags)))),
        };
        Ok(Entry { key, value })
    }

    /// Key of a node of either kind.
    pub(super) fn key_of(&self, index: u16) -> Result<&[u8], MapFileError> {
        self.key(self.node(index)?)
    }

    /// What the nodes of the page have at most together.
    pub(super) fn room(&self) -> usize {
        self.block.len() - usize::from(self.upper)
    }

    pub(super) fn damaged(&self, fault: Fault) -> MapFileError {
        MapFileError::damaged(self.number, fault)
    }

    /// Where a node starts: not below the nodes, and at an even place.
    fn node(&self, index: u16) -> Result<usize, MapFileError> {
        let offset = (index < self.nodes)
            .then(|| self.block.u16(HEADER_OCTETS + 2 * usize::from(index)))
            .flatten()
            .ok_or_else(|| self.damaged(Fault::ItemCount(index)))?;
        if offset < self.upper || !offset.is_multiple_of(2) {
            return Err(self.damaged(Fault::ItemOffset(u32::from(offset))));
        }
        Ok(usize::from(offset))
    }

    fn key(&self, at: usize) -> Result<&[u8], MapFileError> {
        let length = self.u16(at + 6)?;
        self.octets(at + NODE_OCTETS, usize::from(length))
    }

    fn octets(&self, at: usize, length: usize) -> Result<&[u8], MapFileError> {
        at.checked_add(length)
            .and_then(|end| self.block.slice(at..end))
            .ok_or_else(|| self.damaged(Fault::ItemLength(u32::try_from(length).unwrap_or(u32::MAX))))
    }

    fn u16(&self, at: usize) -> Result<u16, MapFileError> {
        self.block.u16(at).ok_or_else(|| self.damaged(Fault::ItemOffset(at as u32)))
    }

    fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| self.damaged(Fault::ItemOffset(at as u32)))
    }
}

/// A node of a leaf.
pub(super) struct Entry<'p> {
    pub(super) key: &'p [u8],
    pub(super) value: Value<'p>,
}

impl Entry<'_> {
    /// What it takes of its page.
    pub(super) fn octets(&self) -> usize {
        let value = match self.value {
            Value::Here(octets) => octets.len(),
            Value::Run { .. } => RUN_OCTETS,
        };
        NODE_OCTETS + self.key.len() + value
    }
}

/// Where the octets of a value are.
pub(super) enum Value<'p> {
    /// On the page.
    Here(&'p [u8]),
    /// In a run of pages.
    Run {
        /// Its first page.
        first: u64,
        /// The length of the value.
        octets: u32,
    },
}

/// A run of pages that lies in the file and is long enough for its value.
pub(super) struct Run {
    first: u32,
    pages: u32,
    octets: u32,
}

impl Run {
    /// Counts its pages as visited.
    pub(super) fn visit(&self, seen: &mut Seen) -> Result<(), MapFileError> {
        (self.first..self.first + self.pages).try_for_each(|page| seen.visit(page))
    }
}

/// A page has to know its number and be of the kind that is expected here. The library wipes the mark of a page that
/// was not yet written; it says nothing about what is on it.
fn check_header(number: u32, flags: u16, block: &Block<'_>) -> Result<(), MapFileError> {
    let damaged = |fault| MapFileError::damaged(number, fault);
    let short = || damaged(Fault::Short(block.len() as u64));
    let own = number_in(block.slice(0..8).ok_or_else(short)?);
    if own != u64::from(number) {
        return Err(damaged(Fault::Field("the page says that it is page", own)));
    }
    match block.u16(10).ok_or_else(short)? {
        found if found & !DIRTY == flags => Ok(()),
        other => Err(damaged(Fault::Field("flags of a page", u64::from(other)))),
    }
}

/// A number of eight octets.
fn number_in(octets: &[u8]) -> u64 {
    octets.iter().rev().fold(0, |number, &octet| number << 8 | u64::from(octet))
}

/// 0 and 1 are the meta pages.
const FIRST_PAGE: u32 = 2;
/// What stands on a leaf for a long value: the number of a page.
const RUN_OCTETS: usize = 8;
const DIRTY: u16 = 0x10;
/// The most that a source is asked for.
const PIECE: usize = 65536;
