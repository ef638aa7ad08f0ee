//! The values of one key: a single one, a set on the page (hash), or a tree of its own (both types).

use super::leaf::{DUPLICATE, Leaf, leaf_item};
use super::overflow::Stored;
use super::page::Pages;
use super::tree::{Leaves, Shape};
use crate::page::{Block, Seen};
use crate::{Fault, MapFileError, PageSource};

/// What stands where a value is expected.
pub(super) enum Item<'p> {
    /// One value.
    One(Stored<'p>),
    /// A set of duplicates on the page of a hash, lengths included.
    Set(&'p [u8]),
    /// A tree of duplicates, by its root.
    Tree(u32),
}

impl Item<'_> {
    /// Whether it stands for several values.
    pub(super) fn is_several(&self) -> bool {
        !matches!(self, Self::One(_))
    }
}

/// The values that one item stands for, one after the other.
pub(super) enum Values<'a> {
    /// All given.
    Done,
    /// A single value.
    One(Vec<u8>),
    /// A set from a page, and how far it has been given.
    Set { page: u32, set: Block<'static>, at: usize },
    /// A tree, with the leaf that is being given.
    Tree { leaves: Leaves<'a>, leaf: Option<Leaf<'a>> },
}

impl<'a> Values<'a> {
    /// The values of `item`, which stands on `page`.
    pub(super) fn of<S: PageSource>(
        pages: &'a Pages<S>,
        page: u32,
        item: &Item<'_>,
        seen: &mut Seen,
    ) -> Result<Self, MapFileError> {
        Ok(match *item {
            Item::One(stored) => Self::One(stored.read(pages, seen)?),
            Item::Set(octets) => Self::Set { page, set: pages.block(octets), at: 0 },
            Item::Tree(root) => {
                let root = pages.read(root, seen)?;
                let shape = Shape::of_duplicates(&root)?;
                Self::Tree { leaves: Leaves::new(root, shape), leaf: None }
            }
        })
    }

    /// The next value.
    pub(super) fn next<S: PageSource>(
        &mut self,
        pages: &'a Pages<S>,
        seen: &mut Seen,
    ) -> Result<Option<Vec<u8>>, MapFileError> {
        match self {
            Self::Done => Ok(None),
            Self::One(value) => {
                let value = std::mem::take(value);
                *self = Self::Done;
                Ok(Some(value))
            }
            Self::Set { page, set, at } => next_of_set(*page, set, at),
            Self::Tree { leaves, leaf } => next_of_tree(leaves, leaf, pages, seen),
        }
    }
}

/// Each value stands between two copies of its length.
fn next_of_set(page: u32, set: &Block<'_>, at: &mut usize) -> Result<Option<Vec<u8>>, MapFileError> {
    if *at == set.len() {
        return Ok(None);
    }
    let length = set.u16(*at).ok_or_else(|| MapFileError::damaged(page, Fault::DuplicateLength(0)))?;
    let start = *at + 2;
    let end = start + usize::from(length);
    let wrong = || MapFileError::damaged(page, Fault::DuplicateLength(length));
    if set.u16(end) != Some(length) {
        return Err(wrong());
    }
    *at = end + 2;
    set.slice(start..end).map(<[u8]>::to_vec).map(Some).ok_or_else(wrong)
}

fn next_of_tree<'a, S: PageSource>(
    leaves: &mut Leaves<'a>,
    leaf: &mut Option<Leaf<'a>>,
    pages: &'a Pages<S>,
    seen: &mut Seen,
) -> Result<Option<Vec<u8>>, MapFileError> {
    loop {
        while let Some((leaf, index)) = leaf.as_mut().and_then(|leaf| leaf.take(1).map(|index| (leaf, index)))
        {
            leaf.charge(index)?;
            let found = leaf_item(leaf.page(), index)?;
            match found.item {
                _ if found.deleted => {}
                Item::One(stored) => return stored.read(pages, seen).map(Some),
                // No duplicates of duplicates.
                Item::Set(_) | Item::Tree(_) => return Err(leaf.page().damaged(Fault::ItemType(DUPLICATE))),
            }
        }
        match leaves.next(pages, seen)? {
            Some(page) => *leaf = Some(Leaf::new(page)),
            None => return Ok(None),
        }
    }
}
