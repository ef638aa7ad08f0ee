//! Many values of one key: a tree of their own, in the order in which they come (section 4 of the format).

use super::PageWriter;
use super::tree::{self, Separator, Tree};
use crate::bdb::overflow::Stored;
use crate::bdb::tree::Shape;
use crate::octets::Octets;
use crate::{MapBuildError, PageSink};

/// The values of one key.
pub(super) struct DuplicateTree {
    tree: Tree,
    item: Octets,
}

impl DuplicateTree {
    pub(super) fn new(page_octets: usize) -> Self {
        Self { tree: Tree::new(page_octets, Shape::Duplicates), item: Octets::with_capacity(page_octets) }
    }

    /// Adds a value, which may have a chain already.
    pub(super) fn add<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        value: Stored<'_>,
    ) -> Result<(), MapBuildError> {
        let value = match value {
            Stored::Here(octets) => pages.store(octets, tree::on_page_limit(pages.size))?,
            Stored::Chain(_) => value,
        };
        self.item.truncate(0);
        tree::push_item(&mut self.item, value);
        put(&mut self.tree, pages, &self.item)
    }

    /// Adds a value that is the item of a leaf already.
    pub(super) fn add_item<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        item: &[u8],
    ) -> Result<(), MapBuildError> {
        put(&mut self.tree, pages, item)
    }

    /// Completes the tree: its root.
    pub(super) fn finish<S: PageSink>(mut self, pages: &mut PageWriter<S>) -> Result<u32, MapBuildError> {
        self.tree.finish(pages, None)
    }
}

fn put<S: PageSink>(tree: &mut Tree, pages: &mut PageWriter<S>, item: &[u8]) -> Result<(), MapBuildError> {
    if !tree.leaf.fits(1, item.len()) {
        // Values in order are found by their number.
        tree.next_leaf(pages, Separator::default())?;
    }
    let offset = tree.leaf.place(item);
    tree.leaf.index(offset);
    Ok(())
}
