//! A bucket: a table of elements, found by their hash and, where that place is taken, in one of those that follow.

use super::header::{HASH_BITS, Header};
use crate::page::Block;
use crate::{Fault, MapFileError};

/// A bucket that fits the entry of the directory by which it was reached.
pub(super) struct Bucket<'a> {
    header: &'a Header,
    address: u64,
    block: Block<'a>,
    /// How many leading bits of a hash it stands for.
    bits: u32,
}

/// A place of the table that is in use.
pub(super) struct Element {
    /// Where the element stands in the file.
    at: u64,
    /// The hash of the key.
    pub(super) hash: u32,
    /// The first octets of the key; what a shorter one leaves free is anything.
    start: [u8; START],
    /// Where the record is: the key, and after it the value.
    pub(super) position: u64,
    /// Octets of the key.
    pub(super) key_octets: u32,
    /// Octets of the value.
    pub(super) value_octets: u32,
    /// How far from its own place it stands, since that was taken.
    pub(super) distance: u32,
}

impl<'a> Bucket<'a> {
    pub(super) fn new(
        header: &'a Header,
        address: u64,
        index: u32,
        block: Block<'a>,
    ) -> Result<Self, MapFileError> {
        let mut bucket = Self { header, address, block, bits: 0 };
        bucket.bits = bucket.u32(header.layout.bits_at)?;
        if bucket.bits > header.bits {
            return Err(bucket.damaged(header.layout.bits_at, "bucket bits", bucket.bits));
        }
        bucket.check_elements(index)?;
        Ok(bucket)
    }

    /// How many entries of the directory name this bucket: a run of them that begins at a multiple of its length.
    pub(super) fn entries(&self) -> u32 {
        1 << (self.header.bits - self.bits)
    }

    /// The places where a hash is looked for, in this order, until one of them is free.
    pub(super) fn probe(&self, hash: u32) -> impl Iterator<Item = u32> + use<> {
        let elements = self.header.elements;
        let own = hash % elements;
        (own..elements).chain(0..own)
    }

    /// The element at a place, where there is one.
    pub(super) fn element(&self, slot: u32) -> Result<Option<Element>, MapFileError> {
        let layout = self.header.layout;
        let at = self.slot_at(slot);
        let sizes = at + 8 + layout.offset_octets;
        let hash = self.u32(at)?;
        if hash == FREE {
            return Ok(None);
        }
        let start = self.block.slice(at + 4..at + 8).and_then(|octets| octets.try_into().ok());
        Ok(Some(Element {
            at: self.address + at as u64,
            hash,
            start: start.ok_or_else(|| self.short())?,
            position: layout.offset(&self.block, at + 8).ok_or_else(|| self.short())?,
            key_octets: self.u32(sizes)?,
            value_octets: self.u32(sizes + 4)?,
            distance: self.distance(slot, hash),
        }))
    }

    /// The elements in use, in the order of their hashes, those of one hash in the order in which a look-up meets them.
    pub(super) fn into_elements(self) -> Result<Vec<Element>, MapFileError> {
        let slots = 0..self.header.elements;
        let elements = slots.filter_map(|slot| self.element(slot).transpose());
        let mut elements = elements.collect::<Result<Vec<_>, _>>()?;
        elements.sort_unstable_by_key(|element| (element.hash, element.distance));
        Ok(elements)
    }

    /// Each element is of this bucket, all are where a look-up finds them, and they are as many as the bucket says.
    fn check_elements(&self, index: u32) -> Result<(), MapFileError> {
        let elements = self.header.elements;
        let prefix = index >> (self.header.bits - self.bits);
        // Places in use that go before, without a free one between. The first round sees what wraps.
        let (mut before, mut used) = (0, 0);
        for (round, slot) in (0..2).flat_map(|round| (0..elements).map(move |slot| (round, slot))) {
            let at = self.slot_at(slot);
            let hash = self.u32(at)?;
            if hash == FREE {
                before = 0;
                continue;
            }
            if u64::from(hash) >> (HASH_BITS - self.bits) != u64::from(prefix) {
                return Err(self.damaged(at, "hash of another bucket", hash));
            }
            if round == 1 && self.distance(slot, hash) > before {
                return Err(self.damaged(at, "hash that no look-up finds", hash));
            }
            before = elements.min(before + 1);
            used += round;
        }
        let count_at = self.header.layout.bits_at + 4;
        match self.u32(count_at)? {
            count if count == used => Ok(()),
            count => Err(self.damaged(count_at, "count of elements", count)),
        }
    }

    fn distance(&self, slot: u32, hash: u32) -> u32 {
        let (elements, own) = (self.header.elements, hash % self.header.elements);
        if slot >= own { slot - own } else { slot + elements - own }
    }

    fn slot_at(&self, slot: u32) -> usize {
        let layout = self.header.layout;
        layout.elements_at + slot as usize * layout.element_octets
    }

    fn u32(&self, at: usize) -> Result<u32, MapFileError> {
        self.block.u32(at).ok_or_else(|| self.short())
    }

    fn short(&self) -> MapFileError {
        self.damaged(0, "bucket size", self.header.bucket_octets)
    }

    fn damaged(&self, at: usize, field: &'static str, value: u32) -> MapFileError {
        MapFileError::damaged_at(self.address + at as u64, Fault::Field(field, value.into()))
    }
}

impl Element {
    /// Whether it can be that of a key, as far as that shows without reading the key.
    pub(super) fn may_be(&self, key: &[u8], hash: u32) -> bool {
        self.hash == hash && self.key_octets as usize == key.len() && self.has_start_of(key)
    }

    /// Whether the key begins as the element says.
    pub(super) fn has_start_of(&self, key: &[u8]) -> bool {
        key.iter().zip(&self.start).all(|(own, octet)| own == octet)
    }

    /// Octets of the record; the sizes are those of the file.
    pub(super) fn octets(&self) -> u64 {
        u64::from(self.key_octets) + u64::from(self.value_octets)
    }

    /// A fault of this element.
    pub(super) fn damaged(&self, field: &'static str, value: impl Into<u64>) -> MapFileError {
        MapFileError::damaged_at(self.at, Fault::Field(field, value.into()))
    }
}

/// The hash of a place that is free.
const FREE: u32 = u32::MAX;
/// Octets of a key that its element repeats.
const START: usize = 4;
