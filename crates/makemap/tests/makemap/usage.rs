//! The command line as built: usage errors, lists of types, sendmail.cf.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tests::need;
use tests::terminal::{CTRL_D, Terminal};

use crate::bench::{Bench, Said, run};
use crate::{query, reasons};

#[test]
fn usage_errors_exit_64_with_the_usage() {
    let bench = Bench::new();
    let rows: [&[&str]; 8] = [
        &[],
        &["redb"],
        &["redb", "m", "x"],
        &["-z", "redb", "m"],
        &["-h"],
        &["redb", "m", "-t"],
        &["--no"],
        &["-z", "-l"],
    ];
    for arguments in rows {
        let said = run(&mut bench.ours(arguments), b"a b\n").expect(64);
        assert!(said.text().contains("Usage: makemap [-C cffile] [-N]"), "{arguments:?}: {said:?}");
        assert_eq!((bench.names().len(), said.out.len()), (0, 0), "{arguments:?}");
        let Ok(mut theirs) = bench.theirs(arguments) else { continue };
        run(&mut theirs, b"a b\n").expect(64);
    }
}

#[test]
fn lists_of_types_act_when_they_are_reached() {
    let bench = Bench::new();
    let list = |arguments: &[&str]| {
        let said = run(&mut bench.ours(arguments), b"").expect(0);
        assert_eq!(said.err, [""; 0]);
        String::from_utf8(said.out).unwrap()
    };
    let words =
        |text: &str| text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(words(&list(&["-l"])), ["redb", "hash", "btree", "cdb", "lmdb", "gdbm", "implicit"]);
    assert_eq!(
        words(&list(&["-L"])),
        ["redb", "hash", "btree", "cdb", "lmdb", "gdbm", "implicit", "cf", "CF"]
    );
    assert_eq!(list(&["-x"]), "redb:redb\nhash:db\nbtree:db\ncdb:cdb\nlmdb:lmdb\ngdbm:gdbm\nimplicit:\n");
    assert_eq!(list(&["-l", "-z", "--no"]), list(&["-l"]));
    assert!(list(&["-l"]).contains("redb      build, read\nhash      build, read\n"));
    let objects = list(&["--format", "json", "-l"]);
    let objects: Vec<serde_json::Value> =
        objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        objects[0],
        serde_json::json!({"type": "redb", "suffix": ".redb", "read": true, "build": true})
    );
}

#[test]
fn types_that_cannot_be_built_are_told_with_those_that_can() {
    reasons::check("no mail program writes it");
    let bench = Bench::new();
    for (kind, message) in
        [("gdbm", "types that are: redb, hash, btree, cdb, lmdb"), ("foo", "types: redb, hash, btree, cdb")]
    {
        let said = run(&mut bench.ours([kind, "m"]), b"a b\n").expect(73);
        assert!(said.text().contains(&format!("error opening type {kind} map m: ")), "{said:?}");
        assert!(said.text().contains(message), "{said:?}");
    }
    assert_eq!(bench.names(), [""; 0]);
    run(&mut bench.ours(["implicit", "m"]), b"a b\n").expect(0);
    assert_eq!(bench.names(), ["m.db"], "a new map is a hash, as sendmail's would be");
}

