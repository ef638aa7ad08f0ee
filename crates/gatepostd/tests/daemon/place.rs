//! A directory with all that a daemon needs, the daemon that runs there, and a client of it.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
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

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepostd");
/// Accounts that every host has and nobody uses.
pub(crate) const KEEPER: (&str, u32) = ("daemon", 1);
pub(crate) const FRONT: (&str, u32) = ("bin", 2);

/// A directory with a configuration, and all that it names.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

/// A daemon that runs there.
pub(crate) struct Daemon<'p> {
    place: &'p Place,
    pub(crate) child: Child,
    log: Arc<Mutex<String>>,
}

pub(crate) fn is_root() -> bool {
    tests::need::root().is_ok()
}

impl Place {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self) -> String {
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

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path("gatepost.toml"), text).unwrap();
        fs::set_permissions(self.path("gatepost.toml"), Permissions::from_mode(0o644)).unwrap();
    }

    /// A store with alice, whose password is "wonderland", and a Maildir of hers.
    pub(crate) fn has_alice(&self) {
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

    pub(crate) fn give(&self, name: &str, uid: u32) {
        if is_root() {
            chown(self.path(name), Some(uid), Some(uid)).unwrap();
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.path("gatepost.toml"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn start(&self) -> Daemon<'_> {
        let daemon = self.begin(&[]);
        daemon.until("a start", |daemon| daemon.log().contains("ready"));
        daemon
    }

    pub(crate) fn begin(&self, environment: &[(&str, &Path)]) -> Daemon<'_> {
        self.begin_with(&[], environment)
    }

    /// By another program, which has the daemon's command line behind its own.
    pub(crate) fn begin_with(&self, before: &[&str], environment: &[(&str, &Path)]) -> Daemon<'_> {
        let own = self.command(&[]);
        let mut command = match before {
            [] => own,
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(own.get_program()).args(own.get_args());
                command
            }
        };
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
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn status(&self) -> Value {
        let said = self.place.run(&["status", "--format", "json"]);
        assert!(said.status.success(), "{said:?}\n{}", self.log());
        serde_json::from_slice(&said.stdout).unwrap()
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_mins(1);
        while !is_so(self) {
            assert!(Instant::now() < end, "no {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self, role: &str) -> Option<i32> {
        let pid = process(&self.status(), role)["pid"].as_i64();
        pid.map(|pid| i32::try_from(pid).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn end(mut self) -> (ExitStatus, String) {
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

pub(crate) fn alice() -> Record {
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

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

/// A client of SMTP.
pub(crate) struct Client<S = TcpStream>(BufReader<S>);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self::of(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// One that was greeted.
    pub(crate) fn of(stream: S) -> Self {
        let mut client = Self(BufReader::new(stream));
        assert!(client.hear().starts_with("220 "));
        client
    }

    pub(crate) fn hear(&mut self) -> String {
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

    pub(crate) fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.hear()
    }

    pub(crate) fn login(&mut self, response: &str) -> String {
        self.say("EHLO client.example.org");
        self.say(&format!("AUTH PLAIN {response}"))[..3].to_owned()
    }
}

/// The reply to the last line of a mail to another host.
pub(crate) fn client_to_elsewhere(address: &str) -> String {
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

pub(crate) const RIGHT: &str = "AGFsaWNlAHdvbmRlcmxhbmQ=";
pub(crate) const WRONG: &str = "AGFsaWNlAGd1ZXNz";

pub(crate) fn process<'s>(status: &'s Value, role: &str) -> &'s Value {
    let processes = status["processes"].as_array().unwrap();
    processes.iter().find(|process| process["role"] == role).unwrap()
}

/// The lines of `/proc/PID/status`.
pub(crate) fn fact(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
}
