//! `-q`: look-ups, on maps of ours and on maps that sendmail's makemap and postmap wrote.

use crate::bench::{Bench, run};

/// Copies a file that real programs wrote into the directory.
pub(crate) fn fixture(bench: &Bench, name: &str, to: &str) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps");
    bench.write(to, &std::fs::read(format!("{fixtures}/{name}")).unwrap());
}

#[test]
fn one_key_gives_its_value_or_exit_1() {
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"Key Value  \nother 2\n").expect(0);
    let rows: [(&[&str], i32, &[u8]); 6] = [
        (&["-q", "key"], 0, b"Value  \n"),
        (&["-q", "KEY"], 0, b"Value  \n"),
        (&["-fq", "KEY"], 1, b""),
        (&["-q", "ke"], 1, b""),
        (&["-q", ""], 1, b""),
        (&["-q", "key "], 1, b""),
    ];
    for (options, exit, out) in rows {
        let said = run(&mut bench.ours(options.iter().chain(&["redb", "m"])), b"").expect(exit);
        assert_eq!(said.out, out, "{options:?}");
        assert_eq!(said.err, [""; 0], "{options:?}");
        let said = run(&mut bench.ours(options.iter().chain(&["implicit", "m"])), b"").expect(exit);
        assert_eq!(said.out, out, "{options:?} implicit");
    }
}

#[test]
fn keys_on_standard_input_give_key_and_value() {
    let bench = Bench::new();
    run(&mut bench.ours(["-t:", "redb", "m"]), b"a b:1\nc:2\n").expect(0);
    let said = run(&mut bench.ours(["-q", "-", "redb", "m"]), b"A b\nnone\nc\n\nc").expect(0);
    assert_eq!(said.out, b"A b\t1\nc\t2\nc\t2\n");
    let said = run(&mut bench.ours(["-q", "-", "redb", "m"]), b"none\n").expect(1);
    assert_eq!(said.out, b"");
    run(&mut bench.ours(["-q", "-", "redb", "m"]), b"").expect(1);
}

#[test]
fn a_map_that_keeps_the_case_is_asked_in_that_case() {
    let bench = Bench::new();
    run(&mut bench.ours(["-f", "redb", "m"]), b"Key upper\nkey lower\n").expect(0);
    let ask = |key| String::from_utf8(run(&mut bench.ours(["-q", key, "redb", "m"]), b"").out).unwrap();
    assert_eq!((ask("Key"), ask("key"), ask("KEY")), ("upper\n".into(), "lower\n".into(), String::new()));
}

#[test]
fn maps_of_other_programs_answer_with_and_without_the_counted_nul() {
    let bench = Bench::new();
    for (file, kind) in [("access.db", "hash"), ("access-null.db", "hash"), ("access-btree.db", "btree")] {
        fixture(&bench, file, "m.db");
        let dump = run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out;
        let lines: Vec<&[u8]> = dump.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 80, "{file}");
        let keys: Vec<u8> = lines
            .iter()
            .flat_map(|line| [line.split(|&o| o == b'\t').next().unwrap(), b"\n"].concat())
            .collect();
        let said = run(&mut bench.ours(["-f", "-q", "-", kind, "m"]), &keys).expect(0);
        assert_eq!(said.out, dump, "{file}: every key that is there is found");
        run(&mut bench.ours(["-q", "no.such.key", kind, "m"]), b"").expect(1);
    }
}

#[test]
fn implicit_is_the_type_that_the_file_has() {
    let bench = Bench::new();
    for (file, kind) in [("access.db", "hash"), ("access-btree.db", "btree")] {
        fixture(&bench, file, "m.db");
        let explicit = run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out;
        for name in ["m", "m.db"] {
            assert_eq!(run(&mut bench.ours(["-u", "implicit", name]), b"").expect(0).out, explicit);
        }
        run(&mut bench.ours(["implicit", "m"]), b"a b\n").expect(0);
        assert_eq!(bench.names(), ["m.db"], "no second map beside the one that is read");
        assert_eq!(
            run(&mut bench.ours(["-u", kind, "m"]), b"").expect(0).out,
            b"a\tb\n",
            "and it keeps its type"
        );
        let wrong = if kind == "hash" { "btree" } else { "hash" };
        let said = run(&mut bench.ours(["-u", wrong, "m"]), b"").expect(73);
        assert!(said.text().contains(&format!("error opening type {wrong} map m: ")), "{said:?}");
    }
    run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(0);
    let said = run(&mut bench.ours(["-u", "implicit", "m"]), b"").expect(73);
    assert!(said.text().contains("two maps of that name"), "{said:?}");
    let said = run(&mut bench.ours(["-u", "implicit", "nothing"]), b"").expect(73);
    assert!(said.text().contains("no such file"), "{said:?}");
}

#[test]
fn answers_are_objects_for_programs() {
    let bench = Bench::new();
    run(&mut bench.ours(["-t:", "redb", "m"]), b"a b:1\t\"x\"\nc:\xff\\\n").expect(0);
    let ask = |arguments: &[&str], input: &[u8]| {
        let said = run(&mut bench.ours(["--format", "json"].iter().chain(arguments)), input).expect(0);
        let lines = String::from_utf8(said.out).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let first = |key: &str| serde_json::json!({"key": key, "value": "1\\t\"x\""});
    let second = serde_json::json!({"key": "c", "value": "\\xff\\\\"});
    assert_eq!(ask(&["-q", "A b", "redb", "m"], b""), [first("A b")], "the key as it was asked for");
    assert_eq!(ask(&["-q", "-", "redb", "m"], b"c\nnone\na b\n"), [second.clone(), first("a b")]);
    assert_eq!(ask(&["-u", "redb", "m"], b""), [first("a b"), second]);
    let shown = ask(&["-v", "redb", "n"], b"k v\nauthinfo:h \"U:a\" \"P:b\"\n");
    assert_eq!(shown[0], serde_json::json!({"key": "k", "value": "v"}));
    assert_eq!(shown[1], serde_json::json!({"key": "authinfo:h", "value": "(secret)"}));
    let said = run(&mut bench.ours(["--format", "json", "-q", "none", "redb", "m"]), b"").expect(1);
    assert_eq!((said.out, said.err), (vec![], vec![]));
}
