//! Making and replacing files: who owns them, who may read them, what a crash leaves.

use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{self, Command};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use safefile::{
    Dress, Exception, Gid, Kind, OldFile, ReplaceError, Replacement, SafeDir, SafeFile, Stamp, Trust, Uid,
};
use tests::need;

use crate::acl::{getfacl, setfacl};
use crate::ground::{
    Ground, MALLORY, ROOT, SMMSP, STAFF, account, acting_as, dress, group, mode_of, replacing_word, unlink,
    verdict,
};

const PRIVATE: Dress = Dress { owner: None, group: None, mode: 0o600 };
const SHARED: Dress = Dress { owner: Some(Uid(SMMSP)), group: Some(Gid(STAFF)), mode: 0o640 };

fn trust() -> Trust {
    Trust::root().trusted_user(account(SMMSP))
}

fn begin(path: &Path, kind: Kind, dress: Dress) -> Replacement {
    Replacement::begin(path, kind, &trust(), dress).unwrap()
}

fn replace(path: &Path, kind: Kind, dress: Dress) -> Stamp {
    let mut new = begin(path, kind, dress);
    new.write_all(b"new").unwrap();
    new.commit(OldFile::Leave).unwrap()
}

fn owner_and_mode(path: &Path) -> (u32, u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid(), metadata.permissions().mode() & 0o7777)
}

/// The temporaries in a directory.
fn temporaries(ground: &Ground, dir: &str) -> Vec<String> {
    ground.names(dir).into_iter().filter(|name| name.starts_with(".gatepost-")).collect()
}

#[test]
fn a_new_file_is_private_until_it_is_whole() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    let mut new = begin(&path, Kind::Map, SHARED);
    new.write_all(b"new").unwrap();
    let [temporary] = &temporaries(&ground, "")[..] else { panic!("one temporary") };
    assert!(temporary.starts_with(&format!(".gatepost-f.{}.", process::id())), "{temporary}");
    assert_eq!(owner_and_mode(&ground.at(temporary)), (ROOT, ROOT, 0o600));
    assert!(!path.exists());
    let stamp = new.commit(OldFile::Leave).unwrap();
    assert_eq!(owner_and_mode(&path), (SMMSP, STAFF, 0o640));
    assert_eq!(ground.names(""), ["f"]);
    assert_eq!(stamp, Stamp::look(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_new_file_is_no_wider_than_its_kind_permits() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let wide = Dress { mode: 0o4777, ..SHARED };
    for (kind, expected) in [(Kind::Store, 0o700), (Kind::Secret, 0o700), (Kind::Map, 0o755)] {
        let path = ground.at(kind.word());
        replace(&path, kind, wide);
        assert_eq!(mode_of(&path), expected, "{kind}");
        assert_eq!(verdict(&path, kind, &trust()), "safe");
    }
    let trust = trust().except(Exception::GroupReadable(group(STAFF)));
    let path = ground.at("by exception");
    Replacement::begin(&path, Kind::Secret, &trust, SHARED).unwrap().commit(OldFile::Leave).unwrap();
    assert_eq!(mode_of(&path), 0o640);
}

/// A directory may give what is made in it an access list, dead as long as the mode is 0600, alive when it is 0640.
#[test]
fn nothing_is_inherited() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    setfacl(&["-m", "d:u:65534:rwx,d:g:8:r"], ground.path());
    let path = ground.at("f");
    let new = begin(&path, Kind::Map, SHARED);
    assert_eq!(getfacl(&ground.at(&temporaries(&ground, "")[0])), "user::rw-\ngroup::---\nother::---\n\n");
    new.commit(OldFile::Leave).unwrap();
    assert_eq!(getfacl(&path), "user::rw-\ngroup::r--\nother::---\n\n");
}

#[test]
fn what_is_replaced_keeps_owner_mode_and_access_list() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = ground.file("f", SMMSP, STAFF, 0o440);
    replace(&path, Kind::Map, PRIVATE);
    assert_eq!(owner_and_mode(&path), (SMMSP, STAFF, 0o440));
    setfacl(&["-m", "u:65534:r,g:8:r"], &path);
    let before = getfacl(&path);
    replace(&path, Kind::Map, PRIVATE);
    assert_eq!(getfacl(&path), before);
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn what_was_too_wide_becomes_narrower() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    for (kind, old, new) in [
        (Kind::Map, 0o666, 0o644),
        (Kind::Map, 0o4775, 0o755),
        (Kind::Map, 0o640, 0o640),
        (Kind::Secret, 0o644, 0o600),
        (Kind::Store, 0o440, 0o400),
    ] {
        let path = ground.file("f", ROOT, STAFF, old);
        let replacement = begin(&path, kind, PRIVATE);
        assert_eq!(replacement.mode(), new, "{kind} {old:o}");
        assert_eq!(
            replacement.narrowed_from(),
            (old & 0o777 != new).then_some(old & 0o777),
            "{kind} {old:o}"
        );
        replacement.commit(OldFile::Leave).unwrap();
        assert_eq!(mode_of(&path), new, "{kind} {old:o}");
    }
    // The mask allowed a stranger to read and the owning group nothing: without the list nobody gains by the mask.
    let path = ground.file("g", ROOT, STAFF, 0o600);
    setfacl(&["-m", "u:65534:rw"], &path);
    replace(&path, Kind::Map, PRIVATE);
    assert_eq!(getfacl(&path), "user::rw-\ngroup::---\nother::---\n\n");
}

