//! Ways to a file: links, loops, depth, names, what is no file; and what the descriptor is in the end.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, makedev, mkdirat, mknodat, openat};
use rustix::io::{FdFlags, fcntl_getfd};
use safefile::{
    Account, Dress, Kind, OldFile, OpenError, Reached, Replacement, Role, SafeDir, SafeFile, Stamp, Trust,
    Uid, Verdict, audit,
};
use tests::need;

use crate::ground::{Ground, MALLORY, ROOT, STAFF, acting_as, mode_of, skip, verdict, word};

fn open(path: impl AsRef<Path>) -> String {
    verdict(path.as_ref(), Kind::Secret, &Trust::root())
}

#[test]
fn spellings_of_a_path() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("a/b", ROOT, ROOT, 0o755);
    ground.secret("a/f");
    let base = ground.path().to_str().unwrap();
    for (tail, expected) in [
        ("a/f", "safe"),
        ("a//f", "safe"),
        ("./a/./f", "safe"),
        ("a/b/../f", "safe"),
        ("a/b/../../a/f", "safe"),
        ("a/f/", "ENOTDIR"),
        ("a/f/.", "ENOTDIR"),
        ("a/f/..", "ENOTDIR"),
        ("a/f/g", "ENOTDIR"),
        ("a", "not-regular"),
        ("a/", "not-regular"),
        ("a/b/..", "not-regular"),
        ("a/.", "not-regular"),
        ("x", "missing"),
        ("x/../a/f", "missing"),
        ("a/\0", "EINVAL"),
    ] {
        assert_eq!(open(format!("{base}/{tail}")), expected, "{tail:?}");
    }
    let up = "../".repeat(20);
    assert_eq!(open(format!("{base}/{up}{base}/a/f")), "safe", "the parent of the root is the root");
    assert_eq!(open(format!("//{base}//a/f")), "safe");
    assert_eq!(open("/"), "not-regular");
    assert_eq!(open(""), "missing");
}

#[test]
fn long_and_strange_names() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let longest = "n".repeat(255);
    ground.secret(&longest);
    assert_eq!(open(ground.at(&longest)), "safe");
    assert_eq!(open(ground.at(&format!("{longest}n"))), "ENAMETOOLONG");
    // Longer than any path that the kernel takes, and yet right.
    let long = format!("{}/{}{longest}", ground.path().display(), "./".repeat(3000));
    assert_eq!(open(&long), "safe");
    let octets = ground.path().join(OsStr::from_bytes(b"\xff\n'"));
    fs::write(&octets, b"x").unwrap();
    let error = SafeFile::open(&octets, Kind::Secret, &Trust::root()).unwrap_err();
    assert!(error.to_string().ends_with("/\\xff\\n'"), "{error}");
}

/// More directories than a process may have descriptors, and a path that no single system call would take.
#[test]
fn a_deep_path() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let depth = 2100;
    let mut path = ground.path().to_owned();
    let as_path = OFlags::PATH | OFlags::CLOEXEC;
    let mut dir = openat(CWD, &path, as_path, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = openat(&dir, "d", as_path, Mode::empty()).unwrap();
        path.push("d");
    }
    openat(&dir, "f", OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR).unwrap();

    assert_eq!(open(path.join("f")), "safe");
    assert_eq!(open(path.join("../".repeat(depth)).join("d").join("f")), "missing");
    let report = audit(&path.join("f"), Kind::Secret, &Trust::root());
    assert_eq!(report.verdict(), Verdict::Safe);
    assert!(report.components.len() > depth);
}

#[test]
fn links_are_followed_by_their_real_path() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("a/b/c", ROOT, ROOT, 0o755);
    ground.secret("a/f");
    ground.secret("a/b/f");
    ground.link("to-c", "a/b/c");
    ground.link("a/absolute", ground.at("a/b"));
    ground.link("a/here", ".");
    ground.link("a/slash", "b/");
    ground.link("file-slash", "a/f/");
    ground.link("dangling", "a/none");
    ground.link("to-root", "/");
    for (name, expected) in [
        // Not to-c/.. as text, which would be the ground.
        ("to-c/../f", "safe"),
        ("to-c/../../f", "safe"),
        ("to-c/../../../a/f", "safe"),
        ("a/absolute/f", "safe"),
        ("a/here/here/f", "safe"),
        ("a/here", "not-regular"),
        ("to-root", "not-regular"),
        ("a/slash/f", "safe"),
        ("file-slash", "ENOTDIR"),
        ("dangling", "missing"),
    ] {
        assert_eq!(open(ground.at(name)), expected, "{name}");
    }
    let error = SafeFile::open(&ground.at("dangling"), Kind::Secret, &Trust::root()).unwrap_err();
    assert_eq!(error.component(), ground.at("a/none"));
    assert_eq!(error.path(), ground.at("dangling"));
    assert!(error.is_missing());
}

