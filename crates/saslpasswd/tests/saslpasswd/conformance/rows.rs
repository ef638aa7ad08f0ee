//! The conformance table of saslpasswd2 and sasldblistusers2 2.1.28 (Debian 12), row by row: what they do, and, where
//! ours differ on purpose, what ours do and why. Numbers are those of the table; a letter marks a row beside it.
//!
//! In arguments `DB` is the database; in realms `HOST` is the host's name; in messages `PROG` is the program's.

use super::{After, Before, Conf, Input, Ours, Outcome, Row, Said, Tool};

/// Every row but those at a terminal.
pub(crate) fn rows() -> Vec<Row> {
    [passwords(), databases(), usage(), listing(), configuration()].concat()
}

/// At a terminal: what is waited for, and what is typed then.
pub(crate) struct Typed {
    pub(crate) number: &'static str,
    pub(crate) keys: &'static [(&'static str, &'static str)],
    pub(crate) exit: i32,
    pub(crate) screen: &'static str,
    pub(crate) password: Option<&'static str>,
}

/// `-c t` at a terminal, the same for both programs.
pub(crate) const TYPED: [Typed; 4] = [
    Typed {
        number: "40",
        keys: &[("Password: ", "secret\r"), ("Again (for verification): ", "secret\r")],
        exit: 0,
        screen: "Password: \r\nAgain (for verification): \r\n",
        password: Some("secret"),
    },
    Typed {
        number: "41",
        keys: &[("Password: ", "secret\r"), ("Again (for verification): ", "other\r")],
        exit: 7,
        screen: "Password: \r\nAgain (for verification): \r\nPROG: passwords don't match; aborting\r\n",
        password: None,
    },
    Typed {
        number: "42",
        keys: &[("Password: ", "\r"), ("Again (for verification): ", "\r")],
        exit: 7,
        screen: "Password: \r\nAgain (for verification): \r\nPROG: invalid parameter supplied\r\n",
        password: None,
    },
    Typed {
        number: "43",
        keys: &[("Password: ", "sec\x04\x04"), ("Again (for verification): ", "sec\r")],
        exit: 0,
        screen: "Password: \r\nAgain (for verification): \r\n",
        password: Some("sec"),
    },
];

