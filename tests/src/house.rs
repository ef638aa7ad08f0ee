//! A host with the daemon as it is installed, in a directory of its own. Its users were made by saslpasswd.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "what fails in a test is to be seen")]

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::need::{self, Missing};
use crate::peer::{client::Client, until};
use crate::{program, scratch};

/// Accounts that every host has and nobody uses, for keeper and front where root starts the daemon.
pub const KEEPER: (&str, u32) = ("daemon", 1);
/// See [`KEEPER`].
pub const FRONT: (&str, u32) = ("bin", 2);

/// The user whom everybody is, and what he types.
pub const PASSWORD: &str = "correct horse";

/// Where to knock. The door in clear has an address of its own with each set of options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Door {
    /// In clear or by STARTTLS; clear-text passwords are allowed, AUTH is not required.
    Open,
    /// TLS from the first octet.
    Tls,
    /// As the configuration is by default.
    Default,
    /// As the first, but nobody brings mail there without a login.
    Login,
}

/// A daemon, which ends when this is dropped.
#[derive(Debug)]
pub struct House {
    dir: TempDir,
    daemon: Child,
    doors: Vec<SocketAddrV4>,
}

impl House {
    /// A daemon that is ready, with alice, who has a Maildir, and bob, who is disabled.
    pub fn start() -> Result<Self, Missing> {
        Self::furnished(|_, text| text)
    }

    /// The same, with another configuration: what is to be done in the directory before, and what the text then is.
    pub fn furnished(furnish: impl FnOnce(&Path, String) -> String) -> Result<Self, Missing> {
        let openssl = need::peer("openssl")?;
        let is_root = rustix::process::geteuid().is_root();
        let dir = scratch::dir_for_others();
        let accounts = format!("trusted_user = \"{}\"\nrun_as = \"{}\"\n", KEEPER.0, FRONT.0);
        let accounts = if is_root { &*accounts } else { "" };
        let rest = CONFIGURATION.replace("DIR", &dir.path().display().to_string());
        let text = furnish(dir.path(), format!("{accounts}{rest}"));
        fs::write(dir.path().join("gatepost.toml"), text).unwrap();
        mode(&dir.path().join("gatepost.toml"), 0o644);
        for (name, (_, uid)) in
            [("store", KEEPER), ("mail", FRONT), (MAILDIR.rsplit_once('/').unwrap().0, FRONT)]
        {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            mode(&path, 0o700);
            if is_root {
                chown(&path, Some(uid), Some(uid)).unwrap();
            }
        }
        certificate(&openssl, dir.path());
        for user in ["alice", "bob"] {
            saslpasswd(dir.path(), &["-p", "-c", user], PASSWORD);
        }
        saslpasswd(dir.path(), &["--disable", "bob"], "");
        let daemon = gatepostd(dir.path())
            .stdin(Stdio::null())
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut house = Self { dir, daemon, doors: Vec::new() };
        let status = until("a daemon that is ready", || {
            let log = house.log();
            let is_ready = log.contains("ready") && log.contains("the store is open");
            is_ready.then(|| house.status())
        });
        let listening = status["listening"].as_array().unwrap();
        // The last is a unix socket.
        house.doors = listening.iter().filter_map(|address| address.as_str().unwrap().parse().ok()).collect();
        Ok(house)
    }

    /// The address of a door.
    pub fn at(&self, door: Door) -> SocketAddrV4 {
        self.doors[door as usize]
    }