#[test]
fn as_many_links_as_the_kernel_follows() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.secret("0");
    for number in 1..=41 {
        ground.link(&number.to_string(), (number - 1).to_string());
    }
    assert_eq!(open(ground.at("40")), "safe");
    File::open(ground.at("40")).unwrap();
    assert_eq!(open(ground.at("41")), "too-many-links");
    File::open(ground.at("41")).unwrap_err();
    ground.link("ping", "pong");
    ground.link("pong", "ping");
    ground.link("in-itself", "in-itself/x");
    assert_eq!(open(ground.at("ping")), "too-many-links");
    assert_eq!(open(ground.at("in-itself")), "too-many-links");
    let report = audit(&ground.at("ping"), Kind::Secret, &Trust::root());
    assert_eq!(report.verdict(), Verdict::Unsafe);
    assert!(matches!(report.reached, Reached::Failed { .. }));
}

/// In a thread of its own, since what blocks would block the test.
#[test]
fn what_is_no_file_never_blocks() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let _listening = UnixListener::bind(ground.at("socket")).unwrap();
    let mut paths = vec![ground.fifo("fifo"), ground.at("socket"), ground.link("link", "fifo")];
    for (name, file_type, device) in
        [("tty", FileType::CharacterDevice, makedev(5, 0)), ("disk", FileType::BlockDevice, makedev(7, 0))]
    {
        match mknodat(CWD, ground.at(name), file_type, Mode::RUSR | Mode::WUSR, device) {
            Ok(()) => paths.push(ground.at(name)),
            Err(_) => skip("device nodes cannot be made here"),
        }
    }
    for path in paths {
        let (send, receive) = mpsc::channel();
        let asked = path.clone();
        thread::spawn(move || {
            let update = SafeFile::open_for_update(&asked, Kind::Secret, &Trust::root()).map(drop);
            let _ = send.send([open(&asked), word(update)]);
        });
        let found = receive.recv_timeout(Duration::from_secs(20)).expect("opening blocks");
        assert_eq!(found, ["not-regular", "not-regular"], "{}", path.display());
    }
}

#[test]
fn a_directory_that_may_be_searched_but_not_listed() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o711);
    let path = ground.file("d/f", MALLORY, MALLORY, 0o600);
    let closed = ground.dir("closed", ROOT, ROOT, 0o700).join("f");
    let trust = Trust::root().caller(Uid(MALLORY));
    acting_as(MALLORY, MALLORY, || {
        assert_eq!(verdict(&path, Kind::Secret, &trust), "safe");
        assert_eq!(verdict(&closed, Kind::Secret, &trust), "EACCES");
        let dress = Dress { owner: None, group: None, mode: 0o600 };
        let refused = Replacement::begin(&path, Kind::Secret, &trust, dress);
        assert!(refused.is_err(), "nobody makes files where only root may write");
    });
}

#[test]
fn the_descriptor_is_an_ordinary_one() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    for (file, access) in [
        (SafeFile::open(&path, Kind::Store, &Trust::root()).unwrap(), OFlags::RDONLY),
        (SafeFile::open_for_update(&path, Kind::Store, &Trust::root()).unwrap(), OFlags::RDWR),
    ] {
        let flags = fcntl_getfl(file.as_file()).unwrap();
        assert_eq!(flags & (OFlags::ACCMODE | OFlags::NONBLOCK | OFlags::APPEND), access);
        assert!(fcntl_getfd(file.as_file()).unwrap().contains(FdFlags::CLOEXEC));
    }
}

