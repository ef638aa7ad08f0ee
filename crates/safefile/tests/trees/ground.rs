//! Ground to build trees on, people to try them, and verdicts as words.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

use nix::unistd::{self, setfsgid, setfsuid};
use rustix::fs::{AtFlags, CWD, FileType, Mode, mknodat};
use safefile::{Account, Gid, Group, Kind, OpenError, ReplaceError, SafeFile, Trust, Uid};
use tempfile::TempDir;

/// People and groups by number; the host need not know them.
pub(crate) const ROOT: u32 = 0;
pub(crate) const SMMTA: u32 = 4201;
pub(crate) const SMMSP: u32 = 4202;
pub(crate) const MALLORY: u32 = 4666;
pub(crate) const STAFF: u32 = 4050;

/// Names the ground of a test that runs itself again, so that it removes what the other run could not.
pub(crate) const BELOW: &str = "GATEPOST_TEST_BELOW";

/// A directory that everybody may search and only root write, removed when dropped.
pub(crate) struct Ground(TempDir);

impl Ground {
    pub(crate) fn new() -> Self {
        let below = std::env::var_os(BELOW).unwrap_or_else(|| "/var/lib".into());
        let dir = tempfile::Builder::new().prefix(".gatepost-test-").tempdir_in(below).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A directory with those above it; owner, group and mode only for the last.
    pub(crate) fn dir(&self, name: &str, owner: u32, group: u32, mode: u32) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).unwrap();
        dress(&path, owner, group, mode);
        path
    }

    /// A file that says its own name.
    pub(crate) fn file(&self, name: &str, owner: u32, group: u32, mode: u32) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, name).unwrap();
        dress(&path, owner, group, mode);
        path
    }

    /// root's own secret file.
    pub(crate) fn secret(&self, name: &str) -> PathBuf {
        self.file(name, ROOT, ROOT, 0o600)
    }

    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) -> PathBuf {
        let path = self.at(name);
        symlink(target, &path).unwrap();
        path
    }

    pub(crate) fn foreign_link(&self, name: &str, target: impl AsRef<Path>, owner: u32) -> PathBuf {
        let path = self.link(name, target);
        lchown(&path, Some(owner), Some(owner)).unwrap();
        path
    }

    pub(crate) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(dir)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn dress(path: &Path, owner: u32, group: u32, mode: u32) {
    chown(path, Some(owner), Some(group)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn account(uid: u32) -> Account {
    Account::by_uid(Uid(uid))
}

pub(crate) fn group(gid: u32) -> Group {
    Group::by_gid(Gid(gid))
}

/// Does the work as another user, of one group. The kernel decides on files by these two numbers of a thread, and takes
/// root's privileges over files from it.
pub(crate) fn acting_as<T: Send>(uid: u32, gid: u32, work: impl FnOnce() -> T + Send) -> T {
    static NO_OTHER_GROUPS: Once = Once::new();
    NO_OTHER_GROUPS.call_once(|| unistd::setgroups(&[]).unwrap());
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            setfsgid(unistd::Gid::from_raw(gid));
            setfsuid(unistd::Uid::from_raw(uid));
            work()
        });
        other.join().unwrap()
    })
}

/// `safe`, the rule, `missing`, or what the system said.
pub(crate) fn verdict(path: &Path, kind: Kind, trust: &Trust) -> String {
    word(SafeFile::open(path, kind, trust).map(drop))
}

pub(crate) fn word(result: Result<(), OpenError>) -> String {
    match result {
        Ok(()) => "safe".to_owned(),
        Err(OpenError::Refused(refusal)) => refusal.finding.rule.to_string(),
        Err(OpenError::Missing { .. }) => "missing".to_owned(),
        Err(OpenError::Failed { source, .. }) => errno(&source),
    }
}

/// As [`word`], for replacing.
pub(crate) fn replacing_word(result: Result<(), ReplaceError>) -> String {
    match result {
        Ok(()) => "safe".to_owned(),
        Err(ReplaceError::Open(error)) => word(Err(error)),
        Err(ReplaceError::Exists { .. }) => "exists".to_owned(),
        Err(ReplaceError::Changed { .. }) => "changed".to_owned(),
        Err(ReplaceError::Failed { source, step, .. }) => format!("{step}: {}", errno(&source)),
    }
}

fn errno(error: &std::io::Error) -> String {
    let number = error.raw_os_error().map(nix::errno::Errno::from_raw);
    number.map_or_else(|| error.to_string(), |errno| format!("{errno:?}"))
}

/// For what not every machine permits.
#[allow(clippy::print_stderr, reason = "a test that does not run must be seen")]
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}, and in CI nothing may be skipped");
    eprintln!("SKIPPED: {reason}");
}

/// Removes a file by name, and says whether it was there.
pub(crate) fn unlink(path: &Path) -> bool {
    rustix::fs::unlinkat(CWD, path, AtFlags::empty()).is_ok()
}
