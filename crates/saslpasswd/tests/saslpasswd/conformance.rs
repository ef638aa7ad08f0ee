//! The conformance table of saslpasswd2 2.1.28, run against both programs: the real one shows that the table is true,
//! ours that it is the same, or differs in the way that is written beside the row. What a person types at a terminal
//! (rows 40 to 43) is in `terminal`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, Run, host, run, shown};

/// Users by `user@realm`, with their passwords.
type Users = BTreeMap<String, Vec<u8>>;

/// What is there before.
#[derive(Clone, Copy)]
enum Before {
    /// No database.
    Nothing,
    /// One without users.
    Empty,
    /// alice, with the password `old`.
    Alice,
}

/// What a program leaves behind.
struct Left {
    exit: i32,
    /// Has to be on standard error; empty: nothing at all may be there.
    err: &'static str,
    /// User, realm (`HOST` is the host's name), password.
    users: &'static [(&'static str, &'static str, &'static [u8])],
}

struct Row {
    number: &'static str,
    before: Before,
    arguments: &'static [&'static str],
    /// In pieces, with a pause between them.
    input: &'static [&'static [u8]],
    theirs: Left,
    /// What ours leaves behind where that is something else.
    ours: Option<Left>,
}

const fn left(
    exit: i32,
    err: &'static str,
    users: &'static [(&'static str, &'static str, &'static [u8])],
) -> Left {
    Left { exit, err, users }
}

const fn same(
    number: &'static str,
    before: Before,
    arguments: &'static [&'static str],
    input: &'static [&'static [u8]],
    theirs: Left,
) -> Row {
    Row { number, before, arguments, input, theirs, ours: None }
}

const fn differs(
    number: &'static str,
    before: Before,
    arguments: &'static [&'static str],
    input: &'static [&'static [u8]],
    theirs: Left,
    ours: Left,
) -> Row {
    Row { number, before, arguments, input, theirs, ours: Some(ours) }
}

const ALICE: &[(&str, &str, &[u8])] = &[("alice", "HOST", b"secret")];
const OLD: &[(&str, &str, &[u8])] = &[("alice", "HOST", b"old")];
const NOBODY: &[(&str, &str, &[u8])] = &[];
const LONG: &[u8] = &[b'x'; 3000];
const TOO_LONG: &[u8] = &[b'x'; 4097];
const INVALID: &str = "invalid parameter supplied";
const FAILED: &str = "generic failure";

use Before::{Alice, Empty, Nothing};

