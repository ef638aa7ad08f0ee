//! Client-info: entries are checked, and a map that holds passwords is closed to others.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use tests::need;

use crate::bench::{Bench, Said, run};
use crate::reasons;

const ENTRY: &str =
    "AuthInfo:mail.gate.test \"U:alice\" \"I:alice\" \"P:s3cret\" \"R:gate.test\" \"M:PLAIN\"\n";

fn mode(bench: &Bench, name: &str) -> u32 {
    fs::metadata(bench.path(name)).unwrap().mode() & 0o7777
}

#[test]
fn a_malformed_entry_is_dropped_and_told_with_its_line() {
    reasons::check("a malformed client-info entry is an error of its line");
    let rows = [
        ("AuthInfo:h \"U:a\" \"P:s3cret\"\n", None),
        ("authinfo: \"I:a\" \"P=czNjcmV0\" ignored at the end\n", None),
        ("AuthInfo:h \"U:s3cret\n", Some("column")),
        ("AuthInfo:h \"X:s3cret\" \"P:s3cret\"\n", Some("column")),
        ("AuthInfo:h \"U:a\" \"P=s3cret!\"\n", Some("column")),
        ("AuthInfo:h \"U:a\"\n", Some("key authinfo:h")),
        ("AuthInfo:h U:a P:s3cret\n", Some("column 1 of the value: ")),
    ];
    for (line, complaint) in rows {
        let bench = Bench::new();
        let source = format!("# first\n{line}x y\n");
        let said = run(&mut bench.ours(["-v", "redb", "m"]), source.as_bytes());
        let said = said.expect(if complaint.is_some() { 65 } else { 0 });
        let told = said.text() + &String::from_utf8_lossy(&said.out);
        assert!(
            !told.contains("s3cret") && !told.contains("czNjcmV0"),
            "{line}: a password was shown: {told}"
        );
        let dump = run(&mut bench.ours(["-u", "redb", "m"]), b"").expect(0);
        let stored = String::from_utf8(dump.out).unwrap();
        assert!(stored.ends_with("x\ty\n"), "the good entries are stored");
        match complaint {
            None => {
                assert_eq!(stored.lines().count(), 2);
                assert_eq!(said.err, [""; 0]);
            }
            Some(complaint) => {
                assert_eq!(stored, "x\ty\n");
                assert!(said.text().starts_with("makemap: m: line 2: key authinfo:"), "{line}: {said:?}");
                assert!(said.text().contains(complaint), "{line}: {said:?}");
            }
        }
    }
}

/// With another separator than was meant the password is a part of the key, which messages show.
#[test]
fn no_message_shows_a_password_that_became_a_key() {
    let line = "AuthInfo:h \"U:a\" \"P:s3cret\"\n";
    let other = "host \"U:a\" \"p=czNjcmV0\"\n";
    let rows: [(&[&str], &str, &str); 4] = [
        (&["-t|"], line, "no RHS for LHS authinfo:h \"u:a\" (secret)"),
        (&["-t|", "-e"], line, "key authinfo:h \"u:a\" (secret): column 1 of the value"),
        (&["-t|", "-e"], other, "key host \"u:a\" (secret): duplicate key"),
        (&["-t|", "-e", "-v"], other, "key host \"u:a\" (secret): duplicate key"),
    ];
    for (options, source, complaint) in rows {
        let bench = Bench::new();
        let said = run(&mut bench.ours(options.iter().chain(&["redb", "m"])), source.repeat(2).as_bytes());
        let said = said.expect(65);
        let told = said.text() + &String::from_utf8_lossy(&said.out).to_ascii_lowercase();
        assert!(!told.contains("s3cret") && !told.contains("cznjcmv0"), "{options:?}: {told}");
        assert!(told.contains(complaint), "{options:?}: {told}");
        assert_eq!(mode(&bench, "m.redb"), if source == other { 0o600 } else { 0o640 }, "{options:?}");
    }
}

#[test]
fn lines_that_end_in_crlf_are_entries() {
    let bench = Bench::new();
    let said = run(&mut bench.ours(["redb", "m"]), ENTRY.replace('\n', "\r\n").as_bytes()).expect(0);
    assert_eq!(said.err, [""; 0]);
    let said = run(&mut bench.ours(["-q", "authinfo:mail.gate.test", "redb", "m"]), b"").expect(0);
    assert!(said.out.ends_with(b"\"M:PLAIN\"\r\n"), "the octets are those of the source");
}

#[test]
fn what_is_in_a_map_decides_its_mode() {
    reasons::check("a map that holds secrets is 0600");
    let rows: [(&[&str], &str, u32); 9] = [
        (&[], "a b\n", 0o640),
        (&[], ENTRY, 0o600),
        (&["-f"], ENTRY, 0o600),
        (&["-N"], ENTRY, 0o600),
        (&[], "host \"P:s3cret\"\n", 0o600),
        (&[], "host \"U:a\" \"p=czNjcmV0\"\n", 0o600),
        (&[], "host P:no token\n", 0o640),
        (&["--secret"], "a b\n", 0o600),
        (&["--secret"], "", 0o600),
    ];
    for (options, source, expected) in rows {
        let bench = Bench::new();
        run(&mut bench.ours(options.iter().chain(&["redb", "m"])), source.as_bytes()).expect(0);
        assert_eq!(mode(&bench, "m.redb"), expected, "{options:?} {source}");
    }
}

