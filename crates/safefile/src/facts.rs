//! What one open descriptor says of itself: type, owner, group, mode, links, access list, filesystem. Whether that is
//! safe is `judge`'s to say.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{Stat, fgetxattr, fstat, fstatfs, getxattr};
use rustix::io::Errno;

use crate::account::{Gid, Uid};
use crate::acl::{Acl, Perms};
use crate::mount;

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

    /// Asks a descriptor, opened for use or only as a path (`O_PATH`). Of a filesystem that was asked before
    /// (`neighbour` lies on it) nothing is asked again.
    pub(crate) fn of(fd: BorrowedFd<'_>, neighbour: Option<&Self>) -> io::Result<Self> {
        let stat = fstat(fd)?;
        let mut facts = Self::of_stat(&stat);
        facts.mount = match neighbour {
            Some(known) if known.device == facts.device => known.mount,
            _ => Mount::of(fd, facts.device)?,
        };
        if facts.file_type != FileType::Link {
            facts.acl = read_acl(fd)?;
        }
        Ok(facts)
    }

    #[allow(clippy::useless_conversion, reason = "the width of the fields differs from system to system")]
    fn of_stat(stat: &Stat) -> Self {
        Self {
            file_type: FileType::of_mode(stat.st_mode),
            uid: Uid(stat.st_uid),
            gid: Gid(stat.st_gid),
            mode: stat.st_mode & 0o7777,
            links: stat.st_nlink.into(),
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            acl: None,
            mount: Mount::Kernel,
            target: None,
        }
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

/// Who answers for what a filesystem says of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mount {
    /// The kernel, for one that root mounted.
    Kernel,
    /// A program of this user (FUSE): owners, modes and contents are whatever it says.
    Fuse(Uid),
}

impl Mount {
    fn of(fd: BorrowedFd<'_>, device: u64) -> io::Result<Self> {
        let kind = u64::try_from(fstatfs(fd)?.f_type).unwrap_or_default();
        if kind & 0xffff_ffff == FUSE_SUPER_MAGIC { mount::fuse_owner(device) } else { Ok(Self::Kernel) }
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
        Err(errno) => Err(errno.into()),
    }
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
/// `include/uapi/linux/magic.h`.
const FUSE_SUPER_MAGIC: u64 = 0x6573_5546;
