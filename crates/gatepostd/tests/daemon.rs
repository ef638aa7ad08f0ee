//! The real program, as whoever runs the tests: with the accounts of others where that is root.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and sees what fails"
)]

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use credential::policy::{Argon2Cost, Cost, Iterations, Salts};
use credential::{
    ChangedBy, DecoyKey, Identity, Label, Password, Policy, Realm, Record, Secret, Timestamp, derive,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use safefile::{Trust, Uid};
use serde_json::Value;
use store::StoreError;
use store::secrets::{NewStore, SecretStore};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepostd");
/// Accounts that every host has and nobody uses.
const KEEPER: (&str, u32) = ("daemon", 1);
const FRONT: (&str, u32) = ("bin", 2);

/// A directory with a configuration, and all that it names.
struct Place {
    dir: TempDir,
}

/// A daemon that runs there.
struct Daemon<'p> {
    place: &'p Place,
    child: Child,
    log: Arc<Mutex<String>>,
}

fn is_root() -> bool {
    tests::need::root().is_ok()
}

impl Place {
    fn new() -> Self {
        // Root's own directory is closed to the accounts of keeper and front.
        let dir = if is_root() {
            tempfile::Builder::new().prefix("gatepost-test-").tempdir_in("/run").unwrap()
        } else {
            tests::scratch::dir()
        };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { dir };
        fs::create_dir(place.path("store")).unwrap();
        if is_root() {
            chown(place.path("store"), Some(KEEPER.1), Some(KEEPER.1)).unwrap();
        }
        place.write(&place.text());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if is_root() {
            writeln!(text, "trusted_user = \"{}\"\nrun_as = \"{}\"", KEEPER.0, FRONT.0).unwrap();
        }
        let dir = self.dir.path().display();
        write!(
            text,
            "pid_file = \"{dir}/run/pid\"\ncontrol_socket = \"{dir}/run/control\"\nhost_name = \"mail.example.org\"\n\
             [secrets]\npath = \"{dir}/store/secrets.redb\"\n[queue]\ndirectory = \"{dir}/queue\"\n\
             [delivery]\nmaildirs = \"{dir}/mail\"\n[[listen]]\naddress = \"127.0.0.1\"\nport = 0\n"
        )
        .unwrap();
        text
    }

    fn write(&self, text: &str) {
        fs::write(self.path("gatepost.toml"), text).unwrap();
        fs::set_permissions(self.path("gatepost.toml"), Permissions::from_mode(0o644)).unwrap();
    }

    /// A store with alice, whose password is "wonderland", and a Maildir of hers.
    fn has_alice(&self) {
        let path = self.path("store/secrets.redb");
        let trust =
            Trust::root().caller(Uid::effective()).trusted_user(safefile::Account::by_uid(Uid(KEEPER.1)));
        let new = NewStore { decoy_key: DecoyKey::new([7; DecoyKey::OCTETS]), created: NOW };
        let alice = alice();
        SecretStore::create::<_, StoreError>(&path, &trust, new, |edit| edit.put(&alice).map(drop)).unwrap();
        for directory in ["mail", "mail/alice@example.org"] {
            fs::create_dir(self.path(directory)).unwrap();
            fs::set_permissions(self.path(directory), Permissions::from_mode(0o700)).unwrap();
            self.give(directory, FRONT.1);
        }
        for file in fs::read_dir(self.path("store")).unwrap() {
            self.give(file.unwrap().path().to_str().unwrap(), KEEPER.1);
        }
    }

    fn give(&self, name: &str, uid: u32) {
        if is_root() {
            chown(self.path(name), Some(uid), Some(uid)).unwrap();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.path("gatepost.toml"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn start(&self) -> Daemon<'_> {
        let daemon = self.begin(&[]);
        daemon.until("a start", |daemon| daemon.log().contains("ready"));
        daemon
    }

    fn begin(&self, environment: &[(&str, &Path)]) -> Daemon<'_> {
        let mut command = self.command(&[]);
        command.envs(environment.iter().copied()).env("SECRET_OF_THE_CALLER", "x");
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, copy) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *copy.lock().unwrap() += &(line + "\n");
            }
        });
        Daemon { place: self, child, log }
    }
}

