//! Opening: walk, judge each component, keep the last descriptor. Never blocks, never follows a link unseen, never leaks
//! a descriptor to a child. What is in the file is not looked at.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, Gid, Mode, OFlags, Uid, chmodat, fchmod, fchown, fcntl_getfl, fcntl_setfl,
    fremovexattr, fstat, fsync, mkdirat, syncfs,
};
use rustix::io::Errno;

use crate::account::Gid as GroupId;
use crate::facts::{ACL_ATTRIBUTE, DEFAULT_ACL_ATTRIBUTE, Facts, FileType, name_in_proc};
use crate::judge::{Breach, judge, permitted_mode};
use crate::kind::{Kind, Role};
use crate::quote::display_path;
use crate::refusal::{Finding, Refusal};
use crate::replace::Dress;
use crate::rule::Rule;
use crate::stamp::Stamp;
use crate::trust::Trust;
use crate::walk::{End, Fault, Place, Step, Walk};

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
        Request { path, kind, trust }.open_file(OFlags::RDONLY)
    }

    /// Opens for reading and writing in place: for the live store, whose own locks guard its pages. Everything else is
    /// replaced, see [`Replacement`](crate::Replacement).
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused.
    pub fn open_for_update(path: &Path, kind: Kind, trust: &Trust) -> Result<Self, OpenError> {
        Request { path, kind, trust }.open_file(OFlags::RDWR)
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
        read_full(&self.file, buffer, offset)
    }

    /// Reads the whole file, from its beginning, unless it is longer than `limit` octets. The buffer is never moved, so
    /// that a secret leaves no copy behind.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] above the limit; else as read(2).
    pub fn read_whole(&self, limit: u64) -> io::Result<Vec<u8>> {
        read_whole(&self.file, limit)
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
    place: Place,
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
        let place = Request { path, kind, trust }.open_directory()?;
        Ok(Self { path: path.to_owned(), trust: trust.clone(), place })
    }

    /// Makes the last directory of the path where it is missing, in a safe one, and opens it. It is 0700 until owner
    /// and mode of the dress are set.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, its parent missing, or the system refused.
    pub fn create(path: &Path, kind: Kind, trust: &Trust, dress: &Dress) -> Result<Self, OpenError> {
        let request = Request { path, kind, trust };
        let (parent, name) = request.open_parent()?;
        request.make_directory(&parent, &name, dress)?;
        Self::open(path, kind, trust)
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The names in it, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// As readdir(3).
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        entries(&self.place)
    }

    /// Opens a file in it for reading, by the same trust; a link is walked as ever.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe, missing, or the system refused; a name that is more than one component is refused by
    /// the system's word for it (EINVAL).
    pub fn open_file(&self, name: &OsStr, kind: Kind) -> Result<SafeFile, OpenError> {
        let path = self.path.join(name);
        let request = Request { path: &path, kind, trust: &self.trust };
        if name.is_empty() || name.as_bytes().contains(&b'/') || name == "." || name == ".." {
            return Err(request.failed(&path, Errno::INVAL.into()));
        }
        again_while_changed(|| request.finish(Walk::from(&self.place, name), OFlags::RDONLY))
    }
}

impl AsFd for SafeDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.place.as_fd()
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

/// What was asked for: all that an error repeats.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) path: &'a Path,
    pub(crate) kind: Kind,
    pub(crate) trust: &'a Trust,
}

