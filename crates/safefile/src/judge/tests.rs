//! The policy row by row, for accounts that need not exist.

use super::*;
use crate::account::{Account, Group, Uid};

const ROOT: u32 = 0;
const TRUSTED: u32 = 201;
const CALLER: u32 = 1000;
const MALLORY: u32 = 666;
const STAFF: u32 = 50;

fn file(uid: u32, mode: u32) -> Facts {
    Facts {
        file_type: FileType::Regular,
        uid: Uid(uid),
        gid: Gid(STAFF),
        mode,
        links: 1,
        device: 1,
        inode: 2,
        size: 3,
        acl: None,
        mount: Mount::Kernel,
        target: None,
    }
}

fn directory(uid: u32, mode: u32) -> Facts {
    Facts { file_type: FileType::Directory, links: 2, ..file(uid, mode) }
}

fn account(uid: u32) -> Account {
    Account { uid: Uid(uid), name: None, group: None }
}

fn staff() -> Group {
    Group { gid: Gid(STAFF), name: None }
}

/// `(tag, permissions, id)` as the kernel writes them: 2 user, 4 owning group, 8 group, 16 mask.
fn with_acl(facts: Facts, entries: &[(u16, u16, u32)]) -> Facts {
    let mut octets = vec![2, 0, 0, 0];
    for (tag, perms, id) in entries {
        octets.extend([tag.to_le_bytes(), perms.to_le_bytes()].concat());
        octets.extend(id.to_le_bytes());
    }
    Facts { acl: Some(Acl::parse(&octets).unwrap()), ..facts }
}

fn daemon() -> Trust {
    Trust::root().trusted_user(account(TRUSTED))
}

fn words(kind: Kind, role: Role, facts: &Facts, trust: &Trust) -> Vec<&'static str> {
    let judgement = judge(kind, role, Path::new("/etc/mail"), facts, trust);
    judgement.breaches.iter().map(|breach| breach.rule.word()).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "each row makes its own")]
fn check(kind: Kind, role: Role, facts: Facts, expected: &[&str]) {
    assert_eq!(words(kind, role, &facts, &daemon()), expected, "{kind} {role} {facts:?}");
}

#[test]
fn owners() {
    use Kind::{Certificate, Configuration, Map, PrivateKey, Program, Secret, Store};
    for kind in [Store, Secret, Map, PrivateKey, Certificate, Configuration, Program] {
        check(kind, Role::Last, file(ROOT, 0o600), &[]);
        check(kind, Role::Last, file(MALLORY, 0o600), &["owner"]);
        check(kind, Role::Directory, directory(MALLORY, 0o755), &["directory-owner"]);
        check(kind, Role::Link, Facts { file_type: FileType::Link, ..file(MALLORY, 0o777) }, &["link-owner"]);
        check(kind, Role::Link, Facts { file_type: FileType::Link, ..file(ROOT, 0o777) }, &[]);
    }
    for kind in [Store, Secret, Map, PrivateKey, Certificate] {
        check(kind, Role::Last, file(TRUSTED, 0o600), &[]);
        check(kind, Role::Directory, directory(TRUSTED, 0o755), &[]);
    }
    for kind in [Configuration, Program] {
        check(kind, Role::Last, file(TRUSTED, 0o600), &["owner"]);
        check(kind, Role::Directory, directory(TRUSTED, 0o755), &["directory-owner"]);
    }
}

#[test]
fn who_started_it_by_hand_and_who_tries_it_out() {
    let by_hand = Trust::root().caller(Uid(CALLER));
    let tried_out = Trust::root().configuration_owner(account(CALLER)).trusted_user(account(CALLER));
    for trust in [by_hand, tried_out] {
        for kind in [Kind::Store, Kind::Configuration, Kind::Program] {
            assert!(trust.may_own(kind, Uid(CALLER)), "{kind}");
            assert!(!trust.may_own(kind, Uid(MALLORY)), "{kind}");
        }
    }
    assert!(!Trust::root().may_own(Kind::Store, Uid(CALLER)));
}

