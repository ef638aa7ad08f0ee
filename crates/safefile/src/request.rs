//! What was asked for, walked to and judged: the part that opening, listing, replacing and auditing share. What is done
//! at the end of the walk is theirs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::facts::Facts;
use crate::judge::{Breach, judge};
use crate::kind::{Kind, Role};
use crate::open::OpenError;
use crate::refusal::{Finding, Refusal};
use crate::rule::Rule;
use crate::trust::Trust;
use crate::walk::{End, Fault, Place, Step, Walk};

/// What was asked for: all that an error repeats.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) path: &'a Path,
    pub(crate) kind: Kind,
    pub(crate) trust: &'a Trust,
}

impl Request<'_> {
    /// A directory that holds files of this kind, or is the secret directory itself.
    pub(crate) fn open_directory(self) -> Result<Place, OpenError> {
        let last = if self.kind == Kind::SecretDirectory { Role::Last } else { Role::Directory };
        again_while_changed(|| self.walk_to_directory(self.path, last))
    }

    /// The directory that a new file is to be made in, and the file's name.
    pub(crate) fn open_parent(self) -> Result<(Place, OsString), OpenError> {
        let (parent, name) = split(self.path).ok_or_else(|| self.failed(self.path, Errno::ISDIR.into()))?;
        let place = again_while_changed(|| self.walk_to_directory(&parent, Role::Directory))?;
        Ok((place, name))
    }

    fn walk_to_directory(self, path: &Path, last: Role) -> Result<Place, OpenError> {
        match self.walk(Walk::begin(path), last)? {
            End::Directory(place) => Ok(place),
            End::File { place, name, .. } => Err(self.failed(&place.path().join(name), Errno::NOTDIR.into())),
        }
    }

    /// Walks, stopping at the first finding.
    pub(crate) fn walk(self, begun: Result<Walk, Fault>, last: Role) -> Result<End, OpenError> {
        let mut walk = begun.map_err(|fault| self.stopped(fault))?;
        while let Some(step) = walk.step().map_err(|fault| self.stopped(fault))? {
            let role = if step.role == Role::Last { last } else { step.role };
            self.must_be_safe(role, &step.path, &step.facts)?;
        }
        Ok(walk.end())
    }

    pub(crate) fn must_be_safe(self, role: Role, component: &Path, facts: &Facts) -> Result<(), OpenError> {
        match judge(self.kind, role, component, facts, self.trust).breaches.first() {
            None => Ok(()),
            Some(breach) => Err(self.refused(role, component, facts, *breach)),
        }
    }

    pub(crate) fn stopped(self, fault: Fault) -> OpenError {
        match fault {
            Fault::Missing { component } => OpenError::Missing { path: self.path.to_owned(), component },
            Fault::Failed { component, source } => self.failed(&component, source),
            Fault::Broken { component, role, rule, facts } => {
                self.refused(role, &component, &facts, Breach { rule, entry: None })
            }
        }
    }

    pub(crate) fn failed(self, component: &Path, source: io::Error) -> OpenError {
        OpenError::Failed { path: self.path.to_owned(), component: component.to_owned(), source }
    }

    pub(crate) fn refused(self, role: Role, component: &Path, facts: &Facts, breach: Breach) -> OpenError {
        OpenError::Refused(Box::new(Refusal {
            path: self.path.to_owned(),
            kind: self.kind,
            component: component.to_owned(),
            role,
            finding: Finding::new(self.kind, component, facts, breach, self.trust),
        }))
    }

    pub(crate) fn finding(self, step: &Step, breach: Breach) -> Finding {
        Finding::new(self.kind, &step.path, &step.facts, breach, self.trust)
    }
}

/// A file that is replaced while it is opened is no danger: the next try sees the new one.
pub(crate) fn again_while_changed<T>(attempt: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match attempt() {
            Err(OpenError::Refused(refusal)) if refusal.finding.rule == Rule::Changed && left > 0 => {}
            answer => return answer,
        }
    }
}

/// Directory and name of a path; `None` where it ends in no name.
fn split(path: &Path) -> Option<(PathBuf, OsString)> {
    let octets = path.as_os_str().as_bytes();
    let start = octets.iter().rposition(|octet| *octet == b'/').map_or(0, |slash| slash + 1);
    let (parent, name) = octets.split_at_checked(start)?;
    let parent = if parent.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(parent) };
    let has_name = !matches!(name, b"" | b"." | b"..");
    has_name.then(|| (PathBuf::from(parent), OsStr::from_bytes(name).to_owned()))
}

/// Who replaces a file this often while it is opened wins no more than a refusal.
pub(crate) const ATTEMPTS: u32 = 16;
