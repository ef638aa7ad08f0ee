//! Creating and replacing files: beside the old one, exclusive, 0600 until the end, synced, renamed. A crash leaves the
//! old file and at worst one stale temporary, which the next replacement of the same file removes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, fchmod,
    fchown, flock, fsetxattr, fstat, fsync, futimens, linkat, readlinkat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;

use crate::account::{Gid, Uid};
use crate::dir::sync_directory;
use crate::facts::{ACL_ATTRIBUTE, Facts, FileType, acl_octets};
use crate::judge::{Breach, judge, permitted_mode};
use crate::kind::{Kind, Role};
use crate::open::OpenError;
use crate::quote::display_path;
use crate::request::Request;
use crate::rule::Rule;
use crate::scratch;
use crate::stamp::Stamp;
use crate::temporary::Temporary;
use crate::trust::Trust;
use crate::walk::{Fault, Place};

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
    kind: Kind,
    trust: Trust,
    goal: Goal,
    name: OsString,
    outfit: Outfit,
    temporary: Temporary,
    only_over: Option<Stamp>,
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
        Self::start(Request { path, kind, trust }, dress, Goal::Replace)
    }

    /// Begins to make a file where there is none; [`ReplaceError::Exists`] now, or when it is committed, if there is.
    ///
    /// # Errors
    /// As [`Replacement::begin`].
    pub fn create_new(path: &Path, kind: Kind, trust: &Trust, dress: Dress) -> Result<Self, ReplaceError> {
        Self::start(Request { path, kind, trust }, dress, Goal::CreateNew)
    }

    /// Whether [`Replacement::begin`] would refuse, found out without making anything: for rehearsals.
    ///
    /// # Errors
    /// As [`Replacement::begin`].
    pub fn rehearse(path: &Path, kind: Kind, trust: &Trust) -> Result<(), ReplaceError> {
        Self::look(Request { path, kind, trust }, Goal::Replace)
    }

    /// Whether [`Replacement::create_new`] would refuse, found out without making anything.
    ///
    /// # Errors
    /// As [`Replacement::create_new`].
    pub fn rehearse_new(path: &Path, kind: Kind, trust: &Trust) -> Result<(), ReplaceError> {
        Self::look(Request { path, kind, trust }, Goal::CreateNew)
    }

    fn look(request: Request<'_>, goal: Goal) -> Result<(), ReplaceError> {
        let (place, name) = request.open_parent()?;
        inspect(request, &place, &name, goal).map(drop)
    }

    fn start(request: Request<'_>, dress: Dress, goal: Goal) -> Result<Self, ReplaceError> {
        let (place, name) = request.open_parent()?;
        let old = inspect(request, &place, &name, goal)?;
        let failed = |source| failed(request.path, "make a temporary file", source);
        let temporary = Temporary::make(place, &name).map_err(failed)?;
        let outfit = match old {
            Some(old) => Outfit::of_old(request, &old),
            None => Outfit::of_new(request, dress, &temporary).map_err(failed)?,
        };
        let (path, kind, trust) = (request.path.to_owned(), request.kind, request.trust.clone());
        Ok(Self { path, kind, trust, goal, name, outfit, temporary, only_over: None })
    }

    /// The path of the file to be, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mode that the file will have.
    pub fn mode(&self) -> u32 {
        self.outfit.mode
    }

    /// The mode of the file to be replaced, where the kind does not permit all of it: the new file gets
    /// [`mode`](Self::mode) instead, and no access list.
    pub fn narrowed_from(&self) -> Option<u32> {
        self.outfit.narrowed_from
    }

    /// The temporary file, for positioned writing. `None` once it was taken.
    pub fn as_file(&self) -> Option<&File> {
        self.temporary.file()
    }

    /// Hands out the temporary file, for a library that must be the only one with this open file description (redb).
    /// It has to be closed before the commit. `None` the second time.
    pub fn take_file(&mut self) -> Option<File> {
        self.temporary.take_file()
    }

    /// A nameless file of mode 0600 in the same directory, see [`scratch`](crate::scratch()).
    ///
    /// # Errors
    /// As open(2).
    pub fn scratch(&self) -> io::Result<File> {
        scratch::in_place(self.temporary.place())
    }

    /// Lets the new file replace this state of the old one and no other: for one that was made from the old one, which
    /// would undo what others have done to it meanwhile. Those who all ask for it lose nothing of each other, as the
    /// file is compared and replaced under its lock.
    pub fn only_over(&mut self, old: Stamp) {
        self.only_over = Some(old);
    }

    /// Gives the file its owner and, last, its mode; syncs it, renames it and syncs the directory. What would be refused
    /// when it is opened is not given the name.
    ///
    /// # Errors
    /// [`ReplaceError`]; the old file is then as it was, unless only the last sync of the directory failed.
    pub fn commit(mut self, old: OldFile) -> Result<Stamp, ReplaceError> {
        let place = self.temporary.place();
        let request = self.request();
        if let Some(old) = inspect(request, place, &self.name, self.goal)? {
            self.outfit = Outfit::of_old(request, &old);
        }
        self.step("set owner and mode", self.outfit.put_on(self.temporary.keeper()))?;
        self.would_be_opened()?;
        self.step("sync", fsync(self.temporary.keeper()).map_err(Into::into))?;
        let is_needed = old == OldFile::Touch || self.only_over.is_some();
        let held = is_needed.then(|| Old::hold(self.temporary.place(), &self.name)).flatten();
        self.is_over_what_was_meant(held.as_ref())?;
        self.give_name()?;
        self.temporary.has_its_final_name();
        let synced = sync_directory(self.temporary.place(), self.temporary.keeper());
        self.step("sync the directory", synced.map_err(Into::into))?;
        let touched = held.filter(|_| old == OldFile::Touch);
        self.step("touch the old file", touched.map_or(Ok(()), Old::touch))?;
        self.step("look at the new file", fstat(self.temporary.keeper()).map_err(Into::into))
            .map(|stat| Stamp::of(&stat))
    }

    fn request(&self) -> Request<'_> {
        Request { path: &self.path, kind: self.kind, trust: &self.trust }
    }

    fn step<T>(&self, step: &'static str, result: io::Result<T>) -> Result<T, ReplaceError> {
        result.map_err(|source| failed(&self.path, step, source))
    }

    fn would_be_opened(&self) -> Result<(), ReplaceError> {
        let place = self.temporary.place();
        let component = place.path().join(&self.name);
        let facts = Facts::of(self.temporary.keeper().as_fd(), Some(place.facts()));
        let facts = self.step("look at the new file", facts)?;
        Ok(self.request().must_be_safe(Role::Last, &component, &facts)?)
    }

    fn is_over_what_was_meant(&self, held: Option<&Old>) -> Result<(), ReplaceError> {
        let Some(meant) = self.only_over else { return Ok(()) };
        let named = statat(self.temporary.place(), &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let is_meant = named.is_ok_and(|stat| Stamp::of(&stat) == meant);
        match held {
            Some(held) if is_meant && held.is_locked && held.is(meant) => Ok(()),
            _ => Err(ReplaceError::Changed { path: self.path.clone() }),
        }
    }

    fn give_name(&self) -> Result<(), ReplaceError> {
        let (place, name) = (self.temporary.place(), self.temporary.name());
        let result = match self.goal {
            Goal::Replace => renameat(place, name, place, &self.name),
            Goal::CreateNew => rename_to_nothing(place, name, &self.name),
        };
        match result {
            Err(Errno::EXIST) => Err(ReplaceError::Exists { path: self.path.clone() }),
            result => self.step("rename", result.map_err(Into::into)),
        }
    }
}

