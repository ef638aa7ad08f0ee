//! Where the octets of a key or value are: on the page, or, too long for one, in a chain of pages of their own.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::page::{Pages, kind};
use crate::page::Seen;
use crate::{Fault, MapFileError, PageSource};

/// The octets of one key or value.
#[derive(Clone, Copy)]
pub(super) enum Stored<'p> {
    /// On the page.
    Here(&'p [u8]),
    /// In a chain of overflow pages.
    Chain(Chain),
}

impl Stored<'_> {
    /// The octets. Pages of a chain count as visited.
    pub(super) fn read<S: PageSource>(
        self,
        pages: &Pages<S>,
        seen: &mut Seen,
    ) -> Result<Vec<u8>, MapFileError> {
        match self {
            Self::Here(octets) => Ok(octets.to_vec()),
            Self::Chain(chain) => chain.read(pages, seen),
        }
    }

    /// Compares them with `wanted`: as unsigned numbers, and a prefix before what it is a prefix of.
    pub(super) fn compare<S: PageSource>(
        self,
        pages: &Pages<S>,
        wanted: &[u8],
    ) -> Result<Ordering, MapFileError> {
        match self {
            Self::Here(octets) => Ok(octets.cmp(wanted)),
            Self::Chain(chain) => chain.compare(pages, wanted),
        }
    }

    /// Whether they are `wanted`; a chain is read only when the lengths agree.
    pub(super) fn is<S: PageSource>(self, pages: &Pages<S>, wanted: &[u8]) -> Result<bool, MapFileError> {
        match self {
            Self::Chain(chain) if chain.length as usize != wanted.len() => Ok(false),
            other => other.compare(pages, wanted).map(Ordering::is_eq),
        }
    }
}

/// What an item says of its chain.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// First page.
    pub(super) first: u32,
    /// Octets of the whole item.
    pub(super) length: u32,
}

impl Chain {
    fn read<S: PageSource>(self, pages: &Pages<S>, seen: &mut Seen) -> Result<Vec<u8>, MapFileError> {
        self.check_length(pages)?;
        // At once, so that no part of a secret is left behind by growing.
        let mut item = Vec::with_capacity(self.length as usize);
        self.walk(pages, seen, |part| {
            item.extend_from_slice(part);
            ControlFlow::Continue(())
        })?;
        Ok(item)
    }

    /// Compares the item with `wanted`, reading no further than the first difference. For look-ups: the pages do
    /// not count as visited, since old files share the chain of a key between a leaf and an internal page.
    fn compare<S: PageSource>(self, pages: &Pages<S>, wanted: &[u8]) -> Result<Ordering, MapFileError> {
        self.check_length(pages)?;
        let mut rest = wanted;
        let mut order = Ordering::Equal;
        self.walk(pages, &mut Seen::default(), |part| {
            let (same, beyond) = rest.split_at(part.len().min(rest.len()));
            rest = beyond;
            order = part.cmp(same);
            if order == Ordering::Equal { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(if order == Ordering::Equal && !rest.is_empty() { Ordering::Less } else { order })
    }

    fn check_length<S: PageSource>(self, pages: &Pages<S>) -> Result<(), MapFileError> {
        if u64::from(self.length) > pages.longest_item() {
            return Err(MapFileError::damaged(self.first, Fault::OffPageLength(self.length)));
        }
        Ok(())
    }

    fn walk<S: PageSource>(
        self,
        pages: &Pages<S>,
        seen: &mut Seen,
        mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), MapFileError> {
        let mut next = self.first;
        let mut found = 0_u64;
        while next != 0 {
            let page = pages.read(next, seen)?;
            if page.kind != kind::OVERFLOW {
                return Err(page.wrong_type());
            }
            let part = page.free_end;
            if part == 0 || u32::from(part) > pages.capacity() {
                return Err(page.damaged(Fault::OffPagePart(part)));
            }
            found += u64::from(part);
            if found > u64::from(self.length) {
                break;
            }
            if each(page.data(usize::from(part))?).is_break() {
                return Ok(());
            }
            next = page.next;
        }
        if found == u64::from(self.length) {
            return Ok(());
        }
        Err(MapFileError::damaged(self.first, Fault::OffPageEnd { length: self.length, found }))
    }
}
