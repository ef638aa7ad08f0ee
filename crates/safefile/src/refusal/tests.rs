//! The words, for accounts that need not exist.

use super::*;
use crate::account::{Gid, Uid};
use crate::acl::Named;
use crate::judge::Grant;
use crate::mount::Mount;

const NOBODY_KNOWS: u32 = 3_999_999_999;

fn facts(file_type: FileType, mode: u32) -> Facts {
    Facts {
        file_type,
        uid: Uid(NOBODY_KNOWS),
        gid: Gid(NOBODY_KNOWS),
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

fn grant(allows: Perms, harmless: Perms) -> Grant {
    Grant { who: Named::User(Uid(NOBODY_KNOWS)), allows, harmless }
}

fn finding(kind: Kind, rule: Rule, facts: &Facts) -> Finding {
    Finding::new(kind, Path::new("/srv/my mail"), facts, Breach { rule, entry: None }, &Trust::root())
}

fn check(kind: Kind, rule: Rule, facts: &Facts, command: Option<&str>, otherwise: Option<&str>) {
    let fix = finding(kind, rule, facts).fix;
    assert_eq!(fix.command.map(|command| command.to_string()).as_deref(), command, "{kind} {rule}");
    assert_eq!(fix.otherwise.map(|one| one.to_string()).as_deref(), otherwise, "{kind} {rule}");
}

#[test]
fn every_rule_has_a_way_out() {
    for rule in Rule::ALL {
        for kind in Kind::ALL {
            let entry = matches!(rule, Rule::AclWritableDirectory | Rule::AclWritable | Rule::AclReadable)
                .then_some(grant(Perms::ALL, Perms::default()));
            let breach = Breach { rule, entry };
            let facts = facts(FileType::Regular, 0o666);
            let fix = Finding::new(kind, Path::new("/f"), &facts, breach, &Trust::root()).fix;
            assert_ne!(fix.to_string(), "", "{kind} {rule}");
        }
    }
}

#[test]
fn commands_take_and_never_give() {
    let dir = facts(FileType::Directory, 0o2775);
    let file = facts(FileType::Regular, 0o666);
    let writers = "group_writable_dir = [\"/srv/my mail = 3999999999\"]";
    let owner = "dir_owner = [\"/srv/my mail = 3999999999\"]";
    let chmod_dir = Some("chmod g-w '/srv/my mail'");
    check(Kind::Map, Rule::GroupWritableDirectory, &dir, chmod_dir, Some(writers));
    check(Kind::Store, Rule::GroupWritableDirectory, &dir, chmod_dir, None);
    check(Kind::Map, Rule::WorldWritableDirectory, &dir, Some("chmod o-w '/srv/my mail'"), None);
    check(Kind::Map, Rule::DirectoryOwner, &dir, Some("chown root '/srv/my mail'"), Some(owner));
    check(Kind::Configuration, Rule::DirectoryOwner, &dir, Some("chown root '/srv/my mail'"), None);
    check(Kind::Map, Rule::LinkOwner, &file, Some("chown -h root '/srv/my mail'"), None);
    check(Kind::Map, Rule::GroupWritable, &file, chmod_dir, None);
    let reader = Some("group_readable = [\"3999999999\"]");
    check(Kind::Secret, Rule::GroupReadable, &file, Some("chmod g-r '/srv/my mail'"), reader);
    check(Kind::Store, Rule::GroupReadable, &file, Some("chmod g-r '/srv/my mail'"), None);
    check(Kind::SecretDirectory, Rule::WorldReadable, &dir, Some("chmod o-rx '/srv/my mail'"), None);
    let other_name = "remove the other name; find it with: find / -samefile '/srv/my mail'";
    check(Kind::Map, Rule::HardLink, &file, None, Some(other_name));
}

/// `chmod o-w /tmp` would mend one file and break the host.
#[test]
fn a_directory_for_everybody_is_left_alone() {
    let tmp = facts(FileType::Directory, 0o1777);
    let elsewhere = Some("keep the file elsewhere: this directory is meant for everybody");
    check(Kind::Map, Rule::GroupWritableDirectory, &tmp, None, elsewhere);
    check(Kind::Map, Rule::WorldWritableDirectory, &tmp, None, elsewhere);
}

#[test]
fn an_entry_is_narrowed_without_a_new_mask() {
    let breach = Breach { rule: Rule::AclReadable, entry: Some(grant(Perms::ALL, Perms::EXECUTE)) };
    let file = facts(FileType::Regular, 0o660);
    let finding = Finding::new(Kind::Secret, Path::new("/f"), &file, breach, &Trust::root());
    assert_eq!(finding.fix.to_string(), "setfacl -n -m user:3999999999:--x /f");
    assert_eq!(finding.found.entry.as_deref(), Some("user:3999999999:rwx"));
}

#[test]
fn what_the_daemon_keeps_goes_to_its_account() {
    let gatepost = Account { uid: Uid(7), name: Some("gatepost".to_owned()), group: None };
    let trust = Trust::root().trusted_user(gatepost);
    let owner = Breach { rule: Rule::Owner, entry: None };
    let file = facts(FileType::Regular, 0o600);
    for (kind, expected) in
        [(Kind::Store, "gatepost"), (Kind::Secret, "gatepost"), (Kind::Configuration, "root")]
    {
        let finding = Finding::new(kind, Path::new("/f"), &file, owner, &trust);
        assert_eq!(finding.fix.to_string(), format!("chown {expected} /f"));
    }
}

#[test]
fn a_refusal_is_one_line_that_says_it_all() {
    let mut found = facts(FileType::Directory, 0o2775);
    found.uid = Uid(0);
    let refusal = Refusal {
        path: "access".into(),
        kind: Kind::Map,
        component: "/srv/my\nmail".into(),
        role: Role::Directory,
        finding: finding(Kind::Map, Rule::GroupWritableDirectory, &found),
    };
    let expected = "unsafe (group-writable-directory), directory of root (uid 0), group gid 3999999999, mode 2775: \
                    /srv/my\\nmail";
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn what_was_found_shows_names_and_links() {
    let mut file = facts(FileType::Regular, 0o600);
    file.links = 3;
    let found = finding(Kind::Map, Rule::HardLink, &file).found.to_string();
    assert_eq!(found, "regular file of uid 3999999999, group gid 3999999999, mode 0600, 3 names");
    let link = Facts { target: Some("../x".into()), ..facts(FileType::Link, 0o777) };
    let found = finding(Kind::Map, Rule::LinkOwner, &link).found.to_string();
    assert_eq!(found, "symbolic link of uid 3999999999, group gid 3999999999, mode 0777, to ../x");
}
