//! Sorting for builders, of more records than fit into memory: runs are sorted in memory, written to one nameless
//! file of mode 0600, and merged. What passes may be secrets: buffers are wiped.
//!
//! Stable: among equal keys the order is that in which they were pushed. Which of several records of a key stays is
//! the [`Policy`]; those that do not are reported, in the order of their lines.

use std::fs::File;
use std::io;

use safefile::SafeDir;
use zeroize::Zeroizing;

/// Collects records in any order.
pub struct Sorter {
    budget: usize,
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
    /// The map that is being added to (`-o`).
    Old,
    /// A line of the source, counted from 1.
    Number(u64),
}

impl Sorter {
    /// Sorts with at most about `budget` octets of memory; what does not fit is written to `scratch` (see
    /// [`Replacement::scratch`](safefile::Replacement::scratch) and [`safefile::scratch`]), which is not touched
    /// before.
    pub fn new(budget: usize, scratch: impl FnOnce() -> io::Result<File> + 'static) -> Self {
        drop(scratch);
        Self { budget }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// When the scratch file cannot be made or written.
    pub fn push(&mut self, key: &[u8], value: &[u8], line: Line) -> io::Result<()> {
        let _ = (key, value, line, self.budget);
        unimplemented!()
    }

    /// How many records were pushed.
    pub fn len(&self) -> u64 {
        unimplemented!()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records in order, after the policy was applied.
    ///
    /// # Errors
    /// When the scratch file cannot be written or read.
    pub fn finish(self, policy: Policy) -> io::Result<Sorted> {
        let _ = policy;
        unimplemented!()
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

/// The records that stay, in ascending order of their keys.
pub struct Sorted {}

impl Sorted {
    /// How many records were pushed: with [`taken`](Sorted::taken) how far it has come.
    pub fn total(&self) -> u64 {
        unimplemented!()
    }

    /// How many of them have passed, those that did not stay included.
    pub fn taken(&self) -> u64 {
        unimplemented!()
    }

    /// The duplicates that were met, in the order of their lines: complete when the records have all been taken.
    ///
    /// # Errors
    /// When the scratch file cannot be written or read.
    pub fn into_duplicates(self) -> io::Result<DuplicateKeys> {
        unimplemented!()
    }
}

impl Iterator for Sorted {
    type Item = io::Result<SortedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
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
pub struct DuplicateKeys {}

impl DuplicateKeys {
    /// How many there are.
    pub fn len(&self) -> u64 {
        unimplemented!()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Iterator for DuplicateKeys {
    type Item = io::Result<DuplicateKey>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}

/// A scratch file for [`Sorter::new`] in a directory.
pub fn scratch_in(dir: SafeDir) -> impl FnOnce() -> io::Result<File> + 'static {
    move || safefile::scratch(&dir)
}
