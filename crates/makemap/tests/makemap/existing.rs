//! The rows about a map that is there already, about types and about names: sendmail's makemap and ours, row by row.
//!
//! A row says what is there, what is run, and what sendmail's makemap then does. Ours does the same in all of them.

use crate::bench::{Bench, Said, run};
use crate::source::by_key;

/// What stands at the place of the map.
#[derive(Clone, Copy)]
enum There {
    Nothing,
    /// A map of this type, made with these options from this text.
    Made(&'static [&'static str], &'static str),
    /// These octets.
    Octets(&'static [u8]),
}

/// What a run leaves: its exit, a part of its message, and the content of the map afterwards (none: what was there
/// is unchanged, octet for octet).
#[derive(Clone, Copy)]
struct Outcome<'a>(i32, &'a str, Option<&'static str>);

struct Row {
    there: There,
    arguments: &'static [&'static str],
    input: &'static str,
    theirs: Outcome<'static>,
    /// Ours does the same; its words for it.
    ours: &'static str,
}

use There::{Made, Nothing, Octets};

const AB: There = Made(&["hash"], "a b\n");
const DUP: There = Made(&["-d", "btree"], "a b\na c\n");
const TEXT: There = Octets(b"this is a text and no map, long enough to hold a magic number if it had one\n");

/// `hash` and `btree` stand for the type: ours builds `redb` in their place.
const ROWS: &[Row] = &[
    Row {
        there: Nothing,
        arguments: &["-o", "hash"],
        input: "x y\n",
        theirs: Outcome(73, "error opening type hash map m: No such file or directory", None),
        ours: "error opening type redb map m: m.redb: no such file or directory",
    },
    Row {
        there: AB,
        arguments: &["-o", "hash"],
        input: "x y\n",
        theirs: Outcome(0, "", Some("a\tb\nx\ty\n")),
        ours: "",
    },
    Row {
        there: AB,
        arguments: &["-o", "hash"],
        input: "a y\n",
        theirs: Outcome(65, "m: line 1: key a: duplicate key", Some("a\tb\n")),
        ours: "m: line 1: key a: duplicate key",
    },
    Row {
        there: AB,
        arguments: &["-o", "-r", "hash"],
        input: "a y\n",
        theirs: Outcome(0, "", Some("a\ty\n")),
        ours: "",
    },
    Row {
        there: AB,
        arguments: &["-o", "-d", "hash"],
        input: "a y\n",
        theirs: Outcome(73, "error opening type hash map m: Invalid argument", None),
        ours: "error opening type redb map m: Invalid argument: the map was made without -d",
    },
    Row {
        there: DUP,
        arguments: &["-o", "btree"],
        input: "a y\n",
        theirs: Outcome(65, "m: line 1: key a: duplicate key", Some("a\tb\na\tc\n")),
        ours: "m: line 1: key a: duplicate key",
    },
    Row {
        there: DUP,
        arguments: &["-o", "-d", "btree"],
        input: "a y\n",
        theirs: Outcome(0, "", Some("a\tb\na\tc\na\ty\n")),
        ours: "",
    },
    Row {
        there: DUP,
        arguments: &["-o", "-r", "btree"],
        input: "a y\n",
        theirs: Outcome(0, "", Some("a\tb\na\tc\na\ty\n")),
        ours: "",
    },
    Row {
        there: TEXT,
        arguments: &["-o", "hash"],
        input: "x y\n",
        theirs: Outcome(73, "error opening type hash map m: Invalid argument", None),
        ours: "error opening type redb map m: ",
    },
    Row {
        there: Octets(b""),
        arguments: &["-o", "hash"],
        input: "x y\n",
        theirs: Outcome(73, "error opening type hash map m: Invalid argument", None),
        ours: "error opening type redb map m: ",
    },
    Row {
        there: TEXT,
        arguments: &["hash"],
        input: "x y\n",
        theirs: Outcome(0, "", Some("x\ty\n")),
        ours: "",
    },
    Row {
        there: Octets(b""),
        arguments: &["hash"],
        input: "x y\n",
        theirs: Outcome(0, "", Some("x\ty\n")),
        ours: "",
    },
    Row { there: AB, arguments: &["hash"], input: "x y\n", theirs: Outcome(0, "", Some("x\ty\n")), ours: "" },
    Row { there: AB, arguments: &["hash"], input: "", theirs: Outcome(0, "", Some("")), ours: "" },
    Row {
        there: TEXT,
        arguments: &["-u", "hash"],
        input: "",
        theirs: Outcome(73, "error opening type hash map m: Invalid argument", None),
        ours: "error opening type redb map m: ",
    },
    Row {
        there: Octets(b""),
        arguments: &["-u", "hash"],
        input: "",
        theirs: Outcome(73, "error opening type hash map m: Invalid argument", None),
        ours: "error opening type redb map m: ",
    },
    Row {
        there: Nothing,
        arguments: &["-u", "hash"],
        input: "",
        theirs: Outcome(73, "error opening type hash map m: No such file or directory", None),
        ours: "error opening type redb map m: m.redb: no such file or directory",
    },
    Row {
        there: Nothing,
        arguments: &["foo"],
        input: "a b\n",
        theirs: Outcome(73, "error opening type foo map m: Unknown database type", None),
        ours: "error opening type foo map m: unknown type of map (types: redb, hash, btree",
    },
    Row {
        there: Nothing,
        arguments: &["HASH"],
        input: "a b\n",
        theirs: Outcome(73, "error opening type HASH map m: Unknown database type", None),
        ours: "error opening type HASH map m: unknown type of map",
    },
    Row {
        there: Nothing,
        arguments: &["dbm"],
        input: "a b\n",
        theirs: Outcome(73, "Need to recompile with -DNDBM for dbm support", None),
        ours: "error opening type dbm map m: unknown type of map",
    },
    Row {
        there: Nothing,
        arguments: &["gdbm"],
        input: "a b\n",
        theirs: Outcome(73, "error opening type gdbm map m: Unknown database type", None),
        ours: "error opening type gdbm map m: maps of this type are not written (types that are: redb, hash,",
    },
];

