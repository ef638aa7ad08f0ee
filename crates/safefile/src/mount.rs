//! Whose program answers for a FUSE filesystem, from the kernel's list of mounts. Every other filesystem was mounted by
//! root, who vouches for it.

use std::fs;
use std::io;

use crate::account::Uid;
use crate::facts::Mount;

/// Who answers for the FUSE filesystem of this number.
pub(crate) fn fuse_owner(device: u64) -> io::Result<Mount> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    owner_in(&table, &number)
        .ok_or_else(|| io::Error::other("a FUSE filesystem that is not in the list of mounts"))
}

/// Reads the table of proc_pid_mountinfo(5): fields, ` - `, type, source, options of the filesystem. FUSE always shows
/// the option `user_id`; virtiofs, which has the same magic number and only root can mount, does not.
fn owner_in(table: &str, number: &str) -> Option<Mount> {
    let line = table.lines().find(|line| line.split(' ').nth(2) == Some(number))?;
    let (_, of_filesystem) = line.split_once(" - ")?;
    let mut options = of_filesystem.split(' ').nth(2)?.split(',');
    match options.find_map(|option| option.strip_prefix("user_id=")) {
        Some(uid) => uid.parse().ok().map(|uid| Mount::Fuse(Uid(uid))),
        None => Some(Mount::Kernel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
61 22 0:52 / /home/mallory rw,nosuid,nodev shared:30 - fuse.evil evil rw,user_id=1000,group_id=1000,allow_other
62 22 0:53 / /srv/host rw master:3 propagate_from:2 - virtiofs share rw
63 22 0:54 / /srv/a\\040b rw - fuse x\\040y rw,user_id=0,group_id=0
64 22 0:55 / /srv/c rw - fuse
";

    #[test]
    fn the_program_behind_a_mount_has_a_user() {
        for (number, expected) in [
            ("0:52", Some(Mount::Fuse(Uid(1000)))),
            ("0:53", Some(Mount::Kernel)),
            ("0:54", Some(Mount::Fuse(Uid(0)))),
            ("0:55", None),
            ("0:5", None),
        ] {
            assert_eq!(owner_in(TABLE, number), expected, "{number}");
        }
    }
}
