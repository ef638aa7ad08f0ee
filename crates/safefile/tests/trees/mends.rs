//! What mends a finding does mend it, as a command and carried out, and gives nobody anything.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use safefile::{Audit, Exception, Kind, Mend, Trust, Verdict, audit};
use tests::need;

use crate::acl::{getfacl, setfacl};
use crate::ground::{Ground, MALLORY, ROOT, STAFF, acting_as, group, mode_of, skip};

fn ask(path: &Path, kind: Kind) -> Audit {
    audit(path, kind, &Trust::root())
}

fn mends(audit: &Audit) -> Vec<Mend> {
    audit.findings().filter_map(|(_, finding)| finding.fix.command.clone()).collect()
}

/// Everything is wrong that a command can mend.
fn wrong(ground: &Ground) -> PathBuf {
    ground.dir("a dir", MALLORY, STAFF, 0o2777);
    ground.dir("target", ROOT, ROOT, 0o755);
    ground.file("target/f", MALLORY, STAFF, 0o666);
    setfacl(&["-m", "u:65534:rw"], &ground.at("target/f"));
    setfacl(&["-m", "g:8:rwx"], &ground.at("target"));
    ground.foreign_link("a dir/l", "../target/f", MALLORY)
}

#[test]
fn carried_out() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = wrong(&ground);
    for kind in [Kind::Map, Kind::Secret] {
        let before = ask(&path, kind);
        assert_eq!(before.verdict(), Verdict::Unsafe);
        for mend in mends(&before) {
            mend.apply().unwrap();
        }
        assert_eq!(ask(&path, kind).verdict(), Verdict::Safe, "{kind}: {:#?}", ask(&path, kind));
    }
    assert_eq!(mode_of(&ground.at("a dir")), 0o2755, "only what was wrong");
}

#[test]
fn as_commands() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = wrong(&ground);
    for mend in mends(&ask(&path, Kind::Secret)) {
        let status = Command::new("sh").arg("-ec").arg(mend.to_string()).status().unwrap();
        assert!(status.success(), "{mend}");
    }
    assert_eq!(ask(&path, Kind::Secret).verdict(), Verdict::Safe);
}

/// The mask cuts the second entry to reading; were it made anew without the first one, the second could write.
#[test]
fn an_entry_is_narrowed_and_no_other_comes_to_life() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    for by_command in [true, false] {
        let path = ground.file("f", ROOT, ROOT, 0o600);
        setfacl(&["-n", "-m", "u:65534:r,u:4666:rwx,m::r"], &path);
        let mend =
            mends(&ask(&path, Kind::Secret)).into_iter().find(|mend| mend.to_string().contains("4666"));
        let other =
            mends(&ask(&path, Kind::Secret)).into_iter().find(|mend| !mend.to_string().contains("4666"));
        assert!(mend.is_some());
        let other = other.unwrap();
        if by_command {
            Command::new("sh").arg("-ec").arg(other.to_string()).status().unwrap();
        } else {
            other.apply().unwrap();
        }
        let left = getfacl(&path);
        assert!(left.contains("user:65534:---\n"), "{left}");
        assert!(left.contains("mask::r--\n"), "{left}");
        fs::remove_file(path).unwrap();
    }
}

/// Whoever has an entry has nothing of what the owning group or everybody may do: without it they would.
#[test]
fn who_loses_a_right_gets_no_other() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let readable = || Trust::root().except(Exception::GroupReadable(group(STAFF)));
    let done = |path: &Path, gid| {
        acting_as(MALLORY, gid, || {
            (File::open(path).is_ok(), File::options().append(true).open(path).is_ok())
        })
    };
    for (kind, dir, mode, entry, gid) in [
        (Kind::Map, false, 0o644, "u:4666:w", MALLORY),
        (Kind::Map, false, 0o644, "g:4666:w", MALLORY),
        (Kind::Secret, false, 0o640, "u:4666:w", STAFF),
        (Kind::Map, true, 0o755, "u:4666:wx", MALLORY),
        (Kind::Map, true, 0o755, "u:4666:w", MALLORY),
    ] {
        for by_command in [true, false] {
            let ground = Ground::new();
            ground.dir("d", ROOT, STAFF, 0o755);
            let path = ground.file("d/f", ROOT, STAFF, if dir { 0o644 } else { mode });
            let narrowed = if dir { ground.at("d") } else { path.clone() };
            setfacl(&["-m", entry], &narrowed);
            let (before, listed) = (done(&path, gid), done(&narrowed, gid).0);
            let unsafe_path = audit(&path, kind, &readable());
            for mend in mends(&unsafe_path) {
                if by_command {
                    let status = Command::new("sh").arg("-ec").arg(mend.to_string()).status().unwrap();
                    assert!(status.success(), "{mend}");
                } else {
                    mend.apply().unwrap();
                }
            }
            assert_eq!(audit(&path, kind, &readable()).verdict(), Verdict::Safe, "{kind} {entry}");
            let after = done(&path, gid);
            assert!(after.0 <= before.0 && !after.1, "{kind} {entry}: {before:?}, {after:?}");
            assert!(done(&narrowed, gid).0 <= listed, "{kind} {entry}");
        }
    }
}

