//! Every type that is built: what goes in comes out, by `-u` and by `-q`, for ours and for sendmail's makemap.

use crate::bench::{Bench, run};

/// All types that are built.
pub(crate) const TYPES: [&str; 5] = ["redb", "hash", "btree", "cdb", "lmdb"];

/// Those whose keys may have several values.
pub(crate) const WITH_DUPLICATES: [&str; 4] = ["redb", "hash", "btree", "cdb"];

/// Entries with keys that are prefixes of each other, in no order.
fn text(count: usize) -> Vec<u8> {
    let line = |number: usize| {
        let number = number * 7919 % count;
        format!("k{}{number}\tv{} v\n", "x".repeat(number % 23), "v".repeat(number % 90))
    };
    (0..count).map(line).collect::<String>().into_bytes()
}

/// The lines of a text in order, as texts so that a difference can be read.
pub(crate) fn sorted(text: &[u8]) -> Vec<String> {
    let mut lines: Vec<_> = text.split_inclusive(|&octet| octet == b'\n').collect();
    lines.sort_unstable();
    lines.into_iter().map(|line| line.escape_ascii().to_string()).collect()
}

fn keys(text: &[u8]) -> Vec<u8> {
    let key = |line: &[u8]| [line.split(|&octet| octet == b'\t').next().unwrap(), b"\n"].concat();
    text.split_inclusive(|&octet| octet == b'\n').flat_map(key).collect()
}

#[test]
fn what_goes_in_comes_out() {
    for count in [0, 1, 3, 400] {
        let text = text(count);
        for kind in TYPES {
            let bench = Bench::new();
            run(&mut bench.ours([kind, "m"]), &text).expect(0);
            let suffix = if matches!(kind, "hash" | "btree") { "db" } else { kind };
            assert_eq!(bench.names(), [format!("m.{suffix}")], "{kind}");
            let dump = run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out;
            assert_eq!(sorted(&dump), sorted(&text), "{kind} {count}");
            let implicit = run(&mut bench.ours(["-u", "implicit", "m"]), b"").expect(0).out;
            assert_eq!(implicit, dump, "{kind}");
            let found = run(&mut bench.ours(["-q", "-", kind, "m"]), &keys(&text));
            assert_eq!(found.exit, i32::from(count == 0), "{kind}: {found:?}");
            assert_eq!(sorted(&found.out), sorted(&text), "{kind} {count}");
            run(&mut bench.ours(["-q", "kxx", kind, "m"]), b"").expect(1);
        }
    }
}

#[test]
fn sendmails_makemap_reads_what_ours_wrote() {
    let text = text(3000);
    for kind in ["hash", "btree"] {
        for options in [&[][..], &["-N"], &["-d"]] {
            let bench = Bench::new();
            run(&mut bench.ours(options.iter().chain(&[kind, "m"])), &text).expect(0);
            let Ok(mut theirs) =
                bench.theirs(options.iter().filter(|option| **option != "-d").chain(&["-u", kind, "m"]))
            else {
                return;
            };
            let dump = run(&mut theirs, b"").expect(0).out;
            assert_eq!(sorted(&dump), sorted(&text), "{kind} {options:?}");
            // What theirs adds is added to a sound file.
            let Ok(mut theirs) = bench.theirs(["-o", "-r", kind, "m"]) else { return };
            if !options.contains(&"-N") {
                run(&mut theirs, b"new entry\n").expect(0);
                let both = run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out;
                assert_eq!(sorted(&both).len(), 3001, "{kind} {options:?}");
                assert_eq!(run(&mut bench.ours(["-q", "new", kind, "m"]), b"").expect(0).out, b"entry\n");
            }
        }
    }
}

