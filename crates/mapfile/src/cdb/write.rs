//! Writing: records as they come, then the tables, then the header. A file that was not finished has a header of zeros,
//! which the reader refuses.
//!
//! The octets are those that TinyCDB, and so postmap, makes of the same records in the same order.

use std::io;

use super::{HEAD_OCTETS, HEADER_OCTETS, SLOT_OCTETS, TABLES, first_slot, hash, table_of};
use crate::octets::Octets;
use crate::{Duplicates, MapBuildError, MapFileBuilder, PageSink, Plan};

/// A file in the making.
pub(super) struct CdbBuilder<S: PageSink> {
    out: Output<S>,
    /// One for each record, in their order.
    entries: Vec<Entry>,
    duplicates: Duplicates,
    /// The key that came last, where duplicates are refused.
    last: Vec<u8>,
}

/// What a slot holds. A position of 0 is an empty slot.
#[derive(Clone, Copy, Default)]
struct Entry {
    hash: u32,
    position: u32,
}

impl<S: PageSink> CdbBuilder<S> {
    pub(super) fn new(sink: S, plan: &Plan) -> Self {
        let mut entries = Vec::new();
        // A plan may be wrong; then they grow as they come.
        let _ = entries.try_reserve_exact(plan.volume.records.min(MOST_RECORDS) as usize);
        Self {
            out: Output {
                sink,
                start: u64::from(HEADER_OCTETS),
                buffer: Octets::with_capacity(BUFFER_OCTETS),
            },
            entries,
            duplicates: plan.duplicates,
            last: Vec::new(),
        }
    }

    fn check_order(&mut self, key: &[u8]) -> Result<(), MapBuildError> {
        if self.duplicates == Duplicates::InOrder {
            return Ok(());
        }
        if !self.entries.is_empty() && key <= self.last.as_slice() {
            return Err(MapBuildError::Order);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }

    /// Where the next record goes. The whole file, slots included, has to end where 32 bits can say it: tables without
    /// slots that come last have its end as their position.
    fn position_for(&self, key: &[u8], value: &[u8]) -> Result<u32, MapBuildError> {
        let position = self.out.position();
        let record = u64::from(HEAD_OCTETS) + key.len() as u64 + value.len() as u64;
        let slots = 2 * (self.entries.len() as u64 + 1) * u64::from(SLOT_OCTETS);
        if position + record + slots > FILE_LIMIT {
            return Err(MapBuildError::FileTooLarge { limit: FILE_LIMIT });
        }
        Ok(position as u32)
    }

    /// Writes all tables: where each is, and how many slots it has.
    fn write_tables(&mut self) -> io::Result<Vec<u8>> {
        // The order of the positions is that of the records.
        self.entries.sort_unstable_by_key(|entry| (table_of(entry.hash), entry.position));
        let mut header = Vec::with_capacity(HEADER_OCTETS as usize);
        let mut slots = Slots::default();
        let mut rest = self.entries.as_slice();
        for table in 0..TABLES {
            let count = rest.partition_point(|entry| table_of(entry.hash) == table);
            let (entries, others) = rest.split_at(count);
            rest = others;
            slots.fill(entries);
            header.extend_from_slice(&(self.out.position() as u32).to_le_bytes());
            header.extend_from_slice(&(slots.taken.len() as u32).to_le_bytes());
            for slot in &slots.taken {
                self.out.append(&slot.hash.to_le_bytes())?;
                self.out.append(&slot.position.to_le_bytes())?;
            }
        }
        Ok(header)
    }
}

impl<S: PageSink> MapFileBuilder for CdbBuilder<S> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapBuildError> {
        let position = self.position_for(key, value)?;
        self.check_order(key)?;
        // Both are below the limit of the file.
        self.out.append(&(key.len() as u32).to_le_bytes())?;
        self.out.append(&(value.len() as u32).to_le_bytes())?;
        self.out.append(key)?;
        self.out.append(value)?;
        self.entries.push(Entry { hash: hash(key), position });
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), MapBuildError> {
        let header = self.write_tables()?;
        self.out.flush()?;
        self.out.sink.write_at(0, &header)?;
        Ok(())
    }
}

/// One table.
#[derive(Default)]
struct Slots {
    taken: Vec<Entry>,
    /// For each slot in use one that is nearer to the next free one; a free slot names itself. Without that keys with
    /// one hash would take quadratic time, and the keys of a map may be a stranger's.
    onwards: Vec<u32>,
}

impl Slots {
    /// Enters records in their order: each in the first free slot from its own on, round the end. One in two stays
    /// free.
    fn fill(&mut self, entries: &[Entry]) {
        let count = 2 * entries.len() as u32;
        self.taken.clear();
        self.taken.resize(count as usize, Entry::default());
        self.onwards.clear();
        self.onwards.extend(0..count);
        for entry in entries {
            let slot = self.free_from(first_slot(entry.hash, count));
            self.taken[slot as usize] = *entry;
            self.onwards[slot as usize] = if slot + 1 == count { 0 } else { slot + 1 };
        }
    }

    fn free_from(&mut self, mut slot: u32) -> u32 {
        loop {
            let next = self.onwards[slot as usize];
            if next == slot {
                return slot;
            }
            // Halves the way for whoever comes next.
            let beyond = self.onwards[next as usize];
            self.onwards[slot as usize] = beyond;
            slot = beyond;
        }
    }
}

/// Octets one after the other, gathered into larger writes.
struct Output<S> {
    sink: S,
    /// Where the buffer goes.
    start: u64,
    buffer: Octets,
}

impl<S: PageSink> Output<S> {
    fn position(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.buffer.len() + octets.len() > BUFFER_OCTETS {
            self.flush()?;
        }
        if octets.len() <= BUFFER_OCTETS {
            self.buffer.push_all(octets);
            return Ok(());
        }
        self.sink.write_at(self.start, octets)?;
        self.start += octets.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_at(self.start, &self.buffer)?;
        self.start += self.buffer.len() as u64;
        self.buffer.truncate(0);
        Ok(())
    }
}

const BUFFER_OCTETS: usize = 65536;
/// The last place that a position of 32 bits can name.
const FILE_LIMIT: u64 = u32::MAX as u64;
/// With empty keys and values, each with its two slots.
const MOST_RECORDS: u64 = FILE_LIMIT / (HEAD_OCTETS + 2 * SLOT_OCTETS) as u64;
