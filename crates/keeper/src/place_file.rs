//! The file in which the keeper remembers from where users have logged in: its own, in its own directory below the
//! store's.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safefile::{Dress, Kind, OldFile, OpenError, ReplaceError, Replacement, SafeDir, SafeFile, Trust};

use crate::pace::{PlaceFileError, Places};

/// Where it is, and whose it may be.
#[derive(Clone)]
pub(crate) struct PlaceFile {
    path: PathBuf,
    trust: Trust,
}

/// Why it could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// It, or the way to it, is unsafe, or cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// It cannot be read or written.
    #[error("{source}: {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{source}: {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PlaceFileError,
    },
}

impl PlaceFile {
    /// That of a store.
    pub(crate) fn of_store(store: &Path, trust: &Trust) -> Self {
        let beside = store.parent().unwrap_or_else(|| Path::new("/"));
        Self { path: beside.join("keeper").join("places"), trust: trust.clone() }
    }

    /// What it holds; `None`: there is none.
    pub(crate) fn read(&self) -> Result<Option<Places>, PlaceError> {
        let file = match SafeFile::open(&self.path, Kind::Secret, &self.trust) {
            Err(error) if error.is_missing() => return Ok(None),
            opened => opened?,
        };
        let octets = file.read_whole(Places::MAX_OCTETS).map_err(|source| self.io(source))?;
        let places = Places::from_octets(&octets);
        places.map(Some).map_err(|source| PlaceError::Format { path: self.path.clone(), source })
    }

    /// Puts this in its place.
    pub(crate) fn write(&self, octets: &[u8]) -> Result<(), PlaceError> {
        let directory = self.path.parent().unwrap_or_else(|| Path::new("/"));
        let dress = |mode| Dress { owner: None, group: None, mode };
        SafeDir::create(directory, Kind::SecretDirectory, &self.trust, &dress(0o700))?;
        let mut file = Replacement::begin(&self.path, Kind::Secret, &self.trust, dress(0o600))?;
        file.write_all(octets).map_err(|source| self.io(source))?;
        file.commit(OldFile::Leave)?;
        Ok(())
    }

    fn io(&self, source: io::Error) -> PlaceError {
        PlaceError::Io { path: self.path.clone(), source }
    }
}
