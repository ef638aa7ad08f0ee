//! The same walk and the same judge as opening, not stopping at the first finding. Prints nothing.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::dir::{Entry, entries};
use crate::facts::{Facts, FileType};
use crate::judge::{Breach, judge};
use crate::kind::{Kind, Role};
use crate::open::{OpenError, read_full, read_whole};
use crate::refusal::{Finding, configuration};
use crate::request::{ATTEMPTS, Request};
use crate::rule::Rule;
use crate::trust::{Exception, Trust};
use crate::walk::{End, Fault, Step, Walk};

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

    /// The lines of gatepost.toml that accept all that can be accepted of what was found; `None` where nothing can, or
    /// where the path has no spelling that the configuration takes.
    pub fn configuration(&self) -> Option<Vec<String>> {
        let real = self.last().map(|last| last.path.as_path());
        configuration(&self.path, real, self.kind, self.findings().map(|(_, finding)| finding))
    }

    /// What the path leads to, where the walk came so far.
    pub fn last(&self) -> Option<&Component> {
        self.components.last().filter(|component| component.role == Role::Last)
    }
}

/// Walks the path and judges every component, as [`SafeFile::open`](crate::SafeFile::open) would, but to the end.
pub fn audit(path: &Path, kind: Kind, trust: &Trust) -> Audit {
    Request { path, kind, trust }.survey().0
}

/// A file that may be unsafe, read to be reported on.
#[derive(Debug)]
pub struct AuditedFile {
    /// What the walk saw.
    pub audit: Audit,
    /// The contents; `None` when the file is longer than the limit.
    pub contents: Option<Vec<u8>>,
}

/// Reads a regular file **without** asking that it be safe, so that `authcheck` can say what an existing host has.
///
/// What is read is only ever reported: it is never used as a secret, never obeyed. It never blocks on a named pipe, and
/// no more than `limit` octets are read.
///
/// # Errors
/// [`OpenError::Missing`] and [`OpenError::Failed`] as for opening, the latter also for a filesystem of a stranger;
/// [`OpenError::Refused`] only for what is no regular file.
pub fn open_unsafe_for_audit(
    path: &Path,
    kind: Kind,
    trust: &Trust,
    limit: u64,
) -> Result<AuditedFile, OpenError> {
    let request = Request { path, kind, trust };
    let (audit, component, file) = request.open_unsafe()?;
    match read_whole(&file, limit) {
        Ok(contents) => Ok(AuditedFile { audit, contents: Some(contents) }),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(AuditedFile { audit, contents: None })
        }
        Err(error) => Err(request.failed(&component, error)),
    }
}

/// The first octets of a regular file, at most so many, **without** asking that it be safe: enough to tell by its magic
/// number what a file is that a program refuses to use. For the rest as [`open_unsafe_for_audit`].
///
/// # Errors
/// As [`open_unsafe_for_audit`].
pub fn peek_unsafe(path: &Path, kind: Kind, trust: &Trust, octets: usize) -> Result<Vec<u8>, OpenError> {
    let request = Request { path, kind, trust };
    let (_, component, file) = request.open_unsafe()?;
    let mut start = vec![0; octets];
    let count = read_full(&file, &mut start, 0).map_err(|error| request.failed(&component, error))?;
    start.truncate(count);
    Ok(start)
}

/// A regular file that may be unsafe, read place by place in order to report about it.
#[derive(Debug)]
pub struct UnsafeFile {
    file: File,
    octets: u64,
}

impl UnsafeFile {
    /// Opens a regular file **without** asking that it be safe. For the rest as [`open_unsafe_for_audit`].
    ///
    /// # Errors
    /// As [`open_unsafe_for_audit`].
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, OpenError> {
        let request = Request { path, kind: Kind::Map, trust };
        let (_, component, file) = request.open_unsafe()?;
        let octets = file.metadata().map_err(|error| request.failed(&component, error))?.len();
        Ok(Self { file, octets })
    }

    /// How many octets it had when it was opened.
    pub fn len(&self) -> u64 {
        self.octets
    }

    /// Whether it had none.
    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Reads from a position until the buffer is full or the file ends; how many octets.
    ///
    /// # Errors
    /// As pread(2).
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_full(&self.file, buffer, offset)
    }
}

