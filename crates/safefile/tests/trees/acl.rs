//! Access lists, made by the real setfacl.

use std::path::Path;
use std::process::Command;

use safefile::{Exception, Kind, OpenError, SafeDir, SafeFile, Trust};
use tests::need;

use crate::ground::{Ground, ROOT, SMMSP, STAFF, account, group, mode_of, verdict};

pub(crate) fn setfacl(arguments: &[&str], path: &Path) {
    let status = Command::new("setfacl").args(arguments).arg(path).status().unwrap();
    assert!(status.success(), "setfacl {arguments:?} {}", path.display());
}

pub(crate) fn getfacl(path: &Path) -> String {
    let output = Command::new("getfacl").args(["-n", "-c", "-p"]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn trust() -> Trust {
    Trust::root().trusted_user(account(SMMSP))
}

#[test]
fn who_is_named_counts_as_what_the_mask_lets_through() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    for (entry, secret, map) in [
        ("u:65534:r", "acl-readable", "safe"),
        ("u:65534:rw", "acl-writable", "acl-writable"),
        ("u:65534:x", "safe", "safe"),
        ("g:8:r", "acl-readable", "safe"),
        ("g:0:w", "acl-writable", "acl-writable"),
        ("u:0:rw", "safe", "safe"),
        ("u:4202:rw", "safe", "safe"),
        ("u:65534:rw,m::---", "safe", "safe"),
        ("u:65534:rw,m::r", "acl-readable", "safe"),
        // The mode says r for the group; that is the mask, and the owning group has nothing.
        ("u:0:r,g::---", "safe", "safe"),
        ("u:0:r,g::r", "group-readable", "safe"),
        ("u:0:rw,g::w", "group-writable", "group-writable"),
    ] {
        let path = ground.secret("f");
        setfacl(&["-m", entry], &path);
        assert_eq!(verdict(&path, Kind::Secret, &trust()), secret, "{entry}");
        assert_eq!(verdict(&path, Kind::Map, &trust()), map, "{entry}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn directories_on_the_way() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    for (arguments, expected) in [
        (["-m", "u:65534:rwx"], "acl-writable-directory"),
        (["-m", "g:8:rwx"], "acl-writable-directory"),
        (["-m", "u:65534:rx"], "safe"),
        (["-m", "u:65534:rwx,m::rx"], "safe"),
        (["-m", "u:0:rwx,u:4202:rwx"], "safe"),
        // What files made in it will get is not what may be done to it.
        (["-m", "d:u:65534:rwx"], "safe"),
    ] {
        ground.dir("d", ROOT, STAFF, 0o755);
        let path = ground.secret("d/f");
        setfacl(&arguments, &ground.at("d"));
        assert_eq!(verdict(&path, Kind::Secret, &trust()), expected, "{arguments:?}");
        std::fs::remove_dir_all(ground.at("d")).unwrap();
    }
}

#[test]
fn a_named_group_may_read_by_exception() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    setfacl(&["-m", "g:4050:r"], &path);
    let trust = trust().except(Exception::GroupReadable(group(STAFF)));
    assert_eq!(verdict(&path, Kind::Secret, &trust), "safe");
    assert_eq!(verdict(&path, Kind::Store, &trust), "acl-readable");
}

#[test]
fn the_entry_is_named() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    setfacl(&["-m", "u:4666:rw"], &path);
    let Err(OpenError::Refused(refusal)) = SafeFile::open(&path, Kind::Secret, &trust()) else {
        panic!("not refused")
    };
    assert_eq!(refusal.finding.found.entry.as_deref(), Some("user:4666:rw-"));
    assert_eq!(refusal.finding.fix.to_string(), format!("setfacl -n -m user:4666:--- {}", path.display()));
}

#[test]
fn many_entries_are_all_read() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    let path = ground.secret("f");
    let entries: Vec<_> = (1..=100).map(|number| format!("u:{}:x", 70_000 + number)).collect();
    setfacl(&["-m", &entries.join(",")], &path);
    assert_eq!(verdict(&path, Kind::Secret, &trust()), "safe");
    setfacl(&["-m", "u:70100:r"], &path);
    assert_eq!(verdict(&path, Kind::Secret, &trust()), "acl-readable");
}

#[test]
fn a_new_directory_inherits_nothing() {
    let (Ok(()), Ok(_)) = (need::root(), need::peer("setfacl")) else { return };
    let ground = Ground::new();
    setfacl(&["-m", "d:u:65534:rwx"], ground.path());
    let dress = safefile::Dress { owner: None, group: None, mode: 0o755 };
    SafeDir::create(&ground.at("d"), Kind::Map, &trust(), &dress).unwrap();
    assert_eq!(getfacl(&ground.at("d")), "user::rwx\ngroup::r-x\nother::r-x\n\n");
    assert_eq!(mode_of(&ground.at("d")), 0o755);
}
