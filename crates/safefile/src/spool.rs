//! Work in an open directory: files that are made, moved to another one and removed, without walking anew. For a
//! spool, whose directory was judged and belongs to its process alone; what others look at is replaced instead.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, fstatvfs, fsync, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::dir::{SafeDir, drop_inherited_acl};
use crate::walk::Place;

impl SafeDir {
    /// Makes a file of mode 0600 that was not there, for writing.
    ///
    /// # Errors
    /// As open(2); [`io::ErrorKind::AlreadyExists`] where there is something of that name.
    pub fn create_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let file = self.place().open(component(name)?, flags, private)?;
        drop_inherited_acl(&file)?;
        fchmod(&file, private)?;
        Ok(File::from(file))
    }

    /// Gives a file of this directory a name in another one of the same filesystem, or another name in this one. It
    /// takes nothing away: [`io::ErrorKind::AlreadyExists`] where there is something of that name.
    ///
    /// # Errors
    /// As rename(2).
    pub fn move_file(&self, name: &OsStr, into: &Self, new_name: &OsStr) -> io::Result<()> {
        let (name, new_name) = (component(name)?, component(new_name)?);
        renameat_with(self.place(), name, into.place(), new_name, RenameFlags::NOREPLACE)?;
        Ok(())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(self.place(), component(name)?, AtFlags::empty())?)
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// As fsync(2).
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(listed(self.place())?)?)
    }

    /// How much room its filesystem has for who is not root, in octets.
    ///
    /// # Errors
    /// As statvfs(3).
    pub fn free_octets(&self) -> io::Result<u64> {
        let told = fstatvfs(listed(self.place())?)?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }
}

fn listed(place: &Place) -> Result<std::os::fd::OwnedFd, Errno> {
    place.open(OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A name that leads nowhere else.
fn component(name: &OsStr) -> Result<&OsStr, Errno> {
    let leads_on = name.is_empty() || name == "." || name == ".." || name.as_bytes().contains(&b'/');
    if leads_on { Err(Errno::INVAL) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{Kind, Trust, Uid};

    fn open(dir: &tempfile::TempDir) -> SafeDir {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let trust = Trust::root().caller(Uid::effective());
        SafeDir::open(dir.path(), Kind::SecretDirectory, &trust).unwrap()
    }

    #[test]
    fn a_file_is_made_moved_and_removed_and_nothing_is_overwritten() {
        let (one, other) = (::tests::scratch::dir(), ::tests::scratch::dir());
        let (here, there) = (open(&one), open(&other));
        let name = OsStr::new("a");
        here.create_file(name).unwrap().write_all(b"x").unwrap();
        let exists = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::AlreadyExists;
        assert!(exists(here.create_file(name).map(drop)));
        here.move_file(name, &there, OsStr::new("b")).unwrap();
        here.create_file(name).unwrap();
        assert!(exists(here.move_file(name, &there, OsStr::new("b"))));
        assert_eq!(std::fs::read(other.path().join("b")).unwrap(), b"x");
        there.sync().unwrap();
        there.remove_file(OsStr::new("b")).unwrap();
        assert!(there.entries().unwrap().is_empty() && there.free_octets().unwrap() > 0);
    }

    #[test]
    fn a_name_is_one_component() {
        let dir = ::tests::scratch::dir();
        let dir = open(&dir);
        for name in ["", ".", "..", "a/b", "/etc/passwd"] {
            assert!(dir.create_file(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