impl Daemon<'_> {
    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn status(&self) -> Value {
        let said = self.place.run(&["status", "--format", "json"]);
        assert!(said.status.success(), "{said:?}\n{}", self.log());
        serde_json::from_slice(&said.stdout).unwrap()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_mins(1);
        while !is_so(self) {
            assert!(Instant::now() < end, "no {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn pid(&self, role: &str) -> Option<i32> {
        let pid = process(&self.status(), role)["pid"].as_i64();
        pid.map(|pid| i32::try_from(pid).unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn end(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        let end = Instant::now() + Duration::from_mins(1);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(100));
                return (status, self.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end\n{}", self.log());
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn alice() -> Record {
    let few = Iterations::new(4096).unwrap();
    let argon2id = Argon2Cost::new(64, 1, 1).unwrap();
    let cost = Cost { argon2id, scram_sha_1: few, scram_sha_256: few, scram_sha_512: few };
    let policy = Policy { keep: "argon2id".parse().unwrap(), cost };
    let who = Identity::parse("alice", &Realm::prepare("example.org").unwrap()).unwrap();
    let mut record = Record::new(who, NOW, ChangedBy::default());
    let recipe = record.recipe(&Label::main(), &policy.cost, Salts::from_random([3; Salts::OCTETS]));
    let password = Password::prepare(&Secret::copy_of(b"wonderland")).unwrap();
    let verifiers = derive(policy.keep, record.identity(), &password, &recipe).unwrap();
    record.renew(&Label::main(), verifiers, false, NOW).unwrap();
    record
}

const NOW: Timestamp = Timestamp(1_800_000_000);

/// A client of SMTP.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.hear().starts_with("220 "));
        client
    }

    fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "closed after {reply}");
            reply += &line;
            if line.as_bytes()[3] == b' ' {
                return reply;
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.hear()
    }

    fn login(&mut self, response: &str) -> String {
        self.say("EHLO client.example.org");
        self.say(&format!("AUTH PLAIN {response}"))[..3].to_owned()
    }
}

/// The reply to the last line of a mail to another host.
fn client_to_elsewhere(address: &str) -> String {
    let mut client = Client::connect(address);
    assert_eq!(client.login(RIGHT), "235");
    let lines = [
        "MAIL FROM:<alice@example.org>",
        "RCPT TO:<bob@elsewhere.example>",
        "DATA",
        "Subject: x\r\n\r\nx\r\n.",
    ];
    let said = lines.map(|line| client.say(line));
    said[3][..4].to_owned()
}

const RIGHT: &str = "AGFsaWNlAHdvbmRlcmxhbmQ=";
const WRONG: &str = "AGFsaWNlAGd1ZXNz";

fn process<'s>(status: &'s Value, role: &str) -> &'s Value {
    let processes = status["processes"].as_array().unwrap();
    processes.iter().find(|process| process["role"] == role).unwrap()
}

