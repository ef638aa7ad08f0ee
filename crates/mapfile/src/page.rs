//! Bounded reads of a hostile file: every offset and count passes here.
//!
//! A [`PageSource`] gives octets at a position; a [`Block`] is a run of them in which nothing outside can be
//! addressed, in the byte order of the file; [`Seen`] keeps a walk from going in circles.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::ops::Range;

use crate::{Fault, MapFileError};

/// Positioned reads over the octets of a file: a `Vec<u8>`, a slice, or an open file of the caller's.
pub trait PageSource: Send + Sync {
    /// How many octets there are: the same number as long as the source is in use.
    fn length(&self) -> u64;

    /// Exactly `octets` octets from `offset` on: borrowed when they lie in memory anyway, else in a buffer of
    /// their own. Never asked for more than 65,536 at once, nor for what lies beyond [`length`](Self::length).
    ///
    /// # Errors
    /// Whatever the file says; [`io::ErrorKind::UnexpectedEof`] when it has become shorter.
    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>>;
}

impl PageSource for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        lend(self, offset, octets)
    }
}

impl PageSource for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        lend(self, offset, octets)
    }
}

/// [`PageSource::read_at`] for octets that lie in memory.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] for what lies beyond the end.
pub fn lend(all: &[u8], offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| all.get(start..start.checked_add(octets)?))
        .map(Cow::Borrowed)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A whole file in memory, by whatever holds it: a buffer that is wiped, a mapping.
pub struct Whole<T>(pub T);

impl<T: AsRef<[u8]> + Send + Sync> PageSource for Whole<T> {
    fn length(&self) -> u64 {
        self.0.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        lend(self.0.as_ref(), offset, octets)
    }
}

/// An open file of which no more is read than is asked for.
pub struct InPlace<R> {
    /// How many octets it has.
    pub octets: u64,
    /// Reads from a position until the buffer is full or the file ends; how many octets.
    pub read: R,
}

impl<R: Fn(&mut [u8], u64) -> io::Result<usize> + Send + Sync> PageSource for InPlace<R> {
    fn length(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut page = vec![0; octets];
        match (self.read)(&mut page, offset)? {
            count if count == octets => Ok(page.into()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// How much a file may ask for. A walk takes some two bits for each page, two items, and a page for each level
/// of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of the whole file. Default 16 GiB: 33 million of the smallest pages, some 10 MB for a walk.
    pub file: u64,
    /// Octets of one key or value that is kept off-page. Default 16 MiB; makemap's lines end at 1 KiB, libsasl
    /// refuses more than 32 KiB.
    pub item: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 16 << 30, item: 16 << 20 }
    }
}

/// At most `most` octets from the start.
pub(crate) fn read_up_to(source: &impl PageSource, most: usize) -> io::Result<Cow<'_, [u8]>> {
    let octets = usize::try_from(source.length()).map_or(most, |length| length.min(most));
    source.read_at(0, octets)
}

/// The byte order of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    pub(crate) fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }

    pub(crate) fn u64(self, octets: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(octets),
            Self::Big => u64::from_be_bytes(octets),
        }
    }
}

/// A run of octets of one page. What is asked for outside it is `None`, never a panic.
pub(crate) struct Block<'a> {
    octets: Cow<'a, [u8]>,
    order: Order,
}

impl<'a> Block<'a> {
    pub(crate) fn new(octets: Cow<'a, [u8]>, order: Order) -> Self {
        Self { octets, order }
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn u8(&self, at: usize) -> Option<u8> {
        self.octets.get(at).copied()
    }

    pub(crate) fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(|octets| self.order.u16(octets))
    }

    pub(crate) fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(|octets| self.order.u32(octets))
    }

    pub(crate) fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(|octets| self.order.u64(octets))
    }

    pub(crate) fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        self.octets.get(range)
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.octets.iter().all(|&octet| octet == 0)
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.octets.get(at..at.checked_add(N)?)?.try_into().ok()
    }
}

/// The pages that one walk has met. It catches loops, pages with two parents, and small files that expand to many
/// times their size because many items name the same pages.
#[derive(Default)]
pub(crate) struct Seen {
    /// 64 pages in each word; a look-up meets a handful, a walk all.
    words: HashMap<u32, u64>,
}

impl Seen {
    pub(crate) fn visit(&mut self, page: u32) -> Result<(), MapFileError> {
        let word = self.words.entry(page / 64).or_default();
        let bit = 1 << (page % 64);
        if *word & bit != 0 {
            return Err(MapFileError::damaged(page, Fault::ReachedTwice));
        }
        *word |= bit;
        Ok(())
    }
}

/// The first number from `low` up to `high` for which `is` holds, `high` when there is none: bisection, so it has
/// to hold for all after the first.
pub(crate) fn first_where(
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