#[test]
fn sendmails_makemap_does_what_the_rows_say() {
    let bench = Bench::new();
    for (number, row) in ROWS.iter().enumerate() {
        clear(&bench, "m.db");
        let theirs = |arguments: &[&str]| bench.theirs(arguments.iter().chain(&["m"]));
        let Ok(_) = theirs(&[]) else { return };
        let before = set(&bench, "m.db", row.there, |arguments, text| {
            run(&mut theirs(arguments).unwrap(), text.as_bytes());
        });
        let said = run(&mut theirs(row.arguments).unwrap(), row.input.as_bytes());
        let kind = row.arguments.last().unwrap();
        check(number, &said, row.theirs, before.as_ref(), contents(&bench, "m.db").as_ref(), || {
            run(&mut theirs(&["-u", kind]).unwrap(), b"").expect(0).out
        });
    }
}

#[test]
fn ours_does_what_the_rows_say() {
    for (kind, file) in [("redb", "m.redb"), ("hash", "m.db"), ("btree", "m.db")] {
        let bench = Bench::new();
        for (number, row) in ROWS.iter().enumerate() {
            clear(&bench, file);
            let in_ours =
                |word: &&str| if matches!(*word, "hash" | "btree") { kind } else { word }.to_owned();
            let ours = |arguments: &[&str]| bench.ours(arguments.iter().map(in_ours).chain(["m".to_owned()]));
            let before = set(&bench, file, row.there, |arguments, text| {
                run(&mut ours(arguments), text.as_bytes()).expect(0);
            });
            let said = run(&mut ours(row.arguments), row.input.as_bytes());
            let words = row.ours.replace("type redb", &format!("type {kind}")).replace("m.redb", file);
            let expected = Outcome(row.theirs.0, &words, row.theirs.2);
            check(number, &said, expected, before.as_ref(), contents(&bench, file).as_ref(), || {
                run(&mut ours(&["-u", kind]), b"").expect(0).out
            });
        }
    }
}

fn clear(bench: &Bench, name: &str) {
    if bench.path(name).is_file() {
        std::fs::remove_file(bench.path(name)).unwrap();
    }
}

/// Sets the stage; gives what then stands there.
fn set(bench: &Bench, name: &str, there: There, make: impl Fn(&[&str], &str)) -> Option<Vec<u8>> {
    match there {
        Nothing => {}
        Made(arguments, text) => make(arguments, text),
        Octets(octets) => bench.write(name, octets),
    }
    contents(bench, name)
}

fn contents(bench: &Bench, name: &str) -> Option<Vec<u8>> {
    std::fs::read(bench.path(name)).ok()
}

fn check(
    number: usize,
    said: &Said,
    Outcome(exit, message, content): Outcome<'_>,
    before: Option<&Vec<u8>>,
    after: Option<&Vec<u8>>,
    dump: impl Fn() -> Vec<u8>,
) {
    assert_eq!(said.exit, exit, "row {number}: {said:?}");
    assert_eq!(said.err.is_empty(), message.is_empty(), "row {number}: {said:?}");
    assert!(said.text().contains(message), "row {number}: {said:?}");
    match content {
        None => assert_eq!(after, before, "row {number}: something has changed"),
        Some(content) => {
            assert_eq!(by_key(&dump(), b'\t'), by_key(content.as_bytes(), b'\t'), "row {number}");
        }
    }
}