/// Appends to the temporary file.
impl Write for Replacement {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.temporary.file() {
            Some(mut file) => file.write(octets),
            None => Err(io::Error::other("the temporary file was handed out")),
        }
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
    /// The file is not any more what it was when the new one was made from it, or others are at work on it.
    #[error("file changed while the new one was being made: {}", display_path(path))]
    Changed {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Replace,
    CreateNew,
}

/// Owner, mode and access list that the new file will get.
#[derive(Debug)]
struct Outfit {
    uid: Option<Uid>,
    gid: Option<Gid>,
    mode: u32,
    acl: Option<Vec<u8>>,
    narrowed_from: Option<u32>,
}

impl Outfit {
    fn of_new(request: Request<'_>, dress: Dress, temporary: &Temporary) -> io::Result<Self> {
        let gid = dress.group.map_or_else(|| fstat(temporary.keeper()).map(|stat| Gid(stat.st_gid)), Ok)?;
        let mode = dress.mode & permitted_mode(request.kind, gid, request.trust);
        Ok(Self { uid: dress.owner, gid: dress.group, mode, acl: None, narrowed_from: None })
    }

    /// As the old one, never wider. Beside an access list the mode shows the mask; without the list the group gets what
    /// it really had.
    fn of_old(request: Request<'_>, old: &Existing) -> Self {
        let facts = &old.facts;
        let plain = (facts.mode & 0o707) | (facts.group_perms().bits() << 3);
        let mode = plain & permitted_mode(request.kind, facts.gid, request.trust);
        let narrowed_from = (!old.is_safe).then_some(facts.mode & 0o777);
        let acl = old.acl.clone().filter(|_| old.is_safe);
        Self { uid: Some(facts.uid), gid: Some(facts.gid), mode, acl, narrowed_from }
    }

