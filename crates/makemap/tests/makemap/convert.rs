//! `--convert`: any type that is read becomes any that is written, and a directory tells what is to be converted.

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, run};
use crate::every_type::{TYPES, WITH_DUPLICATES, sorted};
use crate::query::fixture;
use crate::usage::{own_etc, under_etc};

#[test]
fn every_type_becomes_every_other() {
    let text = b"a 1\nab 2\nb 3 4  5\nconnect:10 RELAY\n";
    for old in TYPES {
        for new in TYPES {
            let bench = Bench::new();
            run(&mut bench.ours([old, "m"]), text).expect(0);
            let before = run(&mut bench.ours(["-u", old, "m"]), b"").expect(0).out;
            let (from, to) = (format!("{old}:m"), format!("{new}:n"));
            let said = run(&mut bench.ours(["--convert", &from, &to]), b"").expect(0);
            let line = String::from_utf8(said.out).unwrap();
            assert!(line.starts_with(&format!("converted 4 records: {old}:m.")), "{line}");
            assert!(line.contains(&format!(" to {new}:n.")) && line.lines().count() == 1, "{line}");
            let after = run(&mut bench.ours(["-u", new, "n"]), b"").expect(0).out;
            assert_eq!(sorted(&after), sorted(&before), "{old} to {new}");
        }
    }
}

#[test]
fn files_of_real_programs_become_anything() {
    for file in [
        "access.db",
        "access-null.db",
        "access-btree.db",
        "be-hash.db",
        "overflow-hash.db",
        "transport.cdb",
        "transport.lmdb",
        "big.gdbm",
    ] {
        for new in TYPES {
            let bench = Bench::new();
            fixture(&bench, file, file);
            let said =
                run(&mut bench.ours(["--format", "json", "--convert", file, &format!("{new}:n")]), b"");
            let refused = new == "lmdb" && said.text().contains("more than the format can hold");
            if refused {
                continue;
            }
            let said = said.expect(0);
            let object: serde_json::Value = serde_json::from_slice(&said.out).unwrap();
            assert!(object["records"].as_u64().is_some_and(|count| count > 0), "{object}");
            assert_eq!((&object["new_type"], &object["old"]), (&new.into(), &file.into()), "{object}");
            // What was counted with a NUL is still found without.
            let dump = run(&mut bench.ours(["-u", "implicit", file]), b"").expect(0).out;
            let again = run(&mut bench.ours(["-u", new, "n"]), b"").expect(0).out;
            assert_eq!(sorted(&again), sorted(&dump), "{file} to {new}");
        }
    }
}

#[test]
fn duplicates_go_where_they_can_be_kept() {
    for old in WITH_DUPLICATES {
        let bench = Bench::new();
        run(&mut bench.ours(["-d", old, "m"]), b"b 1\na 1\nb 2\nb 0\n").expect(0);
        for new in WITH_DUPLICATES {
            run(&mut bench.ours(["--convert", &format!("{old}:m"), &format!("{new}:n")]), b"").expect(0);
            let dump = String::from_utf8(run(&mut bench.ours(["-u", new, "n"]), b"").expect(0).out).unwrap();
            let of_b: Vec<_> = dump.lines().filter_map(|line| line.strip_prefix("b\t")).collect();
            assert_eq!(of_b, ["1", "2", "0"], "{old} to {new}");
        }
        let said = run(&mut bench.ours(["--convert", &format!("{old}:m"), "lmdb:n"]), b"").expect(73);
        assert!(said.text().contains("the old map has 2 further values of keys"), "{said:?}");
        assert!(!bench.path("n.lmdb").exists(), "{old}");
    }
}

#[test]
fn a_map_becomes_another_in_its_own_place() {
    let bench = Bench::new();
    run(&mut bench.ours(["hash", "m"]), b"a 1\n").expect(0);
    run(&mut bench.ours(["--convert", "hash:m", "btree:m"]), b"").expect(0);
    assert_eq!(run(&mut bench.ours(["-u", "btree", "m"]), b"").expect(0).out, b"a\t1\n");
}

