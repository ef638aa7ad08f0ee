//! What an empty configuration means, row by row, seen from outside: the daemon with all of its usual paths, accounts and
//! names, in a view of the machine of its own.
#![allow(clippy::disallowed_methods, reason = "files of the test's own")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tests::house::{Door, House, mode};
use tests::need::{self, Missing};
use tests::peer::client::Client;
use tests::peer::until;
use tests::peer::world::{Process, World};
use tests::program::built;
use tests::scratch;

/// The usual accounts, which exist in this view only.
const KEEPER: u32 = 64_301;
const FRONT: u32 = 64_302;

/// A host that has nothing but what a package would make, and no configuration. The order of the fields is that of their
/// end.
struct Host {
    daemon: Option<Process>,
    world: World,
    /// The host's full name.
    name: String,
    place: TempDir,
}

impl Host {
    fn new(configuration: &str) -> Result<Self, Missing> {
        let place = scratch::dir();
        let path = |name: &str| place.path().join(name);
        fs::write(path("gatepost.toml"), configuration).unwrap();
        for directory in ["lib", "spool", "run", "lib/gatepost", "lib/gatepost-front"] {
            fs::create_dir(path(directory)).unwrap();
            mode(&path(directory), 0o755);
        }
        for (name, id) in [("lib/gatepost", KEEPER), ("lib/gatepost-front", FRONT)] {
            mode(&path(name), 0o700);
            need::root()?;
            chown(path(name), Some(id), Some(id)).unwrap();
        }
        let short = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let short = short.trim().split('.').next().unwrap();
        let name = format!("{short}.example.org");
        let accounts = [("root", 0), ("gatepost", KEEPER), ("gatepost-front", FRONT), ("nobody", 65_534)];
        let passwd =
            accounts.map(|(name, id)| format!("{name}:x:{id}:{id}::/nonexistent:/bin/false\n")).concat();
        let group = accounts.map(|(name, id)| format!("{name}:x:{id}:\n")).concat();
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name} {short}\n");
        let switch = "hosts: files\npasswd: files\ngroup: files\n";
        let mut world = World::new()?;
        for (name, text) in
            [("passwd", &*passwd), ("group", &group), ("hosts", &hosts), ("nsswitch.conf", switch)]
        {
            fs::write(path(name), text).unwrap();
            mode(&path(name), 0o644);
            world = world.show(path(name), Path::new("/etc").join(name));
        }
        for name in ["lib", "spool"] {
            world = world.show(path(name), Path::new("/var").join(name));
        }
        let world = world.show(path("run"), "/run");
        Ok(Self { daemon: None, world, name, place })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.world.tool(&built(program)).unwrap();
        self.configured(&mut command).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn configured<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.arg("--config").arg(self.path("gatepost.toml"))
    }

    fn start(&mut self) {
        let mut command = self.world.daemon(&built("gatepostd")).unwrap();
        self.configured(&mut command).stderr(File::create(self.path("log")).unwrap());
        self.daemon = Some(Process::start(&mut command));
        until("a daemon that is ready", || {
            let log = self.log();
            assert!(!log.contains("in use"), "{log}");
            (log.contains(": ready\n") && log.contains("the store is open")).then_some(())
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

fn shown(said: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr))
}

/// A client of port 587, from loopback.
fn client() -> Client {
    Client::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 587), Ipv4Addr::LOCALHOST).unwrap()
}

