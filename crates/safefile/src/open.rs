//! Opening: walk, judge each component, keep the last descriptor. Never blocks, never follows a link unseen, never leaks
//! a descriptor to a child. What is in the file is not looked at.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::Errno;

use crate::facts::Facts;
use crate::kind::{Kind, Role};
use crate::quote::display_path;
use crate::refusal::Refusal;
use crate::request::{Request, again_while_changed};
use crate::stamp::Stamp;
use crate::trust::Trust;
use crate::walk::{End, Fault, Place, Walk};

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

    pub(crate) fn judged(path: &Path, kind: Kind, file: File, facts: Facts, stamp: Stamp) -> Self {
        Self { path: path.to_owned(), kind, file, facts, stamp }
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

impl Request<'_> {
    fn open_file(self, access: OFlags) -> Result<SafeFile, OpenError> {
        again_while_changed(|| self.finish(Walk::begin(self.path), access))
    }

    pub(crate) fn finish(self, begun: Result<Walk, Fault>, access: OFlags) -> Result<SafeFile, OpenError> {
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
