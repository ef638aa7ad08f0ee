//! GDBM, all layouts: a directory of buckets, each a table of elements that say where their records lie. What the
//! layouts differ in is `header`; a bucket with its checks is `bucket`.
//!
//! What was deleted or changed stays in the file until its place is used again, so nothing is found but through the
//! structure. In a sound file no two parts overlap: a walk takes no more octets than the file has, all told.
//!
//! Not here: writing, and the list of free places, which no reader needs.

mod bucket;
mod hash;
mod header;
mod walk;

use std::borrow::Cow;
use std::ops::Range;

use bucket::{Bucket, Element};
use header::Header;
use walk::GdbmRecords;

use crate::page::{Block, Order};
use crate::{
    Detected, Duplicates, Fault, Format, Limits, MapFileError, MapReader, PageSource, Records, detect,
};

/// Opens a file in the byte order and layout of its header.
pub(crate) fn open<'a>(
    source: impl PageSource + 'a,
    limits: Limits,
) -> Result<Box<dyn MapReader + 'a>, MapFileError> {
    let (detected, order) = detect::start_of(&source)?;
    if detected != Detected::Gdbm {
        return Err(MapFileError::Unknown);
    }
    let header = Header::read(&source, order)?;
    Ok(Box::new(GdbmFile { source, order, header, item_limit: limits.item }))
}

/// A file whose header has been checked.
struct GdbmFile<S> {
    source: S,
    order: Order,
    header: Header,
    item_limit: u32,
}

impl<S: PageSource> GdbmFile<S> {
    /// The bucket that an entry of the directory names.
    fn entry(&self, index: u32) -> Result<u64, MapFileError> {
        let at = self.header.entry_at(index);
        let octets = self.header.layout.offset_octets;
        let block = Block::new(self.octets(at, octets)?, self.order);
        let address = self.header.layout.offset(&block, 0).ok_or_else(|| self.short())?;
        self.check_place(address, u64::from(self.header.bucket_octets))
            .map_err(|()| MapFileError::damaged_at(at, Fault::Field("position of a bucket", address)))?;
        Ok(address)
    }

    /// The first of these entries that does not name a bucket. A run of them may be the whole directory.
    fn other_entry(&self, entries: Range<u32>, address: u64) -> Result<Option<u32>, MapFileError> {
        let layout = self.header.layout;
        let piece = (PIECE / layout.offset_octets) as u32;
        for first in entries.clone().step_by(piece as usize) {
            let count = piece.min(entries.end - first);
            let octets = self.octets(self.header.entry_at(first), count as usize * layout.offset_octets)?;
            let block = Block::new(octets, self.order);
            let is_other =
                |&index: &u32| layout.offset(&block, index as usize * layout.offset_octets) != Some(address);
            if let Some(index) = (0..count).find(is_other) {
                return Ok(Some(first + index));
            }
        }
        Ok(None)
    }

    /// Reads a bucket that this entry names.
    fn bucket(&self, address: u64, index: u32) -> Result<Bucket<'_>, MapFileError> {
        let octets = self.octets(address, self.header.bucket_octets as usize)?;
        Bucket::new(&self.header, address, index, Block::new(octets, self.order))
    }

    /// Goes through the places where a look-up has to look, up to the first that is free.
    fn find(&self, key: &[u8], hash: u32) -> Result<Option<Vec<u8>>, MapFileError> {
        let index = self.header.entry_of(hash);
        let bucket = self.bucket(self.entry(index)?, index)?;
        let mut compared = 0;
        for slot in bucket.probe(hash) {
            let Some(element) = bucket.element(slot)? else { break };
            if !element.may_be(key, hash) {
                continue;
            }
            self.check_record(&element)?;
            compared += key.len() as u64;
            if compared > self.source.length() {
                return Err(element.damaged("octets of keys, which must overlap", compared));
            }
            if *self.octets(element.position, key.len())? == *key {
                return self.value(&element).map(|value| Some(value.into_owned()));
            }
        }
        Ok(None)
    }

    /// The key of a record whose place has been checked. It has to be what the element says of it.
    fn key(&self, element: &Element) -> Result<Cow<'_, [u8]>, MapFileError> {
        let key = self.octets(element.position, element.key_octets as usize)?;
        if !element.has_start_of(&key) {
            return Err(
                element.damaged("first octets of another key than that of the record at", element.position)
            );
        }
        if !hash::forms(&key).contains(&element.hash) {
            return Err(element.damaged("hash of another key", element.hash));
        }
        Ok(key)
    }

    /// The value of a record whose place has been checked: it follows the key.
    fn value(&self, element: &Element) -> Result<Cow<'_, [u8]>, MapFileError> {
        let at = element.position + u64::from(element.key_octets);
        self.octets(at, element.value_octets as usize)
    }

    /// Sizes within the limit, and the record inside the file: before anything is read of it.
    fn check_record(&self, element: &Element) -> Result<(), MapFileError> {
        for (name, octets) in [("key size", element.key_octets), ("value size", element.value_octets)] {
            if octets > self.item_limit || octets > i32::MAX as u32 {
                return Err(element.damaged(name, octets));
            }
        }
        self.check_place(element.position, element.octets())
            .map_err(|()| element.damaged("position of a record", element.position))
    }

    /// Whether so many octets from `at` on are in the file, and not in its header.
    fn check_place(&self, at: u64, octets: u64) -> Result<(), ()> {
        let end = at.checked_add(octets).ok_or(())?;
        if at >= self.header.octets && end <= self.source.length() { Ok(()) } else { Err(()) }
    }

    /// Octets whose place has been checked, in pieces: in one buffer, so that no part of a secret is left behind by
    /// growing.
    fn octets(&self, at: u64, octets: usize) -> Result<Cow<'_, [u8]>, MapFileError> {
        if octets <= PIECE {
            return Ok(self.source.read_at(at, octets)?);
        }
        let mut all = Vec::with_capacity(octets);
        while all.len() < octets {
            let piece = PIECE.min(octets - all.len());
            all.extend_from_slice(&self.source.read_at(at + all.len() as u64, piece)?);
        }
        Ok(all.into())
    }

    fn short(&self) -> MapFileError {
        MapFileError::damaged_at(0, Fault::Short(self.source.length()))
    }
}

impl<S: PageSource> MapReader for GdbmFile<S> {
    fn format(&self) -> Format {
        Format::Gdbm
    }

    fn duplicates(&self) -> Duplicates {
        Duplicates::Refused
    }

    /// Under the hash of machines whose characters are signed, then of those whose are not: for keys beyond ASCII they
    /// differ, and a file does not say where it was made.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapFileError> {
        let [signed, unsigned] = hash::forms(key);
        match self.find(key, signed)? {
            None if unsigned != signed => self.find(key, unsigned),
            found => Ok(found),
        }
    }

    fn records(&self) -> Records<'_> {
        Box::new(GdbmRecords::new(self))
    }
}

/// The most that a source is asked for at once.
const PIECE: usize = 65_536;
