//! Creating and replacing files: beside the old one, exclusive, 0600 until the end, synced, renamed. A crash leaves the
//! old file and at worst one stale temporary, which the next replacement of the same file removes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::account::{Gid, Uid};
use crate::kind::Kind;
use crate::open::OpenError;
use crate::quote::display_path;
use crate::stamp::Stamp;
use crate::trust::Trust;

/// Owner and mode of a **new** file. One that is replaced keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dress {
    /// The owner; `None`: who makes it.
    pub owner: Option<Uid>,
    /// The group; `None`: as the system gives it (the maker's, or the directory's where that is set-gid).
    pub group: Option<Gid>,
    /// The mode that is wished for, e.g. `0o640`. What the kind does not permit is taken off.
    pub mode: u32,
}

/// A file in the making, beside the one that it will replace. Dropped without [`commit`](Replacement::commit) it is
/// removed.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
}

/// What becomes of the file that was replaced, now without a name, for programs that still have it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldFile {
    /// Nothing.
    Leave,
    /// Its modification time is moved on by at least a second: a sendmail that has the map open looks at nothing else.
    Touch,
}

impl Replacement {
    /// Begins to replace the file, or to make it where there is none.
    ///
    /// # Errors
    /// [`ReplaceError`]: the directory is unsafe, what is there cannot be replaced, or the system refused.
    pub fn begin(path: &Path, kind: Kind, trust: &Trust, dress: Dress) -> Result<Self, ReplaceError> {
        let _ = (path, kind, trust, dress);
        unimplemented!()
    }

    /// Begins to make a file where there is none; [`ReplaceError::Exists`] now, or when it is committed, if there is.
    ///
    /// # Errors
    /// As [`Replacement::begin`].
    pub fn create_new(path: &Path, kind: Kind, trust: &Trust, dress: Dress) -> Result<Self, ReplaceError> {
        let _ = (path, kind, trust, dress);
        unimplemented!()
    }

    /// The path of the file to be, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mode that the file will have.
    pub fn mode(&self) -> u32 {
        unimplemented!()
    }

    /// The mode of the file to be replaced, where the kind does not permit all of it: the new file gets
    /// [`mode`](Self::mode) instead.
    pub fn narrowed_from(&self) -> Option<u32> {
        unimplemented!()
    }

    /// The temporary file, for positioned writing. `None` once it was taken.
    pub fn as_file(&self) -> Option<&File> {
        unimplemented!()
    }

    /// Hands out the temporary file, for a library that must be the only one with this open file description (redb).
    /// It has to be closed before the commit. `None` the second time.
    pub fn take_file(&mut self) -> Option<File> {
        unimplemented!()
    }

    /// A nameless file of mode 0600 in the same directory, see [`scratch`](crate::scratch).
    ///
    /// # Errors
    /// As open(2).
    pub fn scratch(&self) -> io::Result<File> {
        unimplemented!()
    }

    /// Syncs the file, gives it its owner and, last, its mode; renames it and syncs the directory.
    ///
    /// # Errors
    /// [`ReplaceError`]; the old file is then as it was, unless only the last sync of the directory failed.
    pub fn commit(self, old: OldFile) -> Result<Stamp, ReplaceError> {
        let _ = old;
        unimplemented!()
    }
}

/// Appends to the temporary file.
impl Write for Replacement {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let _ = octets;
        unimplemented!()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a file was not made or replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The directory, or what stands there now, is unsafe, missing or out of reach.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something is there, and nothing was to be.
    #[error("file exists: {}", display_path(path))]
    Exists {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The system refused a step.
    #[error("cannot {step} ({source}): {}", display_path(path))]
    Failed {
        /// The path as it was given.
        path: PathBuf,
        /// The step: `make a temporary file`, `sync`, `set the owner`, ...
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