const ROWS: &[Row] = &[
    same(
        "1",
        Nothing,
        &["-p", "-c", "-u", "vm", "alice"],
        &[b"secret\n"],
        left(0, "", &[("alice", "vm", b"secret")]),
    ),
    same("2", Nothing, &["-c", "alice"], &[b"secret"], left(0, "", ALICE)),
    differs(
        "3, no store",
        Nothing,
        &["-p", "alice"],
        &[b"secret\n"],
        left(0, "", ALICE),
        left(1, "no such store", NOBODY),
    ),
    same("3", Empty, &["-p", "alice"], &[b"secret\n"], left(0, "", ALICE)),
    same("4", Alice, &["-p", "-c", "alice"], &[b"new\n"], left(0, "", &[("alice", "HOST", b"new")])),
    same("5", Empty, &["-p", "alice@a@b"], &[b"secret\n"], left(0, "", &[("alice", "a@b", b"secret")])),
    same("6", Empty, &["-p", "-u", "z", "alice@"], &[b"secret\n"], left(0, "", &[("alice", "", b"secret")])),
    same(
        "7",
        Empty,
        &["-p", "-u", "z", "alice@r"],
        &[b"secret\n"],
        left(0, "", &[("alice", "r", b"secret")]),
    ),
    same("8", Empty, &["-p", "@r"], &[b"secret\n"], left(0, "", &[("", "r", b"secret")])),
    same("9", Empty, &["-p", ""], &[b"secret\n"], left(0, "", &[("", "HOST", b"secret")])),
    same("10", Empty, &["-p", "-u", "", "alice"], &[b"secret\n"], left(0, "", ALICE)),
    same("11", Empty, &["-p", "alice"], &[], left(7, INVALID, NOBODY)),
    same("12", Empty, &["-p", "alice"], &[b"\n"], left(7, INVALID, NOBODY)),
    differs(
        "13",
        Empty,
        &["-p", "alice"],
        &[b"secret\r\n"],
        left(0, "", &[("alice", "HOST", b"secret\r")]),
        left(0, "", ALICE),
    ),
    differs(
        "14",
        Empty,
        &["-p", "alice"],
        &[b"\r\n"],
        left(0, "", &[("alice", "HOST", b"\r")]),
        left(7, INVALID, NOBODY),
    ),
    differs(
        "15",
        Empty,
        &["-p", "alice"],
        &[b"secret\n\n"],
        left(0, "", &[("alice", "HOST", b"secret\n")]),
        left(7, "U+000A", NOBODY),
    ),
    same("16", Empty, &["-p", "alice"], &[b" a b \n"], left(0, "", &[("alice", "HOST", b" a b ")])),
    differs(
        "17",
        Empty,
        &["-p", "alice"],
        &[b"ab\0cd\n"],
        left(0, "", &[("alice", "HOST", b"ab")]),
        left(7, "NUL at octet 3", NOBODY),
    ),
    differs(
        "18",
        Empty,
        &["-p", "alice"],
        &[b"\0cd\n"],
        left(0, "", &[("alice", "HOST", b"")]),
        left(7, "NUL at octet 1", NOBODY),
    ),
    differs(
        "19",
        Empty,
        &["-p", "alice"],
        &[b"p\xc3\xa4\xff\n"],
        left(0, "", &[("alice", "HOST", b"p\xc3\xa4\xff")]),
        left(7, "not UTF-8 at octet 4", NOBODY),
    ),
    same(
        "20",
        Empty,
        &["-p", "alice"],
        &[LONG.split_at(2048).0],
        left(0, "", &[("alice", "HOST", LONG.split_at(2048).0)]),
    ),
    differs(
        "21",
        Empty,
        &["-p", "alice"],
        &[LONG],
        left(0, "", &[("alice", "HOST", LONG.split_at(2048).0)]),
        left(0, "", &[("alice", "HOST", LONG)]),
    ),
    differs(
        "21, too long",
        Empty,
        &["-p", "alice"],
        &[TOO_LONG],
        left(0, "", &[("alice", "HOST", LONG.split_at(2048).0)]),
        left(7, "longer than 4096 octets", NOBODY),
    ),
    differs(
        "22",
        Empty,
        &["-p", "alice"],
        &[b"sec", b"ret\n"],
        left(0, "", &[("alice", "HOST", b"sec")]),
        left(0, "", ALICE),
    ),
    differs("23", Empty, &["-p", "-n", "alice"], &[b"secret\n"], left(0, "", NOBODY), left(0, "", ALICE)),
    same("24", Alice, &["-d", "alice"], &[], left(0, "", NOBODY)),
    same("25", Empty, &["-d", "alice"], &[], left(0, "", NOBODY)),
    differs("26", Nothing, &["-d", "alice"], &[], left(0, "", NOBODY), left(0, "no such store", NOBODY)),
    same("27", Nothing, &["-c", "-d", "alice"], &[], left(1, "usage", NOBODY)),
    same("28", Nothing, &["-p"], &[], left(1, "usage", NOBODY)),
    same("28, two", Nothing, &["-p", "alice", "bob"], &[], left(1, "usage", NOBODY)),
    same("29", Nothing, &["-z", "alice"], &[], left(1, "invalid option -- 'z'", NOBODY)),
    same("29, usage", Nothing, &["-z", "alice"], &[], left(1, "usage: ", NOBODY)),
    same("30", Nothing, &["-v"], &[], left(0, ".", NOBODY)),
    same("30, the rest is not looked at", Nothing, &["-v", "-z", "a", "b"], &[], left(0, ".", NOBODY)),
    same("31", Nothing, &["-h"], &[], left(1, "usage", NOBODY)),
    same(
        "32",
        Nothing,
        &["-a", "x/y", "-p", "alice"],
        &[b"secret\n"],
        left(1, "appname must not contain /", NOBODY),
    ),
    same(
        "33",
        Nothing,
        &["-p", "-c", "-f", "/nonexistent/x", "alice"],
        &[b"secret\n"],
        left(1, FAILED, NOBODY),
    ),
    same("34", Nothing, &["-p", "-c", "-f", "DIR", "alice"], &[b"secret\n"], left(1, FAILED, NOBODY)),
    same("38", Empty, &["alice", "-p"], &[b"secret\n"], left(0, "", ALICE)),
    same("39", Empty, &["-p", "--", "-alice"], &[b"secret\n"], left(0, "", &[("-alice", "HOST", b"secret")])),
    same(
        "a password is not read to be deleted",
        Alice,
        &["-d", "alice"],
        &[b"secret\n"],
        left(0, "", NOBODY),
    ),
    same("letters in one word", Nothing, &["-cp", "alice"], &[b"secret\n"], left(0, "", ALICE)),
    same(
        "a value in the same word",
        Nothing,
        &["-cpuvm", "alice"],
        &[b"secret\n"],
        left(0, "", &[("alice", "vm", b"secret")]),
    ),
    same(
        "an option twice",
        Nothing,
        &["-c", "-c", "-p", "-u", "a", "-u", "vm", "alice"],
        &[b"secret\n"],
        left(0, "", &[("alice", "vm", b"secret")]),
    ),
    same(
        "a missing value",
        Nothing,
        &["-p", "alice", "-u"],
        &[b"secret\n"],
        left(1, "option requires an argument -- 'u'", NOBODY),
    ),
    same("another password stays", Alice, &["-p", "alice"], &[], left(7, INVALID, OLD)),
];