#[test]
fn the_configuration_names_secrets_and_who_may_read_them() {
    if need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    let map = bench.path("m");
    let names_it = format!("[client_info]\nmaps = [\"redb:{}\"]\n", map.display());
    bench.write("gatepost.toml", names_it.as_bytes());
    run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(0);
    assert_eq!(mode(&bench, "m.redb"), 0o600);

    fs::remove_file(bench.path("m.redb")).unwrap();
    let and_group =
        format!("{names_it}\n[[file]]\npath = \"{}.redb\"\ngroup_readable = [\"mail\"]\n", map.display());
    bench.write("gatepost.toml", and_group.as_bytes());
    run(&mut bench.ours(["redb", "m"]), ENTRY.as_bytes()).expect(0);
    let facts = fs::metadata(bench.path("m.redb")).unwrap();
    assert_eq!(facts.mode() & 0o7777, 0o640);
    let mail = safefile::Group::by_name("mail").unwrap().unwrap();
    assert_eq!(facts.gid(), mail.gid.0);
}

#[test]
fn a_map_that_comes_to_hold_passwords_is_narrowed_and_never_widened() {
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(0);
    assert_eq!(mode(&bench, "m.redb"), 0o640);
    let ways: [&[&str]; 4] = [
        &["redb", "m"],
        &["-o", "-r", "redb", "m"],
        &["-o", "-r", "--secret", "redb", "m"],
        &["-o", "-r", "--secret", "implicit", "m"],
    ];
    for options in ways {
        fs::set_permissions(bench.path("m.redb"), Permissions::from_mode(0o640)).unwrap();
        let said = run(&mut bench.ours(options), ENTRY.as_bytes()).expect(0);
        assert_eq!(mode(&bench, "m.redb"), 0o600, "{options:?}");
        assert!(said.text().contains("made with mode 0600, not 0640 as before"), "{said:?}");
    }
    let said = run(&mut bench.ours(["-o", "redb", "m"]), b"x y\n").expect(0);
    assert_eq!((mode(&bench, "m.redb"), said.err), (0o600, vec![]), "the password is in the old part");
    run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(0);
    assert_eq!(mode(&bench, "m.redb"), 0o600, "closed once, closed it stays");
}

#[test]
fn dash_s_weakens_nothing_for_secrets() {
    let bench = Bench::new();
    fs::set_permissions(bench.fresh("row"), Permissions::from_mode(0o777)).unwrap();
    for options in [&["-s", "redb", "row/m"][..], &["-s", "--secret", "redb", "row/m"]] {
        let said = run(&mut bench.ours(options), ENTRY.as_bytes()).expect(73);
        assert!(said.text().contains("makemap: warning: -s: "), "{said:?}");
        assert!(said.text().contains("-writable-directory"), "{said:?}");
        assert!(said.text().contains("fix: chmod "), "{said:?}");
    }
    run(&mut bench.ours(["-s", "redb", "m"]), ENTRY.as_bytes()).expect(0);
    assert_eq!(mode(&bench, "m.redb"), 0o600);
}

#[test]
fn a_text_that_others_may_read_is_warned_of() {
    let bench = Bench::new();
    bench.write("authinfo", ENTRY.as_bytes());
    bench.write("access", b"a b\n");
    let build = |text: &str, permissions: u32, exit: i32| -> Said {
        fs::set_permissions(bench.path(text), Permissions::from_mode(permissions)).unwrap();
        let mut command = bench.ours(["redb", "m"]);
        let output = command.stdin(Stdio::from(File::open(bench.path(text)).unwrap())).output().unwrap();
        assert_eq!(output.status.code(), Some(exit));
        let err = String::from_utf8(output.stderr).unwrap();
        Said { exit, out: output.stdout, err: err.lines().map(Into::into).collect() }
    };
    assert_eq!(build("authinfo", 0o600, 0).err, [""; 0]);
    let said = build("authinfo", 0o640, 0);
    assert!(said.text().contains("warning: ") && said.text().contains("(group-readable)"), "{said:?}");
    let said = build("authinfo", 0o604, 0);
    let file = bench.path("authinfo");
    assert!(said.text().contains(&format!("makemap: warning: {}: the text holds passwords", file.display())));
    assert!(said.text().contains(&format!("fix: chmod o-r {}", file.display())), "{said:?}");
    assert_eq!(build("access", 0o644, 0).err, [""; 0], "no passwords, no warning");
    // A line that is dropped stands in the text all the same.
    let long = format!("k \"P:s3cret\" {}\n", "x".repeat(1100));
    for faulty in [
        "AuthInfo:h \"U:a\" \"P:s3cret\n",
        "AuthInfo:h \"U:a\"\n \"P:s3cret\"\n",
        "x y\n \"P:s3cret\"\n",
        "\"P=czNjcmV0\"\n",
        &long,
    ] {
        bench.write("faulty", faulty.as_bytes());
        let said = build("faulty", 0o644, 65);
        assert!(said.text().contains("the text holds passwords"), "{faulty}: {said:?}");
        assert_eq!(mode(&bench, "m.redb"), 0o600, "that of the map before");
    }
    fs::remove_file(bench.path("m.redb")).unwrap();
    build("faulty", 0o644, 65);
    assert_eq!(mode(&bench, "m.redb"), 0o640, "no password is in the map");
    bench.write("faulty", b" x\n");
    assert!(!build("faulty", 0o644, 65).text().contains("the text holds passwords"));
}
