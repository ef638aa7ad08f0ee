//! The rows about what stands at the place of the map and above it: sendmail's makemap and ours, as root with the
//! TrustedUser 4242.
//!
//! Ours writes beside and renames, so it asks for more of the directory and less of the file; what it refuses it refuses
//! with and without `-s`.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use tests::need;

use crate::bench::{Bench, Said, run};
use crate::reasons;

const TRUSTED: u32 = 4242;
const STRANGER: u32 = 4343;

/// The place where a row happens.
struct Stage<'a> {
    bench: &'a Bench,
    /// The file of the map: `row/m.db` or `row/m.redb`.
    file: PathBuf,
}

impl Stage<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.bench.path("row").join(name)
    }

    /// A map (or anything) of this owner and mode.
    fn file(&self, owner: u32, mode: u32) {
        fs::write(&self.file, b"").unwrap();
        own(&self.file, owner, mode);
    }

    fn directory(&self, owner: u32, mode: u32) {
        own(&self.bench.path("row"), owner, mode);
    }

    fn link(&self, to: &str) {
        symlink(to, &self.file).unwrap();
    }
}

fn own(path: &Path, owner: u32, mode: u32) {
    chown(path, Some(owner), Some(0)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

struct Row {
    what: &'static str,
    options: &'static [&'static str],
    set: fn(&Stage<'_>),
    theirs: Outcome,
    ours: Ours,
}

/// The exit, a part of the messages, and owner and mode of the file afterwards.
#[derive(Clone, Copy)]
struct Outcome(i32, &'static str, Option<(u32, u32)>);

#[derive(Clone, Copy)]
enum Ours {
    /// The same exit, owner and mode; the words of the message where they are others.
    Same(&'static str),
    Differs(Outcome, &'static str),
}

use Ours::{Differs, Same};

const REPLACED: &str = "the file is replaced and not written into: what counts is the directory";
const ROOT_MAY: &str = "root is judged by what root may do";

const fn done(owner: u32, mode: u32) -> Outcome {
    Outcome(0, "", Some((owner, mode)))
}

const fn refused(message: &'static str) -> Outcome {
    Outcome(73, message, None)
}

const ROWS: &[Row] = &[
    Row {
        what: "a directory stands there",
        options: &[],
        set: |stage| fs::create_dir(&stage.file).unwrap(),
        theirs: refused("Regular files only"),
        ours: Same("not-regular"),
    },
    Row {
        what: "a named pipe stands there",
        options: &[],
        set: |stage| make_fifo(&stage.file),
        theirs: refused("Regular files only"),
        ours: Same("not-regular"),
    },
    Row {
        what: "a link to a safe file",
        options: &[],
        set: |stage| {
            fs::write(stage.path("target"), b"").unwrap();
            stage.link("target");
        },
        theirs: refused("Symbolic links not allowed"),
        ours: Same("replaces-link"),
    },
    Row {
        what: "a link to nothing",
        options: &[],
        set: |stage| stage.link("nothing"),
        theirs: refused("Symbolic links not allowed"),
        ours: Same("replaces-link"),
    },
    Row {
        what: "a link to a device",
        options: &[],
        set: |stage| stage.link("/dev/null"),
        theirs: refused("Symbolic links not allowed"),
        ours: Same("replaces-link"),
    },
    Row {
        what: "-s and a link to a safe file",
        options: &["-s"],
        set: |stage| {
            fs::write(stage.path("target"), b"").unwrap();
            stage.link("target");
        },
        theirs: Outcome(0, "", Some((TRUSTED, 0o644))),
        ours: Differs(
            refused("replaces-link"),
            "-s switches no check off; the link would go on leading to the old map",
        ),
    },
    Row {
        what: "-s and a link to nothing",
        options: &["-s"],
        set: |stage| stage.link("nothing"),
        theirs: refused("File exists"),
        ours: Same("replaces-link"),
    },
    Row {
        what: "a second name",
        options: &[],
        set: |stage| {
            stage.file(0, 0o640);
            fs::hard_link(&stage.file, stage.path("other")).unwrap();
        },
        theirs: refused("Hard links not allowed"),
        ours: Same("hard-link"),
    },
    Row {
        what: "-s and a second name",
        options: &["-s"],
        set: |stage| {
            stage.file(0, 0o640);
            fs::hard_link(&stage.file, stage.path("other")).unwrap();
        },
        theirs: done(TRUSTED, 0o640),
        ours: Differs(
            refused("hard-link"),
            "-s switches no check off; the second name would go on leading to the old map",
        ),
    },
    Row {
        what: "an executable file",
        options: &[],
        set: |stage| stage.file(0, 0o740),
        theirs: refused("Executable files not allowed"),
        ours: Same("executable files not allowed"),
    },
    Row {
        what: "-s and an executable file",
        options: &["-s"],
        set: |stage| stage.file(0, 0o641),
        theirs: refused("Executable files not allowed"),
        ours: Same("executable files not allowed"),
    },
    Row {
        what: "root's, mode 0400",
        options: &[],
        set: |stage| stage.file(0, 0o400),
        theirs: refused("Permission denied"),
        ours: Differs(done(0, 0o400), REPLACED),
    },
    Row {
        what: "root's, mode 0440",
        options: &[],
        set: |stage| stage.file(0, 0o440),
        theirs: refused("Permission denied"),
        ours: Differs(done(0, 0o440), REPLACED),
    },
    Row {
        what: "root's, mode 0000",
        options: &[],
        set: |stage| stage.file(0, 0),
        theirs: refused("Permission denied"),
        ours: Differs(done(0, 0), REPLACED),
    },
    Row {
        what: "root's, mode 0600",
        options: &[],
        set: |stage| stage.file(0, 0o600),
        theirs: done(TRUSTED, 0o600),
        ours: Differs(done(0, 0o600), KEEPS_OWNER),
    },
    Row {
        what: "root's, mode 0644",
        options: &[],
        set: |stage| stage.file(0, 0o644),
        theirs: done(TRUSTED, 0o644),
        ours: Differs(done(0, 0o644), KEEPS_OWNER),
    },
    Row {
        what: "the TrustedUser's, mode 0600",
        options: &[],
        set: |stage| stage.file(TRUSTED, 0o600),
        theirs: done(TRUSTED, 0o600),
        ours: Same(""),
    },
    Row {
        what: "the TrustedUser's, mode 0644",
        options: &[],
        set: |stage| stage.file(TRUSTED, 0o644),
        theirs: done(TRUSTED, 0o644),
        ours: Same(""),
    },
    Row {
        what: "the TrustedUser's, mode 0666",
        options: &[],
        set: |stage| stage.file(TRUSTED, 0o666),
        theirs: done(TRUSTED, 0o666),
        ours: Differs(
            Outcome(0, "made with mode 0644, not 0666 as before", Some((TRUSTED, 0o644))),
            "a map that anybody may write is no map; the new one is not writable by others",
        ),
    },
    Row {
        what: "a stranger's, mode 0600",
        options: &[],
        set: |stage| stage.file(STRANGER, 0o600),
        theirs: refused("Permission denied"),
        ours: Same("owner"),
    },
    Row {
        what: "a stranger's, mode 0666",
        options: &[],
        set: |stage| stage.file(STRANGER, 0o666),
        theirs: done(TRUSTED, 0o666),
        ours: Differs(refused("owner"), "whose file it is decides what is in it"),
    },
    Row {
        what: "a stranger's, mode 0660, group of the caller",
        options: &[],
        set: |stage| stage.file(STRANGER, 0o660),
        theirs: done(TRUSTED, 0o660),
        ours: Differs(refused("owner"), "whose file it is decides what is in it"),
    },
    Row {
        what: "new, directory of a stranger, 0755",
        options: &[],
        set: |stage| stage.directory(STRANGER, 0o755),
        theirs: refused("Permission denied"),
        ours: Same("directory-owner"),
    },
    Row {
        what: "new, directory of a stranger, 0700",
        options: &[],
        set: |stage| stage.directory(STRANGER, 0o700),
        theirs: refused("Permission denied"),
        ours: Same("directory-owner"),
    },
    Row {
        what: "new, directory of the TrustedUser, 0755",
        options: &[],
        set: |stage| stage.directory(TRUSTED, 0o755),
        theirs: done(TRUSTED, 0o640),
        ours: Same(""),
    },
    Row {
        what: "new, directory of the TrustedUser, 0700",
        options: &[],
        set: |stage| stage.directory(TRUSTED, 0o700),
        theirs: refused("Permission denied"),
        ours: Differs(done(TRUSTED, 0o640), ROOT_MAY),
    },
    Row {
        what: "new, root's directory, 0500",
        options: &[],
        set: |stage| stage.directory(0, 0o500),
        theirs: refused("Permission denied"),
        ours: Differs(done(TRUSTED, 0o640), ROOT_MAY),
    },
    Row {
        what: "no directory",
        options: &[],
        set: |stage| fs::remove_dir(stage.bench.path("row")).unwrap(),
        theirs: refused("No such file or directory"),
        ours: Same("no such file or directory"),
    },
    Row {
        what: "a file in place of the directory",
        options: &[],
        set: |stage| {
            fs::remove_dir(stage.bench.path("row")).unwrap();
            fs::write(stage.bench.path("row"), b"").unwrap();
        },
        theirs: refused("Permission denied"),
        ours: Same("Not a directory"),
    },
    Row {
        what: "the directory is a link to one",
        options: &[],
        set: |stage| {
            fs::remove_dir(stage.bench.path("row")).unwrap();
            stage.bench.fresh("elsewhere");
            symlink("elsewhere", stage.bench.path("row")).unwrap();
        },
        theirs: done(TRUSTED, 0o640),
        ours: Same(""),
    },
    Row {
        what: "the directory is a link to itself",
        options: &[],
        set: |stage| {
            fs::remove_dir(stage.bench.path("row")).unwrap();
            symlink("row", stage.bench.path("row")).unwrap();
        },
        theirs: refused("Too many levels of symbolic links"),
        ours: Same("too-many-links"),
    },
    Row {
        what: "new, a directory that anybody may write",
        options: &[],
        set: |stage| stage.directory(0, 0o777),
        theirs: Outcome(0, "WARNING: World writable directory", Some((TRUSTED, 0o640))),
        ours: Differs(refused("-writable-directory"), "anybody could put another map in its place"),
    },
    Row {
        what: "new, a directory that anybody may write, sticky",
        options: &[],
        set: |stage| stage.directory(0, 0o1777),
        theirs: Outcome(0, "WARNING: World writable directory", Some((TRUSTED, 0o640))),
        ours: Differs(refused("-writable-directory"), "anybody could put a map there first"),
    },
    Row {
        what: "new, a directory that a group may write",
        options: &[],
        set: |stage| stage.directory(0, 0o775),
        theirs: Outcome(0, "WARNING: Group writable directory", Some((TRUSTED, 0o640))),
        ours: Differs(refused("group-writable-directory"), "the group could put another map in its place"),
    },
    Row {
        what: "-s, a directory that anybody may write",
        options: &["-s"],
        set: |stage| stage.directory(0, 0o777),
        theirs: Outcome(0, "WARNING: World writable directory", Some((TRUSTED, 0o640))),
        ours: Differs(refused("-writable-directory"), "-s switches no check off"),
    },
];

const KEEPS_OWNER: &str = "owner and mode are those of the file that is replaced";

#[test]
fn sendmails_makemap_does_what_the_rows_say() {
    if need::root().is_err() {
        return;
    }
    check_all(
        "m.db",
        |bench, options| {
            bench
                .theirs(options.iter().chain(&["hash", "row/m"]))
                .ok()
                .map(|mut command| run(&mut command, b"a b\n"))
        },
        |row| row.theirs,
    );
}

#[test]
fn ours_does_what_the_rows_say() {
    if need::root().is_err() {
        return;
    }
    check_all(
        "m.redb",
        |bench, options| Some(run(&mut bench.ours(options.iter().chain(&["redb", "row/m"])), b"a b\n")),
        |row| match row.ours {
            Same(message) => Outcome(row.theirs.0, message, row.theirs.2),
            Differs(outcome, _) => outcome,
        },
    );
}

fn check_all(
    file: &str,
    build: impl Fn(&Bench, &[&str]) -> Option<Said>,
    expected: impl Fn(&Row) -> Outcome,
) {
    for row in ROWS {
        if let Differs(_, reason) = row.ours {
            reasons::check(reason);
        }
        let bench = Bench::new();
        bench.write("c.cf", b"O TrustedUser=4242\n");
        bench.fresh("row");
        let stage = Stage { bench: &bench, file: bench.path("row").join(file) };
        (row.set)(&stage);
        let before = state(&stage.file);
        let Some(said) = build(&bench, row.options) else { return };
        let Outcome(exit, message, dressed) = expected(row);
        assert_eq!(said.exit, exit, "{}: {said:?}", row.what);
        assert!(said.text().contains(message), "{}: {said:?}", row.what);
        match dressed {
            Some(dressed) => assert_eq!(state(&stage.file), Some(dressed), "{}: {said:?}", row.what),
            None => assert_eq!(state(&stage.file), before, "{}: something has changed", row.what),
        }
    }
}

/// Owner and mode of what the path leads to.
fn state(path: &Path) -> Option<(u32, u32)> {
    let facts = fs::metadata(path).ok()?;
    Some((facts.uid(), facts.mode() & 0o7777))
}

fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
}
