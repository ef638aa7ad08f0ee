//! Sorting for builders, of more records than fit into memory: runs are sorted in memory, written to one nameless
//! file of mode 0600, and merged. What passes may be secrets: buffers are wiped.
//!
//! Stable: among equal keys the order is that in which they were pushed. Which of several records of a key stays is
//! the [`Policy`]; those that do not are reported, in the order of their lines.

mod memory;
mod merge;
mod order;
mod spill;

use std::fs::File;
use std::io;
use std::rc::Rc;

use mapfile::Volume;
use zeroize::Zeroizing;

use memory::{Drain, Memory};
use merge::Merge;
use spill::{Run, Spill};

pub use order::Order;

/// Collects records in any order.
pub struct Sorter {
    memory: Memory,
    budget: usize,
    spill: Rc<Spill>,
    runs: Vec<Run>,
    volume: Volume,
}

/// Which records of a key stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// The first; later ones are reported as duplicates (makemap without options). Records of [`Line::Old`] all
    /// stay, since the old map had them.
    FirstStays,
    /// The last, silently (`-r`).
    LastStays,
    /// All (`-d`).
    AllStay,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Line {
    /// The map that is being added to (`-o`); its records are pushed before those of the source.
    #[default]
    Old,
    /// A line of the source, counted from 1.
    Number(u64),
}

impl Sorter {
    /// Sorts into this order with about `budget` octets of memory; what does not fit is written to the file that `scratch` makes
    /// when it is first needed (see [`Replacement::scratch`](safefile::Replacement::scratch)).
    pub fn new(order: Order, budget: usize, scratch: impl FnOnce() -> io::Result<File> + 'static) -> Self {
        Self::over(order, budget, Rc::new(Spill::new(scratch)))
    }

    fn over(order: Order, budget: usize, spill: Rc<Spill>) -> Self {
        Self { memory: Memory::new(order), budget, spill, runs: Vec::new(), volume: Volume::default() }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// When the scratch file cannot be made or written; [`io::ErrorKind::InvalidInput`] for a key or value of 4 GiB
    /// and more.
    pub fn push(&mut self, key: &[u8], value: &[u8], line: Line) -> io::Result<()> {
        self.memory.push(key, value, line)?;
        self.volume.add(key, value);
        if self.memory.octets() >= self.budget {
            self.flush()?;
        }
        Ok(())
    }

    /// How much was pushed.
    pub fn volume(&self) -> Volume {
        self.volume
    }

    /// The records in order, after the policy was applied.
    ///
    /// # Errors
    /// When the scratch file cannot be written or read.
    pub fn finish(self, policy: Policy) -> io::Result<Sorted> {
        let (budget, total, spill) = (self.budget, self.volume.records, Rc::clone(&self.spill));
        let duplicates = Self::over(Order::Keys, budget / DUPLICATES_SHARE, spill);
        Ok(Sorted {
            stream: self.into_stream()?,
            policy,
            last: None,
            stayed: None,
            total,
            taken: 0,
            duplicates,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let memory = self.memory.take();
        self.runs.push(self.spill.write_run(&mut memory.into_sorted())?);
        Ok(())
    }

    fn into_stream(mut self) -> io::Result<Stream> {
        if self.runs.is_empty() {
            return Ok(Stream::Memory(self.memory.into_sorted()));
        }
        if !self.memory.is_empty() {
            self.flush()?;
        }
        merge::all(self.memory.order(), &self.spill, self.runs, self.budget).map(Stream::Merge)
    }
}

/// A record that stays.
#[derive(Default)]
pub struct SortedRecord {
    /// The key.
    pub key: Zeroizing<Vec<u8>>,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
    /// Where it came from.
    pub line: Line,
}

/// The records that stay, in the order that was asked for.
pub struct Sorted {
    stream: Stream,
    policy: Policy,
    /// The last record so far, of which it is not yet known whether it is the last of its key
    /// ([`Policy::LastStays`]).
    last: Option<SortedRecord>,
    /// The key of the last record that stayed ([`Policy::FirstStays`]).
    stayed: Option<Zeroizing<Vec<u8>>>,
    total: u64,
    taken: u64,
    duplicates: Sorter,
}

/// Records one after the other.
trait Records {
    /// Reads the next one into a place that is used again and again, for a place of its own for each would cost more
    /// than the record. Whether there was one.
    fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool>;
}

/// Records in order, those of one key as they were pushed.
enum Stream {
    Memory(Drain),
    Merge(Merge),
}

impl Sorted {
    /// How many records were pushed: with [`taken`](Sorted::taken) how far it has come.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them have passed, those that did not stay included.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The duplicates that were met, in the order of their lines: complete when the records have all been taken.
    ///
    /// # Errors
    /// When the scratch file cannot be written or read.
    pub fn into_duplicates(self) -> io::Result<DuplicateKeys> {
        let total = self.duplicates.volume.records;
        Ok(DuplicateKeys { stream: self.duplicates.into_stream()?, total })
    }

    /// Reads the next record that stays into a place that is used again and again. Whether there was one.
    ///
    /// # Errors
    /// When the scratch file cannot be written or read.
    pub fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        match self.policy {
            Policy::AllStay => self.take(record),
            Policy::FirstStays => self.first_of_key(record),
            Policy::LastStays => self.last_of_key(record),
        }
    }

    fn take(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        let taken = self.stream.read(record)?;
        self.taken += u64::from(taken);
        Ok(taken)
    }

    fn first_of_key(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        while self.take(record)? {
            match record.line {
                Line::Number(line) if self.stayed.as_ref() == Some(&record.key) => {
                    self.duplicates.push(&line.to_be_bytes(), &record.key, record.line)?;
                }
                _ => {
                    memory::fill(self.stayed.get_or_insert_default(), &record.key);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn last_of_key(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        while self.take(record)? {
            let Some(last) = &mut self.last else {
                self.last = Some(std::mem::take(record));
                continue;
            };
            let is_last = last.key != record.key;
            std::mem::swap(last, record);
            if is_last {
                return Ok(true);
            }
        }
        match self.last.take() {
            Some(last) => *record = last,
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// Each in a place of its own.
impl Iterator for Sorted {
    type Item = io::Result<SortedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = SortedRecord::default();
        self.read(&mut record).map(|there| there.then_some(record)).transpose()
    }
}

impl Records for Stream {
    fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        match self {
            Self::Memory(drain) => drain.read(record),
            Self::Merge(merge) => merge.read(record),
        }
    }
}

/// A record that did not stay.
pub struct DuplicateKey {
    /// The line of the source.
    pub line: u64,
    /// Its key.
    pub key: Vec<u8>,
}

/// What [`Sorted::into_duplicates`] gives.
pub struct DuplicateKeys {
    stream: Stream,
    total: u64,
}

impl DuplicateKeys {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl Iterator for DuplicateKeys {
    type Item = io::Result<DuplicateKey>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = SortedRecord::default();
        let there = self.stream.read(&mut record);
        let duplicate = |record: &mut SortedRecord| DuplicateKey {
            line: record.line.number(),
            key: std::mem::take(&mut *record.value),
        };
        there.map(|there| there.then(|| duplicate(&mut record))).transpose()
    }
}

impl Line {
    /// 0 for a record of the old map.
    fn number(self) -> u64 {
        match self {
            Self::Old => 0,
            Self::Number(number) => number,
        }
    }

    fn from_number(number: u64) -> Self {
        if number == 0 { Self::Old } else { Self::Number(number) }
    }
}

/// The share of the budget that is kept for duplicates, which are few.
const DUPLICATES_SHARE: usize = 8;

#[cfg(test)]
mod tests;
