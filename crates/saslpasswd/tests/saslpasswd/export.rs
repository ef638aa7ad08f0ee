//! `--export`: a sasldb2 that Cyrus SASL's own programs read, with those in it who may be, and nobody's file overwritten.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::need;

use crate::place::{Place, SASLDBLISTUSERS, configuration, feed, fixture, mode};

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn bits(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A place whose policy keeps the password itself, and another verifier.
fn keeping_plain() -> Place {
    Place::keeping(&["scram-sha-256", "plain"])
}

/// Those whom no sasldb can have: one disabled, one expired, one without the password, one bound to networks; and three
/// whom it can have, of whom one has a second password.
fn with_users() -> Place {
    let place = keeping_plain();
    for (user, password) in [("alice", "secret"), ("bob@Example.ORG", "p\u{e4}ss word"), ("carol@", " x ")] {
        place.set(&[user], password);
    }
    place.set(&["--label", "phone", "alice"], "other");
    place.set(&["disabled"], "d");
    place.run(&["--disable", "disabled"]).succeeded();
    place.set(&["--expires", "2001-01-01", "expired"], "e");
    place.set(&["-n", "verifiers"], "v");
    place.set(&["bound"], "n");
    bind_to_networks(&place, "bound");
    place
}

/// Only an import of a dump can do that.
fn bind_to_networks(place: &Place, user: &str) {
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    let bound = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line["user"] == user {
            line["credentials"][0]["networks"] = serde_json::json!(["192.0.2.0/24"]);
        }
        line.to_string() + "\n"
    };
    let text: String = fs::read_to_string(&dump).unwrap().lines().map(bound).collect();
    fs::write(&dump, text).unwrap();
    place.run(&["--load", name(&dump), "--replace"]).succeeded();
    fs::remove_file(dump).unwrap();
}

/// The records as libdb's own tool dumps them.
fn dumped(file: &Path) -> Option<BTreeMap<String, String>> {
    let db_dump = need::peer("db5.3_dump").ok()?;
    let text = feed(Command::new(db_dump).arg("-p").arg(file), "").succeeded().out;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(' '));
    let mut records = BTreeMap::new();
    while let Some(key) = lines.next() {
        records.insert(key.to_owned(), lines.next().unwrap().to_owned());
    }
    Some(records)
}

/// The users in order, as the real tool, and ours, list them.
fn listed(program: &mut Command) -> Vec<String> {
    let mut lines: Vec<_> = program_lines(program);
    lines.sort();
    lines
}

fn program_lines(program: &mut Command) -> Vec<String> {
    feed(program, "").succeeded().out.lines().map(str::to_owned).collect()
}

