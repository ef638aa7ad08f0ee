//! What belongs to the process as a whole, the working directory and the umask: one test, so that no other one runs
//! beside it.
#![allow(clippy::disallowed_methods, reason = "tests make and look at unsafe files on purpose")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its tree has failed")]

#[path = "trees/ground.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod ground;

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::umask;
use safefile::{Dress, Kind, OldFile, Replacement, SafeDir, Trust, Uid, Verdict, audit};
use tests::need;

use ground::{Ground, MALLORY, ROOT, STAFF, acting_as, mode_of, replacing_word, verdict};

#[test]
fn working_directory_and_umask() {
    let Ok(()) = need::root() else { return };
    let home = env::current_dir().unwrap();
    relative_names();
    beside_the_matrix();
    a_directory_that_moved();
    a_directory_that_is_gone();
    env::set_current_dir(home).unwrap();
    for mask in [Mode::empty(), Mode::from_raw_mode(0o777)] {
        let before = umask(mask);
        the_umask_does_not_matter();
        umask(before);
    }
}

fn open(path: &str) -> String {
    verdict(Path::new(path), Kind::Secret, &Trust::root())
}

fn replace(path: &str) -> String {
    let dress = Dress { owner: None, group: None, mode: 0o640 };
    let new = Replacement::begin(Path::new(path), Kind::Map, &Trust::root(), dress);
    replacing_word(new.and_then(|new| new.commit(OldFile::Leave)).map(drop))
}

fn relative_names() {
    let ground = Ground::new();
    ground.dir("d/e", ROOT, ROOT, 0o755);
    ground.dir("open", ROOT, ROOT, 0o777);
    ground.secret("d/f");
    ground.secret("open/f");
    env::set_current_dir(ground.at("d")).unwrap();
    for (path, expected) in [
        ("f", "safe"),
        ("./f", "safe"),
        ("e/../f", "safe"),
        ("../d/f", "safe"),
        ("../open/f", "group-writable-directory"),
        (".", "not-regular"),
        ("..", "not-regular"),
        ("none", "missing"),
    ] {
        assert_eq!(open(path), expected, "{path}");
    }
    assert_eq!(replace("new"), "safe");
    assert_eq!(replace("../open/f"), "group-writable-directory");
    let report = audit(Path::new("f"), Kind::Secret, &Trust::root());
    assert_eq!(report.components[0].path, Path::new("/"));
    assert_eq!(report.last().unwrap().path, ground.at("d/f"));
}

/// The row of the second matrix that is missing in `trees/matrix.rs`. sendmail, reading and building: ok. It checks the
/// working directory by its name `.`, and nothing above it.
fn beside_the_matrix() {
    let ground = Ground::new();
    ground.dir("open", ROOT, ROOT, 0o777);
    ground.dir("open/d", ROOT, ROOT, 0o755);
    ground.secret("open/d/f");
    env::set_current_dir(ground.at("open/d")).unwrap();
    assert_eq!(open("f"), "group-writable-directory", "whoever may move the directory may replace the file");
    assert_eq!(replace("f"), "group-writable-directory");
}

fn a_directory_that_moved() {
    let ground = Ground::new();
    ground.dir("a/d", ROOT, ROOT, 0o755);
    ground.secret("a/d/f");
    env::set_current_dir(ground.at("a/d")).unwrap();
    fs::rename(ground.at("a"), ground.at("b")).unwrap();
    ground.dir("a/d", MALLORY, MALLORY, 0o777);
    ground.file("a/d/f", MALLORY, MALLORY, 0o666);
    assert_eq!(open("f"), "safe", "it is b/d by now");
}

fn a_directory_that_is_gone() {
    let ground = Ground::new();
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    env::set_current_dir(&dir).unwrap();
    fs::remove_dir(&dir).unwrap();
    assert_eq!(open("f"), "working-directory");
    assert_eq!(open("../f"), "working-directory");
    assert_eq!(replace("f"), "working-directory");
    assert_eq!(audit(Path::new("f"), Kind::Map, &Trust::root()).verdict(), Verdict::Unsafe);
    assert_eq!(open("/etc/none"), "missing", "a whole path needs no working directory");
}

fn the_umask_does_not_matter() {
    let ground = Ground::new();
    let dir = ground.dir("d", MALLORY, MALLORY, 0o711);
    let trust = Trust::root().caller(Uid(MALLORY));
    for (uid, name) in [(ROOT, "of root"), (MALLORY, "of another")] {
        let path = dir.join(name);
        let dress = Dress { owner: None, group: None, mode: 0o644 };
        acting_as(uid, STAFF, || {
            let mut new = Replacement::begin(&path, Kind::Map, &trust, dress).unwrap();
            assert_eq!(new.as_file().unwrap().metadata().unwrap().permissions(), private());
            new.write_all(b"x").unwrap();
            new.commit(OldFile::Leave).unwrap();
            assert_eq!(mode_of(&path), 0o644);
            let dress = Dress { mode: 0o750, ..dress };
            let sub = path.with_extension("dir");
            SafeDir::create(&sub, Kind::Map, &trust, &dress).unwrap();
            assert_eq!(mode_of(&sub), 0o750);
        });
    }
}

fn private() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o100_600)
}