#[test]
fn no_child_gets_a_descriptor() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    let file = SafeFile::open(&path, Kind::Secret, &Trust::root()).unwrap();
    let dir = SafeDir::open(ground.path(), Kind::Secret, &Trust::root()).unwrap();
    let scratch = safefile::scratch(&dir).unwrap();
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let new = Replacement::begin(&path, Kind::Secret, &Trust::root(), dress).unwrap();
    let said = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(" 0 -> "), "{said}");
    assert!(!said.contains(ground.path().to_str().unwrap()), "{said}");
    drop((file, dir, scratch, new));
}

#[test]
fn reading_is_bounded_and_positioned() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    fs::write(&path, "0123456789").unwrap();
    let mut file = SafeFile::open(&path, Kind::Map, &Trust::root()).unwrap();
    assert_eq!(file.read_whole(10).unwrap(), b"0123456789");
    assert_eq!(file.read_whole(9).unwrap_err().kind(), ErrorKind::FileTooLarge);
    let mut four = [0; 4];
    assert_eq!(file.read_at(&mut four, 4).unwrap(), 4);
    assert_eq!(&four, b"4567");
    assert_eq!(file.read_at(&mut four, 8).unwrap(), 2);
    assert_eq!(file.read_at(&mut four, 1 << 40).unwrap(), 0);
    file.seek(SeekFrom::Start(7)).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), file.len()), ("789", 10));
}

#[test]
fn a_stamp_tells_replaced_from_changed() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    let stamp = SafeFile::open(&path, Kind::Secret, &Trust::root()).unwrap().stamp();
    assert_eq!(Stamp::look(&path).unwrap(), stamp);
    fs::write(&path, "longer than before").unwrap();
    let changed = Stamp::look(&path).unwrap();
    assert_ne!(changed, stamp);
    assert!(changed.is_same_file(&stamp));
    fs::write(ground.at("g"), "longer than before").unwrap();
    fs::rename(ground.at("g"), &path).unwrap();
    assert!(!Stamp::look(&path).unwrap().is_same_file(&changed));
    fs::remove_file(&path).unwrap();
    assert_eq!(Stamp::look(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_audit_sees_what_opening_sees_and_all_of_it() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("a", MALLORY, STAFF, 0o775);
    ground.dir("b", ROOT, STAFF, 0o777);
    ground.file("b/f", MALLORY, STAFF, 0o666);
    ground.foreign_link("a/l", "../b", MALLORY);
    let path = ground.at("a/l/f");
    let report = audit(&path, Kind::Secret, &Trust::root());
    let seen: Vec<_> = report
        .components
        .iter()
        .filter_map(|one| Some((one.path.strip_prefix(ground.path()).ok()?.to_str()?.to_owned(), one.role)))
        .collect();
    let directory = |name: &str| (name.to_owned(), Role::Directory);
    assert_eq!(
        seen,
        [
            directory(""),
            directory("a"),
            ("a/l".to_owned(), Role::Link),
            directory("b"),
            ("b/f".to_owned(), Role::Last),
        ]
    );
    let rules: Vec<_> = report.findings().map(|(_, finding)| finding.rule.word()).collect();
    assert_eq!(
        rules,
        [
            "directory-owner",
            "group-writable-directory",
            "link-owner",
            "group-writable-directory",
            "world-writable-directory",
            "owner",
            "group-writable",
            "world-writable",
            "group-readable",
            "world-readable",
        ]
    );
    assert_eq!(open(&path), rules[0]);
    assert_eq!(report.last().map(|last| last.path.clone()), Some(ground.at("b/f")));
    assert_eq!(report.components[0].path, Path::new("/"));
}

#[test]
fn an_audit_of_what_is_not_there() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let report = audit(&ground.at("x/y"), Kind::Map, &Trust::root());
    assert_eq!(report.verdict(), Verdict::Error);
    assert!(matches!(&report.reached, Reached::Missing { component } if *component == ground.at("x")));
    assert!(report.last().is_none());
    ground.dir("d", ROOT, ROOT, 0o777);
    assert_eq!(audit(&ground.at("d/x"), Kind::Map, &Trust::root()).verdict(), Verdict::Unsafe);
}

