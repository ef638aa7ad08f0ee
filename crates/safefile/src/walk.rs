//! From the root to what a path leads to, descriptor by descriptor. Links are read and followed here, not by the kernel,
//! so that no component is passed unseen. What is seen is handed on, not judged.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use crate::facts::{Facts, FileType};
use crate::kind::Role;
use crate::rule::Rule;

/// A walk under way: [`step`](Walk::step) until it says `None`, then [`end`](Walk::end).
#[derive(Debug)]
pub(crate) struct Walk {
    root: Place,
    at: Place,
    /// Whether `at` has not been shown yet.
    is_new: bool,
    rest: VecDeque<Part>,
    links: usize,
    last: Option<(OsString, Facts)>,
}

/// One component, seen.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    pub(crate) facts: Facts,
    pub(crate) is_mount: bool,
}

/// Where a walk ended.
#[derive(Debug)]
pub(crate) enum End {
    /// At this directory.
    Directory(Place),
    /// At something else, that this directory has by this name.
    File { place: Place, name: OsString, facts: Facts },
}

/// Why a walk could not go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A name that is not there.
    Missing { component: PathBuf },
    /// The system refused.
    Failed { component: PathBuf, source: io::Error },
    /// The way itself breaks a rule.
    Broken { component: PathBuf, role: Role, rule: Rule, facts: Box<Facts> },
}

impl Walk {
    /// At the root, nothing seen yet. A relative path starts with the path of the working directory.
    pub(crate) fn begin(path: &Path) -> Result<Self, Fault> {
        if path.as_os_str().is_empty() {
            return Err(Fault::Missing { component: PathBuf::new() });
        }
        let root = Place::root()?;
        let mut rest = if path.has_root() { VecDeque::new() } else { working_directory(&root)? };
        rest.extend(parts(path.as_os_str()));
        Ok(Self { at: root.again()?, root, is_new: true, rest, links: 0, last: None })
    }

    /// In a directory that was walked to before, towards a name in it.
    pub(crate) fn from(place: &Place, name: &OsStr) -> Result<Self, Fault> {
        let rest = VecDeque::from([Part::Name(name.to_owned())]);
        Ok(Self { root: Place::root()?, at: place.again()?, is_new: false, rest, links: 0, last: None })
    }

