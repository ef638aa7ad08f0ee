//! `--dump`, `--load` and `--backup`: the whole store, moved and merged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::place::{Place, mode};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn with_users() -> Place {
    let place = Place::keeping(&["argon2id", "scram-sha-256", "cram-md5", "digest-md5", "plain"]);
    for user in ["alice", "bob@Example.ORG", "carol@"] {
        place.set(&[user], "secret");
    }
    place.set(&["--label", "phone", "--expires", "2999-01-01", "alice"], "other");
    place.run(&["--disable", "carol@"]).succeeded();
    place
}

#[test]
fn a_dump_makes_the_same_store_again() {
    let place = with_users();
    let (dump, again, other) = (place.path("dump"), place.path("again"), place.path("other.redb"));
    let ran = place.run(&["--dump", name(&dump)]).succeeded();
    assert_eq!(ran.out, format!("3 users dumped: {}\n", name(&dump)));
    assert_eq!(fs::metadata(&dump).unwrap().permissions().mode() & 0o7777, 0o600);
    let ran = place.run(&["-f", name(&other), "--load", name(&dump)]).succeeded();
    assert_eq!(ran.out, format!("loaded {}: 3 added, 0 replaced, 0 kept\n", name(&dump)));
    place.run(&["-f", name(&other), "--dump", name(&again)]).succeeded();
    // Users, verifiers, states, times and the decoy key: nothing is lost and nothing is added.
    assert_eq!(text(&dump), text(&again));
    let accepted = |password: &str| place.feed(&["-f", name(&other), "--verify", "alice"], password).exit;
    assert_eq!(["secret", "other", "wrong"].map(accepted), [Some(0), Some(0), Some(1)]);
}

#[test]
fn of_two_records_the_later_change_stays_unless_the_dump_replaces() {
    let place = with_users();
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    // The dump is made older, so that the test needs no clock.
    let older = text(&dump).lines().map(older).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&dump, older).unwrap();
    place.set(&["alice"], "new");
    place.run(&["-d", "bob@example.org"]).succeeded();
    let rehearsed = place.run(&["--dry-run", "--load", name(&dump)]).succeeded().out;
    assert_eq!(rehearsed, format!("would load {}: 1 added, 0 replaced, 2 kept\n", name(&dump)));
    assert_eq!(place.listed().len(), 2);
    let loaded = place.run(&["--load", name(&dump)]).succeeded().out;
    assert_eq!(loaded, rehearsed.replace("would load", "loaded"));
    assert!(place.accepts("alice", "new") && place.accepts("bob@example.org", "secret"));
    let replaced = place.run(&["--load", name(&dump), "--replace", "--format", "json"]).succeeded().json();
    assert_eq!(
        (&replaced["added"], &replaced["replaced"], &replaced["kept"]),
        (&0.into(), &3.into(), &0.into())
    );
    assert!(place.accepts("alice", "secret") && !place.accepts("alice", "new"));
}

fn older(line: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
    if value.get("user").is_some() {
        value["changed"] = 1_000_000_000.into();
        value["created"] = 1_000_000_000.into();
        for credential in value["credentials"].as_array_mut().unwrap() {
            credential["changed"] = 1_000_000_000.into();
            credential["created"] = 1_000_000_000.into();
        }
    }
    value.to_string()
}

#[test]
fn half_a_dump_is_nothing() {
    let place = with_users();
    let (dump, other) = (place.path("dump"), place.path("other.redb"));
    place.run(&["--dump", name(&dump)]).succeeded();
    let whole = text(&dump);
    let lines: Vec<&str> = whole.lines().collect();
    let rows = [
        String::new(),
        lines[..3].join("\n"),
        [&lines[..2], &lines[3..]].concat().join("\n"),
        whole.replace("argon2id", "argon3id"),
        format!("{whole}{}\n", lines[1]),
        "alice:secret\n".to_owned(),
    ];
    for half in rows {
        fs::write(&dump, &half).unwrap();
        let ran = place.run(&["-f", name(&other), "--load", name(&dump)]);
        ran.failed(65, "line ");
        assert!(!other.exists(), "{ran:?}");
        place.run(&["--load", "--replace", name(&dump)]);
        assert_eq!(place.listed().len(), 3);
    }
}

#[test]
fn secrets_leave_the_store_for_safe_files_only() {
    let place = with_users();
    let open = place.path("open");
    fs::create_dir(&open).unwrap();
    mode(&open, 0o707);
    for task in ["--dump", "--backup", "--export"] {
        let to = open.join("copy");
        place.run(&[task, name(&to)]).failed(77, "world-writable-directory");
        assert!(!to.exists());
        place.run(&[task, "-"]).failed(64, "this takes a file");
    }
    // A dump that others can read is not believed either.
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    mode(&dump, 0o644);
    place.run(&["--load", name(&dump)]).failed(77, "unsafe secret");
    // The next one that takes its place is closed again.
    place.run(&["--dump", name(&dump)]).succeeded();
    assert_eq!(fs::metadata(&dump).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_backup_is_a_store_and_replaces_none() {
    let place = with_users();
    let copy = place.path("copy.redb");
    let rehearsed = place.run(&["--dry-run", "--backup", name(&copy)]).succeeded().out;
    assert!(!copy.exists());
    let ran = place.run(&["--backup", name(&copy)]).succeeded();
    assert_eq!(ran.out, format!("3 users copied: {}\n", name(&copy)));
    assert_eq!(rehearsed, format!("3 users would be copied: {}\n", name(&copy)));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o600);
    place.set(&["alice"], "new");
    let accepted = |password: &str| place.feed(&["-f", name(&copy), "--verify", "alice"], password).exit;
    assert_eq!(["secret", "new"].map(accepted), [Some(0), Some(1)]);
    let before = fs::read(&copy).unwrap();
    place.run(&["--backup", name(&copy)]).failed(73, "exists");
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[test]
fn what_is_not_there_cannot_be_moved() {
    let place = Place::new();
    for task in ["--dump", "--backup", "--export"] {
        place.run(&[task, name(&place.path("to"))]).failed(66, "no such store");
    }
    place.run(&["--load", name(&place.path("from"))]).failed(66, "no such file");
    assert!(!place.store().exists() && !place.path("to").exists());
}
