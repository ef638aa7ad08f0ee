//! The same walk and the same judge as opening, not stopping at the first finding. Prints nothing.

use std::io;
use std::path::{Path, PathBuf};

use crate::facts::Facts;
use crate::kind::{Kind, Role};
use crate::open::OpenError;
use crate::refusal::Finding;
use crate::trust::{Exception, Trust};

/// What a walk over a path saw.
#[derive(Debug)]
pub struct Audit {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it was judged as.
    pub kind: Kind,
    /// Every component, in the order of the walk, once.
    pub components: Vec<Component>,
    /// How far the walk came.
    pub reached: Reached,
}

/// One component of a path, judged.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its real path.
    pub path: PathBuf,
    /// What it is to the path.
    pub role: Role,
    /// What it says of itself.
    pub facts: Facts,
    /// What is wrong with it; empty: safe.
    pub findings: Vec<Finding>,
    /// The exceptions without which more would be wrong with it.
    pub exceptions: Vec<Exception>,
    /// Whether another filesystem begins here.
    pub is_mount: bool,
}

/// How far a walk came.
#[derive(Debug)]
pub enum Reached {
    /// To what the path leads to.
    End,
    /// To a name that is not there.
    Missing {
        /// Its real path.
        component: PathBuf,
    },
    /// To something that the system would not show.
    Failed {
        /// Its real path.
        component: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The sum of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every component is safe.
    Safe,
    /// At least one is not.
    Unsafe,
    /// Nothing unsafe was seen, but not everything could be looked at.
    Error,
}

impl Verdict {
    /// Its word in reports: `safe`, `unsafe`, `error`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
            Self::Error => "error",
        }
    }
}

impl Audit {
    /// The sum: unsafe where anything is, whether or not the walk came to its end.
    pub fn verdict(&self) -> Verdict {
        if self.findings().next().is_some() {
            Verdict::Unsafe
        } else if matches!(self.reached, Reached::End) {
            Verdict::Safe
        } else {
            Verdict::Error
        }
    }

    /// Every finding with its component, in the order of the walk.
    pub fn findings(&self) -> impl Iterator<Item = (&Component, &Finding)> {
        self.components
            .iter()
            .flat_map(|component| component.findings.iter().map(move |finding| (component, finding)))
    }

    /// What the path leads to, where the walk came so far.
    pub fn last(&self) -> Option<&Component> {
        self.components.last().filter(|component| component.role == Role::Last)
    }
}

/// Walks the path and judges every component, as [`SafeFile::open`](crate::SafeFile::open) would, but to the end.
pub fn audit(path: &Path, kind: Kind, trust: &Trust) -> Audit {
    let _ = (path, kind, trust);
    unimplemented!()
}

/// A file that may be unsafe, read to be reported on.
#[derive(Debug)]
pub struct AuditedFile {
    /// What the walk saw.
    pub audit: Audit,
    /// The contents; `None` when the file is longer than the limit, or lies on a filesystem that a stranger's program
    /// answers for.
    pub contents: Option<Vec<u8>>,
}

/// Reads a regular file **without** asking that it be safe, so that `authcheck` can say what an existing host has.
///
/// What is read is only ever reported: it is never used as a secret, never obeyed. It never blocks on a named pipe, and
/// reads no more than `limit` octets.
///
/// # Errors
/// [`OpenError::Missing`] and [`OpenError::Failed`] as for opening; [`OpenError::Refused`] only for what is no regular
/// file or leads nowhere.
pub fn open_unsafe_for_audit(
    path: &Path,
    kind: Kind,
    trust: &Trust,
    limit: u64,
) -> Result<AuditedFile, OpenError> {
    let _ = (path, kind, trust, limit);
    unimplemented!()
}
