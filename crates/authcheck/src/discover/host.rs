//! The host that is looked at: its root, whom its files are judged by, and reading for the report only. What a file means
//! is the other modules' business.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use credential::Secret;
use safefile::{Audit, Kind, OpenError, Reached, SafeDir, Trust};

/// A host, or a directory that stands for one.
pub(crate) struct Host<'a> {
    root: &'a Path,
    trust: &'a dyn Fn(&Path) -> Trust,
}

/// What reading gave.
pub(crate) enum Reading {
    /// The octets. They may be passwords.
    Octets(Secret),
    /// Longer than is looked at, or on a stranger's filesystem.
    Unread,
    /// Nothing that could be read is there.
    Nothing,
}

impl<'a> Host<'a> {
    /// The host below `root`, with `trust` for each of its paths.
    pub(crate) fn new(root: &'a Path, trust: &'a dyn Fn(&Path) -> Trust) -> Self {
        Self { root, trust }
    }

    /// Where a path of the host is.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Walks and judges a path of the host.
    pub(crate) fn audit(&self, path: &Path, kind: Kind) -> Audit {
        let at = self.at(path);
        safefile::audit(&at, kind, &(self.trust)(&at))
    }

    /// Whether anything is there, or cannot be told from it: an error is something to be shown.
    pub(crate) fn has(&self, path: &Path) -> bool {
        !matches!(self.audit(path, Kind::Certificate).reached, Reached::Missing { .. })
    }

    /// Reads a file, safe or not: only to report on it.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> Reading {
        let at = self.at(path);
        match safefile::open_unsafe_for_audit(&at, Kind::Certificate, &(self.trust)(&at), limit) {
            Ok(file) => file.contents.map_or(Reading::Unread, |octets| Reading::Octets(Secret::new(octets))),
            Err(_) => Reading::Nothing,
        }
    }

    /// The text of a configuration file, where there is one.
    pub(crate) fn text(&self, path: &Path) -> Option<String> {
        match self.read(path, TEXT_LIMIT) {
            Reading::Octets(octets) => Some(String::from_utf8_lossy(octets.expose()).into_owned()),
            Reading::Unread | Reading::Nothing => None,
        }
    }

    /// The names in a directory, sorted. A directory that is not there has none; one that is unsafe, or cannot be
    /// listed, is told apart: what it holds may be anything.
    pub(crate) fn names(&self, directory: &Path, kind: Kind) -> Names {
        let at = self.at(directory);
        let entries = match SafeDir::open(&at, kind, &(self.trust)(&at)) {
            Ok(directory) => directory.entries(),
            Err(OpenError::Missing { .. }) => Ok(Vec::new()),
            Err(OpenError::Failed { source, .. }) if source.kind() == ErrorKind::NotADirectory => {
                Ok(Vec::new())
            }
            Err(OpenError::Refused(_) | OpenError::Failed { .. }) => return Names::Unknown,
        };
        entries.map_or(Names::Unknown, |entries| {
            Names::Listed(entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect())
        })
    }
}

/// What listing a directory gave.
pub(crate) enum Names {
    /// The names that are UTF-8; no other is one that we look for.
    Listed(Vec<String>),
    /// It is not safe to go by what stands there, or it cannot be listed.
    Unknown,
}

/// The longest configuration file that is read: several times the largest sendmail.cf that m4 makes.
const TEXT_LIMIT: u64 = 4 << 20;
