//! One bucket of a hash: its pairs while they come, put in order, and their chain of pages (sections 2.4 and 2.5 of the
//! format).

use std::cmp::Ordering;
use std::iter;

use super::PageWriter;
use super::dup::DuplicateTree;
use super::page::{Links, PageBuffer};
use crate::bdb::hash::{DUPLICATE, KEY_DATA, OFF_DUPLICATES, OFF_PAGE};
use crate::bdb::overflow::{Chain, Stored};
use crate::bdb::page::kind;
use crate::octets::Octets;
use crate::{MapBuildError, PageSink};

/// The pairs of a bucket that are not on a page yet.
pub(super) struct Bucket {
    /// Their items as they will stand there, each key with its value behind it.
    octets: Octets,
    /// Pairs whose key is among the octets.
    short: Vec<Pair>,
    /// Pairs whose key has pages of its own.
    long: Vec<Pair>,
    /// The pair that came last, and may get further values.
    open: Option<Open>,
    chain: BucketChain,
}

impl Bucket {
    pub(super) fn new(page_octets: usize) -> Self {
        Self {
            octets: Octets::with_capacity(4 * page_octets),
            short: Vec::new(),
            long: Vec::new(),
            open: None,
            chain: BucketChain::new(page_octets),
        }
    }

    /// Adds a pair whose key did not come before.
    pub(super) fn begin_pair<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), MapBuildError> {
        let start = self.octets.len();
        let key = pages.store(key, on_page_limit(pages.size))?;
        self.push_item(key);
        let place = self.octets.len();
        let value = pages.store(value, on_page_limit(pages.size))?;
        self.push_item(value);
        let values = match value {
            Stored::Here(_) => Values::One,
            Stored::Chain(chain) => Values::Long(chain),
        };
        self.open = Some(Open { key: start, value: place, values });
        Ok(())
    }

    /// Adds a value to the pair that came last.
    pub(super) fn add_value<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        value: &[u8],
    ) -> Result<(), MapBuildError> {
        let Some(open) = self.open.take() else { return Err(MapBuildError::Order) };
        let values = if self.joins_set(&open, value, on_page_limit(pages.size)) {
            self.add_to_set(&open, value);
            Values::Set
        } else {
            let mut tree = self.tree_of(open.values, open.value, pages)?;
            tree.add(pages, Stored::Here(value))?;
            Values::Tree(tree)
        };
        self.open = Some(Open { values, ..open });
        Ok(())
    }

    /// No further value comes for the pair that came last.
    pub(super) fn close_pair<S: PageSink>(&mut self, pages: &mut PageWriter<S>) -> Result<(), MapBuildError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if let Values::Tree(tree) = open.values {
            let root = tree.finish(pages)?;
            self.octets.push_all(&[OFF_DUPLICATES, 0, 0, 0]);
            self.octets.push_all(&root.to_le_bytes());
        }
        let pair = Pair { key: open.key, value: open.value, end: self.octets.len() };
        let pairs = if self.octets[open.key] == OFF_PAGE { &mut self.long } else { &mut self.short };
        pairs.push(pair);
        Ok(())
    }

    /// Whether there is more of it than should be in memory: much more came than was planned for.
    pub(super) fn is_large<S>(&self, pages: &PageWriter<S>) -> bool {
        self.octets.len() > MOST_PAGES * pages.size
    }

    /// Puts the pairs on pages, of which `first` is the first of the bucket. Each page is searched by bisection, so it
    /// has to be in order; pages of a chain are not searched but visited, in whatever order they are.
    ///
    /// Keys off-page have another order than those on it, and it is the order of octets that are no longer here: each
    /// has a page for itself.
    pub(super) fn spill<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        first: u32,
    ) -> Result<(), MapBuildError> {
        let octets = &self.octets[..];
        self.short
            .sort_unstable_by(|one, other| on_page_order(one.short_key(octets), other.short_key(octets)));
        self.chain.begin(first);
        let runs = iter::once(&self.short[..]).chain(self.long.chunks(1));
        for run in runs.filter(|run| !run.is_empty()) {
            self.chain.put_run(pages, octets, run)?;
        }
        self.short.clear();
        self.long.clear();
        self.octets.truncate(0);
        Ok(())
    }

    /// Puts the pairs on pages, and writes the last of them: an empty one where there was nothing.
    pub(super) fn write<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        first: u32,
    ) -> Result<(), MapBuildError> {
        self.spill(pages, first)?;
        self.chain.end(pages)
    }

    fn push_item(&mut self, stored: Stored<'_>) {
        match stored {
            Stored::Here(octets) => {
                self.octets.push_all(&[KEY_DATA]);
                self.octets.push_all(octets);
            }
            Stored::Chain(chain) => {
                self.octets.push_all(&[OFF_PAGE, 0, 0, 0]);
                self.octets.push_all(&chain.first.to_le_bytes());
                self.octets.push_all(&chain.length.to_le_bytes());
            }
        }
    }

    /// Whether the values of a pair stay on the page with this one more.
    fn joins_set(&self, open: &Open, value: &[u8], limit: usize) -> bool {
        let lengths = match open.values {
            Values::One => 2 * LENGTHS_OCTETS,
            Values::Set => LENGTHS_OCTETS,
            Values::Long(_) | Values::Tree(_) => return false,
        };
        self.octets.len() - (open.value + 1) + value.len() + lengths <= limit
    }

    /// Each value of a set stands between two copies of its length.
    fn add_to_set(&mut self, open: &Open, value: &[u8]) {
        if let Values::One = open.values {
            self.make_set(open.value);
        }
        let length = (value.len() as u16).to_le_bytes();
        self.octets.push_all(&length);
        self.octets.push_all(value);
        self.octets.push_all(&length);
    }

    /// Makes the single value at `item`, the last of the octets, a set of one.
    fn make_set(&mut self, item: usize) {
        let start = item + 1;
        let end = self.octets.len();
        let length = ((end - start) as u16).to_le_bytes();
        self.octets.push_all(&[0; LENGTHS_OCTETS]);
        self.octets.copy_within(start..end, start + length.len());
        self.octets[item] = DUPLICATE;
        self.octets[start..start + length.len()].copy_from_slice(&length);
        self.octets[end + length.len()..].copy_from_slice(&length);
    }

    /// The values of a pair as a tree, in place of their item at `item`, the last of the octets.
    fn tree_of<S: PageSink>(
        &mut self,
        values: Values,
        item: usize,
        pages: &mut PageWriter<S>,
    ) -> Result<Box<DuplicateTree>, MapBuildError> {
        let mut tree = match values {
            Values::Tree(tree) => return Ok(tree),
            Values::One | Values::Set | Values::Long(_) => Box::new(DuplicateTree::new(pages.size)),
        };
        let octets = &self.octets[item + 1..];
        match values {
            Values::One => tree.add(pages, Stored::Here(octets))?,
            Values::Long(chain) => tree.add(pages, Stored::Chain(chain))?,
            Values::Set => set_values(octets).try_for_each(|value| tree.add(pages, Stored::Here(value)))?,
            Values::Tree(_) => {}
        }
        self.octets.truncate(item);
        Ok(tree)
    }
}

