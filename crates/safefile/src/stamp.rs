//! Which file, in which state: enough to see that a file was replaced or changed. Not a check of safety: that is made
//! anew whenever a file is opened.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Stat, fstat, stat};

/// The identity and state of a file at one moment. Two that are equal mean: nobody wrote, replaced or re-owned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of the contents.
    modified: (i64, i64),
    /// Seconds and nanoseconds of the last change of the file: contents, owner, mode, names.
    changed: (i64, i64),
}

impl Stamp {
    /// What stands at the path now, links followed: for a daemon that asks whether to open a file again. The answer
    /// says nothing about safety.
    ///
    /// # Errors
    /// As stat(2): nothing there, or no way to it.
    pub fn look(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&stat(path)?))
    }

    /// What an open file is now.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&fstat(file)?))
    }

    /// The length in octets.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether both are the same file, changed or not.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }
}

/// The width of the field differs from system to system.
fn nanoseconds(field: impl TryInto<i64>) -> i64 {
    field.try_into().unwrap_or_default()
}
