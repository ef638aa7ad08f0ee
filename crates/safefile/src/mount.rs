//! Who answers for a filesystem. The kernel does, for whatever root mounted; but for FUSE it is a program of the user who
//! mounted it, which may show any owner, mode and contents, and may keep whoever asks waiting for ever. So it is told by
//! the kernel's own list of mounts, without asking the filesystem.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{fstatfs, major, minor};

use crate::account::Uid;
use crate::facts::not_in_proc;

/// Who answers for what a filesystem says of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mount {
    /// The kernel, for one that root mounted.
    Kernel,
    /// A program of this user (FUSE): owners, modes and contents are whatever it says.
    Fuse(Uid),
}

impl Mount {
    /// Of the filesystem of this number, on which the descriptor lies.
    pub(crate) fn of(fd: BorrowedFd<'_>, device: u64) -> io::Result<Self> {
        // Octets: whoever may mount chooses the name of the directory, and it need not be UTF-8.
        let table = fs::read("/proc/self/mountinfo").map_err(not_in_proc)?;
        match look_up(&String::from_utf8_lossy(&table), &format!("{}:{}", major(device), minor(device))) {
            Listed::Fuse(uid) => Ok(Self::Fuse(uid)),
            Listed::Other => Ok(Self::Kernel),
            Listed::Not => unlisted(fd),
        }
    }
}

/// Parts of btrfs and overlayfs have numbers of their own that are not in the list; parts of FUSE have not.
fn unlisted(fd: BorrowedFd<'_>) -> io::Result<Mount> {
    let magic = u64::try_from(fstatfs(fd)?.f_type).unwrap_or_default();
    if magic & 0xffff_ffff == FUSE_SUPER_MAGIC {
        return Err(io::Error::other("a FUSE filesystem that is not in the list of mounts"));
    }
    Ok(Mount::Kernel)
}

#[derive(Debug, PartialEq, Eq)]
enum Listed {
    Fuse(Uid),
    Other,
    Not,
}

/// Reads the table of proc_pid_mountinfo(5): fields, ` - `, type, source, options of the filesystem. FUSE always shows
/// the option `user_id`.
fn look_up(table: &str, number: &str) -> Listed {
    let Some(line) = table.lines().find(|line| line.split(' ').nth(2) == Some(number)) else {
        return Listed::Not;
    };
    let Some((_, of_filesystem)) = line.split_once(" - ") else { return Listed::Not };
    let mut fields = of_filesystem.split(' ');
    let kind = fields.next().unwrap_or_default();
    if kind != "fuse" && kind != "fuseblk" && !kind.starts_with("fuse.") {
        return Listed::Other;
    }
    let options = fields.nth(1).unwrap_or_default();
    let user = options.split(',').find_map(|option| option.strip_prefix("user_id=")?.parse().ok());
    user.map_or(Listed::Not, |uid| Listed::Fuse(Uid(uid)))
}

/// `include/uapi/linux/magic.h`.
const FUSE_SUPER_MAGIC: u64 = 0x6573_5546;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
61 22 0:52 / /home/mallory rw,nosuid,nodev shared:30 - fuse.evil evil rw,user_id=1000,group_id=1000,allow_other
62 22 0:53 / /srv/host rw master:3 propagate_from:2 - virtiofs share rw
63 22 0:54 / /srv/a\\040b rw - fuse x\\040y rw,user_id=0,group_id=0
64 22 0:55 / /srv/c rw - fuse
65 22 0:56 / /srv/d rw - fusectl none rw
66 22 0:57 / /srv/e rw - fuseblk /dev/sdb1 rw,xuser_id=7,user_id=12,group_id=0
";

    #[test]
    fn the_program_behind_a_mount_has_a_user() {
        for (number, expected) in [
            ("254:1", Listed::Other),
            ("0:52", Listed::Fuse(Uid(1000))),
            ("0:53", Listed::Other),
            ("0:54", Listed::Fuse(Uid(0))),
            ("0:55", Listed::Not),
            ("0:56", Listed::Other),
            ("0:57", Listed::Fuse(Uid(12))),
            ("0:5", Listed::Not),
        ] {
            assert_eq!(look_up(TABLE, number), expected, "{number}");
        }
    }
}
