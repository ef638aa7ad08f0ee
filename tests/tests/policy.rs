//! Who may do what, by the programs as they are built: access maps that hold secrets, and `gatepostd explain`.
#![allow(clippy::disallowed_methods, reason = "a configuration and maps of the test's own")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tests::program::built;

/// Accounts that every host has and nobody uses: keeper and front.
const ACCOUNTS: [(&str, u32); 2] = [("daemon", 1), ("bin", 2)];

struct Place {
    dir: TempDir,
}

impl Place {
    fn new(more: &str) -> Self {
        let is_root = tests::need::root().is_ok();
        let dir = if is_root {
            tempfile::Builder::new().prefix("gatepost-test-").tempdir_in("/run").unwrap()
        } else {
            tests::scratch::dir()
        };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { dir };
        for (name, (_, uid)) in
            [("store", ACCOUNTS[0]), ("mail", ACCOUNTS[1]), ("mail/bob@gate.test", ACCOUNTS[1])]
        {
            fs::create_dir(place.path(name)).unwrap();
            fs::set_permissions(place.path(name), Permissions::from_mode(0o700)).unwrap();
            if is_root {
                chown(place.path(name), Some(uid), Some(uid)).unwrap();
            }
        }
        place.configure(more);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, more: &str) {
        let accounts = if tests::need::root().is_ok() {
            format!("trusted_user = \"{}\"\nrun_as = \"{}\"\n", ACCOUNTS[0].0, ACCOUNTS[1].0)
        } else {
            String::new()
        };
        let dir = self.dir.path().display();
        let text = format!(
            "{accounts}pid_file = \"{dir}/run/pid\"\ncontrol_socket = \"{dir}/run/control\"\n\
             host_name = \"mail.gate.test\"\nlocal_domains = [\"gate.test\"]\nrelay_domains = [\"friend.test\"]\n\
             {}\n[secrets]\npath = \"{dir}/store/secrets.redb\"\n\
             [queue]\ndirectory = \"{dir}/queue\"\n[delivery]\nmaildirs = \"{dir}/mail\"\n",
            more.replace("DIR", &dir.to_string()),
        );
        fs::write(self.path("gatepost.toml"), text).unwrap();
        fs::set_permissions(self.path("gatepost.toml"), Permissions::from_mode(0o644)).unwrap();
    }

    /// Builds a map of a text, as an administrator does.
    fn map(&self, kind: &str, name: &str, text: &str) {
        fs::write(self.path("source"), text).unwrap();
        let mut makemap = Command::new(built("makemap"));
        makemap.arg(kind).arg(self.path(name)).stdin(File::open(self.path("source")).unwrap());
        let built = makemap.output().unwrap();
        assert!(built.status.success(), "{built:?}");
    }

    fn dump(&self, kind: &str, name: &str) -> String {
        let said = Command::new(built("makemap")).args(["-u", kind]).arg(self.path(name)).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(built(program));
        command.args(arguments).arg("--config").arg(self.path("gatepost.toml")).stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    fn start(&self) -> Daemon<'_> {
        let log = File::create(self.path("log")).unwrap();
        let child = self.command("gatepostd", &[]).stderr(log).spawn().unwrap();
        let daemon = Daemon { place: self, child };
        daemon.wait_for(": ready");
        daemon
    }
}

struct Daemon<'p> {
    place: &'p Place,
    child: Child,
}

