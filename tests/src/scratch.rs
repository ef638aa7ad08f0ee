//! Directories for tests whose whole path is safe: `/tmp` is not, anybody may write there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::need::{self, Missing};

/// A fresh directory below one that only this user (root in CI) may write, removed when dropped.
///
/// # Panics
/// When no directory can be made: a test cannot go on then.
#[allow(clippy::expect_used, reason = "a test without its directory has nothing to say")]
pub fn dir() -> tempfile::TempDir {
    let base = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    tempfile::Builder::new()
        .prefix(".gatepost-test-")
        .tempdir_in(base)
        .expect("a scratch directory below HOME")
}

/// A fresh directory to which other accounts come too, since the daemon that root starts runs as two of them. Root's home is closed to them.
///
/// # Panics
/// As [`dir`].
#[allow(clippy::expect_used, reason = "a test without its directory has nothing to say")]
pub fn dir_for_others() -> tempfile::TempDir {
    if !rustix::process::geteuid().is_root() {
        return dir();
    }
    let dir = tempfile::Builder::new().prefix("gatepost-test-").tempdir_in("/run");
    let dir = dir.expect("a scratch directory below /run");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
    dir
}

/// A file system of its own with room for little, unmounted when dropped.
#[derive(Debug)]
pub struct SmallFileSystem(tempfile::TempDir);

/// Mounts a file system in memory with room for `kib` KiB, for tests of what happens when it is full.
///
/// # Errors
/// [`Missing`] where nothing may be mounted.
pub fn small_file_system(kib: u32) -> Result<SmallFileSystem, Missing> {
    need::root()?;
    let dir = dir();
    let options = format!("size={kib}k,mode=0700");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
    if mounted.is_ok_and(|said| said.status.success()) {
        Ok(SmallFileSystem(dir))
    } else {
        need::skip("this test needs to mount a tmpfs")
    }
}

impl SmallFileSystem {
    /// Its root directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        // A failure shows itself when the directory cannot be removed.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
