//! What one open descriptor says of itself: type, owner, group, mode, links, access list, filesystem. Whether that is
//! safe is `judge`'s to say.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, StatxFlags, fgetxattr, getxattr, makedev, statx};
use rustix::io::Errno;

use crate::account::{Gid, Uid};
use crate::acl::{Acl, Perms};
use crate::mount::Mount;

/// What a descriptor said of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Regular file, directory, link ...
    pub file_type: FileType,
    /// The owner.
    pub uid: Uid,
    /// The owning group.
    pub gid: Gid,
    /// The mode without the type: twelve bits.
    pub mode: u32,
    /// How many names the file has.
    pub links: u64,
    /// The number of the filesystem.
    pub device: u64,
    /// The number of the file in its filesystem.
    pub inode: u64,
    /// Its length in octets.
    pub size: u64,
    /// The access list, where there is one beside the mode.
    pub acl: Option<Acl>,
    /// Who answers for the filesystem.
    pub mount: Mount,
    /// What a link says.
    pub target: Option<PathBuf>,
}

impl Facts {
    /// What the owning group may do: where there is an access list, the mode shows its mask instead.
    pub fn group_perms(&self) -> Perms {
        self.acl.as_ref().map_or_else(|| Perms::from_bits(self.mode >> 3), Acl::owning_group)
    }

    /// What everybody may do.
    pub fn other_perms(&self) -> Perms {
        Perms::from_bits(self.mode)
    }

    /// Whether only owners may remove what is in this directory; no help against who may write it, but a sign that it
    /// is meant to be everybody's.
    pub fn is_sticky(&self) -> bool {
        self.mode & 0o1000 != 0
    }

    /// Whether both are the same file.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Asks a descriptor, opened for use or only as a path (`O_PATH`). Who answers for the filesystem is looked up unless
    /// `neighbour` lies on the same one. A program of a user is not asked: it might never answer.
    pub(crate) fn of(fd: BorrowedFd<'_>, neighbour: Option<&Self>) -> io::Result<Self> {
        let known = Self::ask(fd, AtFlags::STATX_DONT_SYNC)?;
        let mount = match neighbour {
            Some(neighbour) if neighbour.device == known.device => neighbour.mount,
            _ => Mount::of(fd, known.device)?,
        };
        match mount {
            Mount::Fuse(uid) if !uid.is_root() => Ok(Self { mount, ..known }),
            _ => Self::asked(fd, mount),
        }
    }

    /// Asks the descriptor of the root directory, for which the kernel answers.
    pub(crate) fn of_root(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::asked(fd, Mount::Kernel)
    }

    fn asked(fd: BorrowedFd<'_>, mount: Mount) -> io::Result<Self> {
        let facts = Self::ask(fd, AtFlags::empty())?;
        let acl = if facts.file_type == FileType::Link { None } else { read_acl(fd)? };
        Ok(Self { acl, mount, ..facts })
    }

    fn ask(fd: BorrowedFd<'_>, how: AtFlags) -> io::Result<Self> {
        let stat = statx(fd, "", AtFlags::EMPTY_PATH | how, StatxFlags::BASIC_STATS)?;
        Ok(Self {
            file_type: FileType::of_mode(stat.stx_mode.into()),
            uid: Uid(stat.stx_uid),
            gid: Gid(stat.stx_gid),
            mode: u32::from(stat.stx_mode) & 0o7777,
            links: stat.stx_nlink.into(),
            device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            size: stat.stx_size,
            acl: None,
            mount: Mount::Kernel,
            target: None,
        })
    }
}

/// What a path can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// Something else.
    Unknown,
}

impl FileType {
    pub(crate) fn of_mode(mode: u32) -> Self {
        Self::of(rustix::fs::FileType::from_raw_mode(mode))
    }

    pub(crate) fn of(file_type: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType as System;
        match file_type {
            System::RegularFile => Self::Regular,
            System::Directory => Self::Directory,
            System::Symlink => Self::Link,
            System::Fifo => Self::Fifo,
            System::Socket => Self::Socket,
            System::CharacterDevice => Self::CharacterDevice,
            System::BlockDevice => Self::BlockDevice,
            System::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Regular => "regular file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Unknown => "file of unknown type",
        })
    }
}

/// The access list beside the mode. Where it cannot be read nobody knows who may write the file, and that is an error.
fn read_acl(fd: BorrowedFd<'_>) -> io::Result<Option<Acl>> {
    let Some(octets) = acl_octets(fd)? else { return Ok(None) };
    Acl::parse(&octets).map(Some).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
}

/// The access list as the kernel has it.
pub(crate) fn acl_octets(fd: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    let mut octets = vec![0; SMALL_ACL];
    let mut answer = get_acl(fd, &mut octets);
    if answer == Err(Errno::RANGE) {
        octets.resize(XATTR_SIZE_MAX, 0);
        answer = get_acl(fd, &mut octets);
    }
    match answer {
        Ok(length) => {
            octets.truncate(length);
            Ok(Some(octets))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(not_in_proc(errno.into())),
    }
}

/// What is open is there: if no name leads to it, it is `/proc` that is not, and nobody should look for the file.
pub(crate) fn not_in_proc(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound { io::Error::other("/proc is not mounted") } else { error }
}

/// A descriptor that is only a path has no attributes of its own; `/proc` has a name for the very file behind it.
fn get_acl(fd: BorrowedFd<'_>, octets: &mut [u8]) -> Result<usize, Errno> {
    match fgetxattr(fd, ACL_ATTRIBUTE, &mut *octets) {
        Err(Errno::BADF) => getxattr(name_in_proc(fd), ACL_ATTRIBUTE, octets),
        answer => answer,
    }
}

/// The name by which `/proc` knows an open descriptor of this process.
pub(crate) fn name_in_proc(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

pub(crate) const ACL_ATTRIBUTE: &str = "system.posix_acl_access";
pub(crate) const DEFAULT_ACL_ATTRIBUTE: &str = "system.posix_acl_default";
/// Room for thirty entries; more are rare.
const SMALL_ACL: usize = 256;
/// The largest attribute there is, `include/uapi/linux/limits.h`.
pub(crate) const XATTR_SIZE_MAX: usize = 65536;
