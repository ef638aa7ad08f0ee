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
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Line {
    /// The map that is being added to (`-o`); its records are pushed before those of the source.
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
        self.runs.push(self.spill.write_run(memory.into_sorted().map(Ok))?);
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

    fn step(&mut self) -> io::Result<Option<SortedRecord>> {
        match self.policy {
            Policy::AllStay => self.take(),
            Policy::FirstStays => self.first_of_key(),
            Policy::LastStays => self.last_of_key(),
        }
    }

    fn take(&mut self) -> io::Result<Option<SortedRecord>> {
        let record = self.stream.next().transpose()?;
        self.taken += u64::from(record.is_some());
        Ok(record)
    }

    fn first_of_key(&mut self) -> io::Result<Option<SortedRecord>> {
        while let Some(record) = self.take()? {
            match record.line {
                Line::Number(line) if self.stayed.as_ref() == Some(&record.key) => {
                    self.duplicates.push(&line.to_be_bytes(), &record.key, record.line)?;
                }
                _ => {
                    self.stayed = Some(record.key.clone());
                    return Ok(Some(record));
                }
            }
        }
        Ok(None)
    }

    fn last_of_key(&mut self) -> io::Result<Option<SortedRecord>> {
        while let Some(record) = self.take()? {
            match self.last.replace(record) {
                Some(before) if self.last.as_ref().is_some_and(|last| last.key != before.key) => {
                    return Ok(Some(before));
                }
                _ => {}
            }
        }
        Ok(self.last.take())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<SortedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Iterator for Stream {
    type Item = io::Result<SortedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(drain) => drain.next().map(Ok),
            Self::Merge(merge) => merge.next(),
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
        let record = self.stream.next()?;
        Some(record.map(|mut record| DuplicateKey {
            line: record.line.number(),
            key: std::mem::take(&mut *record.value),
        }))
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
