//! The rows about the output file: its name, mode, owner and group. sendmail's makemap and ours.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use tests::need;

use crate::bench::{Bench, Said, run};
use crate::reasons;

/// Name, and the suffix-less form of the file that is made: `*` stands for `.db` and `.redb`.
const NAMES: [(&str, &str); 8] = [
    ("m", "m*"),
    ("m*", "m*"),
    ("m.DB", "m.DB*"),
    ("db", "db*"),
    ("*", "*"),
    ("", "*"),
    ("d/", "d/*"),
    ("d/m.text", "d/m.text*"),
];

#[test]
fn the_suffix_is_added_unless_it_is_there() {
    let check = |suffix: &str, build: &dyn Fn(&Bench, &str) -> Option<Said>| {
        for (name, file) in NAMES {
            let bench = Bench::new();
            bench.fresh("d");
            let Some(said) = build(&bench, &name.replace('*', suffix)) else { return };
            said.expect(0);
            assert!(bench.path(&file.replace('*', suffix)).is_file(), "{name}{suffix}");
        }
    };
    check(".db", &|bench, name| Some(run(&mut bench.theirs(["hash", name]).ok()?, b"a b\n")));
    check(".redb", &|bench, name| Some(run(&mut bench.ours(["redb", name]), b"a b\n")));
}

#[test]
fn a_name_that_is_too_long_is_no_file() {
    let bench = Bench::new();
    for (length, message) in [(300, "file name too long"), (5000, "name too long")] {
        let name = "x".repeat(length);
        let said = [
            bench.theirs(["hash", &name]).ok().map(|mut command| run(&mut command, b"a b\n")),
            Some(run(&mut bench.ours(["redb", &name]), b"a b\n")),
        ];
        for said in said.into_iter().flatten() {
            let said = said.expect(73);
            assert!(said.text().to_lowercase().contains(message), "{said:?}");
        }
    }
    assert_eq!(bench.names(), [""; 0]);
}

/// How the text of sendmail.cf, the umask and the options decide owner and mode of a new map.
struct New {
    cf: &'static str,
    umask: u32,
    options: &'static [&'static str],
    theirs: (u32, u32),
    ours: (u32, u32),
    message: &'static str,
    reason: &'static str,
}

const SAME: &str = "";
const UMASK: &str = "owner and mode of a new map do not depend on the umask";

const NEW: [New; 10] = [
    New {
        cf: "",
        umask: 0o022,
        options: &[],
        theirs: (0, 0o640),
        ours: (0, 0o640),
        message: "",
        reason: SAME,
    },
    New { cf: "", umask: 0, options: &[], theirs: (0, 0o640), ours: (0, 0o640), message: "", reason: SAME },
    New {
        cf: "",
        umask: 0o077,
        options: &[],
        theirs: (0, 0o600),
        ours: (0, 0o640),
        message: "",
        reason: UMASK,
    },
    New { cf: "", umask: 0o777, options: &[], theirs: (0, 0), ours: (0, 0o640), message: "", reason: UMASK },
    New {
        cf: "O TrustedUser=4242\n",
        umask: 0o022,
        options: &[],
        theirs: (4242, 0o640),
        ours: (4242, 0o640),
        message: "",
        reason: SAME,
    },
    New {
        cf: "O trusteduser= 4242ab\n",
        umask: 0o022,
        options: &[],
        theirs: (4242, 0o640),
        ours: (4242, 0o640),
        message: "",
        reason: SAME,
    },
    New {
        cf: "O TrustedUser=4242\nO TrustedUser=4343\n",
        umask: 0o022,
        options: &[],
        theirs: (4343, 0o640),
        ours: (4343, 0o640),
        message: "",
        reason: SAME,
    },
    New {
        cf: "OTrustedUser=4242\n#O TrustedUser=4242\nO TrustedUser 4242\n",
        umask: 0o022,
        options: &[],
        theirs: (0, 0o640),
        ours: (0, 0o640),
        message: "",
        reason: SAME,
    },
    New {
        cf: "O TrustedUser=root \n",
        umask: 0o022,
        options: &[],
        theirs: (0, 0o640),
        ours: (0, 0o640),
        message: "TrustedUser: unknown user root ",
        reason: SAME,
    },
    New {
        cf: "O TrustedUser=nobody-of-this-name\n",
        umask: 0o022,
        options: &[],
        theirs: (0, 0o640),
        ours: (0, 0o640),
        message: "TrustedUser: unknown user nobody-of-this-name",
        reason: SAME,
    },
];