/// The lines of `/proc/PID/status`.
fn fact(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_starts_says_how_it_is_and_ends() {
    let place = Place::new();
    let daemon = place.start();
    let status = daemon.status();
    assert_eq!(status["generation"], 1);
    for role in ["keeper", "front"] {
        let process = process(&status, role);
        assert_eq!((&process["ready"], &process["restarts"]), (&true.into(), &0.into()), "{status}");
    }
    let pid = fs::read_to_string(place.path("run/pid")).unwrap();
    assert_eq!(pid.trim().parse::<u32>().unwrap(), daemon.child.id());
    let mode = fs::metadata(place.path("run/control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    Client::connect(status["listening"][0].as_str().unwrap());

    let text = String::from_utf8(place.run(&["status"]).stdout).unwrap();
    assert!(text.contains("keeper     process "), "{text}");
    let second = place.run(&[]);
    assert_eq!(second.status.code(), Some(69), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("is the daemon running already?"));

    let (ended, log) = daemon.end();
    assert!(ended.success(), "{log}");
    assert!(!place.path("run/control").exists() && !place.path("run/pid").exists());
    assert_eq!(place.run(&["status"]).status.code(), Some(69));
}

#[test]
fn each_process_is_somebody_and_has_nothing_of_the_caller() {
    let place = Place::new();
    let daemon = place.start();
    for (role, (_, uid)) in [("keeper", KEEPER), ("front", FRONT)] {
        let pid = daemon.pid(role).unwrap();
        assert_eq!(fact(pid, "SigBlk"), "0000000000000000");
        if is_root() {
            assert_eq!(fact(pid, "Uid"), format!("{uid} {uid} {uid} {uid}"));
            assert_eq!(fact(pid, "Gid"), format!("{uid} {uid} {uid} {uid}"));
            assert_eq!(fact(pid, "Groups"), "");
            assert_eq!(fact(pid, "CapEff"), "0000000000000000");
            assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
            assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
            let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
            assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
            let queue = fs::metadata(place.path("queue")).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&queue), FRONT.1);
        }
    }
    if !is_root() {
        assert!(daemon.log().contains("not started by root"), "{}", daemon.log());
    }
    let _ = daemon.end();
}

#[test]
fn who_is_killed_comes_back_and_nobody_is_refused_meanwhile() {
    let place = Place::new();
    let daemon = place.start();
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    for role in ["front", "keeper"] {
        let before = daemon.pid(role).unwrap();
        kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
        for _ in 0..20 {
            TcpStream::connect(&address).unwrap();
        }
        daemon.until("new process", |daemon| {
            let status = daemon.status();
            let process = process(&status, role);
            process["ready"] == true && process["restarts"] == 1 && process["pid"] != before
        });
    }
    let (ended, log) = daemon.end();
    assert!(ended.success() && log.contains("the keeper has ended, status=\"signal: 9 (SIGKILL)\""), "{log}");
}

#[test]
fn a_reload_takes_a_new_configuration_and_refuses_a_broken_one() {
    let place = Place::new();
    let daemon = place.start();
    let first = daemon.status()["listening"][0].clone();

    place.write(
        &("log_level = 14\n".to_owned()
            + &place.text()
            + "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nname = \"two\"\n[auth]\noptions = \"\"\n"),
    );
    let said = place.run(&["reload"]);
    assert!(said.status.success(), "{said:?}\n{}", daemon.log());
    let status = daemon.status();
    assert_eq!((&status["generation"], &status["listening"][0]), (&2.into(), &first));
    TcpStream::connect(status["listening"][1].as_str().unwrap()).unwrap();
    daemon.until("more lines of the front", |daemon| {
        Client::connect(first.as_str().unwrap());
        daemon.log().contains(": connect, daemon=")
    });
    daemon.until("news at the keeper", |daemon| process(&daemon.status(), "keeper")["generation"] == 2);

    place.write(&(place.text() + "[auth]\noptions = \"q\"\nmax_bist = 3\n"));
    daemon.signal(Signal::SIGHUP);
    daemon.until("refusal", |daemon| daemon.log().contains("the one before stays"));
    let control = place.path("run/control");
    let said = place.run(&["reload", "--control", control.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(78), "{words}");
    for line in [16, 17] {
        assert!(
            words.contains(&format!("gatepost.toml:{}:", if is_root() { line } else { line - 2 })),
            "{words}"
        );
    }
    assert!(words.contains("max_bits"), "{words}");
    place.write(&place.text());
    assert_eq!(daemon.status()["generation"], 2);
    let _ = daemon.end();
}

#[test]
fn what_is_unsafe_or_wrong_keeps_it_from_starting_and_the_check_says_so() {
    let place = Place::new();
    let well = place.run(&["check"]);
    let text = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(well.status.success() && text.contains("offered in clear: SCRAM-SHA-256"), "{text}");
    assert!(text.contains("left out: PLAIN") && text.contains("saslpasswd -c USER makes it"), "{text}");

    fs::write(place.path("store/secrets.redb"), "").unwrap();
    fs::set_permissions(place.path("store/secrets.redb"), Permissions::from_mode(0o666)).unwrap();
    fs::create_dir(place.path("queue")).unwrap();
    fs::set_permissions(place.path("queue"), Permissions::from_mode(0o777)).unwrap();
    let bad = place.run(&["check", "--format", "json"]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    let objects = String::from_utf8(bad.stdout).unwrap();
    let objects: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about = |name: &str| {
        let is = |it: &&Value| it["level"] == "error" && it["subject"].as_str().unwrap_or("").ends_with(name);
        objects.iter().filter(is).count()
    };
    assert!(about("secrets.redb") >= 1 && about("queue") >= 1, "{objects:?}");
    let start = place.run(&[]);
    let words = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(77), "{words}");
    assert!(
        words.contains("secrets.redb: unsafe store") && words.contains("unsafe secret-directory"),
        "{words}"
    );

    place.write("log_level = \"loud\"\nlisten = 3\n");
    let start = place.run(&[]);
    let words = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(78), "{words}");
    assert!(words.contains("gatepost.toml:1:") && words.contains("gatepost.toml:2:"), "{words}");
    assert_eq!(place.run(&["check"]).status.code(), Some(2));
}

#[test]
fn a_keeper_that_is_root_or_the_front_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    for (keeper, front, words) in [
        ("root", "bin", "the keeper would run as root"),
        ("bin", "root", "the front would run as root"),
        ("bin", "bin", "the front would run as the TrustedUser"),
        ("bin", "nobody-of-that-name", "run_as: no such user"),
    ] {
        let text = place.text().replace(KEEPER.0, "KEEPER").replace(FRONT.0, front).replace("KEEPER", keeper);
        place.write(&text);
        let said = place.run(&[]);
        let said = (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned());
        assert!(said.0 == Some(78) && said.1.contains(words), "{said:?}");
    }
}

