//! The file of a map beneath redb: read, and never written.
//!
//! redb's check of all pages wants to write a little (its header, and which pages are free). That is kept in memory
//! and forgotten with the handle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Builder, StorageBackend};

/// A file that stands still. Locks are those of the default: none.
#[derive(Debug)]
pub(super) struct Still {
    file: Arc<File>,
    /// What the file had when it was opened.
    file_octets: u64,
    changes: Mutex<Changes>,
}

/// What was written, in blocks.
#[derive(Debug)]
struct Changes {
    octets: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

/// A builder with this house's settings for maps.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_OCTETS);
    builder
}

impl Still {
    pub(super) fn new(file: Arc<File>) -> io::Result<Self> {
        let file_octets = file.metadata()?.len();
        if file_octets == 0 {
            // redb would make a new database of it.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
        }
        let changes = Mutex::new(Changes { octets: file_octets, blocks: BTreeMap::new() });
        Ok(Self { file, file_octets, changes })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // A panic of redb's while this was held changes nothing that matters: the handle is dropped.
        self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the file has at a place, zeros where it has nothing.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = self.file_octets.saturating_sub(offset).min(out.len() as u64) as usize;
        let (from_file, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        self.file.read_exact_at(from_file, offset)
    }
}

impl StorageBackend for Still {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.changes().octets)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let changes = self.changes();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.octets) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(offset, out)?;
        for (number, block) in changes.blocks.range(touched(offset, out.len())) {
            copy_overlap(number * BLOCK, block, offset, out);
        }
        Ok(())
    }

    fn set_len(&self, octets: u64) -> Result<(), io::Error> {
        let mut changes = self.changes();
        if octets < changes.octets {
            changes.blocks.retain(|number, _| number * BLOCK < octets);
        }
        changes.octets = octets;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut changes = self.changes();
        for number in touched(offset, data.len()) {
            if !changes.blocks.contains_key(&number) {
                if changes.blocks.len() >= MOST_BLOCKS {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "checking it would rewrite too much",
                    ));
                }
                let mut block = vec![0; BLOCK as usize].into_boxed_slice();
                self.read_file(number * BLOCK, &mut block)?;
                changes.blocks.insert(number, block);
            }
            if let Some(block) = changes.blocks.get_mut(&number) {
                copy_overlap(offset, data, number * BLOCK, block);
            }
        }
        Ok(())
    }
}

/// The blocks that a run of octets lies in.
fn touched(offset: u64, octets: usize) -> std::ops::Range<u64> {
    offset / BLOCK..offset.saturating_add(octets as u64).div_ceil(BLOCK)
}

/// Copies what two runs of octets have in common, by the places at which they start.
fn copy_overlap(from_at: u64, from: &[u8], to_at: u64, to: &mut [u8]) {
    let start = from_at.max(to_at);
    let end = (from_at + from.len() as u64).min(to_at + to.len() as u64);
    if start < end {
        let octets = (end - start) as usize;
        let (from_start, to_start) = ((start - from_at) as usize, (start - to_at) as usize);
        to[to_start..to_start + octets].copy_from_slice(&from[from_start..from_start + octets]);
    }
}

const BLOCK: u64 = 4096;
/// 64 MiB; the check of a map of ten million records writes less than one.
const MOST_BLOCKS: usize = 16 << 10;
const CACHE_OCTETS: usize = 32 << 20;