#[test]
fn ours_does_what_the_table_says() {
    for row in ROWS {
        let bench = Bench::new();
        prepare(row.before, |arguments, input| bench.saslpasswd(arguments, input));
        let mut command = Command::new(env!("CARGO_BIN_EXE_saslpasswd"));
        command.arg("--config").arg(bench.path("gatepost.toml")).args(bench.resolved(row.arguments));
        let expected = row.ours.as_ref().unwrap_or(&row.theirs);
        let done = run(command, row.input);
        check(row, "ours", expected, &done);
        let listed: Vec<String> =
            bench.users().iter().map(|line| line.rsplit_once(": ").unwrap().0.to_owned()).collect();
        let users = users(expected);
        assert_eq!(listed, users.keys().cloned().collect::<Vec<_>>(), "row {}: {done:?}", row.number);
        for (user, password) in users {
            assert!(bench.verifies(&user, &password), "row {}: {user}: {done:?}", row.number);
        }
        assert_eq!(bench.path("store").exists(), !users_stay_away(row), "row {}", row.number);
    }
}

/// Whether no store may be there afterwards: only `-c` makes one.
fn users_stay_away(row: &Row) -> bool {
    let expected = row.ours.as_ref().unwrap_or(&row.theirs);
    matches!(row.before, Nothing) && expected.users.is_empty()
}

#[test]
fn theirs_does_what_the_table_says() {
    let Ok(program) = tests::need::peer("saslpasswd2") else { return };
    for row in ROWS {
        let bench = Bench::new();
        let theirs = |arguments: &[&str], input: &[&[u8]]| {
            let mut command = Command::new(&program);
            command.env("SASL_CONF_PATH", bench.path("")).arg("-f").arg(bench.path("store"));
            command.args(bench.resolved(arguments));
            run(command, input)
        };
        prepare(row.before, |arguments, input| theirs(arguments, &[input.as_bytes()]));
        check(row, "theirs", &row.theirs, &theirs(row.arguments, row.input));
        assert_eq!(sasldb(&bench.path("store")), users(&row.theirs), "row {}", row.number);
    }
}

fn prepare(before: Before, saslpasswd: impl Fn(&[&str], &str) -> Run) {
    match before {
        Nothing => {}
        Empty => {
            assert_eq!(saslpasswd(&["-c", "-p", "seed"], "secret").exit, 0);
            assert_eq!(saslpasswd(&["-d", "seed"], "").exit, 0);
        }
        Alice => assert_eq!(saslpasswd(&["-c", "-p", "alice"], "old").exit, 0),
    }
}

fn check(row: &Row, whose: &str, expected: &Left, done: &Run) {
    let context = format!("row {} ({}), {whose}: {done:?}", row.number, shown(row.arguments));
    assert_eq!(done.exit, expected.exit, "{context}");
    assert_eq!(done.out, "", "{context}");
    assert!(done.err.contains(expected.err), "{context}");
    assert_eq!(done.err.is_empty(), expected.err.is_empty(), "{context}");
}

fn users(left: &Left) -> Users {
    let user = |(user, realm, password): &(&str, &str, &[u8])| {
        (format!("{user}@{}", realm.replace("HOST", &host())), password.to_vec())
    };
    left.users.iter().map(user).collect()
}

/// The passwords in a sasldb, by our own reader.
fn sasldb(path: &Path) -> Users {
    let Ok(octets) = std::fs::read(path) else { return Users::new() };
    let map = mapfile::open(octets, mapfile::Limits::default()).unwrap();
    let records = map.records().map(Result::unwrap);
    records
        .map(|record| {
            let key = String::from_utf8(record.key.to_vec()).unwrap();
            let parts: Vec<&str> = key.split('\0').collect();
            assert_eq!(parts[2], "userPassword");
            (format!("{}@{}", parts[0], parts[1]), record.value)
        })
        .collect()
}

