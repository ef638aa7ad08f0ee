//! Hash: buckets, each a chain of pages, each page full of pairs.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::dup::{Item, Values};
use super::meta::{Meta, damaged};
use super::overflow::{Chain, Stored};
use super::page::{Items, Page, Pages, kind};
use crate::page::Seen;
use crate::{
    Duplicates, Fault, Feature, Format, MapFileError, MapReader, Occurrence, PageSource, Record, Records,
};

/// A hash whose metadata has been checked.
pub(super) struct HashFile<S> {
    pages: Pages<S>,
    duplicates: Duplicates,
    max_bucket: u32,
    spares: [u32; SPARES],
}

impl<S: PageSource> HashFile<S> {
    pub(super) fn new(meta: &Meta, pages: Pages<S>) -> Result<Self, MapFileError> {
        meta.check_flags(DUPLICATES | SORTED, SUBDATABASES)?;
        match meta.u32(92)? {
            CHARKEY => {}
            other => return Err(MapFileError::Unsupported(Feature::HashFunction(other))),
        }
        let max_bucket = meta.u32(72)?;
        if max_bucket >= pages.count() || max_bucket >= 1 << 31 {
            return Err(damaged(Fault::MaxBucket(max_bucket)));
        }
        check_masks(meta, max_bucket)?;
        let mut spares = [0; SPARES];
        for (at, spare) in (96..).step_by(4).zip(&mut spares) {
            *spare = meta.u32(at)?;
        }
        let file = Self { pages, duplicates: meta.duplicates(DUPLICATES, SORTED), max_bucket, spares };
        file.check_spares()?;
        Ok(file)
    }

    /// Every run of buckets has to lie inside the file, at its first bucket and at its last.
    fn check_spares(&self) -> Result<(), MapFileError> {
        let mut first = 0_u32;
        for run in 0..=bit_length(self.max_bucket) {
            let last = (mask(run)).min(self.max_bucket);
            for bucket in [first, last] {
                let page = self.page_of(bucket);
                if page == 0 || page >= self.pages.count() {
                    return Err(damaged(Fault::Bucket(bucket)));
                }
            }
            first = last + 1;
        }
        Ok(())
    }

    fn bucket_of(&self, key: &[u8]) -> u32 {
        let high = mask(bit_length(self.max_bucket));
        match hash(key) & high {
            bucket if bucket > self.max_bucket => bucket & (high >> 1),
            bucket => bucket,
        }
    }

    fn page_of(&self, bucket: u32) -> u32 {
        bucket.wrapping_add(self.spares[bit_length(bucket) as usize])
    }

    /// The first page of a bucket, none when it was never written.
    fn first_page(&self, bucket: u32, seen: &mut Seen) -> Result<Option<Page<'_>>, MapFileError> {
        let Some(page) = self.pages.read_or_blank(self.page_of(bucket), seen)? else { return Ok(None) };
        check_page(&page, 0).map(|()| Some(page))
    }

    fn next_page(&self, page: &Page<'_>, seen: &mut Seen) -> Result<Option<Page<'_>>, MapFileError> {
        if page.next == 0 {
            return Ok(None);
        }
        let next = self.pages.read(page.next, seen)?;
        check_page(&next, page.number).map(|()| Some(next))
    }

    fn values(&self, page: &Page<'_>, pair: u16, seen: &mut Seen) -> Result<Values<'_>, MapFileError> {
        let item = item(page, 2 * pair + 1)?;
        if item.is_several() && self.duplicates == Duplicates::Refused {
            return Err(page.damaged(Fault::NoDuplicates));
        }
        Values::of(&self.pages, page.number, &item, seen)
    }
}

impl<S: PageSource> MapReader for HashFile<S> {
    fn format(&self) -> Format {
        Format::Hash
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    /// Walks the whole bucket: its pages are not always in an order that can be searched, and libdb's own files
    /// may hold a key twice. The first match in the order of the chain counts.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        let mut seen = Seen::default();
        let mut next = self.first_page(self.bucket_of(key), &mut seen)?;
        while let Some(page) = next {
            for pair in 0..page.items / 2 {
                if key_item(&page, pair)?.is(&self.pages, key)? {
                    return self.values(&page, pair, &mut seen)?.next(&self.pages, &mut seen);
                }
            }
            next = self.next_page(&page, &mut seen)?;
        }
        Ok(None)
    }

    fn records(&self) -> Records<'_> {
        Box::new(HashRecords {
            file: self,
            seen: Seen::default(),
            buckets: 0..self.max_bucket + 1,
            place: None,
            key: None,
            values: Values::Done,
            met: Met::default(),
        })
    }
}