fn passwords() -> Vec<Row> {
    vec![
        row("1", &["-p", "-c", "-u", "vm", "alice"]).gives("vm", b"secret"),
        row("2", &["-c", "alice"]).input(b"secret").gives("HOST", b"secret"),
        row("3", &["-p", "alice"]).then(done(&[("alice", "HOST", Some(b"secret"))])).differs(
            failed(1, "PROG: generic failure", After::Nothing),
            "without `-c` no store is made, so that a mistyped name does not become a second one",
        ),
        row("3a", &["-p", "alice"]).before(Before::Empty).gives("HOST", b"secret"),
        row("4", &["-p", "-c", "alice"])
            .before(Before::Users(&[("alice", "HOST", "secret")]))
            .input(b"new\n")
            .gives("HOST", b"new"),
        row("5", &["-p", "alice@a@b"]).before(Before::Empty).gives("a@b", b"secret"),
        row("6", &["-p", "-u", "z", "alice@"]).before(Before::Empty).gives("", b"secret"),
        row("7", &["-p", "-u", "z", "alice@r"]).before(Before::Empty).gives("r", b"secret"),
        row("8", &["-p", "@r"]).before(Before::Empty).then(done(&[("", "r", Some(b"secret"))])),
        row("9", &["-p", ""]).before(Before::Empty).then(done(&[("", "HOST", Some(b"secret"))])),
        row("10", &["-p", "-u", "", "alice"]).before(Before::Empty).gives("HOST", b"secret"),
        row("11", &["-p", "alice"]).input(b"").then(failed(7, INVALID, After::Nothing)),
        row("12", &["-p", "alice"]).input(b"\n").then(failed(7, INVALID, After::Nothing)),
        typed("13", b"secret\r\n", b"secret\r")
            .differs(alice(b"secret"), "a line end of CR and LF is a line end"),
        typed("14", b"\r\n", b"\r").differs(refused(), "nothing but a line end is no password"),
        typed("15", b"secret\n\n", b"secret\n")
            .differs(refused(), "one line end is removed; the other is a control character"),
        typed("16", b" a b \n", b" a b "),
        typed("17", b"ab\0cd\n", b"ab").differs(refused(), "cut at the NUL it is another password"),
        typed("18", b"\0cd\n", b"").differs(refused(), "cut at the NUL it is no password"),
        typed("19", b"p\xc3\xa4\xff\n", b"p\xc3\xa4\xff").differs(
            refused(),
            "SASLprep knows characters (UTF-8) only; typed elsewhere it would be other octets",
        ),
        typed("20", &[b'x'; 2048], &[b'x'; 2048]),
        typed("21", &[b'x'; 3000], &[b'x'; 2048]).differs(alice(&[b'x'; 3000]), "nothing is cut off"),
        typed("21a", &[b'x'; 4097], &[b'x'; 2048])
            .differs(refused(), "longer than 4096 octets; nothing is cut off"),
        row("22", &["-p", "alice"])
            .before(Before::Empty)
            .pieces(&[b"sec", b"ret\n"])
            .gives("HOST", b"sec")
            .differs(alice(b"secret"), "standard input is read to its end, however it arrives"),
        row("23", &["-p", "-n", "alice"]).before(Before::Empty).then(done(&[])).differs(
            done(&[("alice", "HOST", None)]),
            "`-n` means: no clear text for this user, whatever the policy; the other verifiers are kept",
        ),
        row("37", &["-p", "alice"])
            .closed()
            .then(failed(1, "PROG: Bad file descriptor", After::Nothing))
            .differs(
                failed(7, INVALID, After::Nothing),
                "no file that is opened later can become standard input: it reads as empty",
            ),
        row("37a", &["-p", "alice"]).directory().then(failed(1, "Is a directory", After::Nothing)),
        row("38", &["alice", "-p"]).before(Before::Empty).gives("HOST", b"secret"),
        row("38a", &["-cp", "alice"]).gives("HOST", b"secret"),
        row("38b", &["-cpuvm", "alice"]).gives("vm", b"secret"),
        row("38c", &["-c", "-c", "-p", "-u", "a", "alice", "-u", "vm"]).gives("vm", b"secret"),
        row("11a", &["-p", "alice"])
            .before(Before::Users(&[("alice", "HOST", "old")]))
            .input(b"")
            .then(failed(7, INVALID, After::One("alice", "HOST", b"old"))),
        row("39", &["-p", "--", "-alice"]).before(Before::Empty).then(done(&[(
            "-alice",
            "HOST",
            Some(b"secret"),
        )])),
    ]
}

fn databases() -> Vec<Row> {
    let others = Before::Users(&[("alice", "HOST", "secret"), ("bob", "r", "x")]);
    vec![
        row("24", &["-d", "alice"]).before(others).unread().then(done(&[("bob", "r", Some(b"x"))])),
        row("25", &["-d", "alice"]).before(Before::Empty).unread().then(done(&[])),
        row("26", &["-d", "alice"]).unread().then(done(&[])).differs(
            Outcome { err: Said::Has("no such store"), ..Outcome { after: After::Nothing, ..done(&[]) } },
            "a store is not made by deleting from it; the warning tells of a mistyped name",
        ),
        row("33", &["-p", "-f", "/nonexistent/x", "alice"]).then(failed(1, GENERIC, After::Nothing)),
        row("34", &["-p", "alice"]).before(Before::Directory).then(failed(1, GENERIC, After::Untouched)),
        row("35", &["-p", "alice"]).before(Before::Text).then(failed(1, GENERIC, After::Untouched)),
        row("36", &["-p", "alice"])
            .before(Before::EmptyFile)
            .then(Outcome { err: Said::Anything, ..alice(b"secret") })
            .differs(
                failed(1, GENERIC, After::Untouched),
                "an empty store is a damaged one, and never taken for one without users",
            ),
        row("36a", &["-p", "alice"])
            .before(Before::Fixture("sasldb2.db"))
            .then(Outcome { after: After::Changed, ..done(&[]) })
            .differs(
                failed(1, "saslpasswd --import DB", After::Untouched),
                "a sasldb belongs to other programs and holds clear text; it is imported, not written",
            ),
        row("36b", &["-p", "alice"]).before(Before::Fixture("sasldb2.gdbm")).then(failed(
            1,
            GENERIC,
            After::Untouched,
        )),
        row("36c", &["-p", "alice"]).before(Before::Fixture("sasldb2.lmdb")).then(failed(
            1,
            GENERIC,
            After::Untouched,
        )),
    ]
}