#[test]
fn cyrus_reads_what_is_exported() {
    let place = with_users();
    let to = place.path("sasldb2");
    let ran = place.run(&["--export", name(&to)]).succeeded();
    assert_eq!(ran.out, said("exported", &place, &to, SUMMARY));
    assert_eq!(bits(&to), 0o600);
    let users = ["alice@vm: userPassword", "bob@Example.ORG: userPassword", "carol@: userPassword"];
    assert_eq!(listed(place.program(SASLDBLISTUSERS).arg(&to)), users);
    let Ok(sasldblistusers2) = need::peer("sasldblistusers2") else { return };
    assert_eq!(listed(Command::new(sasldblistusers2).arg("-f").arg(&to)), users);
    let Some(records) = dumped(&to) else { return };
    let expected = [
        ("alice\\00vm\\00userPassword", "secret"),
        ("bob\\00Example.ORG\\00userPassword", "p\\c3\\a4ss word"),
        ("carol\\00\\00userPassword", " x "),
    ];
    assert_eq!(records, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let Ok(db_verify) = need::peer("db5.3_verify") else { return };
    feed(Command::new(db_verify).arg(&to), "").succeeded();
}

/// What is left out, in the words of the summary.
const SUMMARY: &str = "3 users to FILE (1 without `plain` skipped, 1 disabled left out, 1 expired left out, 1 bound to \
                       networks left out, 1 with further passwords, of which a sasldb has one)";

fn said(verb: &str, place: &Place, to: &Path, summary: &str) -> String {
    assert!(to.starts_with(place.path("")));
    let summary = summary.replace("FILE", name(to));
    let reminder = "passwords stand there in clear text: when no program reads it any more, shred -u";
    format!("{verb} {summary}; {reminder} {}\n", name(to))
}

#[test]
fn cyrus_goes_on_with_what_is_exported() {
    let (Ok(saslpasswd2), Ok(sasldblistusers2)) = (need::peer("saslpasswd2"), need::peer("sasldblistusers2"))
    else {
        return;
    };
    let place = with_users();
    let to = place.path("sasldb2");
    place.run(&["--export", name(&to)]).succeeded();
    let theirs = |arguments: &[&str], password: &str| {
        feed(Command::new(&saslpasswd2).arg("-f").arg(&to).args(arguments), password).succeeded();
    };
    theirs(&["-p", "-c", "-u", "vm", "dave"], "new");
    theirs(&["-p", "-u", "vm", "alice"], "changed");
    theirs(&["-d", "-u", "Example.ORG", "bob"], "");
    let users = ["alice@vm: userPassword", "carol@: userPassword", "dave@vm: userPassword"];
    assert_eq!(listed(Command::new(&sasldblistusers2).arg("-f").arg(&to)), users);
    // And back again.
    let other = Place::keeping(&["scram-sha-256"]);
    let back = other.write("sasldb2", fs::read(&to).unwrap());
    other.run(&["--import", name(&back)]).succeeded();
    for (user, password) in [("alice@vm", "changed"), ("carol@", " x "), ("dave@vm", "new")] {
        assert!(other.accepts(user, password), "{user}");
    }
}

#[test]
fn who_is_left_out_is_counted_and_named() {
    let place = with_users();
    let to = place.path("sasldb2");
    let ran = place.run(&["--dry-run", "--export", name(&to)]).succeeded();
    assert_eq!(ran.out, said("would export", &place, &to, SUMMARY));
    for line in [
        "saslpasswd: warning: verifiers@vm: skipped: the password itself (`plain`) is not kept\n",
        "saslpasswd: warning: disabled@vm: skipped: disabled, which a sasldb does not know\n",
        "saslpasswd: warning: expired@vm: skipped: expired, which a sasldb does not know\n",
        "saslpasswd: warning: bound@vm: skipped: bound to some networks, which a sasldb does not know\n",
    ] {
        assert!(ran.err.contains(line), "no {line:?} in {ran:?}");
    }
    assert!(!ran.err.contains("alice") && !to.exists());
    let report = place.run(&["--dry-run", "--format", "json", "--export", name(&to)]).succeeded().json();
    let numbers: BTreeMap<_, _> = report
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_u64()?)))
        .collect();
    let expected = [
        ("users", 3),
        ("without_plain", 1),
        ("disabled", 1),
        ("expired", 1),
        ("bound_to_networks", 1),
        ("further_passwords", 1),
        ("ending", 0),
    ];
    assert_eq!(numbers, expected.into());
    assert_eq!((&report["done"], &report["dry_run"]), (&"exported".into(), &true.into()));
    assert!(!report.to_string().contains("secret"));
}

#[test]
fn of_several_passwords_the_main_one_goes_along_while_it_may_be_used() {
    let place = keeping_plain();
    let to = place.path("sasldb2");
    place.set(&["--label", "aaa", "alice"], "device");
    place.set(&["--expires", "2999-01-01", "alice"], "main");
    let exported = |what: &str| {
        let ran = place.run(&["--export", name(&to)]).succeeded();
        assert!(ran.out.contains(what), "{ran:?}");
        dumped(&to).map(|records| records["alice\\00vm\\00userPassword"].clone())
    };
    let Some(password) = exported("1 that expire, ") else { return };
    assert_eq!(password, "main");
    place.run(&["--disable", "--label", "main", "alice"]).succeeded();
    assert_eq!(exported("exported 1 users to").unwrap(), "device");
}