/// Rows 35 and 36: what stands in the store's place is not touched. (saslpasswd2 makes a database of an empty file.)
#[test]
fn a_file_that_is_no_store_is_left_as_it_is() {
    for (content, reason) in [("some text\n", "damaged"), ("", "damaged")] {
        let bench = Bench::new();
        bench.write("store", content);
        let done = bench.saslpasswd(&["-p", "-c", "alice"], "secret");
        assert_eq!(done.exit, 1, "{done:?}");
        assert!(done.err.contains(FAILED) && done.err.contains(reason), "{done:?}");
        assert_eq!(std::fs::read(bench.path("store")).unwrap(), content.as_bytes());
    }
}

/// Row 37: the runtime opens /dev/null in the place of a closed standard input, so nothing is read: no password.
#[test]
fn without_standard_input_there_is_no_password() {
    let bench = Bench::new();
    let line = format!(
        "exec '{}' --config '{}' -p -c alice <&-",
        env!("CARGO_BIN_EXE_saslpasswd"),
        bench.path("gatepost.toml").display()
    );
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]);
    let done = run(command, &[]);
    assert_eq!(done.exit, 7, "{done:?}");
    assert!(!bench.path("store").exists());
}

/// Rows 44 to 47, of both.
#[test]
fn users_are_listed_as_theirs_lists_them() {
    let rows: [(&[&str], i32, &str); 6] = [
        (&["-f", "/nonexistent"], 0, "listusers failed"),
        (&["/nonexistent"], 0, "listusers failed"),
        (&["a", "b"], 1, "usage"),
        (&["-h"], 1, "usage"),
        (&["-f"], 1, "Unrecognized command line option"),
        (&["-z"], 1, "Unrecognized command line option"),
    ];
    let bench = Bench::new();
    let theirs = tests::need::peer("sasldblistusers2");
    for (arguments, exit, err) in rows {
        let mut runs = vec![bench.list(arguments)];
        if let Ok(program) = &theirs {
            let mut command = Command::new(program);
            command.args(arguments);
            runs.push(run(command, &[]));
        }
        for done in runs {
            assert_eq!((done.exit, done.out.as_str()), (exit, ""), "{arguments:?}: {done:?}");
            assert!(done.err.contains(err), "{arguments:?}: {done:?}");
        }
    }
}

/// Row 44, with the property that scripts look for where the policy keeps the password.
#[test]
fn a_password_that_is_kept_is_listed_as_theirs() {
    let bench = Bench::with_policy("keep = [\"plain\"]");
    assert_eq!(bench.saslpasswd(&["-c", "-p", "-u", "vm", "alice"], "secret").exit, 0);
    assert_eq!(bench.list(&["-f", "DB"]).out, "alice@vm: userPassword\n");
    assert_eq!(bench.list(&["DB"]).out, "alice@vm: userPassword\n");
}

/// Row 48: Cyrus' own configuration has no say here, wherever the environment says that it is.
#[test]
fn cyrus_configuration_is_not_read() {
    let bench = Bench::new();
    bench.write("saslpasswd.conf", "auxprop_plugin: nosuch\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_saslpasswd"));
    command.env("SASL_CONF_PATH", bench.path("")).arg("--config").arg(bench.path("gatepost.toml"));
    command.args(["-p", "-c", "alice"]);
    assert_eq!(run(command, &[b"secret"]).exit, 0);
}

/// Row 49.
#[test]
fn a_faulty_configuration_ends_with_their_number() {
    let bench = Bench::new();
    bench.write("gatepost.toml", "[secrets]\nkepe = []\n");
    let done = bench.saslpasswd(&["-p", "-c", "alice"], "secret");
    assert_eq!(done.exit, 100, "{done:?}");
    assert!(done.err.contains("error when parsing configuration file"), "{done:?}");
    assert!(done.err.contains("kepe") && done.err.contains("keep") && done.err.contains(":2"), "{done:?}");
    assert!(!bench.path("store").exists());
}

/// Row 50: `secrets.path` stands where theirs has `sasldb_path`.
#[test]
fn the_configuration_names_the_store() {
    let bench = Bench::new();
    assert_eq!(bench.saslpasswd(&["-p", "-c", "alice"], "secret").exit, 0);
    assert!(bench.path("store").exists());
}

/// The installed names also answer to saslpasswd2 and sasldblistusers2, and speak under the name they were called by.
#[test]
fn it_answers_to_the_name_it_is_called_by() {
    let bench = Bench::new();
    let name = bench.path("saslpasswd2");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_saslpasswd"), &name).unwrap();
    let mut command = Command::new(&name);
    command.arg("--config").arg(bench.path("gatepost.toml")).args(["-p", "-c", "alice"]);
    let done = run(command, &[b"\n"]);
    assert!(done.err.starts_with("saslpasswd2: invalid parameter supplied"), "{done:?}");
}