/// A walk over all buckets.
struct HashRecords<'a, S> {
    file: &'a HashFile<S>,
    seen: Seen,
    buckets: Range<u32>,
    /// The page and the pair on it that is next.
    place: Option<(Page<'a>, u16)>,
    /// The key whose values are being given, and what to say of the next.
    key: Option<(Arc<[u8]>, Occurrence)>,
    values: Values<'a>,
    met: Met,
}

impl<'a, S: PageSource> HashRecords<'a, S> {
    fn step(&mut self) -> Result<Option<Record>, MapFileError> {
        loop {
            if let Some((key, occurrence)) = &mut self.key
                && let Some(value) = self.values.next(&self.file.pages, &mut self.seen)?
            {
                let record = Record { key: Arc::clone(key), value, occurrence: *occurrence };
                if *occurrence == Occurrence::First {
                    *occurrence = Occurrence::Further;
                }
                return Ok(Some(record));
            }
            if !self.next_pair()? {
                return Ok(None);
            }
        }
    }

    fn next_pair(&mut self) -> Result<bool, MapFileError> {
        loop {
            match self.place.take() {
                Some((page, pair)) if pair < page.items / 2 => {
                    self.take_pair(&page, pair)?;
                    self.place = Some((page, pair + 1));
                    return Ok(true);
                }
                Some((page, _)) => {
                    self.place = self.file.next_page(&page, &mut self.seen)?.map(|page| (page, 0));
                }
                None => match self.buckets.next() {
                    Some(bucket) => self.enter(bucket)?,
                    None => return Ok(false),
                },
            }
        }
    }

    fn enter(&mut self, bucket: u32) -> Result<(), MapFileError> {
        self.met = Met::default();
        self.place = self.file.first_page(bucket, &mut self.seen)?.map(|page| (page, 0));
        Ok(())
    }

    fn take_pair(&mut self, page: &Page<'a>, pair: u16) -> Result<(), MapFileError> {
        let key: Arc<[u8]> = key_item(page, pair)?.read(&self.file.pages, &mut self.seen)?.into();
        self.values = self.file.values(page, pair, &mut self.seen)?;
        let occurrence = self.met.meet(&key);
        self.key = Some((key, occurrence));
        Ok(())
    }
}

impl<S: PageSource> Iterator for HashRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.key = None;
            self.place = None;
            // Empty from here on.
            self.buckets = 0..0;
        }
        step.transpose()
    }
}

/// The keys of one bucket, to notice when one comes again. A bucket is a page or two; of one that a hostile file
/// makes larger than [`Met::MOST`] octets the rest is not remembered.
#[derive(Default)]
struct Met {
    keys: HashSet<Arc<[u8]>>,
    octets: usize,
}

impl Met {
    const MOST: usize = 1 << 20;

    fn meet(&mut self, key: &Arc<[u8]>) -> Occurrence {
        if self.keys.contains(key) {
            return Occurrence::Shadowed;
        }
        self.octets = self.octets.saturating_add(key.len() + size_of::<Arc<[u8]>>());
        if self.octets <= Self::MOST {
            self.keys.insert(Arc::clone(key));
        }
        Occurrence::First
    }
}