/// Arguments after `-C c.cf`, exit, a part of the message, the file that is then there.
type CfRow<'a> = (&'a [&'a str], i32, &'a str, &'a str);

#[test]
fn the_type_comes_from_sendmail_cf() {
    let bench = Bench::new();
    let directory = bench.fresh("row");
    let full = |name: &str| directory.join(name).display().to_string();
    let cf = format!(
        "Kx redb -T<TMPF> {}\nKy redb {}.redb\nKz regex -a@ {}\n",
        full("access"),
        full("virtual"),
        full("pattern")
    );
    bench.write("c.cf", cf.as_bytes());
    let (access, virtusers, pattern) = (full("access"), full("virtual"), full("pattern"));
    let rows: [CfRow<'_>; 8] = [
        (&["cf", &access], 0, "", "access.redb"),
        (&["cf", &virtusers], 65, "mapfile", ""),
        (&["CF", "row/virtual"], 0, "", "virtual.redb"),
        (&["cf", &pattern], 73, "error opening type regex map", ""),
        (&["cf", "row/access"], 65, "mapfile row/access: not found in c.cf", ""),
        (&["-i", "redb", "cf", "row/other"], 0, "", "other.redb"),
        (
            &["-v", "-i", "redb", "cf", "row/other"],
            0,
            "mapfile row/other: not found in c.cf, using fallback redb",
            "other.redb",
        ),
        (&["-i", "redb", "foo", "row/other"], 73, "error opening type foo map", ""),
    ];
    for (arguments, exit, message, file) in rows {
        bench.fresh("row");
        let said = run(&mut bench.ours(arguments), b"a b\n").expect(exit);
        assert!(said.text().contains(message), "{arguments:?}: {said:?}");
        assert_eq!(said.err.is_empty(), message.is_empty(), "{arguments:?}: {said:?}");
        assert!(file.is_empty() || bench.path("row").join(file).is_file(), "{arguments:?}");
        let Ok(mut theirs) =
            bench.theirs(arguments.iter().map(|word| if *word == "redb" { "btree" } else { word }))
        else {
            continue;
        };
        bench.write("c.cf", cf.replace("redb", "btree").replace(".btree", ".db").as_bytes());
        run(&mut theirs, b"a b\n").expect(exit);
        bench.write("c.cf", cf.as_bytes());
    }
}

#[test]
fn a_sendmail_cf_that_is_named_has_to_be_there() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("c.cf")).unwrap();
    let said = run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(66);
    assert!(said.text().contains("c.cf: no such file or directory"), "{said:?}");
    let Ok(mut theirs) = bench.theirs(["hash", "m"]) else { return };
    run(&mut theirs, b"a b\n").expect(66);
}

#[test]
fn a_directory_is_no_sendmail_cf() {
    reasons::check("a directory was not meant, and nobody is named in it");
    let bench = Bench::new();
    bench.fresh("d");
    let said = run(&mut bench.ours(["-C", "d", "redb", "m"]), b"a b\n").expect(66);
    assert!(said.text().contains("d: unsafe map (not-regular): "), "{said:?}");
    let Ok(mut theirs) = bench.theirs(["-C", "d", "hash", "m"]) else { return };
    run(&mut theirs, b"a b\n").expect(0);
}

/// A directory to be /etc, with a sendmail.cf that names the TrustedUser 4242.
pub(crate) fn own_etc(bench: &Bench) -> std::path::PathBuf {
    let etc = bench.fresh("etc");
    bench.write("etc/passwd", b"root:x:0:0::/root:/bin/sh\n");
    bench.write("etc/group", b"root:x:0:\n");
    std::fs::create_dir(etc.join("mail")).unwrap();
    bench.write("etc/mail/sendmail.cf", b"O TrustedUser=4242\n");
    etc
}

/// Runs ours where /etc is this directory, and without `-C`.
pub(crate) fn under_etc(bench: &Bench, arguments: &[&str]) -> Option<Said> {
    let mut command = need::own_mounts().ok()?;
    command.args(["sh", "-c", "mount --bind etc /etc && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_makemap")]);
    Some(run(command.args(arguments).current_dir(bench.path(".")), b"a b\n"))
}

#[test]
fn the_sendmail_cf_of_the_host_is_read_only_for_what_needs_it() {
    if need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    let etc = own_etc(&bench);
    let readers: [&[&str]; 4] =
        [&["redb", "m"], &["-o", "-r", "redb", "m"], &["-u", "redb", "m"], &["-q", "a", "redb", "m"]];
    // On a stock Debian /etc/mail belongs to an account of sendmail's, so that nothing in it is safe.
    for owner in [0, 4242] {
        std::os::unix::fs::chown(etc.join("mail"), Some(owner), None).unwrap();
        for arguments in readers {
            let Some(said) = under_etc(&bench, arguments) else { return };
            assert_eq!(said.expect(0).err, [""; 0], "{arguments:?}");
        }
        assert_eq!(
            std::fs::metadata(bench.path("m.redb")).unwrap().uid(),
            0,
            "it names nobody for our own maps"
        );
    }
    let Some(said) = under_etc(&bench, &["cf", "m"]) else { return };
    assert!(said.expect(66).text().contains("(directory-owner): /etc/mail: "));
}