/// Where the items of a pair start, and where the last ends.
struct Pair {
    key: usize,
    value: usize,
    end: usize,
}

impl Pair {
    /// The octets of a key on the page, without the type of the item.
    fn short_key<'o>(&self, octets: &'o [u8]) -> &'o [u8] {
        &octets[self.key + 1..self.value]
    }
}

/// A pair that may get further values.
struct Open {
    key: usize,
    value: usize,
    values: Values,
}

/// What stands for the values of a pair.
enum Values {
    /// One item on the page.
    One,
    /// One item off-page.
    Long(Chain),
    /// Several, with their lengths.
    Set,
    /// Several off-page. The item is made when the tree is complete.
    Tree(Box<DuplicateTree>),
}

/// The pages of a bucket: the one that is being filled.
struct BucketChain {
    page: PageBuffer,
    /// Its number, and that of the page before. 0 = none.
    number: u32,
    previous: u32,
}

impl BucketChain {
    fn new(page_octets: usize) -> Self {
        Self { page: PageBuffer::new(page_octets, kind::HASH, 0), number: 0, previous: 0 }
    }

    /// Makes `first` the first page, unless the chain has begun.
    fn begin(&mut self, first: u32) {
        if self.number == 0 {
            self.number = first;
        }
    }

    /// Puts pairs that are in order on pages of their own.
    fn put_run<S: PageSink>(
        &mut self,
        pages: &mut PageWriter<S>,
        octets: &[u8],
        run: &[Pair],
    ) -> Result<(), MapBuildError> {
        if self.page.items() > 0 {
            self.next_page(pages)?;
        }
        for pair in run {
            if !self.page.fits(2, pair.end - pair.key) {
                self.next_page(pages)?;
            }
            for item in [&octets[pair.key..pair.value], &octets[pair.value..pair.end]] {
                let offset = self.page.place(item);
                self.page.index(offset);
            }
        }
        Ok(())
    }

    fn next_page<S: PageSink>(&mut self, pages: &mut PageWriter<S>) -> Result<(), MapBuildError> {
        let next = pages.allocate(1)?;
        self.page.write(pages, Links { number: self.number, previous: self.previous, next })?;
        self.previous = self.number;
        self.number = next;
        Ok(())
    }

    fn end<S: PageSink>(&mut self, pages: &mut PageWriter<S>) -> Result<(), MapBuildError> {
        self.page.write(pages, Links { number: self.number, previous: self.previous, next: 0 })?;
        self.previous = 0;
        self.number = 0;
        Ok(())
    }
}

/// How keys on a page are searched: where one is the start of another, the longer comes first. libdb compares so.
fn on_page_order(one: &[u8], other: &[u8]) -> Ordering {
    let both = one.len().min(other.len());
    one[..both].cmp(&other[..both]).then_with(|| other.len().cmp(&one.len()))
}

/// The values of a set that [`Bucket::add_to_set`] made.
fn set_values(mut set: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let (length, rest) = set.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        set = rest.get(length.len()..)?;
        Some(value)
    })
}

/// The longest item that stays on the page, lengths of a set included.
fn on_page_limit(page_octets: usize) -> usize {
    page_octets / 4
}

/// The two copies of the length of a value of a set.
const LENGTHS_OCTETS: usize = 4;
/// A bucket that was planned for takes one or two.
const MOST_PAGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_keys_come_first_on_a_page() {
        let mut keys = [&b""[..], b"a", b"ab", b"abz", b"ac", b"b", b"\xff"];
        keys.sort_by(|one, other| on_page_order(one, other));
        assert_eq!(keys, [&b"abz"[..], b"ab", b"ac", b"a", b"b", b"\xff", b""]);
    }

    #[test]
    fn a_set_gives_its_values() {
        let set = b"\x03\0one\x03\0\0\0\0\0\x01\0x\x01\0";
        assert_eq!(set_values(set).collect::<Vec<_>>(), [&b"one"[..], b"", b"x"]);
    }
}