    /// The next component; `None` at the end.
    pub(crate) fn step(&mut self) -> Result<Option<Step>, Fault> {
        loop {
            self.settle()?;
            if self.is_new {
                self.is_new = false;
                return Ok(Some(self.show_directory()));
            }
            match self.rest.pop_front() {
                Some(Part::Name(name)) => {
                    if let Some(step) = self.enter(name)? {
                        return Ok(Some(step));
                    }
                }
                Some(Part::Up) => self.up()?,
                Some(Part::Same | Part::Is(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Where it ended.
    pub(crate) fn end(self) -> End {
        match self.last {
            None => End::Directory(self.at),
            Some((name, facts)) => End::File { place: self.at, name, facts },
        }
    }

    /// Passes what does not lead out of this directory, so that what is left tells whether this is the last one.
    fn settle(&mut self) -> Result<(), Fault> {
        while let Some(Part::Same | Part::Is(_)) = self.rest.front()
            && self.last.is_none()
        {
            if let Some(Part::Is(facts)) = self.rest.pop_front() {
                self.at.must_be(&facts)?;
            }
        }
        Ok(())
    }

    fn show_directory(&self) -> Step {
        let role = if self.rest.is_empty() { Role::Last } else { Role::Directory };
        let is_mount = self.at.above.last().is_some_and(|(device, _)| *device != self.at.facts.device);
        Step { path: self.at.path.clone(), role, facts: self.at.facts.clone(), is_mount }
    }

    fn enter(&mut self, name: OsString) -> Result<Option<Step>, Fault> {
        let path = self.at.path.join(&name);
        let (fd, facts) = self.at.look(&name, &path, self.rest.is_empty())?;
        match facts.file_type {
            FileType::Directory => {
                self.at.descend(fd, path, facts);
                self.is_new = true;
                Ok(None)
            }
            FileType::Link => self.follow(&fd, path, facts).map(Some),
            _ if self.rest.is_empty() => self.arrive(name, path, facts).map(Some),
            _ => Err(Fault::of(path, Errno::NOTDIR)),
        }
    }

    /// At a file. One that has just lost its last name was replaced, not linked in an unsafe way.
    fn arrive(&mut self, name: OsString, path: PathBuf, facts: Facts) -> Result<Step, Fault> {
        if facts.links == 0 {
            return Err(Fault::changed(path, Role::Last, facts));
        }
        let is_mount = facts.device != self.at.facts.device;
        self.last = Some((name, facts.clone()));
        Ok(Step { path, role: Role::Last, facts, is_mount })
    }

    fn follow(&mut self, link: &OwnedFd, path: PathBuf, mut facts: Facts) -> Result<Step, Fault> {
        let target = readlinkat(link, "", Vec::new()).map_err(|errno| Fault::of(path.clone(), errno))?;
        let target = OsString::from_vec(target.into_bytes());
        facts.target = Some(PathBuf::from(&target));
        self.links += 1;
        if self.links > MAX_LINKS {
            let facts = Box::new(facts);
            return Err(Fault::Broken { component: path, role: Role::Link, rule: Rule::TooManyLinks, facts });
        }
        if target.as_bytes().starts_with(b"/") {
            self.at = self.root.again()?;
        }
        for part in parts(&target).into_iter().rev() {
            self.rest.push_front(part);
        }
        // A link to `/` or `.` is at its end already.
        self.is_new = self.rest.iter().all(|part| matches!(part, Part::Same));
        Ok(Step { path, role: Role::Link, facts, is_mount: false })
    }

    fn up(&mut self) -> Result<(), Fault> {
        self.at.ascend()?;
        self.settle()?;
        self.is_new = self.rest.is_empty();
        Ok(())
    }
}

/// A directory that a walk has come to.
#[derive(Debug)]
pub(crate) struct Place {
    fd: OwnedFd,
    path: PathBuf,
    facts: Facts,
    /// Device and inode of each directory above, the root first: `..` has to lead back to the one that was judged. Not
    /// their descriptors: a deep path would use up all that a process may have.
    above: Vec<(u64, u64)>,
}

impl Place {
    fn root() -> Result<Self, Fault> {
        let path = PathBuf::from("/");
        let fault = |source| Fault::Failed { component: PathBuf::from("/"), source };
        let fd = openat(CWD, "/", DIRECTORY, Mode::empty()).map_err(|errno| fault(errno.into()))?;
        let facts = Facts::of_root(fd.as_fd()).map_err(fault)?;
        Ok(Self { fd, path, facts, above: Vec::new() })
    }

    /// The same place by another descriptor.
    pub(crate) fn again(&self) -> Result<Self, Fault> {
        let fd =
            self.fd.try_clone().map_err(|source| Fault::Failed { component: self.path.clone(), source })?;
        Ok(Self { fd, path: self.path.clone(), facts: self.facts.clone(), above: self.above.clone() })
    }

    /// The real path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the directory said of itself.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Opens a name in it for use. Nothing is followed, waited for or handed on to a child, and no terminal becomes the
    /// process's own.
    pub(crate) fn open(&self, name: &OsStr, access: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&self.fd, name, access | flags, mode)
    }

    /// Opens a name in it only to look at it, whatever it is. `O_DIRECTORY` is what makes an automounter mount.
    pub(crate) fn look(&self, name: &OsStr, path: &Path, is_last: bool) -> Result<(OwnedFd, Facts), Fault> {
        let fault = |errno| Fault::of(path.to_owned(), errno);
        let flags = if is_last { ANYTHING } else { DIRECTORY };
        let mut fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::NOTDIR) => openat(&self.fd, name, ANYTHING, Mode::empty()).map_err(fault)?,
            answer => answer.map_err(fault)?,
        };
        let mut facts = self.ask(fd.as_fd(), path)?;
        if is_last && facts.file_type == FileType::Directory {
            fd = openat(&self.fd, name, DIRECTORY, Mode::empty()).map_err(fault)?;
            facts = self.ask(fd.as_fd(), path)?;
        }
        Ok((fd, facts))
    }

    fn ask(&self, fd: BorrowedFd<'_>, path: &Path) -> Result<Facts, Fault> {
        Facts::of(fd, Some(&self.facts))
            .map_err(|source| Fault::Failed { component: path.to_owned(), source })
    }

    fn descend(&mut self, fd: OwnedFd, path: PathBuf, facts: Facts) {
        self.above.push((self.facts.device, self.facts.inode));
        (self.fd, self.path, self.facts) = (fd, path, facts);
    }

    /// To the directory above; the root's is the root.
    fn ascend(&mut self) -> Result<(), Fault> {
        let Some(judged) = self.above.pop() else { return Ok(()) };
        self.path.pop();
        self.fd = openat(&self.fd, "..", DIRECTORY, Mode::empty())
            .map_err(|errno| Fault::of(self.path.clone(), errno))?;
        self.facts = self.ask(self.fd.as_fd(), &self.path)?;
        if (self.facts.device, self.facts.inode) == judged {
            Ok(())
        } else {
            Err(Fault::changed(self.path.clone(), Role::Directory, self.facts.clone()))
        }
    }

    fn must_be(&self, working_directory: &Facts) -> Result<(), Fault> {
        if self.facts.is_same_file(working_directory) {
            Ok(())
        } else {
            Err(Fault::lost(self.path.clone(), working_directory.clone()))
        }
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Fault {
    pub(crate) fn of(component: PathBuf, errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Missing { component },
            errno => Self::Failed { component, source: errno.into() },
        }
    }

    /// As the system would have said it.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Missing { .. } => Errno::NOENT.into(),
            Self::Failed { source, .. } => source,
            Self::Broken { rule, .. } => io::Error::other(rule.why()),
        }
    }

    pub(crate) fn changed(component: PathBuf, role: Role, facts: Facts) -> Self {
        Self::Broken { component, role, rule: Rule::Changed, facts: Box::new(facts) }
    }

    fn lost(component: PathBuf, facts: Facts) -> Self {
        Self::Broken {
            component,
            role: Role::Directory,
            rule: Rule::WorkingDirectory,
            facts: Box::new(facts),
        }
    }
}

/// What is left of a path.
#[derive(Debug)]
enum Part {
    Name(OsString),
    /// `..`
    Up,
    /// `.`, or the end of a path that ends in `/`: what was reached has to be a directory.
    Same,
    /// The place has to be this directory.
    Is(Box<Facts>),
}

fn parts(path: &OsStr) -> Vec<Part> {
    let octets = path.as_bytes();
    let mut parts: Vec<_> = octets.split(|octet| *octet == b'/').filter_map(part).collect();
    if octets.ends_with(b"/") {
        parts.push(Part::Same);
    }
    parts
}

fn part(name: &[u8]) -> Option<Part> {
    match name {
        b"" => None,
        b"." => Some(Part::Same),
        b".." => Some(Part::Up),
        name => Some(Part::Name(OsStr::from_bytes(name).to_owned())),
    }
}

/// The way from the root to the working directory. That it leads there is checked when it has been walked: the text that
/// the kernel gives is true only for a moment.
fn working_directory(root: &Place) -> Result<VecDeque<Part>, Fault> {
    let dot = || PathBuf::from(".");
    let failed = |source| Fault::Failed { component: dot(), source };
    let fd = openat(CWD, ".", DIRECTORY, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let facts = Facts::of(fd.as_fd(), Some(root.facts())).map_err(failed)?;
    match rustix::process::getcwd(Vec::new()) {
        Ok(text) if text.as_bytes().starts_with(b"/") => {
            let text = OsString::from_vec(text.into_bytes());
            let mut way = VecDeque::from(parts(&text));
            way.push_back(Part::Is(Box::new(facts)));
            Ok(way)
        }
        // Removed, or out of reach from this root: "(unreachable)/...".
        Ok(_) | Err(Errno::NOENT) => Err(Fault::lost(dot(), facts)),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// As many links as the kernel follows in one path.
pub(crate) const MAX_LINKS: usize = 40;
const ANYTHING: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = ANYTHING.union(OFlags::DIRECTORY);
