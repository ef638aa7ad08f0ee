//! All records, in the order of their hashes: entry by entry of the directory, each bucket once.

use std::collections::HashSet;
use std::sync::Arc;
use std::vec;

use super::GdbmFile;
use super::bucket::Element;
use crate::page::Seen;
use crate::{Fault, MapFileError, Occurrence, PageSource, Record};

/// A walk over all buckets.
pub(super) struct GdbmRecords<'a, S> {
    file: &'a GdbmFile<S>,
    /// The entry of the directory that is next.
    next: u32,
    /// Elements of the bucket whose turn it is.
    elements: vec::IntoIter<Element>,
    seen: Seen,
    /// Octets of all that was met: they do not overlap, so there cannot be more of them than the file has.
    taken: u64,
    met: Met,
}

impl<'a, S: PageSource> GdbmRecords<'a, S> {
    pub(super) fn new(file: &'a GdbmFile<S>) -> Self {
        Self {
            file,
            next: 0,
            elements: Vec::new().into_iter(),
            seen: Seen::default(),
            taken: file.header.octets + file.header.directory_octets(),
            met: Met::default(),
        }
    }

    fn step(&mut self) -> Result<Option<Record>, MapFileError> {
        loop {
            if let Some(element) = self.elements.next() {
                return self.record(&element).map(Some);
            }
            if self.next == self.file.header.entries() {
                return Ok(None);
            }
            self.enter(self.next)?;
        }
    }

    /// Takes up the bucket of an entry, and passes over the further entries that name it.
    fn enter(&mut self, index: u32) -> Result<(), MapFileError> {
        let address = self.file.entry(index)?;
        let octets = u64::from(self.file.header.bucket_octets);
        // Buckets that begin in one stretch of this length overlap, if they are not the same.
        let stretch = u32::try_from(address / octets).map_err(|_| self.misplaced(index, address))?;
        self.seen.visit(stretch).map_err(|_| self.misplaced(index, address))?;
        self.take(address, octets)?;
        let bucket = self.file.bucket(address, index)?;
        self.check_run(index, bucket.entries(), address)?;
        self.next = index + bucket.entries();
        self.elements = bucket.into_elements()?.into_iter();
        Ok(())
    }

    /// The entries that a bucket stands for begin here, and all name it.
    fn check_run(&self, index: u32, entries: u32, address: u64) -> Result<(), MapFileError> {
        if !index.is_multiple_of(entries) {
            return Err(self.misplaced(index, address));
        }
        match self.file.other_entry(index + 1..index + entries, address)? {
            Some(other) => Err(self.misplaced(other, address)),
            None => Ok(()),
        }
    }

    fn record(&mut self, element: &Element) -> Result<Record, MapFileError> {
        self.file.check_record(element)?;
        self.take(element.position, element.octets())?;
        let key: Arc<[u8]> = self.file.key(element)?.into();
        let value = self.file.value(element)?.into_owned();
        let occurrence = self.met.meet(element.hash, &key);
        Ok(Record { key, value, occurrence })
    }

    fn take(&mut self, at: u64, octets: u64) -> Result<(), MapFileError> {
        self.taken += octets;
        if self.taken > self.file.source.length() {
            let fault = Fault::Field("octets of all buckets and records, which must overlap", self.taken);
            return Err(MapFileError::damaged_at(at, fault));
        }
        Ok(())
    }

    fn misplaced(&self, index: u32, address: u64) -> MapFileError {
        let at = self.file.header.entry_at(index);
        MapFileError::damaged_at(at, Fault::Field("entry that cannot name the bucket at", address))
    }
}

impl<S: PageSource> Iterator for GdbmRecords<'_, S> {
    type Item = Result<Record, MapFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.elements = Vec::new().into_iter();
            // Nothing from here on.
            self.next = self.file.header.entries();
        }
        step.transpose()
    }
}

/// The keys of one hash, to notice when one comes again. libgdbm makes no such file; and few keys share all 31 bits.
#[derive(Default)]
struct Met {
    hash: u32,
    keys: HashSet<Arc<[u8]>>,
}

impl Met {
    fn meet(&mut self, hash: u32, key: &Arc<[u8]>) -> Occurrence {
        if self.hash != hash {
            self.keys.clear();
            self.hash = hash;
        }
        if self.keys.insert(Arc::clone(key)) { Occurrence::First } else { Occurrence::Shadowed }
    }
}
