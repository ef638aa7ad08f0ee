//! A file in the place of another, and names that look like others: nothing is destroyed, nobody is made up.

use std::fs;
use std::path::Path;

use crate::place::{Place, mode};

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_dump_replaces_nothing_but_a_dump() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let backup = place.path("backup.redb");
    place.run(&["--backup", name(&backup)]).succeeded();
    let list = place.write("list", "alice:secret\n");
    for target in [place.store(), backup, place.configuration(), list] {
        let before = fs::read(&target).unwrap();
        for options in [&["--dump"][..], &["--dry-run", "--dump"]] {
            let ran = place.run(&[options, &[name(&target)]].concat());
            assert_eq!(ran.exit, Some(73), "{ran:?}");
            assert!(ran.err.contains("something that is no dump exists already"), "{ran:?}");
        }
        assert!(fs::read(&target).unwrap() == before, "{} was changed", target.display());
    }
    assert!(place.accepts("alice", "secret"));
    let dump = place.write("dump", "");
    for _ in ["an empty file", "an earlier dump"] {
        place.run(&["--dump", name(&dump)]).succeeded();
    }
}

#[test]
fn what_is_no_file_of_users_makes_no_users() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    let of_two_minds = place.write("of-two-minds", "alice:ab5sdfGHjk012\nbob:{SSHA}abc\n");
    let rows = [
        (&dump, "saslpasswd --load"),
        (&place.store(), "--dump DUMP"),
        (&place.write("zeros", [0; 512]), "this is no text"),
        (&of_two_minds, "line 2 has a hash, as in a passwd-file"),
    ];
    for (source, said) in rows {
        let ran = place.run(&["-f", "new.redb", "--import", name(source)]);
        assert_eq!(ran.exit, Some(65), "{ran:?}");
        assert!(ran.err.contains(said), "{ran:?}");
        assert!(!place.path("new.redb").exists(), "{ran:?}");
    }
    let ran = place.run(&["--from", "text", "--import", name(&of_two_minds)]).succeeded();
    assert!(ran.out.contains("imported 1 users"), "alice is there: {ran:?}");
    assert!(place.accepts("bob", "{SSHA}abc"));
}

/// However far down the hash stands: what is believed to be a password logs in.
#[test]
fn a_hash_behind_thousands_of_passwords_is_no_password() {
    let place = Place::new();
    let hash = "{SSHA}1JGHfktbP3ExLcYVvRcKb3xQ/N9zYWx0c2FsdA==";
    let users: Vec<_> = (0..4000).map(|number| format!("user{number}@ex.org:password{number}\n")).collect();
    let source = place.write("users", users.concat() + &format!("victim@ex.org:{hash}\n"));
    for options in [&["--import"][..], &["--dry-run", "--import"]] {
        place.run(&[options, &[name(&source)]].concat()).failed(65, "line 4001 has a hash");
        assert!(!place.store().exists());
    }
}

#[test]
fn no_part_of_a_password_is_shown() {
    let place = Place::new();
    let first = place.write("first", "alice:{hunter2}x\n");
    place
        .run(&["--import", name(&first)])
        .failed(65, "line 1 has a hash, as in a passwd-file, or a password");
    let later = place.write("later", "alice:{PLAIN}secret\nbob:{hunter2}x\ncarol:{PLAIN.hunter2}x\n");
    for (source, options) in [(&first, &[][..]), (&first, &["--from", "passwd-file"]), (&later, &[])] {
        let ran = place.run(&[options, &["--import", name(source)]].concat());
        assert_eq!(ran.exit, Some(65), "{ran:?}");
        assert!(!format!("{ran:?}").to_lowercase().contains("hunter"), "{ran:?}");
    }
    assert!(place.accepts("alice", "secret"));
}

#[test]
fn a_dump_that_names_a_user_twice_changes_nothing() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    let lines = fs::read_to_string(&dump).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let twice = [lines[0], lines[1], lines[1], r#"{"end":2}"#].join("\n");
    fs::write(&dump, twice).unwrap();
    for options in [&["--load"][..], &["--replace", "--load"], &["--dry-run", "--load"]] {
        let ran = place.run(&[&["-f", "new.redb"], options, &[name(&dump)]].concat());
        assert_eq!(ran.exit, Some(65), "{ran:?}");
        assert!(ran.err.contains("line 3: a user twice or out of order: alice@vm"), "{ran:?}");
        assert!(!place.path("new.redb").exists());
    }
}