#[test]
fn what_cannot_be_replaced() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.secret("f");
    ground.dir("d", ROOT, ROOT, 0o755);
    ground.fifo("fifo");
    ground.link("l", "f");
    ground.link("dangling", "none");
    ground.file("foreign", MALLORY, MALLORY, 0o644);
    ground.secret("two");
    fs::hard_link(ground.at("two"), ground.at("names")).unwrap();
    let before = ground.names("");
    for (name, expected) in [
        ("d", "not-regular"),
        ("fifo", "not-regular"),
        ("l", "replaces-link"),
        ("dangling", "replaces-link"),
        ("foreign", "owner"),
        ("two", "hard-link"),
        ("f/x", "ENOTDIR"),
        ("none/x", "missing"),
        ("d/", "EISDIR"),
        ("d/.", "EISDIR"),
        ("d/..", "EISDIR"),
    ] {
        let result = Replacement::begin(&ground.at(name), Kind::Map, &trust(), PRIVATE);
        assert_eq!(replacing_word(result.map(drop)), expected, "{name}");
    }
    assert_eq!(ground.names(""), before);
}

#[test]
fn what_is_there_already_is_not_made_anew() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    let create = || Replacement::create_new(&path, Kind::Store, &trust(), PRIVATE);
    let late = create().unwrap();
    let mut first = create().unwrap();
    first.write_all(b"first").unwrap();
    first.commit(OldFile::Leave).unwrap();
    assert_eq!(replacing_word(late.commit(OldFile::Leave).map(drop)), "exists");
    assert_eq!(replacing_word(create().map(drop)), "exists");
    unlink(&path);
    ground.link("f", "dangling");
    assert_eq!(replacing_word(create().map(drop)), "exists");
    assert_eq!(ground.names(""), ["f"]);
}

/// Made by somebody else after the beginning, too late for the first look.
#[test]
fn what_appears_meanwhile_is_looked_at() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    let new = begin(&path, Kind::Map, SHARED);
    ground.file("f", ROOT, STAFF, 0o600);
    new.commit(OldFile::Leave).unwrap();
    assert_eq!(owner_and_mode(&path), (ROOT, STAFF, 0o600), "its owner and mode");
    let new = begin(&path, Kind::Map, SHARED);
    unlink(&path);
    ground.link("f", "elsewhere");
    assert_eq!(replacing_word(new.commit(OldFile::Leave).map(drop)), "replaces-link");
    assert_eq!(ground.names(""), ["f"]);
}

#[test]
fn what_would_be_refused_is_not_published() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let stranger = Dress { owner: Some(Uid(MALLORY)), group: None, mode: 0o600 };
    let new = begin(&ground.at("f"), Kind::Map, stranger);
    assert_eq!(replacing_word(new.commit(OldFile::Leave).map(drop)), "owner");
    assert_eq!(ground.names(""), [""; 0]);
}

#[test]
fn a_directory_that_moves_keeps_its_new_file() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o755);
    let new = begin(&ground.at("d/f"), Kind::Map, SHARED);
    fs::rename(ground.at("d"), ground.at("moved")).unwrap();
    ground.dir("d", MALLORY, MALLORY, 0o777);
    new.commit(OldFile::Leave).unwrap();
    assert_eq!((ground.names("d"), ground.names("moved")), (vec![], vec!["f".to_owned()]));
}

#[test]
fn an_account_makes_files_in_its_own_directory() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let dir = ground.dir("d", MALLORY, MALLORY, 0o711);
    let trust = Trust::root().caller(Uid(MALLORY));
    let path = dir.join("f");
    acting_as(MALLORY, MALLORY, || {
        for _ in 0..2 {
            let dress = Dress { owner: Some(Uid(MALLORY)), group: None, mode: 0o640 };
            let new = Replacement::begin(&path, Kind::Map, &trust, dress).unwrap();
            new.commit(OldFile::Leave).unwrap();
        }
        let root = Dress { owner: Some(Uid(ROOT)), group: None, mode: 0o600 };
        let new = Replacement::begin(&dir.join("g"), Kind::Map, &trust, root).unwrap();
        let word = replacing_word(new.commit(OldFile::Leave).map(drop));
        assert_eq!(word, "set owner and mode: EPERM");
    });
    assert_eq!(owner_and_mode(&path), (MALLORY, MALLORY, 0o640));
    assert_eq!(ground.names("d"), ["f"]);
}