#[test]
fn the_service_manager_is_told() {
    let place = Place::new();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let hear = || {
        let mut octets = [0; 512];
        let count = manager.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    };
    let daemon = place.begin(&[("NOTIFY_SOCKET", &path)]);
    assert!(hear().starts_with("READY=1\n"));
    daemon.signal(Signal::SIGHUP);
    assert!(hear().starts_with("RELOADING=1\n"));
    assert!(hear().starts_with("READY=1\n"));
    assert!(daemon.end().0.success());
    assert_eq!(hear(), "STOPPING=1\n");
}

#[test]
fn the_control_socket_is_for_root_and_the_daemons_own_user() {
    let place = Place::new();
    let daemon = place.start();
    let mut stranger = UnixStream::connect(place.path("run/control")).unwrap();
    stranger.write_all(b"{\"command\": \"shutdown\"}\n").unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("unknown variant"), "{answer}");
    if is_root() {
        fs::set_permissions(place.path("run/control"), Permissions::from_mode(0o666)).unwrap();
        let path = place.path("run/control");
        let said = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c"])
            .arg("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.send(b'{\"command\": \"status\"}\\n')\nprint(repr(s.recv(100)))")
            .arg(&path)
            .output();
        if let Ok(said) = said {
            assert!(!String::from_utf8_lossy(&said.stdout).contains("pid"), "{said:?}");
        }
    }
    let _ = daemon.end();
}