#[test]
fn modes_of_files() {
    for kind in [Kind::Store, Kind::Secret, Kind::PrivateKey] {
        for mode in [0o600, 0o400, 0o700, 0o4700, 0o611] {
            check(kind, Role::Last, file(ROOT, mode), &[]);
        }
        check(kind, Role::Last, file(ROOT, 0o640), &["group-readable"]);
        check(kind, Role::Last, file(ROOT, 0o604), &["world-readable"]);
        check(kind, Role::Last, file(ROOT, 0o620), &["group-writable"]);
        check(kind, Role::Last, file(ROOT, 0o602), &["world-writable"]);
        let all = ["group-writable", "world-writable", "group-readable", "world-readable"];
        check(kind, Role::Last, file(ROOT, 0o666), &all);
    }
    for kind in [Kind::Map, Kind::Configuration, Kind::Certificate, Kind::Program] {
        for mode in [0o600, 0o644, 0o755, 0o4755] {
            check(kind, Role::Last, file(ROOT, mode), &[]);
        }
        check(kind, Role::Last, file(ROOT, 0o664), &["group-writable"]);
        check(kind, Role::Last, file(ROOT, 0o646), &["world-writable"]);
    }
}

#[test]
fn group_root_is_a_group_like_any_other() {
    let facts = Facts { gid: Gid(0), ..file(ROOT, 0o660) };
    check(Kind::Secret, Role::Last, facts, &["group-writable", "group-readable"]);
    check(
        Kind::Map,
        Role::Directory,
        Facts { gid: Gid(0), ..directory(ROOT, 0o775) },
        &["group-writable-directory"],
    );
}

#[test]
fn modes_of_directories() {
    for mode in [0o755, 0o711, 0o700, 0o2755, 0o1755, 0o555] {
        check(Kind::Secret, Role::Directory, directory(ROOT, mode), &[]);
    }
    check(Kind::Map, Role::Directory, directory(ROOT, 0o775), &["group-writable-directory"]);
    check(Kind::Map, Role::Directory, directory(ROOT, 0o757), &["world-writable-directory"]);
    for mode in [0o777, 0o1777] {
        let both = ["group-writable-directory", "world-writable-directory"];
        check(Kind::Map, Role::Directory, directory(ROOT, mode), &both);
    }
}

#[test]
fn directories_that_hold_secrets() {
    let kind = Kind::SecretDirectory;
    check(kind, Role::Last, directory(ROOT, 0o700), &[]);
    check(kind, Role::Last, directory(TRUSTED, 0o700), &[]);
    check(kind, Role::Last, directory(MALLORY, 0o700), &["directory-owner"]);
    check(kind, Role::Last, directory(ROOT, 0o710), &["group-readable"]);
    check(kind, Role::Last, directory(ROOT, 0o701), &["world-readable"]);
    check(kind, Role::Last, directory(ROOT, 0o730), &["group-writable-directory", "group-readable"]);
    check(kind, Role::Last, file(ROOT, 0o600), &["not-directory"]);
    check(kind, Role::Directory, directory(ROOT, 0o755), &[]);
}

#[test]
fn types_and_names() {
    for file_type in [
        FileType::Directory,
        FileType::Fifo,
        FileType::Socket,
        FileType::CharacterDevice,
        FileType::BlockDevice,
        FileType::Unknown,
    ] {
        check(Kind::Secret, Role::Last, Facts { file_type, ..file(MALLORY, 0o666) }, &["not-regular"]);
    }
    // Without a name it was replaced in this moment: no other name leads to it.
    for (links, rules) in [(0, &[][..]), (2, &["hard-link"])] {
        check(Kind::Map, Role::Last, Facts { links, ..file(ROOT, 0o644) }, rules);
        check(Kind::Program, Role::Last, Facts { links, ..file(ROOT, 0o755) }, &[]);
    }
}

