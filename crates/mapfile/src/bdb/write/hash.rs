//! Hash: one bucket after the other is collected, put in order and written (section 5.1 of the format).
//!
//! Records come sorted by the hash with its lowest bit first. So those of a bucket come together, and buckets in the
//! order of their numbers read backwards: each is written at its place, and what does not fit one page goes behind all
//! the buckets.

use std::cmp::Ordering;

use super::bucket::Bucket;
use super::meta::{self, Kind};
use super::page::capacity;
use super::{PageWriter, check_duplicates, too_large};
use crate::bdb::hash::{CHARKEY, SPARES};
use crate::bdb::rank;
use crate::{Duplicates, Format, MapBuildError, MapFileBuilder, PageSink, Plan, Volume};

/// A hash in the making.
pub(in crate::bdb) struct HashBuilder<S> {
    pages: PageWriter<S>,
    plan: Plan,
    /// How many bits of the hash make the number of a bucket.
    bits: u32,
    /// The bucket that is being collected, by its turn.
    turn: u32,
    bucket: Bucket,
    /// The key that came last, and its rank.
    key: Vec<u8>,
    rank: u32,
    keys: u32,
}

impl<S: PageSink> HashBuilder<S> {
    pub(in crate::bdb) fn new(sink: S, plan: &Plan, page_octets: usize) -> Result<Self, MapBuildError> {
        check_duplicates(Format::Hash, plan)?;
        let bits = bucket_bits(plan.volume, page_octets).ok_or_else(|| too_large(page_octets))?;
        Ok(Self {
            pages: PageWriter::new(sink, page_octets, 1 << bits),
            plan: *plan,
            bits,
            turn: 0,
            bucket: Bucket::new(page_octets),
            key: Vec::new(),
            rank: 0,
            keys: 0,
        })
    }

    /// How a key stands to the one that came last.
    fn order(&self, rank: u32, key: &[u8]) -> Ordering {
        if self.keys == 0 {
            return Ordering::Greater;
        }
        rank.cmp(&self.rank).then_with(|| key.cmp(&self.key))
    }

    fn begin_key(&mut self, rank: u32, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        self.bucket.close_pair(&mut self.pages)?;
        self.write_buckets_before(rank >> (u32::BITS - self.bits))?;
        if self.bucket.is_large(&self.pages) {
            let first = self.first_page();
            self.bucket.spill(&mut self.pages, first)?;
        }
        self.rank = rank;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.keys = self.keys.saturating_add(1);
        self.bucket.begin_pair(&mut self.pages, key, value)
    }

    /// Writes the buckets from the one that is being collected up to that of `turn`, those that nothing came for too.
    fn write_buckets_before(&mut self, turn: u32) -> Result<(), MapBuildError> {
        while self.turn < turn {
            let first = self.first_page();
            self.bucket.write(&mut self.pages, first)?;
            self.turn += 1;
        }
        Ok(())
    }

    /// Of the bucket that is being collected.
    fn first_page(&self) -> u32 {
        (self.turn.reverse_bits() >> (u32::BITS - self.bits)) + 1
    }

    fn write_meta(&mut self) -> Result<(), MapBuildError> {
        let mask = (1 << self.bits) - 1;
        let fill_factor = 0;
        let mut spares = [0; SPARES];
        // All runs of buckets follow each other from page 1 on.
        spares[..=self.bits as usize].fill(1);
        let fields = [mask, mask, mask >> 1, fill_factor, self.keys, CHARKEY];
        meta::write(&mut self.pages, &Kind::HASH, &self.plan, fields.into_iter().chain(spares))
    }
}

impl<S: PageSink> MapFileBuilder for HashBuilder<S> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        let rank = rank(key);
        match self.order(rank, key) {
            Ordering::Greater => self.begin_key(rank, key, value),
            Ordering::Equal if self.plan.duplicates == Duplicates::InOrder => {
                self.bucket.add_value(&mut self.pages, value)
            }
            Ordering::Equal | Ordering::Less => Err(MapBuildError::Order),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), MapBuildError> {
        self.bucket.close_pair(&mut self.pages)?;
        self.write_buckets_before(1 << self.bits)?;
        self.write_meta()
    }
}

/// How many bits number so many buckets that a tenth of their first pages stays free, were all filled alike; none for
/// more than there can be.
fn bucket_bits(volume: Volume, page_octets: usize) -> Option<u32> {
    let octets = u128::from(volume.octets) + u128::from(volume.records) * PAIR_OCTETS;
    let full = octets.saturating_mul(10).div_ceil(9 * capacity(page_octets) as u128);
    let bits = full.max(2).next_power_of_two().trailing_zeros();
    (bits <= MOST_BITS).then_some(bits)
}

/// What a pair costs besides its octets: two places in the index, two types.
const PAIR_OCTETS: u128 = 6;
/// Half of all the page numbers that there are.
const MOST_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_by_volume() {
        let bits = |records, octets| bucket_bits(Volume { records, octets }, 4096);
        assert_eq!(bits(0, 0), Some(1));
        assert_eq!(bits(1, 10), Some(1));
        // Two buckets hold 0.9 x 2 x 4070 octets.
        assert_eq!(bits(126, 7326 - 6 * 126), Some(1));
        assert_eq!(bits(126, 7327 - 6 * 126), Some(2));
        assert_eq!(bits(1_000_000, 48_000_000), Some(14));
        assert_eq!(bits(0, (1 << 31) * 3663), Some(31));
        assert_eq!(bits(0, (1 << 31) * 3663 + 1), None);
        assert_eq!(bits(u64::MAX, u64::MAX), None);
    }
}
