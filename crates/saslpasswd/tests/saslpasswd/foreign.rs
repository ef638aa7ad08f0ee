//! `-f` naming another program's database, or nothing that is a store: said so, and left as it is.

use std::fs;

use crate::place::{Place, SASLDBLISTUSERS, feed, fixture, mode};

#[test]
fn a_sasldb_is_named_and_left_as_it_is() {
    let place = Place::new();
    let old = place.write("old.db", [&[0x61, 0x15, 0x06, 0x00][..], &[0; 508]].concat());
    let is_one = "as a sasldb may be), not a store of Gatepost\n";
    let rows = [
        (place.fixture("sasldb2.db"), format!("database (Berkeley DB hash, {is_one}"), true),
        (place.fixture("sasldb2.gdbm"), format!("database (GDBM, {is_one}"), true),
        (place.fixture("sasldb2.lmdb"), format!("database (LMDB, {is_one}"), true),
        (old, "database (Berkeley DB 1.85 hash; its format is not read), not a store".to_owned(), false),
    ];
    for (path, words, can_be_imported) in rows {
        let before = fs::read(&path).unwrap();
        let named = path.to_str().unwrap();
        let import = format!("    fix: saslpasswd --import {named}\n");
        // Whether it is safe or not: that is the import's question.
        for bits in [0o600, 0o660] {
            mode(&path, bits);
            let tasks: [(&[&str], i32); 4] = [
                (&["-p", "-c", "alice"], 1),
                (&["-d", "alice"], 1),
                (&["--list"], 65),
                (&["--verify", "a"], 65),
            ];
            for (task, exit) in tasks {
                let ran = place.feed(&[&["-f", named], task].concat(), "secret");
                ran.failed(exit, &words);
                assert_eq!(ran.err.contains(&import), can_be_imported, "{ran:?}");
            }
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{named}");
    }
}

#[test]
fn a_format_that_is_not_read_cannot_be_imported() {
    let place = Place::new();
    let path = place.write("old.db", [&[0x61, 0x15, 0x06, 0x00][..], &[0; 508]].concat());
    place.run(&["--import", path.to_str().unwrap()]).failed(65, "its format is not read");
    assert!(!place.store().exists());
}

#[test]
fn damaged_databases_are_errors_and_never_without_users() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    for entry in fs::read_dir(fixture("corrupt")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = place.write("corrupt", fs::read(fixture("corrupt").join(&name)).unwrap());
        let named = path.to_str().unwrap();
        let ran = feed(place.program(SASLDBLISTUSERS).arg(named), "");
        assert_eq!(ran.exit, Some(1), "{name}: {ran:?}");
        assert!(ran.err.starts_with("listusers failed\n"), "{name}: {ran:?}");
        let ran = place.run(&["--from", "sasldb", "--import", named]);
        assert_eq!(ran.exit, Some(65), "{name}: {ran:?}");
        let ran = place.feed(&["-f", named, "-p", "-c", "alice"], "secret");
        assert_eq!(ran.exit, Some(1), "{name}: {ran:?}");
    }
    assert_eq!(place.listed(), ["alice@vm: userPassword"]);
}

#[test]
fn a_store_that_lost_octets_is_damaged() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let whole = fs::read(place.store()).unwrap();
    for length in [0, 1, 100, 4096, whole.len() / 2] {
        fs::write(place.store(), &whole[..length]).unwrap();
        place.run(&["--list"]).failed(65, "damaged");
        place.feed(&["-p", "-c", "bob"], "secret").failed(1, "generic failure\n");
        let ran = feed(&mut place.program(SASLDBLISTUSERS), "");
        ran.failed(1, "listusers failed\n");
        assert_eq!(fs::metadata(place.store()).unwrap().len(), length as u64, "it was written to");
    }
}

#[test]
fn a_store_that_others_can_reach_is_refused() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    for (bits, rule) in [(0o640, "group-readable"), (0o602, "world-writable")] {
        mode(&place.store(), bits);
        place.feed(&["-p", "alice"], "new").failed(1, rule);
        place.run(&["--list"]).failed(77, rule);
    }
    mode(&place.store(), 0o600);
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn a_new_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    let place = Place::new();
    let mut shell = Command::new("sh");
    let script = "umask 000; printf secret | \"$0\" --config gatepost.toml -p -c alice";
    let status = shell.args(["-c", script, crate::place::SASLPASSWD]).current_dir(place.path("")).status();
    assert!(status.unwrap().success());
    assert_eq!(fs::metadata(place.store()).unwrap().permissions().mode() & 0o7777, 0o600);
    // Nothing half-made stays beside it.
    let names: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
