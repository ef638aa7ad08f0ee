//! Trees of pages, which the btree and the sets of duplicates share: from a root down to the leaves, in order.

use super::page::{Items, Page, Pages, kind};
use crate::page::Seen;
use crate::{Fault, MapFileError, PageSource};

/// Which page types make up a tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// The btree itself.
    Main,
    /// Duplicates sorted by value.
    SortedDuplicates,
    /// Duplicates in the order of insertion.
    Duplicates,
}

impl Shape {
    /// The kind of tree of duplicates whose root is `page`.
    pub(super) fn of_duplicates(page: &Page<'_>) -> Result<Self, MapFileError> {
        match page.kind {
            kind::RECNO_INTERNAL | kind::RECNO_LEAF => Ok(Self::Duplicates),
            kind::INTERNAL | kind::DUPLICATE_LEAF => Ok(Self::SortedDuplicates),
            _ => Err(page.wrong_type()),
        }
    }

    /// The type of its leaves.
    pub(super) fn leaf(self) -> u8 {
        match self {
            Self::Main => kind::LEAF,
            Self::SortedDuplicates => kind::DUPLICATE_LEAF,
            Self::Duplicates => kind::RECNO_LEAF,
        }
    }

    /// The type of the pages above them.
    pub(super) fn internal(self) -> u8 {
        match self {
            Self::Main | Self::SortedDuplicates => kind::INTERNAL,
            Self::Duplicates => kind::RECNO_INTERNAL,
        }
    }

    fn items(self) -> Items {
        if self == Self::Main { Items::Pairs } else { Items::Single }
    }
}

/// What a page of a tree is.
pub(super) enum Node {
    /// Holds items, at level 1.
    Leaf,
    /// Holds children, at level 2 or more.
    Internal,
}

/// Checks type, level and index of a page of a tree.
pub(super) fn check(page: &Page<'_>, shape: Shape) -> Result<Node, MapFileError> {
    let level = |expected| page.damaged(Fault::Level { found: page.level, expected });
    if page.kind == shape.leaf() {
        page.check_index(shape.items())?;
        return if page.level == 1 { Ok(Node::Leaf) } else { Err(level(1)) };
    }
    if page.kind != shape.internal() {
        return Err(page.wrong_type());
    }
    page.check_index(Items::Single)?;
    if page.items == 0 {
        return Err(page.damaged(Fault::NoChild));
    }
    if page.level < 2 { Err(level(2)) } else { Ok(Node::Internal) }
}

/// Reads the child that item `item` of an internal page names. Levels drop by one with each step, so no walk is
/// deeper than 255.
pub(super) fn child<'a, S: PageSource>(
    pages: &'a Pages<S>,
    parent: &Page<'_>,
    item: u16,
    seen: &mut Seen,
) -> Result<Page<'a>, MapFileError> {
    let child = pages.read(child_number(parent, item)?, seen)?;
    let expected = parent.level - 1;
    if child.level != expected {
        return Err(child.damaged(Fault::Level { found: child.level, expected }));
    }
    Ok(child)
}

/// An offset on a page of a tree, where items are aligned.
pub(super) fn aligned(page: &Page<'_>, item: u16) -> Result<usize, MapFileError> {
    let at = page.offset(item)?;
    if at.is_multiple_of(4) { Ok(at) } else { Err(page.damaged(Fault::ItemOffset(at as u32))) }
}

fn child_number(parent: &Page<'_>, item: u16) -> Result<u32, MapFileError> {
    let at = aligned(parent, item)?;
    if parent.kind == kind::RECNO_INTERNAL {
        parent.octets(at, RECNO_INTERNAL_OCTETS)?;
        return parent.u32(at);
    }
    parent.octets(at, INTERNAL_OCTETS + usize::from(parent.u16(at)?))?;
    parent.u32(at + 4)
}

/// The leaves of a tree from left to right, by way of the internal pages: the chain between leaves is not believed.
pub(super) struct Leaves<'a> {
    shape: Shape,
    /// The root, until it has been looked at; then internal pages from the root down, with the child that is next.
    root: Option<Page<'a>>,
    path: Vec<(Page<'a>, u16)>,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(root: Page<'a>, shape: Shape) -> Self {
        Self { shape, root: Some(root), path: Vec::new() }
    }

    /// The next leaf.
    pub(super) fn next<S: PageSource>(
        &mut self,
        pages: &'a Pages<S>,
        seen: &mut Seen,
    ) -> Result<Option<Page<'a>>, MapFileError> {
        while let Some(page) = self.next_page(pages, seen)? {
            match check(&page, self.shape)? {
                Node::Leaf => return Ok(Some(page)),
                Node::Internal => self.path.push((page, 0)),
            }
        }
        Ok(None)
    }

    fn next_page<S: PageSource>(
        &mut self,
        pages: &'a Pages<S>,
        seen: &mut Seen,
    ) -> Result<Option<Page<'a>>, MapFileError> {
        if let Some(root) = self.root.take() {
            return Ok(Some(root));
        }
        while let Some((parent, item)) = self.path.last_mut() {
            if *item < parent.items {
                *item += 1;
                return child(pages, parent, *item - 1, seen).map(Some);
            }
            self.path.pop();
        }
        Ok(None)
    }
}

/// Fields of an internal item before its key.
pub(super) const INTERNAL_OCTETS: usize = 12;
/// An internal item of duplicates in order, which have no keys.
pub(super) const RECNO_INTERNAL_OCTETS: usize = 8;
