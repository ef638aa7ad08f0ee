//! What one open descriptor says of itself: type, owner, group, mode, links, access list, filesystem. Whether that is
//! safe is `judge`'s to say.

use std::fmt;
use std::path::PathBuf;

use crate::account::{Gid, Uid};
use crate::acl::{Acl, Perms};

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