fn usage() -> Vec<Row> {
    vec![
        row("27", &["-c", "-d", "alice"]).misused(USAGE),
        row("27a", &["-d", "-c", "alice"]).misused(USAGE),
        row("28", &[]).misused(USAGE),
        row("28a", &["alice", "bob"]).misused(USAGE),
        row("29", &["-z", "alice"]).misused("PROG: invalid option -- 'z'\n"),
        row("29a", &["alice", "-u"]).misused("PROG: option requires an argument -- 'u'\n"),
        row("30", &["-v", "-z", "alice"]).then(Outcome {
            err: Said::Something,
            after: After::Nothing,
            ..done(&[])
        }),
        row("30a", &["-z", "-v"])
            .then(Outcome { err: Said::Something, after: After::Nothing, ..done(&[]) })
            .differs(
                failed(1, "PROG: invalid option -- 'z'\n", After::Nothing),
                "what is wrong in a command line is told first, and nothing is done",
            ),
        row("31", &["-h"]).misused(USAGE),
        row("31a", &["-?"]).misused(USAGE),
        row("31b", &["-h", "-v"]).then(Outcome { err: Said::Something, after: After::Nothing, ..done(&[]) }),
        row("32", &["-a", "x/y", "alice"]).misused("appname must not contain /"),
        row("32a", &["-a", "x/y", "-v"]).misused("appname must not contain /"),
        row("32b", &["-a", "x/y", "-a", "ok", "alice"]).input(b"").misused("appname must not contain /"),
    ]
}

fn listing() -> Vec<Row> {
    let nobody = Outcome { after: After::Untouched, ..done(&[]) };
    let failed_quietly = Outcome { err: Said::Has("listusers failed\n"), ..nobody };
    let failed_loudly = Outcome { exit: 1, ..failed_quietly };
    let one = Before::Users(&[("alice", "vm", "secret")]);
    let odd = Before::Users(&[("carol", "", "x"), ("", "vm", "x")]);
    vec![
        list("44", &["-f", "DB"])
            .before(one)
            .then(Outcome { out: Said::Is(&["alice@vm: userPassword"]), ..nobody }),
        list("44a", &["DB"])
            .before(odd)
            .then(Outcome { out: Said::Is(&["@vm: userPassword", "carol@: userPassword"]), ..nobody }),
        list("44b", &["DB"]).before(Before::Empty).then(nobody),
        list("45", &["-f", "/nonexistent"]).then(Outcome { after: After::Nothing, ..failed_quietly }),
        list("45a", &["-f", "DB"]).then(Outcome { after: After::Nothing, ..failed_quietly }),
        list("45b", &["DB"]).before(Before::Text).then(failed_quietly).differs(
            failed_loudly,
            "what is there and cannot be listed must not look like a store without users",
        ),
        list("45c", &["DB"])
            .before(Before::EmptyFile)
            .then(failed_quietly)
            .differs(failed_loudly, "an empty store is a damaged one"),
        // The default database, whatever that is on this host.
        list("45d", &[""]).then(Outcome {
            out: Said::Anything,
            err: Said::Anything,
            after: After::Nothing,
            ..done(&[])
        }),
        list("46", &["a", "b"]).misused(USAGE),
        list("46a", &["-h"]).misused(USAGE),
        list("47", &["-f"]).misused("Unrecognized command line option\n"),
        list("47a", &["-z"]).misused("Unrecognized command line option\n"),
        list("47b", &["-v"]).then(Outcome { err: Said::Something, after: After::Nothing, ..done(&[]) }),
        list("47c", &["--", "DB"]).before(one).then(failed(1, "usage: ", After::Untouched)).differs(
            Outcome { out: Said::Is(&["alice@vm: userPassword"]), ..nobody },
            "what stands behind `--` is a file, as everywhere",
        ),
    ]
}