#[test]
fn access_lists_are_read_precisely() {
    let secret = |entries: &[_]| with_acl(file(ROOT, 0o670), entries);
    let mask = (16, 7, 0);
    check(Kind::Secret, Role::Last, secret(&[(4, 0, 0), (2, 4, MALLORY), mask]), &["acl-readable"]);
    check(
        Kind::Secret,
        Role::Last,
        secret(&[(4, 0, 0), (2, 6, MALLORY), mask]),
        &["acl-writable", "acl-readable"],
    );
    check(Kind::Map, Role::Last, secret(&[(4, 4, 0), (8, 2, STAFF), mask]), &["acl-writable"]);
    // What the mask cuts is dead, and so is what root and the TrustedUser could do anyway.
    check(Kind::Secret, Role::Last, secret(&[(4, 7, 0), (2, 7, MALLORY), (16, 0, 0)]), &[]);
    check(Kind::Secret, Role::Last, secret(&[(4, 0, 0), (2, 7, ROOT), (2, 7, TRUSTED), mask]), &[]);
    check(Kind::Configuration, Role::Last, secret(&[(4, 0, 0), (2, 7, TRUSTED), mask]), &["acl-writable"]);
    // The mode shows the mask where the owning group's own entry counts.
    check(Kind::Secret, Role::Last, secret(&[(4, 4, 0), mask]), &["group-readable"]);
    let etc = with_acl(directory(ROOT, 0o775), &[(4, 5, 0), (2, 7, MALLORY), mask]);
    check(Kind::Map, Role::Directory, etc, &["acl-writable-directory"]);
}

/// One command answers all that one entry breaks, and takes nothing else.
#[test]
fn what_of_an_entry_is_harmless_is_so_to_every_rule() {
    let file = || with_acl(file(ROOT, 0o670), &[(4, 0, 0), (2, 7, MALLORY), (8, 6, STAFF), (16, 7, 0)]);
    let dir = || with_acl(directory(ROOT, 0o770), &[(4, 0, 0), (2, 7, MALLORY), (8, 6, STAFF), (16, 7, 0)]);
    let reading = daemon().except(Exception::GroupReadable(staff()));
    for (kind, role, facts, trust, mallory, others) in [
        (Kind::Secret, Role::Last, file(), daemon(), "--x", "---"),
        (Kind::Secret, Role::Last, file(), reading, "--x", "r--"),
        (Kind::Map, Role::Last, file(), daemon(), "r-x", "r--"),
        (Kind::SecretDirectory, Role::Directory, dir(), daemon(), "r-x", "r--"),
        (Kind::SecretDirectory, Role::Last, dir(), daemon(), "---", "---"),
    ] {
        let judgement = judge(kind, role, Path::new("/etc/mail"), &facts, &trust);
        let grants: Vec<_> = judgement.breaches.iter().filter_map(|breach| breach.entry).collect();
        assert!(grants.len() >= 2, "{kind} {role}");
        for grant in grants {
            let expected = if matches!(grant.who, Named::User(_)) { mallory } else { others };
            assert_eq!(grant.harmless.to_string(), expected, "{kind} {role} {grant:?}");
        }
    }
}

#[test]
fn a_strangers_filesystem_is_not_looked_at() {
    let of = |uid| Facts { mount: Mount::Fuse(Uid(uid)), ..file(ROOT, 0o666) };
    check(Kind::Secret, Role::Last, of(MALLORY), &["foreign-filesystem"]);
    check(Kind::Map, Role::Last, of(TRUSTED), &["group-writable", "world-writable"]);
    check(Kind::Configuration, Role::Last, of(TRUSTED), &["foreign-filesystem"]);
}

fn named() -> Trust {
    let dir = || "/etc/mail".into();
    daemon()
        .except(Exception::GroupReadable(staff()))
        .except(Exception::GroupWritableDir { dir: dir(), group: staff() })
        .except(Exception::DirOwner { dir: dir(), owner: account(MALLORY) })
}

