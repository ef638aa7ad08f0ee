//! Who is not root and starts authcheck by hand: their own files are theirs, and what they may not see is no "safe".

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// nobody.
const PERSON: u32 = 65_534;

/// A directory whose whole path others may search, which the usual scratch directory is not.
fn home() -> tempfile::TempDir {
    let home = tempfile::Builder::new().prefix(".gatepost-test-").tempdir_in("/srv").unwrap();
    own(home.path(), PERSON, 0o755);
    home
}

fn own(path: &Path, uid: u32, mode: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The program under a name that everybody may run: the build directory may be closed to others. cp(1) makes it, since a
/// descriptor of ours, open for writing, might live on in another test's child, and the system then runs nothing.
fn authcheck(home: &Path, uid: u32, arguments: &[&str]) -> Output {
    let program = home.join("authcheck");
    if fs::metadata(&program).is_err() {
        assert!(
            Command::new("cp").arg(env!("CARGO_BIN_EXE_authcheck")).arg(&program).status().unwrap().success()
        );
    }
    Command::new(program).args(arguments).current_dir("/").uid(uid).gid(uid).output().unwrap()
}

#[test]
fn their_own_files_are_theirs_for_them_and_a_strangers_for_root() {
    if tests::need::root().is_err() {
        return;
    }
    let home = home();
    let secret = home.path().join("authinfo");
    fs::write(&secret, "AuthInfo:x \"U:a\" \"P:b\"\n").unwrap();
    own(&secret, PERSON, 0o600);
    let arguments = ["files", "--kind", "secret", secret.to_str().unwrap()];
    assert_eq!(authcheck(home.path(), PERSON, &arguments).status.code(), Some(0));
    assert_eq!(authcheck(home.path(), 0, &arguments).status.code(), Some(1));
}

#[test]
fn what_they_may_not_see_could_not_be_checked() {
    if tests::need::root().is_err() {
        return;
    }
    let home = home();
    let closed = home.path().join("etc/postfix");
    fs::create_dir_all(&closed).unwrap();
    fs::write(closed.join("main.cf"), "smtp_sasl_password_maps = hash:/etc/postfix/p\n").unwrap();
    own(&closed.join("main.cf"), 0, 0o600);
    for path in ["etc", "etc/postfix"] {
        own(&home.path().join(path), 0, 0o755);
    }
    let root = home.path().to_str().unwrap();
    let unread = authcheck(home.path(), PERSON, &["discover", "--root", root]);
    let out = String::from_utf8(unread.stdout).unwrap();
    assert_eq!(unread.status.code(), Some(2), "{out}");
    assert!(out.contains("what it names was not looked at"), "{out}");

    own(&closed, 0, 0o700);
    let file = closed.join("main.cf");
    let hidden = authcheck(home.path(), PERSON, &["files", file.to_str().unwrap()]);
    assert_eq!(hidden.status.code(), Some(2), "{}", String::from_utf8_lossy(&hidden.stdout));
}