/// A map as sendmail's own makemap leaves it on a stock Debian: of the TrustedUser that sendmail.cf names.
fn map_of_sendmails(bench: &Bench, kind: &str) {
    let file = if kind == "hash" { "access.db" } else { "access-btree.db" };
    query::fixture(bench, file, "m.db");
    std::os::unix::fs::chown(bench.path("m.db"), Some(4242), Some(0)).unwrap();
    std::fs::set_permissions(bench.path("m.db"), Permissions::from_mode(0o640)).unwrap();
    bench.fresh("etc");
    bench.write("etc/passwd", b"root:x:0:0::/root:/bin/sh\nsmmta:x:4242:4242::/:/bin/false\n");
    bench.write("etc/group", b"root:x:0:\n");
    bench.fresh("etc/mail");
    bench.fresh("etc/gatepost");
    bench.write("etc/mail/sendmail.cf", b"O TrustedUser=smmta\n");
}

#[test]
fn a_map_of_sendmails_trusted_user_is_read() {
    if need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    for kind in ["hash", "btree"] {
        map_of_sendmails(&bench, kind);
        let Some(said) = under_etc(&bench, &["-u", kind, "m"]) else { return };
        let dump = String::from_utf8(said.expect(0).out).unwrap();
        let (key, value) = dump.lines().next().unwrap().split_once('\t').unwrap();
        for arguments in [["-fq", key, kind, "m"], ["-fq", key, "implicit", "m"]] {
            let Some(said) = under_etc(&bench, &arguments) else { return };
            let said = said.expect(0);
            assert_eq!((said.out, said.err), (format!("{value}\n").into_bytes(), vec![]), "{arguments:?}");
        }
    }
    // Whom sendmail.cf does not name is a stranger, and nobody proposes to trust him.
    for cf in [&b"O TrustedUser=root\n"[..], b"", b"O TrustedUser=4343\n"] {
        bench.write("etc/mail/sendmail.cf", cf);
        let Some(said) = under_etc(&bench, &["-u", "btree", "m"]) else { return };
        let said = said.expect(73);
        assert!(said.text().contains("unsafe map (owner): "), "{said:?}");
        assert!(!said.text().contains("--trusted-user"), "{said:?}");
    }
}

#[test]
fn an_unsafe_sendmail_cf_is_not_believed_and_the_refusal_says_what_is() {
    reasons::check("who can replace sendmail.cf could name himself there");
    if need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    map_of_sendmails(&bench, "hash");
    std::os::unix::fs::chown(bench.path("etc/mail"), Some(4242), None).unwrap();
    for kind in ["hash", "implicit"] {
        let Some(said) = under_etc(&bench, &["-u", kind, "m"]) else { return };
        let said = said.expect(73);
        assert!(
            said.err[0].starts_with(&format!("makemap: error opening type {kind} map m: m.db: ")),
            "{said:?}"
        );
        assert!(said.text().contains("unsafe map (owner): "), "{said:?}");
        assert!(said.text().contains("sendmail.cf: unsafe map (directory-owner): /etc/mail: "), "{said:?}");
        assert!(said.text().contains("fix: --trusted-user smmta, if you know "), "{said:?}");
        let Some(said) = under_etc(&bench, &["--trusted-user", "smmta", "-u", kind, "m"]) else { return };
        assert_eq!(said.expect(0).err, [""; 0]);
    }
    // The lines that were told make sendmail.cf one that is believed.
    let Some(said) = under_etc(&bench, &["-u", "hash", "m"]) else { return };
    let lines =
        said.err.iter().skip_while(|line| !line.ends_with("fix: in gatepost.toml, for this file:")).skip(1);
    let told: Vec<_> = lines.take(4).map(|line| line.trim_start()).collect();
    assert_eq!(told[1], "path = \"/etc/mail/sendmail.cf\"", "{said:?}");
    bench.write("etc/gatepost/gatepost.toml", told.join("\n").as_bytes());
    let Some(said) = under_etc(&bench, &["-u", "hash", "m"]) else { return };
    assert_eq!(said.expect(0).err, [""; 0]);
}