#[test]
fn exceptions_lift_what_they_name_and_are_shown() {
    for (kind, role, facts, expected) in [
        (Kind::Secret, Role::Last, file(ROOT, 0o640), &[][..]),
        (Kind::PrivateKey, Role::Last, file(ROOT, 0o640), &[]),
        (Kind::SecretDirectory, Role::Last, directory(ROOT, 0o750), &[]),
        (Kind::Map, Role::Directory, directory(ROOT, 0o775), &[]),
        (Kind::Map, Role::Directory, directory(MALLORY, 0o755), &[]),
        // Reading is not writing, a directory is not a file, one group is not another.
        (Kind::Secret, Role::Last, file(ROOT, 0o660), &["group-writable"]),
        (Kind::Secret, Role::Last, file(MALLORY, 0o600), &["owner"]),
        (Kind::Secret, Role::Last, file(ROOT, 0o604), &["world-readable"]),
        (Kind::Secret, Role::Last, Facts { gid: Gid(51), ..file(ROOT, 0o640) }, &["group-readable"]),
        (Kind::Map, Role::Directory, directory(ROOT, 0o777), &["world-writable-directory"]),
        (Kind::Map, Role::Directory, directory(667, 0o755), &["directory-owner"]),
        // Never for these two.
        (Kind::Store, Role::Last, file(ROOT, 0o640), &["group-readable"]),
        (Kind::Store, Role::Directory, directory(ROOT, 0o775), &["group-writable-directory"]),
        (Kind::Store, Role::Directory, directory(MALLORY, 0o755), &["directory-owner"]),
        (Kind::Configuration, Role::Directory, directory(MALLORY, 0o755), &["directory-owner"]),
    ] {
        let judgement = judge(kind, role, Path::new("/etc/mail"), &facts, &named());
        let found: Vec<_> = judgement.breaches.iter().map(|breach| breach.rule.word()).collect();
        assert_eq!(found, expected, "{kind} {role} {facts:?}");
        if expected.is_empty() {
            assert_eq!(judgement.excepted.len(), 1, "{kind} {role} {facts:?}");
        }
    }
    let elsewhere =
        judge(Kind::Map, Role::Directory, Path::new("/etc"), &directory(MALLORY, 0o775), &named());
    assert_eq!(elsewhere.breaches.len(), 2);
    assert_eq!(elsewhere.excepted, []);
}

#[test]
fn a_safe_file_needs_no_exception() {
    let judgement = judge(Kind::Secret, Role::Last, Path::new("/etc/mail"), &file(ROOT, 0o600), &named());
    assert_eq!(judgement, Judgement::default());
}

#[test]
fn what_a_new_file_may_have() {
    for (kind, trust, expected) in [
        (Kind::Store, named(), 0o700),
        (Kind::Secret, daemon(), 0o700),
        (Kind::Secret, named(), 0o740),
        (Kind::SecretDirectory, named(), 0o750),
        (Kind::Map, daemon(), 0o755),
        (Kind::Configuration, named(), 0o755),
    ] {
        assert_eq!(permitted_mode(kind, Gid(STAFF), &trust), expected, "{kind}");
    }
    assert_eq!(permitted_mode(Kind::Secret, Gid(51), &named()), 0o700);
}

/// Whatever is permitted passes the judge: what is made here can be opened.
#[test]
fn what_is_permitted_is_safe() {
    for kind in Kind::ALL {
        for trust in [daemon(), named()] {
            let mode = permitted_mode(kind, Gid(STAFF), &trust);
            let facts = match kind {
                Kind::SecretDirectory => directory(ROOT, mode),
                _ => file(ROOT, mode),
            };
            assert_eq!(words(kind, Role::Last, &facts, &trust), [""; 0], "{kind}");
        }
    }
}