    /// The mode last: nobody reads the file before its owner is right.
    fn put_on(&self, fd: &OwnedFd) -> io::Result<()> {
        let now = fstat(fd)?;
        let owner = self.uid.filter(|uid| uid.0 != now.st_uid).map(|uid| rustix::fs::Uid::from_raw(uid.0));
        let group = self.gid.filter(|gid| gid.0 != now.st_gid).map(|gid| rustix::fs::Gid::from_raw(gid.0));
        if owner.is_some() || group.is_some() {
            fchown(fd, owner, group)?;
        }
        fchmod(fd, Mode::from_raw_mode(self.mode))?;
        match &self.acl {
            Some(acl) => Ok(fsetxattr(fd, ACL_ATTRIBUTE, acl, XattrFlags::empty())?),
            None => Ok(()),
        }
    }
}

/// What stands where the new file is to be.
struct Existing {
    facts: Facts,
    acl: Option<Vec<u8>>,
    /// Whether it would be opened as it is.
    is_safe: bool,
}

/// Looks at what is to be replaced. Its owner is kept and so has to be trusted; its mode is narrowed and so need not be
/// right; a link or a second name would go on leading to the old contents.
fn inspect(
    request: Request<'_>,
    place: &Place,
    name: &OsStr,
    goal: Goal,
) -> Result<Option<Existing>, ReplaceError> {
    let component = place.path().join(name);
    let (fd, mut facts) = match place.look(name, &component, true) {
        Err(Fault::Missing { .. }) => return Ok(None),
        answer => answer.map_err(|fault| request.stopped(fault))?,
    };
    if goal == Goal::CreateNew {
        return Err(ReplaceError::Exists { path: request.path.to_owned() });
    }
    if facts.file_type == FileType::Link {
        facts.target = readlinkat(&fd, "", Vec::new()).ok().map(|target| path_of(target.into_bytes()));
        let breach = Breach { rule: Rule::ReplacesLink, entry: None };
        return Err(request.refused(Role::Last, &component, &facts, breach).into());
    }
    let breaches = judge(request.kind, Role::Last, &component, &facts, request.trust).breaches;
    if let Some(breach) = breaches.iter().find(|breach| !is_narrowed(breach.rule)) {
        return Err(request.refused(Role::Last, &component, &facts, *breach).into());
    }
    let acl = acl_octets(fd.as_fd()).map_err(|source| request.failed(&component, source))?;
    Ok(Some(Existing { facts, acl, is_safe: breaches.is_empty() }))
}

fn path_of(octets: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(octets))
}

fn is_narrowed(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::GroupWritable
            | Rule::WorldWritable
            | Rule::AclWritable
            | Rule::GroupReadable
            | Rule::WorldReadable
            | Rule::AclReadable
    )
}

/// Not every filesystem can rename only to a name that is free; a second name can be made only where none is.
fn rename_to_nothing(place: &Place, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match renameat_with(place, from, place, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(place, from, place, to, AtFlags::empty())?;
            unlinkat(place, from, AtFlags::empty())
        }
        answer => answer,
    }
}

/// The file that loses its name, held for the moment of renaming by the lock that makemap and sendmail take on a map.
struct Old {
    fd: OwnedFd,
    is_locked: bool,
}

impl Old {
    /// A reader that never lets go of its lock is not waited for: it has the old file whole, with or without us.
    fn hold(place: &Place, name: &OsStr) -> Option<Self> {
        let fd = place.open(name, OFlags::RDONLY, Mode::empty()).ok()?;
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::AGAIN) if Instant::now() < until => thread::sleep(LOCK_PAUSE),
                answer => return Some(Self { fd, is_locked: answer.is_ok() }),
            }
        }
    }

    fn is(&self, stamp: Stamp) -> bool {
        fstat(&self.fd).is_ok_and(|stat| Stamp::of(&stat) == stamp)
    }

    /// At least a second later than it was: the readers compare whole seconds.
    fn touch(self) -> io::Result<()> {
        let before = fstat(&self.fd)?.st_mtime;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let later = before.saturating_add(1).max(i64::try_from(now).unwrap_or_default());
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let last_modification = Timespec { tv_sec: later, tv_nsec: 0 };
        Ok(futimens(&self.fd, &Timestamps { last_access, last_modification })?)
    }
}

fn failed(path: &Path, step: &'static str, source: io::Error) -> ReplaceError {
    ReplaceError::Failed { path: path.to_owned(), step, source }
}

const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
