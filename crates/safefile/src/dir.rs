//! Directories: opened, listed, made, and files opened in them without walking anew.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, Uid, chmodat, fchmod, fchown, fremovexattr, fstat, fsync, mkdirat,
    statat, syncfs,
};
use rustix::io::Errno;

use crate::account::Gid;
use crate::facts::{ACL_ATTRIBUTE, DEFAULT_ACL_ATTRIBUTE, FileType, name_in_proc};
use crate::judge::permitted_mode;
use crate::kind::Kind;
use crate::open::{OpenError, SafeFile};
use crate::replace::Dress;
use crate::request::{Request, again_while_changed};
use crate::trust::Trust;
use crate::walk::{Place, Walk};

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

impl Request<'_> {
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
        let group = dress.group.map_or_else(|| fstat(fd).map(|stat| Gid(stat.st_gid)), Ok)?;
        fchown(
            fd,
            dress.owner.map(|uid| Uid::from_raw(uid.0)),
            dress.group.map(|gid| rustix::fs::Gid::from_raw(gid.0)),
        )?;
        let mode = dress.mode & permitted_mode(self.kind, group, self.trust);
        fchmod(fd, Mode::from_raw_mode(mode))
    }
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

/// Not every filesystem tells the type with the name.
fn entry_type(place: &Place, name: &OsStr, told: rustix::fs::FileType) -> FileType {
    if told != rustix::fs::FileType::Unknown {
        return FileType::of(told);
    }
    statat(place, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |stat| FileType::of_mode(stat.st_mode))
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