#[test]
fn nothing_is_overwritten_but_a_sasldb_of_this_layout() {
    let place = with_users();
    let store = place.path("copy.redb");
    place.run(&["--backup", name(&store)]).succeeded();
    let dump = place.path("dump");
    place.run(&["--dump", name(&dump)]).succeeded();
    let other = "something that is no sasldb exists already";
    let rows = [
        (place.write("text", "alice:secret\n"), other),
        (store, other),
        (dump, other),
        (place.fixture("access.db"), other),
        (place.fixture("access-btree.db"), other),
        (place.fixture("aliases-sendmail.db"), other),
        (place.write("damaged", &fs::read(fixture("sasldb2.db")).unwrap()[..8192]), other),
        (place.fixture("sasldb2.gdbm"), "a database in another layout (GDBM) exists already"),
        (place.fixture("sasldb2.lmdb"), "a database in another layout (LMDB) exists already"),
    ];
    for (path, words) in rows {
        let before = fs::read(&path).unwrap();
        for rehearsal in [&["--dry-run"][..], &[]] {
            place.run(&[rehearsal, &["--export", name(&path)]].concat()).failed(73, words);
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
    }
    place.run(&["--export", name(&place.store())]).failed(73, other);
    assert_eq!(place.listed().len(), 7);
}

#[test]
fn an_earlier_sasldb_is_replaced_and_its_records_are_counted() {
    let place = keeping_plain();
    place.set(&["alice"], "secret");
    for (before, records) in [("sasldb2.db", 20), ("sasldb2-emptied.db", 0), ("empty-hash.db", 0)] {
        let to = place.fixture(before);
        let clear = b"jrvctaxsy394";
        let ran = place.run(&["--format", "json", "--export", name(&to)]).succeeded();
        assert_eq!(ran.json()["records_replaced"], records, "{before}");
        assert_eq!(listed(place.program(SASLDBLISTUSERS).arg(&to)), ["alice@vm: userPassword"]);
        assert!(!fs::read(&to).unwrap().windows(clear.len()).any(|octets| octets == clear));
    }
    // An empty file is nobody's; and a user who is gone is gone from the next export.
    let to = place.write("empty", "");
    place.run(&["--export", name(&to)]).succeeded();
    place.run(&["-d", "alice"]).succeeded();
    let ran = place.run(&["--export", name(&to)]).succeeded();
    assert!(ran.out.contains("(1 records there before replaced)"), "{ran:?}");
    assert!(listed(place.program(SASLDBLISTUSERS).arg(&to)).is_empty());
}

#[test]
fn who_may_read_it_is_never_more_than_before() {
    let place = keeping_plain();
    place.set(&["alice"], "secret");
    let to = place.fixture("sasldb2.db");
    for (before, after) in [(0o600, 0o600), (0o400, 0o400), (0o660, 0o600), (0o644, 0o600)] {
        mode(&to, before);
        let ran = place.run(&["--export", name(&to)]).succeeded();
        assert_eq!(bits(&to), after, "{before:o}");
        let warned = ran.err.contains(&format!("made with mode {after:04o}, not {before:04o} as before"));
        assert_eq!(warned, before != after, "{ran:?}");
    }
}

#[test]
fn a_group_that_the_configuration_names_reads_it() {
    if need::root().is_err() {
        return;
    }
    let place = keeping_plain();
    place.set(&["alice"], "secret");
    let to = place.path("sasldb2");
    let exception =
        format!("[[file]]\npath = {:?}\nkind = \"secret\"\ngroup_readable = [\"mail\"]\n", name(&to));
    let keeps = configuration(&place.store(), "vm", &["scram-sha-256", "plain"]);
    place.configure(&(keeps + &exception));
    for _ in 0..2 {
        place.run(&["--export", name(&to)]).succeeded();
        assert_eq!(bits(&to), 0o640);
        // Debian's number for mail.
        assert_eq!(fs::metadata(&to).unwrap().gid(), 8);
    }
    // A file that is there keeps its own mode.
    mode(&to, 0o600);
    place.run(&["--export", name(&to)]).succeeded();
    assert_eq!(bits(&to), 0o600);
}

#[test]
fn many_users_are_exported_as_they_are() {
    let users = if need::full() { 200_000 } else { 20_000 };
    let place = Place::keeping(&["plain"]);
    let mut text = String::new();
    for number in 0..users {
        let realm = ["example.org", "Mail.Example.ORG", "r\u{e9}alm.example"][number % 3];
        writeln!(text, "user{number}@{realm}:password {number}").unwrap();
    }
    let source = place.write("users", &text);
    place.run(&["--import", name(&source)]).succeeded();
    let to = place.path("sasldb2");
    let ran = place.run(&["--export", name(&to)]).succeeded();
    assert!(ran.out.starts_with(&format!("exported {users} users to ")), "{ran:?}");
    let Some(records) = dumped(&to) else { return };
    assert_eq!(records.len(), users);
    for number in (0..users).step_by(997).filter(|number| number % 3 == 1) {
        let key = format!("user{number}\\00Mail.Example.ORG\\00userPassword");
        assert_eq!(records[&key], format!("password {number}"));
    }
    let Ok(sasldblistusers2) = need::peer("sasldblistusers2") else { return };
    assert_eq!(
        listed(Command::new(sasldblistusers2).arg("-f").arg(&to)),
        listed(place.program(SASLDBLISTUSERS).arg(&to))
    );
    // Every key is found by libdb, not listed only: Cyrus changes the password of each.
    let Ok(saslpasswd2) = need::peer("saslpasswd2") else { return };
    for number in (0..users).step_by(users / 40) {
        let realm = ["example.org", "Mail.Example.ORG", "r\u{e9}alm.example"][number % 3];
        let mut command = Command::new(&saslpasswd2);
        command.arg("-f").arg(&to).args(["-p", "-u", realm, &format!("user{number}")]);
        feed(&mut command, "changed").succeeded();
    }
    let records = dumped(&to).unwrap();
    assert_eq!(records.len(), users, "none was added beside its own");
    assert_eq!(records.values().filter(|value| *value == "changed").count(), users.div_ceil(users / 40));
}