/// The names in a directory, sorted, **without** asking that it be safe: for programs that look for files in order to
/// report about them.
///
/// # Errors
/// As [`open_unsafe_for_audit`]; what is no directory is refused.
pub fn list_unsafe_for_audit(path: &Path, trust: &Trust) -> Result<Vec<Entry>, OpenError> {
    let request = Request { path, kind: Kind::Map, trust };
    match request.survey() {
        (audit, None) => Err(request.not_reached(audit.reached)),
        (_, Some(End::Directory(place))) => {
            entries(&place).map_err(|source| request.failed(place.path(), source))
        }
        (_, Some(End::File { place, name, facts })) => {
            let breach = Breach { rule: Rule::NotDirectory, entry: None };
            Err(request.refused(Role::Last, &place.path().join(name), &facts, breach))
        }
    }
}

impl Request<'_> {
    fn survey(self) -> (Audit, Option<End>) {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let mut audit = Audit {
                path: self.path.into(),
                kind: self.kind,
                components: Vec::new(),
                reached: Reached::End,
            };
            match self.look_at_all(&mut audit) {
                Ok(end) => return (audit, Some(end)),
                Err(Fault::Broken { rule: Rule::Changed, .. }) if left > 0 => {}
                Err(fault) => {
                    self.note(&mut audit, fault);
                    return (audit, None);
                }
            }
        }
    }

    fn look_at_all(self, audit: &mut Audit) -> Result<End, Fault> {
        let mut walk = Walk::begin(self.path)?;
        let mut seen = HashSet::new();
        while let Some(step) = walk.step()? {
            if !seen.insert((step.path.clone(), step.role)) {
                continue;
            }
            let component = self.component(step);
            let path = component.path.clone();
            let is_strange = component.findings.iter().any(|finding| finding.rule == Rule::ForeignFilesystem);
            audit.components.push(component);
            // Whose program might keep us waiting for ever.
            if is_strange {
                return Err(Fault::Failed { component: path, source: io::Error::other(NO_FURTHER) });
            }
        }
        Ok(walk.end())
    }

    fn component(self, step: Step) -> Component {
        let judgement = judge(self.kind, step.role, &step.path, &step.facts, self.trust);
        let findings = judgement.breaches.iter().map(|breach| self.finding(&step, *breach)).collect();
        Component {
            path: step.path,
            role: step.role,
            facts: step.facts,
            findings,
            exceptions: judgement.excepted,
            is_mount: step.is_mount,
        }
    }

    fn note(self, audit: &mut Audit, fault: Fault) {
        audit.reached = match fault {
            Fault::Missing { component } => Reached::Missing { component },
            Fault::Failed { component, source } => Reached::Failed { component, source },
            Fault::Broken { component, role, rule, facts } => {
                let step = Step { path: component.clone(), role, facts: *facts, is_mount: false };
                let finding = self.finding(&step, Breach { rule, entry: None });
                audit.components.push(Component { findings: vec![finding], ..self.component(step) });
                Reached::Failed { component, source: io::Error::other(rule.why()) }
            }
        };
    }

    fn not_reached(self, reached: Reached) -> OpenError {
        match reached {
            Reached::Missing { component } => OpenError::Missing { path: self.path.to_owned(), component },
            Reached::Failed { component, source } => self.failed(&component, source),
            Reached::End => self.failed(self.path, Errno::NOENT.into()),
        }
    }

    /// Walks, and opens for reading what the walk came to, if it is a regular file; with its real path.
    fn open_unsafe(self) -> Result<(Audit, PathBuf, File), OpenError> {
        let (audit, end) = self.survey();
        let (place, name, seen) = match end {
            None => return Err(self.not_reached(audit.reached)),
            Some(End::Directory(place)) => return Err(self.failed(place.path(), Errno::ISDIR.into())),
            Some(End::File { place, name, facts }) => (place, name, facts),
        };
        let component = place.path().join(&name);
        if seen.file_type != FileType::Regular {
            let breach = Breach { rule: Rule::NotRegular, entry: None };
            return Err(self.refused(Role::Last, &component, &seen, breach));
        }
        let failed = |source| self.failed(&component, source);
        let fd = place.open(&name, OFlags::RDONLY, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let facts = Facts::of(fd.as_fd(), Some(&seen)).map_err(failed)?;
        if !facts.is_same_file(&seen) {
            return Err(self.stopped(Fault::changed(component.clone(), Role::Last, facts)));
        }
        Ok((audit, component, File::from(fd)))
    }
}

const NO_FURTHER: &str = "not looked at any further: a user's program answers from here on";