#[test]
fn no_user_is_made_whose_name_reads_as_somebody_else() {
    let place = Place::new();
    place.set(&["alice@x"], "secret");
    let ran = place.feed(&["-p", "alice\u{FF20}x"], "other");
    assert_eq!(ran.exit, Some(7), "{ran:?}");
    assert!(ran.err.contains("name holds an @ once it is prepared"), "{ran:?}");
    assert_eq!(place.listed(), ["alice@x: userPassword"]);
    let source = place.write("users", "alice\u{FF20}x:other\n");
    assert_eq!(place.run(&["--import", name(&source)]).exit, Some(65));
    assert_eq!(place.listed(), ["alice@x: userPassword"]);
}

/// The password of an imported hash is not known, so nothing can be said of it.
#[test]
fn a_hash_is_not_said_to_be_of_an_odd_password() {
    let place = Place::new();
    let hash = "alice:{SSHA}1JGHfktbP3ExLcYVvRcKb3xQ/N9zYWx0c2FsdA==\n";
    place.run(&["--import", name(&place.write("users", hash))]).succeeded();
    let shown = place.run(&["--show", "alice"]).succeeded().out;
    assert!(shown.contains("foreign, compared by octets, without SASLprep"), "{shown}");
}

#[test]
fn a_rehearsal_is_refused_what_would_be_refused() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let (dump, users) = (place.path("dump"), place.write("users", "bob:secret\n"));
    place.run(&["--dump", name(&dump)]).succeeded();
    fs::create_dir(place.path("open")).unwrap();
    mode(&place.path("open"), 0o777);
    let rows: [&[&str]; 6] = [
        &["--dump", "open/dump"],
        &["--backup", "open/backup"],
        &["--backup", "secrets.redb"],
        &["-f", "open/store", "-p", "-c", "alice"],
        &["-f", "open/store", "--import", name(&users)],
        &["-f", "open/store", "--load", name(&dump)],
    ];
    for row in rows {
        let real = place.feed(row, "secret");
        let rehearsed = place.feed(&[&["--dry-run"], row].concat(), "secret");
        assert_ne!(real.exit, Some(0), "{row:?}");
        assert_eq!((rehearsed.exit, rehearsed.err), (real.exit, real.err), "{row:?}");
    }
    assert_eq!(fs::read_dir(place.path("open")).unwrap().count(), 0);
}

/// What the record itself refuses, or the store would.
#[test]
fn a_rehearsal_makes_what_would_be_made() {
    let place = Place::new();
    place.set(&["--keep", "scram-sha-256", "two"], "secret");
    place.set(&["many"], "secret");
    for number in 1..64 {
        place.set(&["--label", &format!("device {number}"), "many"], "secret");
    }
    let (dump, wide) = (place.path("dump"), place.path("wide"));
    place.run(&["--dump", name(&dump)]).succeeded();
    let networks = vec!["\"192.0.2.0/24\""; 300].join(",");
    let lines = fs::read_to_string(&dump).unwrap();
    fs::write(&wide, lines.replacen("\"networks\":[]", &format!("\"networks\":[{networks}]"), 1)).unwrap();
    mode(&wide, 0o600);
    let rows: [(&[&str], i32, &str); 4] = [
        (
            &["-p", "--keep", "argon2id", "--label", "phone", "two"],
            1,
            "no verifier would be left for the credential: main",
        ),
        (&["-p", "--label", "one more", "many"], 1, "at most 64 credentials"),
        (&["--load", name(&wide)], 65, "wide: line 2: many@vm: the list of networks has 300 parts"),
        (&["-f", "new.redb", "--load", name(&wide)], 65, "wide: line 2: many@vm: the list of networks"),
    ];
    for (row, exit, said) in rows {
        let real = place.feed(row, "secret");
        real.failed(exit, said);
        let rehearsed = place.feed(&[&["--dry-run"], row].concat(), "secret");
        assert_eq!((rehearsed.exit, rehearsed.err), (real.exit, real.err), "{row:?}");
    }
}

/// Whoever were brought in so could neither be deleted nor log in.
#[test]
fn users_whom_no_command_can_name_are_not_loaded() {
    let place = Place::new();
    place.set(&["alice"], "secret");
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    let lines = fs::read_to_string(&dump).unwrap();
    let rows = [
        ("\"alice\"", "\"a@b\"", "name holds an @"),
        ("\"keep\":null", "\"keep\":[\"foreign\"]", "keep: foreign hashes come by import only"),
        ("\"keep\":null", "\"keep\":[]", "keep: the list of verifiers is empty"),
    ];
    for (from, to, said) in rows {
        fs::write(&dump, lines.replacen(from, to, 1)).unwrap();
        for options in [&["--replace", "--load"][..], &["--dry-run", "--load"]] {
            place.run(&[options, &[name(&dump)]].concat()).failed(65, said);
        }
    }
    assert_eq!(place.listed(), ["alice@vm: userPassword"]);
    // Who is not there needs no deleting.
    assert_eq!(place.run(&["-d", "@x@vm"]).succeeded().err, "");
}