/// As sendmail's makemap gives it: then it is read back as the map of that owner, too.
#[test]
fn the_new_map_belongs_to_the_trusted_user_of_sendmail_cf() {
    use std::os::unix::fs::MetadataExt as _;
    if tests::need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    own_etc(&bench);
    let Some(said) = under_etc(&bench, &["hash", "m"]) else { return };
    said.expect(0);
    for new in ["hash:n", "btree:n", "n.cdb", "n.lmdb"] {
        let Some(said) = under_etc(&bench, &["--convert", "hash:m", new]) else { return };
        assert!(said.expect(0).out.starts_with(b"converted 1 records"), "{new}");
    }
    assert_eq!(std::fs::metadata(bench.path("n.cdb")).unwrap().uid(), 4242);
}

#[test]
fn secrets_stay_closed() {
    let bench = Bench::new();
    run(&mut bench.ours(["hash", "m"]), b"AuthInfo:h \"U:u\" \"P:secret\"\n").expect(0);
    run(&mut bench.ours(["--convert", "hash:m", "m.cdb"]), b"").expect(0);
    let mode = std::fs::metadata(bench.path("m.cdb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn misuse_says_what_is_missing() {
    let bench = Bench::new();
    run(&mut bench.ours(["hash", "m"]), b"a 1\n").expect(0);
    let said = run(&mut bench.ours(["--convert", "m.db", "n.db"]), b"").expect(64);
    assert!(said.text().contains("fix: makemap --convert OLD hash:n.db"), "{said:?}");
    run(&mut bench.ours(["--convert", "absent.db", "cdb:n"]), b"").expect(73);
    run(&mut bench.ours(["--convert", "m.db", "gdbm:n"]), b"").expect(73);
    run(&mut bench.ours(["--convert"]), b"").expect(64);
    run(&mut bench.ours(["--convert", "-u", "m.db", "n.cdb"]), b"").expect(64);
    assert_eq!(bench.names(), ["m.db"]);
}

/// Whatever its name, by its magic number; and what the survey advises works.
#[test]
fn a_file_of_any_name_is_converted() {
    let bench = Bench::new();
    bench.fresh("below");
    fixture(&bench, "access.db", "below/nosuffix");
    fixture(&bench, "access-btree.db", "below/old.hash");
    let said = run(&mut bench.ours(["--format", "json", "--convert", "below"]), b"").expect(0);
    let lines = String::from_utf8(said.out).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let command = object["convert"].as_str().unwrap().strip_prefix("makemap ").unwrap();
        let said = run(&mut bench.ours(command.split(' ')), b"").expect(0);
        assert!(said.out.starts_with(b"converted 80 records"), "{command}");
    }
}

#[test]
fn a_directory_tells_what_is_in_it() {
    let bench = Bench::new();
    let below = bench.fresh("below");
    for (file, to) in [
        ("sasldb2.db", "below/sasldb2"),
        ("access.db", "below/access.db"),
        ("aliases-postfix.db", "below/aliases.db"),
        ("access-btree.db", "below/b.db"),
        ("transport.cdb", "below/t.cdb"),
        ("sasldb2.gdbm", "below/g"),
        ("corrupt/bucket-cycle-self.db", "below/torn.db"),
    ] {
        fixture(&bench, file, to);
    }
    bench.fresh("below/deeper");
    fixture(&bench, "empty-hash.db", "below/deeper/e.db");
    bench.write("below/text", b"a b\n");
    std::os::unix::fs::symlink(bench.path("below"), below.join("deeper/again")).unwrap();
    let said = run(&mut bench.ours(["--convert", "below"]), b"").expect(66);
    let out = String::from_utf8(said.out).unwrap();
    let expected = [
        "hash   sendmail map  below/access.db\n    makemap --convert below/access.db below/access.cdb\n",
        "hash   Postfix map   below/aliases.db\n    makemap --convert below/aliases.db below/aliases.lmdb\n",
        "btree  sendmail map  below/b.db\n    makemap --convert below/b.db below/b.cdb\n",
        "hash   sasldb        below/sasldb2\n    saslpasswd --import below/sasldb2\n",
        "hash   unread        below/torn.db\n    page 1: the page is reached twice\n",
        "hash   unknown       below/deeper/e.db\n    makemap --convert below/deeper/e.db below/deeper/e.redb\n",
        "6 Berkeley DB files below below\n",
    ];
    assert_eq!(out, expected.concat());
    let said = run(&mut bench.ours(["--format", "json", "--convert", "below/deeper"]), b"").expect(0);
    let object: serde_json::Value = serde_json::from_slice(&said.out).unwrap();
    assert_eq!((&object["is"], &object["type"]), (&"unknown".into(), &"hash".into()));
    run(&mut bench.ours(["--convert", "nowhere"]), b"").expect(66);
}