#[test]
fn who_has_a_password_sends_mail_and_who_has_none_does_not() {
    let place = Place::new();
    place.has_alice();
    let text = "local_domains = [\"example.org\"]\n".to_owned() + &place.text();
    place.write(&(text + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();

    let mut client = Client::connect(&address);
    assert!(client.say("EHLO client.example.org").contains("AUTH "));
    assert!(client.say("MAIL FROM:<alice@example.org>").starts_with("530 "));
    assert_eq!(client.login(WRONG), "535");
    assert_eq!(client.login(RIGHT), "235");
    for (line, reply) in [
        ("MAIL FROM:<alice@example.org>", "250 "),
        ("RCPT TO:<alice@example.org>", "250 "),
        ("DATA", "354 "),
        ("Subject: test\r\n\r\nhello\r\n.", "250 "),
        ("QUIT", "221 "),
    ] {
        let said = client.say(line);
        assert!(said.starts_with(reply), "{line}: {said}\n{}", daemon.log());
    }
    let mailbox = place.path("mail/alice@example.org/new");
    daemon.until("mail", |_| fs::read_dir(&mailbox).is_ok_and(|found| found.count() == 1));

    assert_eq!(client_to_elsewhere(&address), "250 ");
    let said = place.run(&["queue", "list"]);
    let waiting = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(waiting.contains("to bob@elsewhere.example: waits for another host"), "{waiting}{said:?}");

    kill(Pid::from_raw(daemon.pid("keeper").unwrap()), Signal::SIGKILL).unwrap();
    daemon.until("login with the new keeper", |_| Client::connect(&address).login(RIGHT) == "235");
    let (ended, log) = daemon.end();
    assert!(ended.success(), "{log}");
    for outcome in ["outcome=ok", "outcome=refused"] {
        let line = format!(
            "AUTH=server, relay=[127.0.0.1], authid=alice@example.org, mech=PLAIN, bits=0, {outcome}"
        );
        assert!(log.contains(&line), "{log}");
    }
    assert!(!log.contains("wonderland") && !log.contains("guess"), "{log}");
}

#[test]
fn a_listener_that_a_reload_does_not_name_any_more_is_closed() {
    let place = Place::new();
    let second = "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nname = \"two\"\n";
    // Two equal endpoints share a port; another address has its own.
    place.write(&(place.text() + &second.replace("127.0.0.1", "127.0.0.2")));
    let daemon = place.start();
    let address = daemon.status()["listening"][1].as_str().unwrap().to_owned();
    Client::connect(&address);
    place.write(&place.text());
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("closed port", |_| TcpStream::connect(&address).is_err());
    Client::connect(daemon.status()["listening"][0].as_str().unwrap());
    let _ = daemon.end();
}

#[test]
fn certificate_and_key_come_by_the_opener_and_only_while_they_are_safe() {
    let place = Place::new();
    let names = vec!["mail.example.org".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let write = |name: &str, text: String, mode: u32| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    write("cert.pem", cert.pem(), 0o644);
    write("key.pem", signing_key.serialize_pem(), 0o600);
    let dir = place.dir.path().display().to_string();
    place.write(&format!(
        "{}[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n",
        place.text()
    ));
    let daemon = place.start();
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let has_tls = || Client::connect(&address).say("EHLO client.example.org").contains("STARTTLS");
    daemon.until("STARTTLS", |_| has_tls());

    write("key.pem", signing_key.serialize_pem(), 0o644);
    let said = place.run(&["reload"]);
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(78) && words.contains("key.pem: unsafe private-key"), "{words}");
    assert_eq!(daemon.status()["generation"], 1);
    write("key.pem", signing_key.serialize_pem(), 0o600);
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("STARTTLS", |_| has_tls());
    let _ = daemon.end();
}

#[test]
fn the_fronts_own_user_reaches_neither_store_nor_keeper_nor_control_socket() {
    if !is_root() {
        return;
    }
    let Ok(setpriv) = tests::need::peer("setpriv") else { return };
    let place = Place::new();
    place.has_alice();
    let daemon = place.start();
    let (keeper, uid) = (daemon.pid("keeper").unwrap(), FRONT.1);
    let as_front = |arguments: &[&str]| {
        let said = Command::new(&setpriv)
            .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()])
            .args(arguments)
            .output()
            .unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    assert!(as_front(&["ls", place.path("queue").to_str().unwrap()]).0, "its own");
    for path in [
        place.path("store/secrets.redb").display().to_string(),
        format!("/proc/{keeper}/mem"),
        format!("/proc/{keeper}/fd/0"),
        format!("/proc/{}/mem", daemon.child.id()),
    ] {
        let (is_read, words) = as_front(&["head", "-c1", &path]);
        assert!(!is_read && words.contains("ermission denied"), "{path}: {words}");
    }
    let (is_killed, _) = as_front(&["kill", "-9", &keeper.to_string()]);
    assert!(!is_killed);
    let config = place.path("gatepost.toml");
    let (is_told, words) = as_front(&[PROGRAM, "status", "--config", config.to_str().unwrap()]);
    assert!(!is_told && words.contains("ermission denied"), "{words}");
    let _ = daemon.end();
}

#[test]
fn with_the_opener_end_the_others_and_the_next_start_finds_no_obstacle() {
    let place = Place::new();
    place.write(&("log_format = \"json\"\nlog_level = 14\n".to_owned() + &place.text()));
    let mut daemon = place.start();
    let pids = ["keeper", "front"].map(|role| daemon.pid(role).unwrap());
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    daemon.until("end of keeper and front", |_| {
        pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
    for line in daemon.log().lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            object["level"].is_u64() && object["process"].is_string() && object["time"].is_string(),
            "{line}"
        );
    }
    let next = place.start();
    assert_eq!(next.status()["generation"], 1);
    assert!(next.end().0.success());
}
