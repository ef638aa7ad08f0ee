//! Btree: leaves packed from left to right (section 5.2 of the format).

use std::cmp::Ordering;

use super::dup::DuplicateTree;
use super::meta::{self, Kind};
use super::page::INDEX_OCTETS;
use super::tree::{self, Separator, Tree};
use super::{PageWriter, check_duplicates};
use crate::bdb::leaf::DUPLICATE;
use crate::bdb::overflow::Stored;
use crate::bdb::tree::Shape;
use crate::octets::Octets;
use crate::{Duplicates, Format, MapBuildError, MapFileBuilder, PageSink, Plan};

/// A btree in the making.
pub(in crate::bdb) struct BtreeBuilder<S> {
    pages: PageWriter<S>,
    plan: Plan,
    tree: Tree,
    /// The key that came last, with its values so far.
    group: Group,
    key: Vec<u8>,
    /// The key before it, the last that is on a leaf.
    before: Vec<u8>,
}

impl<S: PageSink> BtreeBuilder<S> {
    pub(in crate::bdb) fn new(sink: S, plan: &Plan, page_octets: usize) -> Result<Self, MapBuildError> {
        check_duplicates(Format::Btree, plan)?;
        Ok(Self {
            // The root, which is known last.
            pages: PageWriter::new(sink, page_octets, ROOT),
            plan: *plan,
            tree: Tree::new(page_octets, Shape::Main),
            group: Group::new(page_octets),
            key: Vec::new(),
            before: Vec::new(),
        })
    }

    /// How `key` stands to the one that came last.
    fn order(&self, key: &[u8]) -> Ordering {
        if self.group.is_empty() { Ordering::Greater } else { key.cmp(&self.key) }
    }

    fn begin_group(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        self.place_group()?;
        std::mem::swap(&mut self.before, &mut self.key);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.group.begin(&mut self.pages, key)?;
        self.group.add(&mut self.pages, value)
    }

    /// A key and all its values stand on one leaf.
    fn place_group(&mut self) -> Result<(), MapBuildError> {
        self.group.close(&mut self.pages)?;
        if !self.tree.leaf.fits(self.group.items(), self.group.octets.len()) {
            let separator = Separator::between(&mut self.pages, &self.before, &self.key)?;
            self.tree.next_leaf(&mut self.pages, separator)?;
        }
        self.group.place(&mut self.tree);
        Ok(())
    }
}

impl<S: PageSink> MapFileBuilder for BtreeBuilder<S> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        match self.order(key) {
            Ordering::Greater => self.begin_group(key, value),
            Ordering::Equal if self.plan.duplicates == Duplicates::InOrder => {
                self.group.add(&mut self.pages, value)
            }
            Ordering::Equal | Ordering::Less => Err(MapBuildError::Order),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), MapBuildError> {
        self.place_group()?;
        self.tree.finish(&mut self.pages, Some(ROOT))?;
        let fields = [0, MINIMUM_KEYS, 0, PAD, ROOT];
        meta::write(&mut self.pages, &Kind::BTREE, &self.plan, fields)
    }
}

/// The items of one key as they will stand on a leaf: the key, then its values.
struct Group {
    octets: Octets,
    /// Where each value starts.
    values: Vec<usize>,
    /// The values, when they are too many for a leaf.
    duplicates: Option<DuplicateTree>,
}

impl Group {
    fn new(page_octets: usize) -> Self {
        Self { octets: Octets::with_capacity(page_octets), values: Vec::new(), duplicates: None }
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn begin<S: PageSink>(&mut self, pages: &mut PageWriter<S>, key: &[u8]) -> Result<(), MapBuildError> {
        self.octets.truncate(0);
        self.values.clear();
        let stored = pages.store(key, tree::on_page_limit(pages.size))?;
        tree::push_item(&mut self.octets, stored);
        Ok(())
    }

    fn add<S: PageSink>(&mut self, pages: &mut PageWriter<S>, value: &[u8]) -> Result<(), MapBuildError> {
        if let Some(duplicates) = &mut self.duplicates {
            return duplicates.add(pages, Stored::Here(value));
        }
        self.values.push(self.octets.len());
        let stored = pages.store(value, tree::on_page_limit(pages.size))?;
        tree::push_item(&mut self.octets, stored);
        if self.values.len() > 1 && self.value_octets() > pages.size / 4 {
            self.move_out(pages)
        } else {
            Ok(())
        }
    }

    /// What the values take on a leaf, with their places in the index.
    fn value_octets(&self) -> usize {
        self.octets.len() - self.values[0] + self.items() * INDEX_OCTETS
    }

    /// Begins a tree with the values that there are.
    fn move_out<S: PageSink>(&mut self, pages: &mut PageWriter<S>) -> Result<(), MapBuildError> {
        let mut duplicates = DuplicateTree::new(pages.size);
        let ends = self.values[1..].iter().copied().chain([self.octets.len()]);
        for (&start, end) in self.values.iter().zip(ends) {
            duplicates.add_item(pages, &self.octets[start..end])?;
        }
        self.octets.truncate(self.values[0]);
        self.values.truncate(1);
        self.duplicates = Some(duplicates);
        Ok(())
    }

    /// No further value comes.
    fn close<S: PageSink>(&mut self, pages: &mut PageWriter<S>) -> Result<(), MapBuildError> {
        if let Some(duplicates) = self.duplicates.take() {
            let root = duplicates.finish(pages)?;
            self.octets.push_all(&tree::long_item(DUPLICATE, root, 0));
        }
        Ok(())
    }

    /// How many places in the index it takes: each value has one of its own for the key.
    fn items(&self) -> usize {
        2 * self.values.len()
    }

    fn place(&self, tree: &mut Tree) {
        let at = tree.leaf.place(&self.octets);
        for value in &self.values {
            tree.leaf.index(at);
            tree.leaf.index(at + value);
        }
    }
}

const ROOT: u32 = 1;
const MINIMUM_KEYS: u32 = 2;
/// For records of fixed length, which there are not; libdb writes it all the same.
const PAD: u32 = 0x20;