#[test]
fn another_file_in_its_place_is_left_alone() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.file("f", ROOT, ROOT, 0o644);
    let mend = mends(&ask(&path, Kind::Secret)).remove(0);
    fs::rename(&path, ground.at("g")).unwrap();
    ground.link("f", "g");
    assert!(mend.apply().is_err(), "a link to the file is not the file");
    fs::remove_file(&path).unwrap();
    ground.file("f", ROOT, ROOT, 0o644);
    mend.apply().unwrap_err();
    assert_eq!((mode_of(&path), mode_of(&ground.at("g"))), (0o644, 0o644));
}

/// Who owns a directory on the way puts a link in its place, between the audit and the mend, that leads to a file which
/// has the number of the one that was judged.
#[test]
fn a_link_on_the_way_leads_nowhere() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", MALLORY, MALLORY, 0o755);
    let path = ground.file("d/f", ROOT, ROOT, 0o644);
    let mend =
        mends(&ask(&path, Kind::Map)).into_iter().chain(mends(&ask(&path, Kind::Secret))).last().unwrap();
    fs::rename(ground.at("d"), ground.at("elsewhere")).unwrap();
    ground.foreign_link("d", "elsewhere", MALLORY);
    assert_eq!(mend.apply().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(mode_of(&path), 0o644);
    fs::remove_file(ground.at("d")).unwrap();
    fs::rename(ground.at("elsewhere"), ground.at("d")).unwrap();
    mend.apply().unwrap();
    assert_ne!(mode_of(&path), 0o644, "the same file again");
}

/// The number of a file that is gone may be another one's by now; a stranger's file is not taken from a third person.
#[test]
fn only_who_was_judged_loses_the_file() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = ground.file("f", MALLORY, MALLORY, 0o600);
    let mend = mends(&ask(&path, Kind::Secret)).remove(0);
    chown(&path, Some(STAFF), None).unwrap();
    assert_eq!(mend.apply().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(fs::metadata(&path).unwrap().uid(), STAFF);
    for _ in 0..2 {
        chown(&path, Some(MALLORY), None).unwrap();
        mend.apply().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), ROOT);
    }
    mend.apply().unwrap();
}

/// Nor does a link that has got the number of a directory become root's.
#[test]
fn a_link_with_the_number_of_a_directory_is_no_directory() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    for _ in 0..500 {
        let dir = ground.dir("d", MALLORY, MALLORY, 0o755);
        let inode = fs::metadata(&dir).unwrap().ino();
        let mend = mends(&ask(&dir.join("f"), Kind::Map)).remove(0);
        fs::remove_dir(&dir).unwrap();
        let link = ground.foreign_link("d", "/", MALLORY);
        let again = fs::symlink_metadata(&link).unwrap();
        assert_eq!(mend.apply().unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(fs::symlink_metadata(&link).unwrap().uid(), MALLORY);
        fs::remove_file(&link).unwrap();
        if again.ino() == inode {
            return;
        }
    }
    skip("this filesystem gives no number of a file to another one soon");
}

#[test]
fn what_no_command_can_mend_is_told() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("everybodys", ROOT, ROOT, 0o1777);
    let path = ground.secret("everybodys/f");
    fs::hard_link(&path, ground.at("second")).unwrap();
    let report = ask(&path, Kind::Map);
    assert_eq!(mends(&report), []);
    let told: Vec<_> = report.findings().map(|(_, finding)| finding.fix.to_string()).collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|text| !text.is_empty()), "{told:?}");
}