fn check_page(page: &Page<'_>, previous: u32) -> Result<(), MapFileError> {
    if !matches!(page.kind, kind::HASH | kind::HASH_UNSORTED) {
        return Err(page.wrong_type());
    }
    if page.previous != previous {
        return Err(page.damaged(Fault::Previous { found: page.previous, expected: previous }));
    }
    page.check_index(Items::Pairs)
}

fn key_item<'p>(page: &'p Page<'_>, pair: u16) -> Result<Stored<'p>, MapFileError> {
    match item(page, 2 * pair)? {
        Item::One(stored) => Ok(stored),
        Item::Set(_) => Err(page.damaged(Fault::ItemType(DUPLICATE))),
        Item::Tree(_) => Err(page.damaged(Fault::ItemType(OFF_DUPLICATES))),
    }
}

/// An item has no length of its own: it ends where the one before it starts, the first at the end of the page.
fn item<'p>(page: &'p Page<'_>, index: u16) -> Result<Item<'p>, MapFileError> {
    let start = page.offset(index)?;
    let end = if index == 0 { page.size() } else { page.offset(index - 1)? };
    let length = match end.checked_sub(start) {
        Some(length) if length > 0 => length,
        _ => return Err(page.damaged(Fault::ItemOffset(start as u32))),
    };
    let wrong_length = || page.damaged(Fault::ItemLength(length as u32));
    match page.u8(start)? {
        KEY_DATA => page.octets(start + 1, length - 1).map(|octets| Item::One(Stored::Here(octets))),
        DUPLICATE => page.octets(start + 1, length - 1).map(Item::Set),
        OFF_PAGE if length != 12 => Err(wrong_length()),
        OFF_PAGE => {
            let chain = Chain { first: page.u32(start + 4)?, length: page.u32(start + 8)? };
            Ok(Item::One(Stored::Chain(chain)))
        }
        OFF_DUPLICATES if length != 8 => Err(wrong_length()),
        OFF_DUPLICATES => Ok(Item::Tree(page.u32(start + 4)?)),
        other => Err(page.damaged(Fault::ItemType(other))),
    }
}

/// The masks follow from the highest bucket; a file that says otherwise was not written by libdb.
fn check_masks(meta: &Meta, max_bucket: u32) -> Result<(), MapFileError> {
    let (high, low) = (meta.u32(76)?, meta.u32(80)?);
    let right = mask(bit_length(max_bucket));
    if high == right && low == right >> 1 { Ok(()) } else { Err(damaged(Fault::Masks { high, low })) }
}

/// FNV-1 with a start value of 0, as libdb has it.
pub(super) fn hash(key: &[u8]) -> u32 {
    key.iter().fold(0_u32, |hash, &octet| hash.wrapping_mul(16_777_619) ^ u32::from(octet))
}

fn bit_length(number: u32) -> u32 {
    u32::BITS - number.leading_zeros()
}

/// So many low bits; at most 31 are asked for.
fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

/// The hash of `%$sniglet^&` and a NUL, kept in each file to show which function made it.
pub(super) const CHARKEY: u32 = 0x5E68_8DD1;
/// Runs of buckets that the metadata has room for.
pub(super) const SPARES: usize = 32;

const DUPLICATES: u32 = 0x01;
const SUBDATABASES: u32 = 0x02;
const SORTED: u32 = 0x04;

/// Types of items.
pub(super) const KEY_DATA: u8 = 1;
pub(super) const DUPLICATE: u8 = 2;
pub(super) const OFF_PAGE: u8 = 3;
pub(super) const OFF_DUPLICATES: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_vectors_of_the_format() {
        for (key, expected) in [
            (&b""[..], 0),
            (b"a", 0x61),
            (b"ab", 0x6100_98d1),
            (b"abc", 0x84f0_9160),
            (b"abc\0", 0xa6b4_da20),
            (b"user@example.com", 0x9d7c_b67e),
            ("josé".as_bytes(), 0x1534_8660),
            (b"%$sniglet^&\0", CHARKEY),
        ] {
            assert_eq!(hash(key), expected, "{}", key.escape_ascii());
        }
    }
}