    /// The number of its first process, the opener.
    pub fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()).unwrap()
    }

    /// What it says of its keeper or its front.
    pub fn process(&self, role: &str) -> Value {
        let status = self.status();
        let processes = status["processes"].as_array().unwrap();
        processes.iter().find(|process| process["role"] == role).unwrap().clone()
    }

    /// Somebody who comes while perhaps nobody serves him.
    ///
    /// # Errors
    /// When he is not served.
    pub fn try_to_speak(&self, door: Door) -> io::Result<Client> {
        Client::connect(self.at(door), Ipv4Addr::LOCALHOST)
    }

    /// Somebody who speaks with it in clear, as he likes.
    pub fn speak(&self, door: Door) -> Client {
        Client::connect(self.at(door), Ipv4Addr::LOCALHOST).unwrap()
    }

    /// The same by a unix socket, where AUTH is not required.
    pub fn speak_locally(&self) -> Client {
        Client::connect_unix(&self.path("run/smtp")).unwrap()
    }

    /// Something in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// saslpasswd, to be run on the live store.
    pub fn tool(&self, arguments: &[&str]) -> Command {
        saslpasswd_command(self.dir.path(), arguments)
    }

    /// The administrator's hand on the live store.
    pub fn saslpasswd(&self, arguments: &[&str], typed: &str) {
        saslpasswd(self.dir.path(), arguments, typed);
    }

    /// One of the daemon's commands.
    pub fn gatepostd(&self, arguments: &[&str]) -> Output {
        gatepostd(self.dir.path()).args(arguments).output().unwrap()
    }

    /// What it says of itself.
    pub fn status(&self) -> Value {
        let said = self.gatepostd(&["status", "--format", "json"]);
        assert!(said.status.success(), "{said:?}");
        serde_json::from_slice(&said.stdout).unwrap()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A message with this subject, in a file.
    pub fn message(&self, subject: &str) -> PathBuf {
        let path = self.path("message");
        fs::write(&path, message(subject)).unwrap();
        path
    }

    /// The mail that lies in the Maildir with this subject.
    pub fn mail(&self, subject: &str) -> String {
        let line = format!("Subject: {subject}\n");
        until(&line, || self.mails().into_iter().find(|mail| mail.replace('\r', "").contains(&line)))
    }

    /// All that lies in alice's Maildir and was not looked at.
    pub fn mails(&self) -> Vec<String> {
        let Ok(found) = fs::read_dir(self.path(MAILDIR)) else { return Vec::new() };
        found.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }
}

/// A message with this subject.
pub fn message(subject: &str) -> String {
    format!("From: alice@example.org\r\nTo: alice@example.org\r\nSubject: {subject}\r\n\r\nA message.\r\n")
}

impl Drop for House {
    #[allow(clippy::print_stderr, reason = "what the daemon says of a test that fails is to be seen")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Makes a file the keeper's, where root starts the daemon.
pub fn give_to_keeper(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(KEEPER.1), Some(KEEPER.1)).unwrap();
    }
}

/// Gives a file this mode.
pub fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

fn gatepostd(place: &Path) -> Command {
    let mut command = Command::new(program::built("gatepostd"));
    command.arg("--config").arg(place.join("gatepost.toml"));
    command
}

fn saslpasswd_command(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::built("saslpasswd"));
    command.arg("--config").arg(place.join("gatepost.toml")).args(arguments);
    command
}

fn saslpasswd(place: &Path, arguments: &[&str], typed: &str) {
    let mut command = saslpasswd_command(place, arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Who needs nothing typed may be gone before.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "saslpasswd {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
}

fn certificate(openssl: &Path, place: &Path) {
    let names = "subjectAltName=DNS:mail.example.org,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3,IP:127.0.0.4";
    let said = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=mail.example.org", "-addext", names])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(place)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    mode(&place.join("key.pem"), 0o600);
    mode(&place.join("cert.pem"), 0o644);
}

const MAILDIR: &str = "mail/alice@example.org/new";

/// Every verifier is kept, at little cost; guessing is not slowed down, since here it is what is tested.
const CONFIGURATION: &str = r#"
pid_file = "DIR/run/pid"
control_socket = "DIR/run/control"
host_name = "mail.example.org"
local_domains = ["example.org"]

[auth]
realm = "example.org"
ciphers = "rc4 des rc4-56 rc4-40"

[secrets]
path = "DIR/store/secrets.redb"
keep = "argon2id scram-sha-512 scram-sha-256 scram-sha-1 cram-md5 digest-md5"
argon2id = { m = 64, t = 1, p = 1 }
scram = { sha-1 = 4096, sha-256 = 4096, sha-512 = 4096 }

[tls]
certificate = "DIR/cert.pem"
key = "DIR/key.pem"

[queue]
directory = "DIR/queue"
min_free = "1M"

[delivery]
maildirs = "DIR/mail"

[throttle]
enabled = false

[[listen]]
name = "open"
address = "127.0.0.1"
port = 0
modifiers = ""
options = ""

[[listen]]
name = "tls"
address = "127.0.0.2"
port = 0
modifiers = "a s"

[[listen]]
name = "default"
address = "127.0.0.3"
port = 0

[[listen]]
name = "login"
address = "127.0.0.4"
port = 0
modifiers = "a"
options = ""

[[listen]]
socket = "DIR/run/smtp"
modifiers = ""
"#;
