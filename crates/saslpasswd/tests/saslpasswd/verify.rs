//! `--verify`: 0 right, 1 wrong, unknown, disabled or expired in the same words, and other numbers when it could not
//! find out.

use std::fs;

use crate::place::Place;

#[test]
fn right_wrong_unknown_disabled_and_expired() {
    let place = Place::new();
    for user in ["alice", "off", "late"] {
        place.set(&[user], "secret");
    }
    place.run(&["--disable", "off"]).succeeded();
    place.run(&["--expires", "2001-01-01", "late"]).succeeded();
    let rows = [
        ("alice", "secret", 0, "alice@vm: authenticates\n"),
        ("alice", "secret\n", 0, "alice@vm: authenticates\n"),
        ("alice@VM", "secret", 0, "alice@VM: authenticates\n"),
        ("alice", "Secret", 1, "alice@vm: does not authenticate\n"),
        ("alice", "", 1, "alice@vm: does not authenticate\n"),
        ("alice", "secret\n\n", 1, "alice@vm: does not authenticate\n"),
        ("Alice", "secret", 1, "Alice@vm: does not authenticate\n"),
        ("alice@elsewhere", "secret", 1, "alice@elsewhere: does not authenticate\n"),
        ("nobody", "secret", 1, "nobody@vm: does not authenticate\n"),
        ("off", "secret", 1, "off@vm: does not authenticate\n"),
        ("late", "secret", 1, "late@vm: does not authenticate\n"),
    ];
    for (user, password, exit, out) in rows {
        let ran = place.feed(&["--verify", user], password);
        assert_eq!(
            (ran.exit, ran.out.as_str(), ran.err.as_str()),
            (Some(exit), out, ""),
            "{user} {password:?}"
        );
    }
}

#[test]
fn a_program_is_told_in_json() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    for (password, is_right) in [("secret", true), ("other", false)] {
        let ran = place.feed(&["--format", "json", "--verify", "alice"], password);
        assert_eq!(ran.json(), serde_json::json!({ "user": "alice@vm", "authenticates": is_right }));
    }
}

#[test]
fn not_to_find_out_is_neither_right_nor_wrong() {
    let place = Place::new();
    place.feed(&["--verify", "alice"], "secret").failed(66, "no such store");
    place.feed(&["--verify", "a\u{7}b"], "secret").failed(65, "invalid parameter supplied");
    fs::write(place.store(), "not a store").unwrap();
    crate::place::mode(&place.store(), 0o600);
    place.feed(&["--verify", "alice"], "secret").failed(65, "damaged");
    crate::place::mode(&place.store(), 0o604);
    place.feed(&["--verify", "alice"], "secret").failed(77, "world-readable");
    let misused: [&[&str]; 4] = [
        &["--verify"],
        &["--verify", "--wait", "x", "alice"],
        &["--verify", "alice@vm", "extra"],
        &["--verify", "--label", "main", "alice"],
    ];
    for arguments in misused {
        place.feed(arguments, "secret").failed(64, "usage");
    }
    place.configure("no such key = 1");
    place.feed(&["--verify", "alice"], "secret").failed(78, "gatepost.toml:1:");
}

#[test]
fn a_password_is_the_same_however_it_was_typed() {
    let place = Place::new();
    // RFC 4013: an ohm sign is an omega, a soft hyphen is nothing, a no-break space is a space.
    place.set(&["alice"], "\u{2126} x\u{ad}y");
    assert!(place.accepts("alice", "\u{3a9}\u{a0}xy"));
    assert!(!place.accepts("alice", "\u{3a9}xy"));
}