impl Daemon<'_> {
    fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap()
    }

    fn wait_for(&self, words: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        while !self.log().contains(words) {
            assert!(Instant::now() < end, "no {words:?} in\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The objects that a program says.
fn objects(said: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

const MIXED: &str = "Connect:192.0.2.1\tRELAY\nAuthInfo:mail.far.test\t\"U:alice\" \"P:pencil case\"\n\
                     smarthost.test\t\"U:untagged\" \"P:rubber\"\nAUTHINFO:\t\"U:bob\" \"P:100%%\"\nfar.test\t550 not here\n";
const SECRETS: &str = "authinfo:\t\"U:bob\" \"P:100%%\"\nauthinfo:mail.far.test\t\"U:alice\" \"P:pencil case\"\n\
     smarthost.test\t\"U:untagged\" \"P:rubber\"";
const REST: &str = "connect:192.0.2.1\tRELAY\nfar.test\t550 not here";

#[test]
fn client_info_in_an_access_map_is_a_fault_and_what_is_printed_mends_it() {
    for kind in ["hash", "btree", "cdb", "lmdb", "redb"] {
        let place = Place::new(&format!("access_map = \"{kind}:DIR/ac cess\""));
        place.map(kind, "ac cess", MIXED);
        let check = place.run("gatepostd", &["check", "--format", "json"]);
        assert_eq!(check.status.code(), Some(2), "{check:?}");
        let faults = objects(&check);
        let fault = faults.iter().find(|it| it["level"] == "error").unwrap();
        assert!(fault["cause"].as_str().unwrap().contains("AuthInfo:"), "{fault}");

        let audit = place.run("authcheck", &["config", "--format", "json"]);
        assert_eq!(audit.status.code(), Some(2), "{audit:?}");
        let judged = objects(&audit);
        let judged = judged.iter().find(|it| it["path"].as_str().unwrap().contains("/ac cess")).unwrap();
        assert_eq!(
            (&judged["verdict"], &judged["findings"][0]["rule"]),
            (&"error".into(), &"client-info".into())
        );

        let start = place.run("gatepostd", &[]);
        let said = String::from_utf8_lossy(&start.stderr).into_owned();
        assert_eq!(start.status.code(), Some(78), "{said}");
        assert!(said.contains("fix: grep -ai '^authinfo:") && !said.contains("pencil"), "{said}");

        let fixes: Vec<_> = fault["fix"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let printed = judged["findings"].as_array().unwrap().iter().find_map(|it| it["fix"].as_str());
        assert_eq!(printed, Some(fixes.join("\n").as_str()), "both say the same");
        let mut sh = Command::new("/bin/sh");
        sh.args(["-c", &fixes.join("\n")]).env_clear();
        let path = format!("{}:/usr/bin:/bin", built("makemap").parent().unwrap().display());
        let ran = sh.env("PATH", path).stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{kind}: {ran:?}");

        assert_eq!(
            (place.dump(kind, "ac cess"), place.dump(kind, "authinfo")),
            (REST.into(), SECRETS.into())
        );
        let secret = fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap());
        let secret = secret.filter(|entry| entry.file_name().to_string_lossy().starts_with("authinfo"));
        for entry in secret {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{kind}");
        }
        place.configure(&format!(
            "access_map = \"{kind}:DIR/ac cess\"\n[client_info]\nmaps = [\"{kind}:DIR/authinfo\"]"
        ));
        for (program, command) in [("gatepostd", "check"), ("authcheck", "config")] {
            let well = place.run(program, &[command]);
            assert!(well.status.success(), "{well:?}");
        }
    }
}

#[test]
fn a_reload_with_client_info_in_the_access_map_is_refused_and_the_one_before_stays() {
    let place = Place::new("[[listen]]\naddress = \"127.0.0.1\"\nport = 0");
    let daemon = place.start();
    place.map("hash", "access", MIXED);
    let with_map = "access_map = \"hash:DIR/access\"\n[[listen]]\naddress = \"127.0.0.1\"\nport = 0";
    place.configure(with_map);
    let reload = place.run("gatepostd", &["reload"]);
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert_eq!(reload.status.code(), Some(78), "{said}\n{}", daemon.log());
    assert!(said.contains("the one before stays") && said.contains("fix: grep"), "{said}");
    daemon.wait_for("the configuration before is in force again");
    let explained = place.run("gatepostd", &["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!((&status["generation"], &status["refused"]["generation"]), (&3.into(), &2.into()));

    place.map("hash", "access", REST);
    let reload = place.run("gatepostd", &["reload"]);
    assert!(reload.status.success(), "{reload:?}\n{}", daemon.log());
    assert!(String::from_utf8_lossy(&reload.stdout).contains("configuration 4 is in force"), "{reload:?}");
}

/// What is put back names the same map, and the front refuses that as well: it is the first refusal that counts.
#[test]
fn a_reload_is_refused_too_where_the_configuration_before_named_the_same_map() {
    let place = Place::new("access_map = \"hash:DIR/access\"\n[[listen]]\naddress = \"127.0.0.1\"\nport = 0");
    place.map("hash", "access", REST);
    let daemon = place.start();
    let status = || {
        let said = place.run("gatepostd", &["status", "--format", "json"]);
        serde_json::from_slice::<Value>(&said.stdout).unwrap()
    };
    let front = |status: &Value| status["processes"][1]["generation"].clone();
    place.map("hash", "access", MIXED);
    let reload = place.run("gatepostd", &["reload"]);
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert_eq!(reload.status.code(), Some(78), "{said}{reload:?}\n{}", daemon.log());
    assert!(said.contains("the one before stays") && said.contains("fix: grep"), "{said}");
    // It stays so, whatever the front has said since.
    sleep(Duration::from_secs(1));
    let now = status();
    assert_eq!(
        (&now["generation"], front(&now), &now["refused"]["generation"]),
        (&3.into(), 1.into(), &2.into())
    );
    let text = String::from_utf8(place.run("gatepostd", &["status"]).stdout).unwrap();
    assert!(text.contains("restarts, with configuration 1 still\n"), "{text}");
    assert!(text.contains("refused    configuration 2, and the one before stays\n"), "{text}");
    assert!(text.contains("AuthInfo:") && text.contains("fix: grep"), "{text}");

    place.map("hash", "access", REST);
    let reload = place.run("gatepostd", &["reload"]);
    assert!(reload.status.success(), "{reload:?}\n{}", daemon.log());
    let now = status();
    assert_eq!((&now["generation"], front(&now), &now["refused"]), (&4.into(), 4.into(), &Value::Null));
}

/// What is said by one who has logged in as alice: the first lines of the replies.
fn as_alice(address: &str, lines: &[&str]) -> Vec<String> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut client = BufReader::new(stream);
    let mut hear = |said: &str| {
        client.get_mut().write_all(said.as_bytes()).unwrap();
        loop {
            let mut reply = String::new();
            assert!(client.read_line(&mut reply).unwrap() > 0, "closed behind {said}");
            if reply.as_bytes()[3] == b' ' {
                return reply.trim_end().to_owned();
            }
        }
    };
    hear("");
    hear("EHLO client.test\r\n");
    assert_eq!(hear("AUTH PLAIN AGFsaWNlAHBlbmNpbA==\r\n"), "235 2.0.0 OK Authenticated");
    lines.iter().map(|line| hear(&format!("{line}\r\n"))).collect()
}

#[test]
fn a_map_of_senders_holds_for_who_has_logged_in_and_is_followed() {
    let place = Place::new(
        "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\n[auth]\noptions = \"\"\nrealm = \"gate.test\"\n\
         [submission]\nsenders = \"hash:DIR/senders\"",
    );
    let mut saslpasswd = place.command("saslpasswd", &["-p", "-c", "alice"]);
    let mut made = saslpasswd.stdin(Stdio::piped()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(b"pencil").unwrap();
    assert!(made.wait().unwrap().success());
    if tests::need::root().is_ok() {
        for entry in fs::read_dir(place.path("store")).unwrap() {
            chown(entry.unwrap().path(), Some(ACCOUNTS[0].1), Some(ACCOUNTS[0].1)).unwrap();
        }
    }
    place.map("hash", "senders", "info@gate.test\tbob, alice\n@club.test\tcarol@gate.test\n");
    let daemon = place.start();
    let status = place.run("gatepostd", &["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let address = status["listening"][0].as_str().unwrap();

    let mail = "MAIL FROM:<info@gate.test>";
    let rest = ["RCPT TO:<bob@gate.test>", "DATA"];
    let sent = |from: &str| {
        let message = format!("From: {from}\r\n\r\nx\r\n.");
        as_alice(address, &[mail, rest[0], rest[1], &message]).remove(3)
    };
    assert!(sent("Info <info@gate.test>").starts_with("250 2.0.0 "));
    assert!(sent("alice@gate.test").starts_with("550 5.7.1 From: <alice@gate.test> rejected: "));
    let refused = as_alice(address, &["MAIL FROM:<alice@gate.test>", "MAIL FROM:<x@club.test>", mail]);
    assert!(refused[0].starts_with("553 5.7.1 ") && refused[1].starts_with("553 5.7.1 "), "{refused:?}");
    assert!(refused[2].starts_with("250 "), "{refused:?}");
    daemon.wait_for("rule=\"submission.senders, @club.test\", authid=alice@gate.test");
    daemon.wait_for("ruleset=check_header, arg1=<info@gate.test>");

    place.map("hash", "senders", "alice@gate.test\talice@gate.test\n");
    let end = Instant::now() + Duration::from_mins(1);
    while !as_alice(address, &["MAIL FROM:<alice@gate.test>"])[0].starts_with("250 ") {
        assert!(Instant::now() < end, "{}", daemon.log());
        sleep(Duration::from_millis(50));
    }
    assert!(as_alice(address, &[mail])[0].starts_with("553 "));
}

const ACCESS: &str = "Connect:192.0.2\tRELAY\nConnect:192.0.2.66\tREJECT\n198.51.100.7\tRELAY\n\
    Connect:client.far.test\tRELAY\nConnect:dynamic.test\tREJECT\nConnect:fine.test\tOK\nFrom:spam.test\tREJECT\nFrom:far.test\tRELAY\nTo:closed.test\tREJECT\n\
    To:open.test\tRELAY\nbare.test\tRELAY\nTo:odd.test\tQUARANTINE:odd\nTo:nowhere.test\tDISCARD\n\
    To:busy.test\tERROR:4.7.0:450 busy\n";

/// Each row of the decision: what is asked, the exit, the step that decided, the rule, and the beginning of the reply.
const ROWS: [(&str, i32, &str, &str, &str); 28] = [
    (
        "--client 203.0.113.9 --from a@far.test --to u@remote.test",
        1,
        "rest",
        "nothing speaks for it",
        "550 5.7.1 <u@remote.test>... Relaying denied. ",
    ),
    ("--client 127.0.0.1 --from a@far.test --to u@remote.test", 1, "rest", "nothing", "550 5.7.1 "),
    ("--client 192.0.2.1 --from a@far.test --to u@remote.test", 0, "client", "Connect:192.0.2", "250 2.1.5 "),
    (
        "--client 198.51.100.7 --from a@far.test --to u@remote.test",
        0,
        "client",
        "access map, 198.51.100.7",
        "250 ",
    ),
    (
        "--client 192.0.2.66 --from a@far.test --to bob@gate.test",
        1,
        "connect",
        "Connect:192.0.2.66",
        "550 5.7.1 Access denied",
    ),
    (
        "--client 203.0.113.9 --name client.far.test --from a@b.test --to u@remote.test",
        0,
        "client",
        "Connect:client.far.test",
        "250 ",
    ),
    (
        "--client 203.0.113.9 --name x.client.far.test --from a@b.test --to u@remote.test",
        0,
        "client",
        "Connect:client.far.test",
        "250 ",
    ),
    (
        "--client 203.0.113.9 --name x.dynamic.test --from a@b.test --to bob@gate.test",
        1,
        "connect",
        "Connect:dynamic.test",
        "550 5.7.1 Access denied",
    ),
    // The name speaks first, and a rejection by address waits for it.
    (
        "--client 192.0.2.66 --name fine.test --from a@b.test --to bob@gate.test",
        0,
        "maildir",
        "there is one",
        "250 ",
    ),
    (
        "--client 203.0.113.9 --from a@spam.test --to bob@gate.test",
        1,
        "from",
        "From:spam.test",
        "550 5.7.1 Access denied",
    ),
    (
        "--client 203.0.113.9 --from a@b.test --to u@closed.test",
        1,
        "to-rejection",
        "To:closed.test",
        "550 5.2.1 ",
    ),
    ("--client 203.0.113.9 --from a@b.test --to u@open.test", 0, "to", "To:open.test", "250 "),
    ("--client 203.0.113.9 --from a@b.test --to u@bare.test", 0, "to", "bare.test", "250 "),
    (
        "--client 203.0.113.9 --from a@b.test --to u@friend.test",
        0,
        "domain",
        "relay domain, friend.test",
        "250 ",
    ),
    ("--client 203.0.113.9 --from a@b.test --to bob@gate.test", 0, "maildir", "there is one", "250 "),
    (
        "--client 203.0.113.9 --from a@b.test --to carol@gate.test",
        1,
        "maildir",
        "there is none",
        "550 5.1.1 ",
    ),
    ("--client 203.0.113.9 --from a@b.test --to u@odd.test", 75, "to-rejection", "To:odd.test", "450 4.7.1 "),
    (
        "--client 203.0.113.9 --from a@b.test --to u@busy.test",
        75,
        "to-rejection",
        "To:busy.test",
        "450 4.7.0 busy",
    ),
    ("--client 203.0.113.9 --from a@b.test --to u@nowhere.test", 0, "to-rejection", "thrown away", "250 "),
    ("--client 203.0.113.9 --from a@b.test --to u%remote.test@gate.test", 1, "rest", "nothing", "550 5.7.1 "),
    (
        "--user alice@gate.test --from alice@gate.test --to u@remote.test",
        0,
        "login",
        "trusted mechanism",
        "250 ",
    ),
    (
        "--user alice@gate.test --from alice@gate.test --to u@closed.test",
        1,
        "to-rejection",
        "To:closed.test",
        "550 5.2.1 ",
    ),
    (
        "--user alice@gate.test --from bob@gate.test --to u@remote.test",
        1,
        "senders",
        "submission.senders, own",
        "553 5.7.1 ",
    ),
    (
        "--client 192.0.2.66 --user alice@gate.test --from alice@gate.test --to u@remote.test",
        1,
        "connect",
        "REJECT",
        "550 5.7.1 ",
    ),
    (
        "--user alice@gate.test --mechanism PLAIN --from alice@gate.test --to u@remote.test",
        1,
        "connect",
        "goes on",
        "504 5.3.3 ",
    ),
    ("--listener MSA --from alice@gate.test --to bob@gate.test", 1, "connect", "goes on", "530 5.7.0 "),
    ("--listener msa --user alice@gate.test --from= --to u@remote.test", 0, "login", "trusted", "250 "),
    ("--from a@b.test. --to bob@gate.test", 1, "connect", "goes on", "501 5.1.7 "),
];

#[test]
fn each_row_of_the_decision_is_explained() {
    let place = Place::new(
        "access_map = \"hash:DIR/access\"\n[submission]\nsenders = \"own\"\n\
         [[listen]]\nname = \"MTA\"\nport = 25\n[[listen]]\nname = \"MSA\"\nport = 587\nmodifiers = \"a\"",
    );
    place.map("hash", "access", ACCESS);
    for (line, exit, step, rule, reply) in ROWS {
        let words: Vec<_> =
            ["explain", "--format", "json"].into_iter().chain(line.split_whitespace()).collect();
        let said = place.run("gatepostd", &words);
        assert_eq!(said.status.code(), Some(exit), "{line}: {said:?}");
        let explained = objects(&said).remove(0);
        let last = explained["steps"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["step"], step, "{line}: {explained}");
        assert!(last.to_string().contains(rule), "{line}: {explained}");
        assert!(explained["reply"].as_str().unwrap().starts_with(reply), "{line}: {explained}");
        assert_eq!(explained["accepted"], exit == 0);
    }
    let said = place
        .run("gatepostd", &["explain", "--client", "192.0.2.1", "--from", "a@b.test", "--to", "u@x.test"]);
    let text = String::from_utf8(said.stdout).unwrap();
    for line in [
        "listener      MTA, in clear",
        "                To:u@x.test: -",
        "client        relayed, by access map, Connect:192.0.2",
        "                Connect:192.0.2: RELAY",
        "reply         250 2.1.5 <u@x.test>... Recipient ok",
    ] {
        assert!(text.lines().any(|said| said == line), "{line:?} in\n{text}");
    }
    // As the session spells who has logged in.
    let said = place.run(
        "gatepostd",
        &["explain", "--user", "alice@GATE.test", "--from", "bob@gate.test", "--to", "u@x.test"],
    );
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("not owned by user alice@gate.test"), "{text}");
    // And what the front does not use is not used here.
    place.map("hash", "access", MIXED);
    let said = place
        .run("gatepostd", &["explain", "--client", "192.0.2.1", "--from", "a@b.test", "--to", "u@x.test"]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(75), "{text}");
    assert!(text.contains("451 4.3.0 ") && text.contains("the map holds secrets (AuthInfo:)"), "{text}");
    let wrong =
        place.run("gatepostd", &["explain", "--listener", "none", "--from", "a@b.test", "--to", "u@x.test"]);
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
}
