//! Other filesystems, mounted where nobody else sees them: each test runs itself once more in a mount namespace.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use safefile::{
    Dress, Kind, OldFile, Replacement, SafeDir, SafeFile, Trust, Verdict, audit, open_unsafe_for_audit,
};
use tests::need;

use crate::ground::{BELOW, Ground, MALLORY, ROOT, dress, replacing_word, skip, verdict, word};

/// Whether this is the run in the namespace; the other one starts it and answers no.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if need::root().is_err() {
        return false;
    }
    if !Command::new("unshare")
        .args(["-m", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success())
    {
        skip("no mount namespace can be made here");
        return false;
    }
    let ground = Ground::new();
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("mounts::{test}")])
        .env(INSIDE, "1")
        .env(BELOW, ground.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

const INSIDE: &str = "GATEPOST_TEST_NAMESPACE";

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status().unwrap();
    assert!(status.success(), "mount {arguments:?}");
}

fn open(path: &Path) -> String {
    verdict(path, Kind::Secret, &Trust::root())
}

#[test]
fn another_filesystem_is_walked_and_shown() {
    if !in_namespace("another_filesystem_is_walked_and_shown") {
        return;
    }
    let ground = Ground::new();
    ground.secret("f");
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    mount(&["-t", "tmpfs", "-o", "mode=0755", "none"], &dir);
    ground.secret("d/f");
    assert_eq!(open(&ground.at("d/f")), "safe");
    assert_eq!(open(&ground.at("d/../f")), "safe", "up, out of the mount");
    let report = audit(&ground.at("d/f"), Kind::Secret, &Trust::root());
    let mounts: Vec<_> = report.components.iter().filter(|one| one.is_mount).map(|one| &one.path).collect();
    assert_eq!(mounts.last(), Some(&&dir));
    dress(&dir, ROOT, ROOT, 0o1777);
    assert_eq!(open(&ground.at("d/f")), "group-writable-directory", "what counts is what is mounted");
}

/// Whoever may mount something names the directory, and no name of theirs stops others.
#[test]
fn a_mount_may_have_any_name() {
    if !in_namespace("a_mount_may_have_any_name") {
        return;
    }
    let ground = Ground::new();
    let odd = ground.path().join(OsStr::from_bytes(b"m\xff\n - x"));
    fs::create_dir(&odd).unwrap();
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    for at in [&odd, &dir] {
        mount(&["-t", "tmpfs", "-o", "mode=0755", "none"], at);
    }
    ground.secret("d/f");
    assert_eq!(open(&ground.at("d/f")), "safe");
}

/// The words name what is missing, and not a file that is there.
#[test]
fn without_proc_it_is_said_what_is_missing() {
    if !in_namespace("without_proc_it_is_said_what_is_missing") {
        return;
    }
    let ground = Ground::new();
    let path = ground.secret("f");
    assert_eq!(open(&path), "safe");
    mount(&["-t", "tmpfs", "none"], Path::new("/proc"));
    assert_eq!(open(&path), "/proc is not mounted");
}

#[test]
fn a_working_directory_under_a_mount_is_lost() {
    if !in_namespace("a_working_directory_under_a_mount_is_lost") {
        return;
    }
    let ground = Ground::new();
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    ground.secret("d/f");
    std::env::set_current_dir(&dir).unwrap();
    assert_eq!(open(Path::new("f")), "safe");
    mount(&["-t", "tmpfs", "-o", "mode=0755", "none"], &dir);
    assert_eq!(open(Path::new("f")), "working-directory");
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    if !in_namespace("a_full_disk_leaves_the_old_file") {
        return;
    }
    let ground = Ground::new();
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    mount(&["-t", "tmpfs", "-o", "mode=0755,size=64k", "none"], &dir);
    let path = ground.secret("d/f");
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let mut new = Replacement::begin(&path, Kind::Map, &Trust::root(), dress).unwrap();
    let mut scratch = new.scratch().unwrap();
    scratch.write_all(&[1; 1000]).unwrap();
    let error = new.write_all(&vec![0; 1_000_000]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(ground.names("d").len(), 2);
    drop(new);
    assert_eq!(ground.names("d"), ["f"]);
    assert_eq!(fs::read(&path).unwrap(), b"d/f");
    let mut new = Replacement::begin(&path, Kind::Map, &Trust::root(), dress).unwrap();
    new.write_all(b"smaller").unwrap();
    new.commit(OldFile::Touch).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"smaller");
}

#[test]
fn a_read_only_filesystem_is_said_to_be_one() {
    if !in_namespace("a_read_only_filesystem_is_said_to_be_one") {
        return;
    }
    let ground = Ground::new();
    let dir = ground.dir("d", ROOT, ROOT, 0o755);
    mount(&["-t", "tmpfs", "-o", "mode=0755", "none"], &dir);
    let path = ground.secret("d/f");
    mount(&["-o", "remount,ro"], &dir);
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let result = Replacement::begin(&path, Kind::Map, &Trust::root(), dress);
    assert_eq!(replacing_word(result.map(drop)), "make a temporary file: EROFS");
    assert_eq!(word(SafeFile::open_for_update(&path, Kind::Map, &Trust::root()).map(drop)), "EROFS");
    assert_eq!(open(&path), "safe");
}

/// A FUSE filesystem of a user over a directory, whose program never answers: whoever asks it waits for ever. It says
/// that its root is root's own.
#[test]
fn nobody_waits_for_a_strangers_program() {
    if !in_namespace("nobody_waits_for_a_strangers_program") {
        return;
    }
    let ground = Ground::new();
    let home = ground.dir("home", ROOT, ROOT, 0o755);
    ground.secret("home/f");
    let Some(mut program) = silent_program(&home) else {
        return skip("FUSE cannot be mounted here");
    };
    let path = ground.at("home/f");
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(ask_everything(&path)).unwrap());
    let answers = receive.recv_timeout(Duration::from_secs(30));
    // Its end wakes whoever still waits.
    program.kill().unwrap();
    program.wait().unwrap();
    let stops = "not looked at any further: a user's program answers from here on";
    assert_eq!(
        answers.expect("waits for the program"),
        [
            "foreign-filesystem",
            "foreign-filesystem",
            "foreign-filesystem",
            "foreign-filesystem",
            "Unsafe",
            stops,
        ]
    );
}

fn ask_everything(path: &Path) -> [String; 6] {
    let trust = Trust::root();
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let dir = path.parent().unwrap();
    let verdict_of_audit: Verdict = audit(path, Kind::Secret, &trust).verdict();
    [
        open(path),
        open(&dir.join("../home/f")),
        word(SafeDir::open(dir, Kind::Secret, &trust).map(drop)),
        replacing_word(Replacement::begin(path, Kind::Secret, &trust, dress).map(drop)),
        format!("{verdict_of_audit:?}"),
        word(open_unsafe_for_audit(path, Kind::Secret, &trust, 100).map(drop)),
    ]
}

/// The shell has the other end of the filesystem and reads nothing from it.
fn silent_program(over: &Path) -> Option<Child> {
    let options =
        format!("fd=3,rootmode=40755,user_id={MALLORY},group_id={MALLORY},allow_other,default_permissions");
    let script = format!("exec 3<>/dev/fuse; mount -i -t fuse -o {options} evil \"$1\" && exec sleep 600");
    let mut child =
        Command::new("sh").args(["-c", &script, "sh"]).arg(over).stderr(Stdio::null()).spawn().ok()?;
    for _ in 0..500 {
        if fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - fuse evil ") {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    None
}