#[test]
fn a_library_may_have_the_file_to_itself() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    let mut new = begin(&path, Kind::Store, PRIVATE);
    let mut file = new.take_file().unwrap();
    assert!(new.take_file().is_none() && new.as_file().is_none());
    new.write_all(b"x").unwrap_err();
    // It may want any lock.
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file.write_all(b"by the library").unwrap();
    // Another maker of the same file leaves it alone, with its lock and without.
    drop(begin(&path, Kind::Store, PRIVATE));
    drop(file);
    drop(begin(&path, Kind::Store, PRIVATE));
    new.commit(OldFile::Leave).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"by the library");
}

#[test]
fn scratch_has_no_name() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let new = begin(&ground.at("f"), Kind::Map, PRIVATE);
    let dir = SafeDir::open(ground.path(), Kind::Map, &trust()).unwrap();
    for mut scratch in [new.scratch().unwrap(), safefile::scratch(&dir).unwrap()] {
        assert_eq!(scratch.metadata().unwrap().nlink(), 0);
        assert_eq!(scratch.metadata().unwrap().mode() & 0o7777, 0o600);
        scratch.write_all(b"sorted").unwrap();
        scratch.seek(SeekFrom::Start(0)).unwrap();
        let mut back = String::new();
        scratch.read_to_string(&mut back).unwrap();
        assert_eq!(back, "sorted");
    }
    assert_eq!(ground.names("").len(), 1, "only the temporary");
}

/// A sendmail that has a map open sees nothing but its modification time, in whole seconds.
#[test]
fn who_has_the_old_file_open_is_told() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    for (before, future) in [(SystemTime::now(), false), (SystemTime::now() + Duration::from_hours(1), true)]
    {
        let old = File::options().write(true).read(true).open(&path).unwrap();
        old.set_modified(before).unwrap();
        let seconds = old.metadata().unwrap().mtime();
        let new = begin(&path, Kind::Map, PRIVATE);
        assert_eq!(old.metadata().unwrap().mtime(), seconds, "not before the rename");
        new.commit(OldFile::Touch).unwrap();
        let touched = old.metadata().unwrap();
        assert!(touched.mtime() > seconds);
        assert_eq!(touched.nlink(), 0);
        assert!(!future || touched.mtime() == seconds + 1);
        let untouched = fs::metadata(&path).unwrap().mtime();
        replace(&path, Kind::Map, PRIVATE);
        assert!(untouched <= fs::metadata(&path).unwrap().mtime());
    }
}

#[test]
fn a_reader_with_a_lock_is_not_waited_for_without_end() {
    let Ok(()) = need::root() else { return };
    if !need::full() {
        return; // five seconds
    }
    let ground = Ground::new();
    let path = ground.secret("f");
    let reader = File::open(&path).unwrap();
    flock(&reader, FlockOperation::LockShared).unwrap();
    let mut new = begin(&path, Kind::Map, PRIVATE);
    new.write_all(b"new").unwrap();
    new.commit(OldFile::Touch).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn several_makers_at_once() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    std::thread::scope(|scope| {
        for number in 0..4_u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..10 {
                    let mut new = begin(path, Kind::Map, SHARED);
                    new.write_all(&[number; 5000]).unwrap();
                    new.commit(OldFile::Touch).unwrap();
                    let seen = SafeFile::open(path, Kind::Map, &trust()).unwrap().read_whole(5000).unwrap();
                    assert_eq!(seen, [seen[0]; 5000], "never half a file");
                }
            });
        }
    });
    assert_eq!(ground.names(""), ["f"]);
}

/// What is made from the old file replaces that and nothing newer, whatever happened meanwhile.
#[test]
fn what_others_did_meanwhile_is_not_undone() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    let meanwhile: [fn(&Path); 4] = [
        |path| {
            replace(path, Kind::Map, PRIVATE);
        },
        |path| fs::write(path, b"written in place").unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap(),
    ];
    for happens in meanwhile {
        fs::write(&path, b"old").unwrap();
        let mut new = begin(&path, Kind::Map, PRIVATE);
        new.only_over(Stamp::look(&path).unwrap());
        happens(&path);
        let left = fs::read(&path).ok();
        assert!(matches!(new.commit(OldFile::Leave), Err(ReplaceError::Changed { .. })));
        assert_eq!(fs::read(&path).ok(), left);
    }
    let mut new = begin(&path, Kind::Map, PRIVATE);
    new.only_over(Stamp::look(&path).unwrap());
    new.commit(OldFile::Leave).unwrap();
}