#[test]
fn duplicates_keep_their_order_where_the_type_has_them() {
    let many: Vec<_> = (0..900).map(|number| format!("b {number} {}\n", "v".repeat(number % 40))).collect();
    let text = format!("b first\na 1\n{}c 3\nb last\n", many.concat());
    for kind in WITH_DUPLICATES {
        let bench = Bench::new();
        run(&mut bench.ours(["-d", kind, "m"]), text.as_bytes()).expect(0);
        let dump = String::from_utf8(run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out).unwrap();
        let of_b: Vec<_> = dump.lines().filter_map(|line| line.strip_prefix("b\t")).collect();
        let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("b ")).collect();
        assert_eq!(of_b, expected, "{kind}");
        assert_eq!(run(&mut bench.ours(["-q", "b", kind, "m"]), b"").expect(0).out, b"first\n", "{kind}");
        run(&mut bench.ours(["-o", "-d", kind, "m"]), b"b added\n").expect(0);
        let dump = run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out;
        assert_eq!(sorted(&dump).len(), 905, "{kind}");
    }
    let bench = Bench::new();
    let said = run(&mut bench.ours(["-d", "lmdb", "m"]), b"a 1\n").expect(73);
    assert!(said.text().contains("map m: it holds one value for each key"), "{said:?}");
    assert_eq!(bench.names(), [""; 0]);
}

#[test]
fn entries_are_added_in_the_form_that_is_there() {
    for kind in TYPES {
        let bench = Bench::new();
        run(&mut bench.ours(["-N", kind, "m"]), b"a 1\nb 2\n").expect(0);
        run(&mut bench.ours(["-o", kind, "m"]), b"c 3\n").expect(0);
        for (key, value) in [("a", "1\n"), ("c", "3\n")] {
            assert_eq!(
                run(&mut bench.ours(["-q", key, kind, "m"]), b"").expect(0).out,
                value.as_bytes(),
                "{kind}"
            );
        }
        let file = bench.names().remove(0);
        let octets = bench.read(&file);
        // Key and value each with the NUL, whatever stands between them.
        let has = |what: &[u8]| octets.windows(what.len()).any(|window| window == what);
        assert!(has(b"c\0") && has(b"3\0"), "{kind}");
        run(&mut bench.ours(["-o", "-r", kind, "m"]), b"a 9\n").expect(0);
        assert_eq!(run(&mut bench.ours(["-q", "a", kind, "m"]), b"").expect(0).out, b"9\n", "{kind}");
    }
}

#[test]
fn what_a_type_cannot_hold_is_told_with_its_line() {
    let bench = Bench::new();
    run(&mut bench.ours(["lmdb", "m"]), b"a 1\n").expect(0);
    let before = bench.read("m.lmdb");
    let text = format!("b 2\n{} 3\nc 4\n", "k".repeat(600));
    let said = run(&mut bench.ours(["lmdb", "m"]), text.as_bytes()).expect(65);
    let expected = format!(
        "makemap: m: line 2: key {}: a key of 600 octets, more than the format can hold (511)",
        "k".repeat(64)
    );
    assert_eq!(said.err[0], expected);
    assert!(bench.read("m.lmdb") == before, "the old map stays");
    let said = run(&mut bench.ours(["-t:", "lmdb", "m"]), b":x\n").expect(65);
    assert!(said.text().contains("line 1: key : an empty key cannot be stored"), "{said:?}");
    run(&mut bench.ours(["hash", "m"]), text.as_bytes()).expect(0);
}

#[test]
fn the_list_says_what_each_type_can_do() {
    let bench = Bench::new();
    let out = String::from_utf8(run(&mut bench.ours(["-l"]), b"").expect(0).out).unwrap();
    for kind in TYPES {
        assert!(out.contains(&format!("{kind:10}build, read\n")), "{out}");
    }
    assert!(out.contains("gdbm      read\n"), "{out}");
}

#[test]
fn a_damaged_map_is_refused_by_type_and_place() {
    for kind in TYPES {
        let bench = Bench::new();
        run(&mut bench.ours([kind, "m"]), &text(300)).expect(0);
        let file = bench.names().remove(0);
        let octets = bench.read(&file);
        bench.write(&file, &octets[..octets.len() - 100]);
        let said = run(&mut bench.ours(["-u", kind, "m"]), b"");
        assert!(matches!(said.exit, 65 | 73), "{kind}: {said:?}");
        assert!(said.text().contains("damaged"), "{kind}: {said:?}");
    }
}
