//! Runs become one sorted stream.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;

use super::spill::{Reader, Run, Spill};
use super::{Order, Records, SortedRecord};

/// Merges all runs, in passes over the file where they are too many to be read at once.
pub(super) fn all(order: Order, spill: &Spill, mut runs: Vec<Run>, budget: usize) -> io::Result<Merge> {
    while runs.len() > AT_ONCE {
        // Neighbours stay neighbours, so that runs are always in the order of pushing.
        let merged = runs.chunks(AT_ONCE).map(|some| {
            let merge = Merge::new(order, spill, some, budget)?;
            spill.write_run(&mut { merge })
        });
        runs = merged.collect::<io::Result<_>>()?;
    }
    Merge::new(order, spill, &runs, budget)
}

/// A merge of some runs.
pub(super) struct Merge {
    order: Order,
    readers: Vec<Reader>,
    heads: BinaryHeap<Reverse<Head>>,
}

/// The next record of a run. Equal keys come in the order of their runs.
struct Head {
    start: u64,
    record: SortedRecord,
    run: usize,
}

impl Merge {
    fn new(order: Order, spill: &Spill, runs: &[Run], budget: usize) -> io::Result<Self> {
        let buffer = (budget / runs.len().max(1)).clamp(LEAST_BUFFER, MOST_BUFFER);
        let mut readers = runs.iter().map(|run| spill.read(*run, buffer)).collect::<io::Result<Vec<_>>>()?;
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (run, reader) in readers.iter_mut().enumerate() {
            let mut record = SortedRecord::default();
            if reader.read(&mut record)? {
                heads.push(Reverse(Head { start: order.start(&record.key), record, run }));
            }
        }
        Ok(Self { order, readers, heads })
    }
}

impl Records for Merge {
    fn read(&mut self, record: &mut SortedRecord) -> io::Result<bool> {
        let Some(mut least) = self.heads.peek_mut() else { return Ok(false) };
        // The reader fills the place of the record that was given before this one.
        std::mem::swap(&mut least.0.record, record);
        if self.readers[least.0.run].read(&mut least.0.record)? {
            least.0.start = self.order.start(&least.0.record.key);
        } else {
            PeekMut::pop(least);
        }
        Ok(true)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.start
            .cmp(&other.start)
            .then_with(|| self.record.key.cmp(&other.record.key))
            .then_with(|| self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

const AT_ONCE: usize = 128;
const LEAST_BUFFER: usize = 4 << 10;
const MOST_BUFFER: usize = 256 << 10;