#[test]
fn a_directory_of_another_account_is_named_in_the_configuration() {
    if need::root().is_err() {
        return;
    }
    // As Debian does with /etc/mail.
    let bench = Bench::new();
    let directory = bench.fresh("row");
    let mail = safefile::Account::by_name("mail").unwrap().unwrap();
    std::os::unix::fs::chown(&directory, Some(mail.uid.0), None).unwrap();
    let said = run(&mut bench.ours(["redb", "row/m"]), b"a b\n").expect(73);
    let mut lines =
        said.err.iter().skip_while(|line| !line.ends_with("fix: in gatepost.toml, for this file:")).skip(1);
    let told: Vec<_> = lines.by_ref().take(4).map(|line| line.trim_start()).collect();
    assert_eq!(told[3], format!("dir_owner = [\"{} = mail\"]", directory.display()), "{said:?}");
    assert!(lines.next().is_some_and(|line| line.contains("fix: chown root ")), "{said:?}");
    // What was told is what helps, as it stands.
    bench.write("gatepost.toml", told.join("\n").as_bytes());
    for arguments in [&["redb", "row/m"][..], &["-o", "-r", "redb", "row/m"], &["-q", "a", "redb", "row/m"]] {
        assert_eq!(run(&mut bench.ours(arguments), b"a b\n").expect(0).err, [""; 0], "{arguments:?}");
    }
}

#[test]
fn reports_are_objects_for_programs() {
    let bench = Bench::new();
    let said = run(&mut bench.ours(["--format", "json", "redb", "m"]), b"a b\nA c\n x\n").expect(65);
    let reports: Vec<serde_json::Value> =
        said.err.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        reports.iter().map(|report| (&report["subject"], &report["cause"], &report["exit"])).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], (&"m: line 3".into(), &"syntax error (leading space)".into(), &65.into()));
    assert_eq!(told[1], (&"m: line 2".into(), &"key a: duplicate key".into(), &65.into()));
}

#[test]
fn a_terminal_sees_how_far_it_has_come() {
    let bench = Bench::new();
    let text: Vec<u8> = (0..60_000).flat_map(|number| format!("key{number} value\n").into_bytes()).collect();
    bench.write("text", &text);
    let shell = |name: &str, redirection: &str| {
        let (program, directory) = (env!("CARGO_BIN_EXE_makemap"), bench.path("").display().to_string());
        let script = format!("cd {directory} && {program} --config gatepost.toml redb {name} {redirection}");
        Terminal::start("/bin/sh", &["-c", &script])
    };
    let mut terminal = shell("m", "< text");
    terminal.wait_for("octets read");
    terminal.wait_for("entries written");
    assert!(terminal.end().0.success());
    // Who types the source sees what they type, and no bar in between.
    let mut terminal = shell("typed", "");
    terminal.press("a b\n");
    terminal.press(CTRL_D);
    let (status, screen) = terminal.end();
    assert!(status.success() && !screen.contains("octets"), "{screen}");
    let said = run(&mut bench.ours(["-u", "redb", "typed"]), b"").expect(0);
    assert_eq!((said.out, said.err), (b"a\tb\n".to_vec(), vec![]));
}

#[test]
fn a_wrong_configuration_builds_nothing() {
    let bench = Bench::new();
    bench.write("gatepost.toml", b"no_such_key = 1\n[secrets]\nkeeep = []\n");
    let said = run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(78);
    assert!(
        said.text().contains("gatepost.toml:1:1: ") && said.text().contains("gatepost.toml:3:1: "),
        "{said:?}"
    );
    assert_eq!(bench.names(), [""; 0]);
}