#[test]
fn a_new_map_is_dressed_as_the_rows_say() {
    if need::root().is_err() {
        return;
    }
    for row in &NEW {
        reasons::check(row.reason);
        let bench = Bench::new();
        bench.write("c.cf", row.cf.as_bytes());
        if let Ok(theirs) = bench.theirs(row.options.iter().chain(&["hash", "m"])) {
            let said = run(&mut under_umask(&theirs, row.umask), b"a b\n").expect(0);
            assert_eq!(dress(&bench, "m.db"), row.theirs, "{:?}", row.cf);
            assert!(said.text().contains(row.message), "{said:?}");
        }
        let said =
            run(&mut under_umask(&bench.ours(row.options.iter().chain(&["redb", "m"])), row.umask), b"a b\n");
        let said = said.expect(0);
        assert_eq!(dress(&bench, "m.redb"), row.ours, "{:?}", row.cf);
        assert!(said.text().contains(row.message), "{said:?}");
        assert_eq!(said.err.is_empty(), row.message.is_empty(), "{said:?}");
    }
}

#[test]
fn the_trusted_user_is_the_first_that_is_named() {
    if need::root().is_err() {
        return;
    }
    let bench = Bench::new();
    bench.write("gatepost.toml", b"trusted_user = \"4244\"\n");
    let build = |options: &[&str]| {
        for name in bench.names() {
            fs::remove_file(bench.path(&name)).unwrap();
        }
        run(&mut bench.ours(options.iter().chain(&["redb", "m"])), b"a b\n").expect(0);
        dress(&bench, "m.redb").0
    };
    assert_eq!(build(&[]), 4244, "gatepost.toml");
    bench.write("c.cf", b"O TrustedUser=4243\n");
    assert_eq!(build(&[]), 4243, "the sendmail.cf named with -C");
    assert_eq!(build(&["--trusted-user", "4242"]), 4242, "--trusted-user");
    let said =
        run(&mut bench.ours(["--trusted-user", "nobody-of-this-name", "redb", "m"]), b"a b\n").expect(67);
    assert!(said.text().contains("unknown user nobody-of-this-name"), "{said:?}");
}

#[test]
fn a_map_that_is_replaced_keeps_owner_group_and_mode() {
    if need::root().is_err() {
        return;
    }
    for options in [&["redb", "m"][..], &["-o", "redb", "m"]] {
        let bench = Bench::new();
        bench.write("c.cf", b"O TrustedUser=4242\n");
        run(&mut bench.ours(["redb", "m"]), b"a b\n").expect(0);
        let file = bench.path("m.redb");
        chown(&file, Some(0), Some(4343)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
        let before = fs::metadata(&file).unwrap();
        run(&mut bench.ours(options), b"c d\n").expect(0);
        let after = fs::metadata(&file).unwrap();
        assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (0, 4343, 0o604), "{options:?}");
        // sendmail's makemap writes in place: its readers see an empty map meanwhile.
        reasons::check("the new file takes the name of the old one; inode and contents change in one step");
        assert_ne!(before.ino(), after.ino(), "a new file took the name");
        assert_eq!(bench.names(), ["m.redb"], "nothing is left beside it");
    }
}

#[test]
fn who_is_not_root_builds_in_a_directory_of_their_own() {
    if need::root().is_err() {
        return;
    }
    // A directory that another user can reach, which the home directory of root is not.
    let public = tempfile::Builder::new()
        .prefix(".gatepost-test-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in("/srv")
        .unwrap();
    let program = public.path().join("makemap");
    fs::copy(env!("CARGO_BIN_EXE_makemap"), &program).unwrap();
    let build = |directory: &str, owner: u32| {
        let path = public.path().join(directory);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        let mut command = Command::new(&program);
        std::os::unix::process::CommandExt::uid(&mut command, 4242);
        std::os::unix::process::CommandExt::gid(&mut command, 4242);
        run(command.current_dir(&path).args(["redb", "m"]), b"a b\n")
    };
    // sendmail.cf is not read, so it need not be there.
    build("own", 4242).expect(0);
    let facts = fs::metadata(public.path().join("own/m.redb")).unwrap();
    assert_eq!((facts.uid(), facts.gid(), facts.mode() & 0o7777), (4242, 4242, 0o640));
    let said = build("foreign", 4343).expect(73);
    assert!(said.text().contains("directory-owner"), "{said:?}");
    let said = build("roots", 0).expect(73);
    assert!(said.text().contains("Permission denied"), "{said:?}");
}

fn dress(bench: &Bench, name: &str) -> (u32, u32) {
    let facts = fs::metadata(bench.path(name)).unwrap();
    (facts.uid(), facts.mode() & 0o7777)
}

fn under_umask(command: &Command, umask: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask:04o}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}
