//! What can go wrong with a store, as far as its users differ by it. Faults of single users during an import are
//! [`crate::secrets::import::ImportFault`]; of a line of a dump, [`crate::secrets::dump::DumpFault`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::guard::Trouble;
use crate::secrets::FORMAT;

/// Why an operation on a store failed. Each names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing is at this path. Only [`create`](crate::secrets::SecretStore::create) makes a store.
    #[error("no such store: {path}", path = path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// Something is at the path where a new store or copy was to be made.
    #[error("something exists already at {path}", path = path.display())]
    Exists {
        /// The path as given.
        path: PathBuf,
    },
    /// The file may not be used, or could not be reached.
    #[error(transparent)]
    Refused(#[from] safefile::OpenError),
    /// A new file could not be put in place.
    #[error(transparent)]
    NotReplaced(#[from] safefile::ReplaceError),
    /// The file is not an intact store: empty, cut off, altered or foreign. It is never taken for "no users".
    #[error("the store is damaged: {what}: {path}", path = path.display())]
    Damaged {
        /// The path as given.
        path: PathBuf,
        /// What contradicts what.
        what: String,
    },
    /// Intact, but written in a format that this version does not know.
    #[error("the store has format {found}, this program knows {known}: {path}", path = path.display())]
    Format {
        /// The path as given.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// Other processes hold the file, and the wait is over. Temporary: EX_TEMPFAIL.
    #[error("another program is writing and did not finish within {seconds} s: {path}",
        seconds = waited.as_secs_f32(), path = path.display())]
    Busy {
        /// The path as given.
        path: PathBuf,
        /// How long this operation was allowed to wait.
        waited: Duration,
    },
    /// Another generation of the programs, or a foreign tool, holds the file in a way that does not share it.
    /// Temporary: EX_TEMPFAIL.
    #[error("a program of another generation holds the file: {path}", path = path.display())]
    OtherGeneration {
        /// The path as given.
        path: PathBuf,
    },
    /// No room on the file system; what was there before is intact. Users are still taken out and disabled: for that, the
    /// file keeps some room.
    #[error("no room on the file system of {path}", path = path.display())]
    Full {
        /// The path as given.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot read or write {path}: {source}", path = path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A record that cannot be stored.
    #[error("cannot store this user: {what}")]
    Unstorable {
        /// The limit that it breaks.
        what: String,
    },
}

impl StoreError {
    /// Whether trying again later may succeed without anybody's help: EX_TEMPFAIL.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::OtherGeneration { .. })
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn from_trouble(path: &Path, trouble: Trouble) -> Self {
        let path = path.to_owned();
        match trouble {
            Trouble::Damaged(what) => Self::Damaged { path, what },
            Trouble::Busy(waited) => Self::Busy { path, waited },
            Trouble::OtherGeneration => Self::OtherGeneration { path },
            Trouble::OldFormat(version) => {
                Self::Damaged { path, what: format!("it has the old file format {version} of redb") }
            }
            Trouble::OtherFormat(found) => Self::Format { path, found, known: FORMAT },
            Trouble::Io(source) if is_full(&source) => Self::Full { path },
            Trouble::Io(source) => Self::Io { path, source },
            // Both are handled by opening again; seen here only when that did not help.
            Trouble::Spent => {
                Self::Io { path, source: io::Error::other("an earlier failure made the file unusable") }
            }
            Trouble::Unclean => Self::Io {
                path,
                source: io::Error::other("its last writer was killed and it cannot be opened for writing"),
            },
        }
    }
}

/// ENOSPC, EDQUOT or EFBIG.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