fn configuration() -> Vec<Row> {
    vec![
        row("48", &["-p", "alice"])
            .configured(Conf { theirs: "auxprop_plugin: nosuch", ours: "auxprop_plugin = \"nosuch\"" })
            .then(failed(4, "PROG: no mechanism available", After::Nothing))
            .differs(
                failed(100, PARSING, After::Nothing),
                "there are no plug-ins; a word that is not known is an error of the configuration",
            ),
        row("49", &["-p", "alice"])
            .configured(Conf { theirs: "a bad line", ours: "a bad line" })
            .then(failed(100, PARSING, After::Nothing)),
        row("50", &["-p", "-c", "alice"])
            .configured(Conf { theirs: "sasldb_path: DB", ours: "secrets.path = \"DB\"" })
            .by_configuration()
            .gives("HOST", b"secret"),
    ]
}

const INVALID: &str = "PROG: invalid parameter supplied\n";
const GENERIC: &str = "PROG: generic failure\n";
const PARSING: &str = "error when parsing configuration file";
const USAGE: &str = "PROG: usage: PROG ";

fn row(number: &'static str, arguments: &'static [&'static str]) -> Row {
    Row {
        number,
        tool: Tool::Set,
        arguments,
        names_database: true,
        before: Before::Nothing,
        input: Input::Octets(b"secret\n"),
        conf: None,
        theirs: done(&[]),
        ours: Ours::Same,
    }
}

fn list(number: &'static str, arguments: &'static [&'static str]) -> Row {
    Row { tool: Tool::List, names_database: false, input: Input::Octets(b""), ..row(number, arguments) }
}

/// alice's password from a pipe, with a database that is there, and what saslpasswd2 stores.
fn typed(number: &'static str, input: &'static [u8], stored: &'static [u8]) -> Row {
    row(number, &["-p", "alice"]).before(Before::Empty).input(input).gives("HOST", stored)
}

const fn done(records: &'static [(&'static str, &'static str, Option<&'static [u8]>)]) -> Outcome {
    Outcome { exit: 0, out: Said::Nothing, err: Said::Nothing, after: After::Users(records) }
}

fn alice(password: &'static [u8]) -> Outcome {
    Outcome { after: After::One("alice", "HOST", password), ..done(&[]) }
}

const fn failed(exit: i32, with: &'static str, after: After) -> Outcome {
    Outcome { exit, out: Said::Nothing, err: Said::Has(with), after }
}

const fn refused() -> Outcome {
    failed(7, INVALID, After::Users(&[]))
}

impl Row {
    const fn before(self, before: Before) -> Self {
        Self { before, ..self }
    }

    const fn input(self, octets: &'static [u8]) -> Self {
        Self { input: Input::Octets(octets), ..self }
    }

    const fn pieces(self, pieces: &'static [&'static [u8]]) -> Self {
        Self { input: Input::Pieces(pieces), ..self }
    }

    const fn unread(self) -> Self {
        Self { input: Input::Unread, ..self }
    }

    const fn closed(self) -> Self {
        Self { input: Input::Closed, ..self }
    }

    const fn directory(self) -> Self {
        Self { input: Input::Directory, ..self }
    }

    const fn configured(self, conf: Conf) -> Self {
        Self { conf: Some(conf), ..self }
    }

    /// The configuration names the database, not `-f`.
    const fn by_configuration(self) -> Self {
        Self { names_database: false, ..self }
    }

    const fn then(self, theirs: Outcome) -> Self {
        Self { theirs, ..self }
    }

    /// Success, and alice has this password in this realm, and nobody else is there.
    const fn gives(self, realm: &'static str, password: &'static [u8]) -> Self {
        let after = After::One("alice", realm, password);
        self.then(Outcome { exit: 0, out: Said::Nothing, err: Said::Nothing, after })
    }

    const fn misused(self, with: &'static str) -> Self {
        self.then(failed(1, with, After::Nothing))
    }

    const fn differs(self, outcome: Outcome, why: &'static str) -> Self {
        Self { ours: Ours::Differs(outcome, why), ..self }
    }
}