impl Request<'_> {
    fn open_file(self, access: OFlags) -> Result<SafeFile, OpenError> {
        again_while_changed(|| self.finish(Walk::begin(self.path), access))
    }

    /// A directory that holds files of this kind, or is the secret directory itself.
    fn open_directory(self) -> Result<Place, OpenError> {
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
    fn walk(self, begun: Result<Walk, Fault>, last: Role) -> Result<End, OpenError> {
        let mut walk = begun.map_err(|fault| self.stopped(fault))?;
        while let Some(step) = walk.step().map_err(|fault| self.stopped(fault))? {
            let role = if step.role == Role::Last { last } else { step.role };
            self.must_be_safe(role, &step.path, &step.facts)?;
        }
        Ok(walk.end())
    }

    fn finish(self, begun: Result<Walk, Fault>, access: OFlags) -> Result<SafeFile, OpenError> {
        match self.walk(begun, Role::Last)? {
            End::File { place, name, facts } => self.open_last(&place, &name, &facts, access),
            // Only a secret directory passes the judge.
            End::Directory(place) => Err(self.failed(place.path(), Errno::ISDIR.into())),
        }
    }

    /// What was looked at is opened for use, if it is still there, and judged again on the descriptor that is used.
    fn open_last(
        self,
        place: &Place,
        name: &OsStr,
        seen: &Facts,
        access: OFlags,
    ) -> Result<SafeFile, OpenError> {
        let component = place.path().join(name);
        let failed = |source| self.failed(&component, source);
        let changed = || self.stopped(Fault::changed(component.clone(), Role::Last, seen.clone()));
        let fd = match place.open(name, access, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Err(changed()),
            answer => answer.map_err(|errno| failed(errno.into()))?,
        };
        let facts = Facts::of(fd.as_fd(), Some(seen)).map_err(failed)?;
        if !facts.is_same_file(seen) || facts.links == 0 {
            return Err(changed());
        }
        self.must_be_safe(Role::Last, &component, &facts)?;
        let stamp = block_again(&fd).map_err(failed)?;
        Ok(SafeFile { path: self.path.to_owned(), kind: self.kind, file: File::from(fd), facts, stamp })
    }

    pub(crate) fn must_be_safe(self, role: Role, component: &Path, facts: &Facts) -> Result<(), OpenError> {
        match judge(self.kind, role, component, facts, self.trust).breaches.first() {
            None => Ok(()),
            Some(breach) => Err(self.refused(role, component, facts, *breach)),
        }
    }

    fn make_directory(self, parent: &Place, name: &OsStr, dress: &Dress) -> Result<(), OpenError> {
        let component = parent.path().join(name);
        let failed = |errno: Errno| self.failed(&component, errno.into());
        match mkdirat(parent, name, Mode::RWXU) {
            Err(Errno::EXIST) => return Ok(()),
            answer => answer.map_err(failed)?,
        }
        let (made, _) = parent.look(name, &component, true).map_err(|fault| self.stopped(fault))?;
        // The umask may have taken even the owner's rights.
        chmodat(CWD, name_in_proc(&made), Mode::RWXU, AtFlags::empty()).map_err(failed)?;
        let fd = parent.open(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        self.dress_directory(&fd, dress).and_then(|()| sync_directory(parent, &fd)).map_err(failed)
    }

    fn dress_directory(self, fd: &OwnedFd, dress: &Dress) -> Result<(), Errno> {
        drop_inherited_acl(fd)?;
        let group = dress.group.map_or_else(|| fstat(fd).map(|stat| GroupId(stat.st_gid)), Ok)?;
        fchown(fd, dress.owner.map(|uid| Uid::from_raw(uid.0)), dress.group.map(|gid| Gid::from_raw(gid.0)))?;
        let mode = dress.mode & permitted_mode(self.kind, group, self.trust);
        fchmod(fd, Mode::from_raw_mode(mode))
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
fn again_while_changed<T>(attempt: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
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

/// `O_NONBLOCK` was for opening; a regular file is read as usual.
fn block_again(fd: &OwnedFd) -> io::Result<Stamp> {
    fcntl_setfl(fd, fcntl_getfl(fd)?.difference(OFlags::NONBLOCK))?;
    Ok(Stamp::of(&fstat(fd)?))
}

/// Into one buffer that is never moved: what a move leaves behind nobody would wipe.
pub(crate) fn read_whole(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let room = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut octets = vec![0; room.saturating_add(1)];
    let count = read_full(file, &mut octets, 0)?;
    if count > room {
        return Err(io::Error::other("the file grew while it was read"));
    }
    octets.truncate(count);
    Ok(octets)
}

/// Fewer octets than there is room for only at the end of the file.
pub(crate) fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

pub(crate) fn entries(place: &Place) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let fd = place.open(OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    for entry in Dir::new(fd)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            let file_type = entry_type(place, &name, entry.file_type());
            entries.push(Entry { name, file_type });
        }
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// What a directory gives to all that is made in it would come to life as soon as the mode allows it.
pub(crate) fn drop_inherited_acl(fd: &OwnedFd) -> Result<(), Errno> {
    for attribute in [ACL_ATTRIBUTE, DEFAULT_ACL_ATTRIBUTE] {
        match fremovexattr(fd, attribute) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::ACCESS | Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a new name durable. A directory that may be searched but not listed cannot be synced alone.
pub(crate) fn sync_directory(place: &Place, file: &OwnedFd) -> Result<(), Errno> {
    match place.open(OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
        Ok(fd) => fsync(fd),
        Err(Errno::ACCESS) => syncfs(file),
        Err(errno) => Err(errno),
    }
}

/// Not every filesystem tells the type with the name.
fn entry_type(place: &Place, name: &OsStr, told: rustix::fs::FileType) -> FileType {
    if told != rustix::fs::FileType::Unknown {
        return FileType::of(told);
    }
    rustix::fs::statat(place, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |stat| FileType::of_mode(stat.st_mode))
}

/// Who replaces a file this often while it is opened wins no more than a refusal.
pub(crate) const ATTEMPTS: u32 = 16;