#[test]
fn makers_that_add_to_a_file_at_once_lose_nothing() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    fs::write(&path, b"").unwrap();
    let add = || {
        let old = SafeFile::open(&path, Kind::Map, &trust()).unwrap();
        let mut new = begin(&path, Kind::Map, PRIVATE);
        new.only_over(old.stamp());
        new.write_all(&old.read_whole(1000).unwrap()).unwrap();
        new.write_all(b"x").unwrap();
        match new.commit(OldFile::Leave) {
            Ok(_) => true,
            Err(ReplaceError::Changed { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| while !add() {}));
        }
    });
    assert_eq!(fs::read(&path).unwrap(), [b'x'; 40]);
}

/// `(what, name, lock)`: those of dead makers go, unless somebody has a lock on them; those of living ones stay.
#[test]
fn what_was_left_behind_is_swept() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let dead = dead_process();
    let name = |of: &str, pid: u32, digit: &str| format!(".gatepost-{of}.{pid}.{}.tmp", digit.repeat(16));
    let stays = [
        name("f", 1, "1"),
        name("g", dead, "2"),
        name("f.g", dead, "3"),
        name("f", dead, "4"),
        format!(".gatepost-f.{dead}.tmp"),
        "f.tmp".to_owned(),
    ];
    let goes = [name("f", dead, "5"), name("f", process::id(), "6")];
    for name in stays.iter().chain(&goes) {
        ground.secret(name);
    }
    let held = File::open(ground.at(&stays[3])).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    drop(begin(&ground.at("f"), Kind::Map, PRIVATE));
    let mut expected = stays.to_vec();
    expected.sort();
    assert_eq!(ground.names(""), expected);
}

fn dead_process() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

/// The maker is this very test in another process, which dies as kill -9 would have it: nothing is tidied up.
#[test]
fn a_maker_that_dies_leaves_the_old_file() {
    let Ok(()) = need::root() else { return };
    if let Some(stage) = std::env::var_os(STAGE) {
        die_at(stage.to_str().unwrap());
    }
    let ground = Ground::new();
    let path = ground.secret("f");
    dress(&path, ROOT, STAFF, 0o640);
    for stage in STAGES {
        die_elsewhere(&path, stage);
        let is_new = stage == "committed";
        assert_eq!(fs::read(&path).unwrap(), if is_new { b"new" } else { &b"f"[..] }, "{stage}");
        assert_eq!(owner_and_mode(&path), (ROOT, STAFF, 0o640), "{stage}");
        let left = temporaries(&ground, "");
        assert_eq!(left.len(), usize::from(!is_new), "{stage}: {left:?}");
        assert!(left.iter().all(|name| mode_of(&ground.at(name)) == 0o600), "{stage}");
    }
    drop(begin(&path, Kind::Map, PRIVATE));
    assert_eq!(ground.names(""), ["f"]);
}

fn die_elsewhere(path: &Path, stage: &str) {
    let myself = std::env::current_exe().unwrap();
    let status = Command::new(myself)
        .args(["--exact", "replacing::a_maker_that_dies_leaves_the_old_file"])
        .env(STAGE, stage)
        .env(TARGET, path)
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "{stage}");
}

fn die_at(stage: &str) -> ! {
    let path = std::env::var_os(TARGET).unwrap();
    let mut new = begin(path.as_ref(), Kind::Map, PRIVATE);
    if stage != "begun" {
        new.write_all(b"new").unwrap();
    }
    match stage {
        "taken" => drop(new.take_file()),
        "committed" => {
            new.commit(OldFile::Touch).unwrap();
        }
        _ => {}
    }
    process::abort()
}

const STAGE: &str = "GATEPOST_TEST_STAGE";
const TARGET: &str = "GATEPOST_TEST_TARGET";
const STAGES: [&str; 4] = ["begun", "written", "taken", "committed"];

#[test]
fn an_error_says_what_failed_and_where() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.at("f");
    fs::set_permissions(ground.path(), Permissions::from_mode(0o755)).unwrap();
    ground.secret("f");
    let error = Replacement::create_new(&path, Kind::Map, &trust(), PRIVATE).unwrap_err();
    assert_eq!(error.to_string(), format!("file exists: {}", path.display()));
    let error = Replacement::begin(&ground.at("x/f"), Kind::Map, &trust(), PRIVATE).unwrap_err();
    assert!(matches!(error, ReplaceError::Open(_)));
    assert_eq!(error.to_string(), format!("no such file or directory: {}", ground.at("x").display()));
}