#[test]
fn a_refusal_names_path_component_and_mend() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", 0, 0, 0o775);
    let path = ground.secret("d/f");
    let Err(OpenError::Refused(refusal)) = SafeFile::open(&path, Kind::Map, &Trust::root()) else {
        panic!("not refused")
    };
    assert_eq!(refusal.path, path);
    assert_eq!(refusal.component, ground.at("d"));
    assert_eq!(refusal.finding.found.owner, Account::root());
    assert_eq!(refusal.finding.fix.to_string(), format!("chmod g-w {}", ground.at("d").display()));
    let expected = format!(
        "unsafe (group-writable-directory), directory of root (uid 0), group root (gid 0), mode 0775: {}",
        ground.at("d").display()
    );
    assert_eq!(OpenError::Refused(refusal).to_string(), expected);
}

#[test]
fn a_safe_directory_lists_and_opens() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d/sub", ROOT, ROOT, 0o755);
    ground.secret("d/b");
    ground.secret("d/a");
    ground.dir("open", ROOT, ROOT, 0o777);
    ground.secret("open/f");
    ground.link("d/out", "../open/f");
    ground.link("d/back", "a");
    let dir = SafeDir::open(&ground.at("d"), Kind::Secret, &Trust::root()).unwrap();
    let names: Vec<_> = dir.entries().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a", "b", "back", "out", "sub"]);
    for (name, expected) in [
        ("a", "safe"),
        ("back", "safe"),
        ("out", "group-writable-directory"),
        ("sub", "not-regular"),
        ("none", "missing"),
        ("..", "EINVAL"),
        ("", "EINVAL"),
        ("sub/../a", "EINVAL"),
        ("/etc/passwd", "EINVAL"),
    ] {
        assert_eq!(word(dir.open_file(OsStr::new(name), Kind::Secret).map(drop)), expected, "{name:?}");
    }
    // The directory that was judged, wherever it is by now.
    fs::rename(ground.at("d"), ground.at("moved")).unwrap();
    ground.dir("d", MALLORY, MALLORY, 0o777);
    let file = dir.open_file(OsStr::new("a"), Kind::Secret).unwrap();
    assert_eq!(file.read_whole(100).unwrap(), b"d/a");
}

#[test]
fn directories_for_secrets() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let opened = |path: &Path, kind| word(SafeDir::open(path, kind, &Trust::root()).map(drop));
    let dir = ground.dir("spool", ROOT, STAFF, 0o750);
    assert_eq!(opened(&dir, Kind::SecretDirectory), "group-readable");
    assert_eq!(opened(&dir, Kind::Secret), "safe");
    assert_eq!(opened(&ground.secret("f"), Kind::Secret), "not-directory");
    assert_eq!(opened(&ground.at("f"), Kind::SecretDirectory), "not-directory");
    assert_eq!(
        verdict(&ground.dir("safe", ROOT, ROOT, 0o700), Kind::SecretDirectory, &Trust::root()),
        "EISDIR"
    );
}

#[test]
fn a_directory_is_made_where_it_is_missing() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let dress = Dress { owner: Some(Uid(MALLORY)), group: Some(safefile::Gid(STAFF)), mode: 0o777 };
    let trust = Trust::root().caller(Uid(MALLORY));
    let made = |path: PathBuf, kind| word(SafeDir::create(&path, kind, &trust, &dress).map(drop));
    assert_eq!(made(ground.at("d"), Kind::Store), "safe");
    assert_eq!(mode_of(&ground.at("d")), 0o700, "no wider than the kind permits");
    assert_eq!(made(ground.at("d"), Kind::Store), "safe", "it is there already");
    assert_eq!(made(ground.at("d/e"), Kind::Map), "safe");
    assert_eq!(mode_of(&ground.at("d/e")), 0o755);
    assert_eq!(made(ground.at("x/y"), Kind::Map), "missing");
    ground.dir("open", ROOT, ROOT, 0o1777);
    assert_eq!(made(ground.at("open/e"), Kind::Map), "group-writable-directory");
    assert_eq!(ground.names("open"), [""; 0]);
}

#[test]
fn a_file_replaced_while_it_is_opened_is_opened_anew() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..100 {
                let new = Replacement::begin(&path, Kind::Secret, &Trust::root(), dress).unwrap();
                new.commit(OldFile::Leave).unwrap();
            }
        });
        while !writer.is_finished() {
            assert_eq!(open(&path), "safe");
        }
    });
}
