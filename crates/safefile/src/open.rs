//! Opening: walk, judge each component, keep the last descriptor. Never blocks, never follows a link unseen, never leaks
//! a descriptor to a child. What is in the file is not looked at.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::facts::{Facts, FileType};
use crate::kind::Kind;
use crate::quote::display_path;
use crate::refusal::Refusal;
use crate::replace::Dress;
use crate::stamp::Stamp;
use crate::trust::Trust;

/// An open regular file whose whole path was judged safe, and which was judged on this very descriptor.
#[derive(Debug)]
pub struct SafeFile {
    path: PathBuf,
    kind: Kind,
    file: File,
    facts: Facts,
    stamp: Stamp,
}

impl SafeFile {
    /// Opens for reading.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused.
    pub fn open(path: &Path, kind: Kind, trust: &Trust) -> Result<Self, OpenError> {
        let _ = (path, kind, trust);
        unimplemented!()
    }

    /// Opens for reading and writing in place: for the live store, whose own locks guard its pages. Everything else is
    /// replaced, see [`Replacement`](crate::Replacement).
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused.
    pub fn open_for_update(path: &Path, kind: Kind, trust: &Trust) -> Result<Self, OpenError> {
        let _ = (path, kind, trust);
        unimplemented!()
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it was opened as.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the descriptor said of itself when it was judged.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Which file it is, in the state in which it was opened.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The length in octets when it was opened.
    pub fn len(&self) -> u64 {
        self.facts.size
    }

    /// Whether it was empty when it was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The descriptor, for locks and positioned reads.
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// The descriptor alone. Locks and offsets belong to whoever holds it now.
    pub fn into_std(self) -> File {
        self.file
    }

    /// Reads from the offset; fewer octets than asked for only at the end of the file.
    ///
    /// # Errors
    /// As read(2).
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = (buffer, offset);
        unimplemented!()
    }

    /// Reads the whole file, from its beginning, unless it is longer than `limit` octets. The buffer is never
    /// reallocated, so a secret leaves no copy behind.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] above the limit; else as read(2).
    pub fn read_whole(&self, limit: u64) -> io::Result<Vec<u8>> {
        let _ = limit;
        unimplemented!()
    }
}

impl Read for SafeFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for SafeFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Writes in place; fails unless opened by [`SafeFile::open_for_update`].
impl Write for SafeFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An open directory whose whole path was judged safe.
#[derive(Debug)]
pub struct SafeDir {
    path: PathBuf,
    trust: Trust,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, one component.
    pub name: OsString,
    /// What the name stands for, itself and not what a link leads to.
    pub file_type: FileType,
}

impl SafeDir {
    /// Opens a directory. With [`Kind::SecretDirectory`] it must be closed to others itself; with another kind it is
    /// judged as a directory that holds such files.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused.
    pub fn open(path: &Path, kind: Kind, trust: &Trust) -> Result<Self, OpenError> {
        let _ = (path, kind, trust);
        unimplemented!()
    }

    /// Makes the last directory of the path where it is missing, in a safe one, and opens it. It is 0700 until owner
    /// and mode of the dress are set.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, its parent missing, or the system refused.
    pub fn create(path: &Path, kind: Kind, trust: &Trust, dress: &Dress) -> Result<Self, OpenError> {
        let _ = (path, kind, trust, dress);
        unimplemented!()
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in it, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        unimplemented!()
    }

    /// Opens a file in it for reading, by the same trust; a link is walked as ever.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused; a name that is more than one component is refused by
    /// the system's word for it (EINVAL).
    pub fn open_file(&self, name: &OsStr, kind: Kind) -> Result<SafeFile, OpenError> {
        let _ = (name, kind, &self.trust);
        unimplemented!()
    }
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something on its path, or the file itself, is unsafe.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Nothing is there, and as far as the path goes it is safe.
    #[error("no such file or directory: {}", display_path(component))]
    Missing {
        /// The path as it was given.
        path: PathBuf,
        /// The first component that is missing, by its real path.
        component: PathBuf,
    },
    /// The system refused, or the file could not be judged.
    #[error("{source}: {}", display_path(component))]
    Failed {
        /// The path as it was given.
        path: PathBuf,
        /// The component, by its real path.
        component: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// The path as it was given.
    pub fn path(&self) -> &Path {
        match self {
            Self::Refused(refusal) => &refusal.path,
            Self::Missing { path, .. } | Self::Failed { path, .. } => path,
        }
    }

    /// The component at which it ended, by its real path.
    pub fn component(&self) -> &Path {
        match self {
            Self::Refused(refusal) => &refusal.component,
            Self::Missing { component, .. } | Self::Failed { component, .. } => component,
        }
    }

    /// Whether nothing is there at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}