#[test]
fn an_empty_file_is_a_submission_server_that_is_safe() {
    let Ok(gsasl) = need::peer("gsasl") else { return };
    let Ok(mut host) = Host::new("") else { return };
    let made = host
        .world
        .tool(Path::new("/bin/sh"))
        .unwrap()
        .args(["-c", "printf 'correct horse' | \"$@\"", "sh"])
        .arg(built("saslpasswd"))
        .arg("--config")
        .arg(host.path("gatepost.toml"))
        .args(["-p", "-c", "alice"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", shown(&made));
    host.start();

    // [[listen]]: 587, and nothing on 25 or 465. The accounts: gatepost and gatepost-front.
    let log = host.log();
    let started = log.lines().find(|line| line.contains(": started, ")).unwrap();
    let (_, listening) = started.split_once("listening=").unwrap();
    let (listening, accounts) = listening.split_once(", keeper=").unwrap();
    let mut places = listening.trim_matches('"').split(' ');
    assert!(places.all(|place| place.ends_with(":587")), "{started}");
    assert_eq!(accounts, "\"gatepost (uid 64301)\", front=\"gatepost-front (uid 64302)\"");

    // tls.*: no STARTTLS; auth.mechanisms, auth.options `p y`, secrets.keep: what is safe without, and is kept.
    let mut session = client();
    let offers = session.lines("EHLO client.example.org");
    assert!(offers[0].contains(&format!("250-{} ", host.name)), "{offers:?}");
    assert!(offers.iter().any(|line| line == "250-AUTH SCRAM-SHA-256"), "{offers:?}");
    assert!(!offers.concat().contains("STARTTLS"), "{offers:?}");
    for (line, answer) in [
        ("STARTTLS", "5"),
        ("AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=", "504 5.3.3 "),
        ("AUTH LOGIN", "504 5.3.3 "),
        ("AUTH ANONYMOUS c29tZWJvZHk=", "504 5.3.3 "),
        ("AUTH EXTERNAL =", "504 5.3.3 "),
        ("AUTH SCRAM-SHA-1", "504 5.3.3 "),
        // M=a, and loopback is not special.
        ("MAIL FROM:<alice@example.org>", "530 5.7.0 "),
    ] {
        let said = session.say(line);
        assert!(said.starts_with(answer), "{line}: {said}");
    }

    // auth.realm: the host's full name, as saslpasswd has it.
    let said = Command::new(gsasl)
        .args(["--smtp", "--connect", "127.0.0.1:587", "--no-starttls", "--no-cb"])
        .args(["--mechanism", "SCRAM-SHA-256", "--authentication-id", "alice", "--password", "correct horse"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(shown(&said).contains("235 2.0.0"), "{}", shown(&said));
    let line = format!("authid=alice@{}, mech=SCRAM-SHA-256, bits=0, outcome=ok, ", host.name);
    until(&line, || host.log().contains(&line).then_some(()));
    let users = host.run("saslpasswd", &["--show", "alice"]);
    assert!(shown(&users).contains(&format!("alice@{}\n", host.name)), "{}", shown(&users));
    assert!(shown(&users).contains("verifiers   argon2id,scram-sha-256\n"), "{}", shown(&users));

    // log_level 9: who logs in, and not who connects.
    assert!(!host.log().contains(": connect, "), "{}", host.log());
    // Sockets for other programs are off.
    let mut made: Vec<_> = fs::read_dir(host.path("run/gatepost"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    made.sort();
    assert_eq!(made, ["control", "gatepostd.pid"]);
}

/// auth.trusted_mechanisms: what is offered; relay_domains and access map: none, and loopback is not special.
#[test]
fn who_has_logged_in_may_relay_and_loopback_may_not() {
    let Ok(house) = House::start() else { return };
    let mut session = house.speak(Door::Open);
    assert!(session.say("MAIL FROM:<alice@example.org>").starts_with("250 "));
    assert!(session.say("RCPT TO:<bob@elsewhere.example>").starts_with("550 5.7.1 "));
    assert!(session.say("RCPT TO:<alice@example.org>").starts_with("250 "));
    assert!(session.say("RSET").starts_with("250 "));
    assert!(session.say("AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=").starts_with("235 "));
    assert!(session.say("MAIL FROM:<alice@example.org>").starts_with("250 "));
    assert!(session.say("RCPT TO:<bob@elsewhere.example>").starts_with("250 "));
}

#[test]
fn the_check_names_what_is_missing_and_what_is_not_ours_is_no_error() {
    let Ok(host) = Host::new("[auth]\nmechanisms = \"GSSAPI NTLM OTP SCRAM-SHA-256\"\n") else { return };
    let said = host.run("gatepostd", &["check"]);
    let text = shown(&said);
    assert!(said.status.success(), "{text}");
    for word in ["GSSAPI", "NTLM", "OTP", "tls.certificate"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
