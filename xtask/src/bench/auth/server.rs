//! Servers that are measured: ours as it ships, and the bare sink. Each has a port of its own on loopback, and its files
//! below the place of the bench.

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::peer::world::Process;

use super::client::HOST;
use super::load::USERS;
use super::proof::{Derived, REALM, User};
use crate::bench::program;
use crate::shell::{Outcome, step};

/// Something that listens, and ends with this.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) door: SocketAddrV4,
    /// Whether it knows what it signs in SCRAM.
    pub(super) signs: bool,
    /// What clients keep of its users.
    pub(super) derived: Derived,
    held: Vec<Held>,
}

pub(super) enum Held {
    Child(Child),
    World(Process),
}

impl Held {
    fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::World(process) => process.id(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Self::Child(child) = self else { return };
        if let Ok(id) = i32::try_from(child.id()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = child.wait();
    }
}

impl Server {
    pub(super) fn new(name: &'static str, door: SocketAddrV4, held: Vec<Held>) -> Self {
        Self { name, door, signs: true, derived: Derived::default(), held }
    }

    /// The processes below which all others are.
    pub(super) fn roots(&self) -> Vec<u32> {
        self.held.iter().map(Held::id).collect()
    }

    /// Waits until it takes connections.
    pub(super) fn until_it_listens(self) -> Outcome<Self> {
        let begun = Instant::now();
        while TcpStream::connect(self.door).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} does not listen on {}", self.name, self.door));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self)
    }
}

/// The directory of the bench, to which the accounts of servers come.
pub(super) struct Ground(PathBuf);

impl Ground {
    /// With a certificate, which is returned, and its key.
    pub(super) fn new(place: &Path) -> Outcome<(Self, Vec<u8>)> {
        let ground = Self(place.to_owned());
        let made = rcgen::KeyPair::generate().and_then(|key| {
            let parameters = rcgen::CertificateParams::new(vec![HOST.to_owned()])?;
            Ok((parameters.self_signed(&key)?, key))
        });
        let (certificate, key) = made.map_err(|error| format!("a certificate: {error}"))?;
        ground.write("cert.pem", &certificate.pem(), 0o644)?;
        ground.write("key.pem", &key.serialize_pem(), 0o600)?;
        let users = (0..USERS).map(User).map(|user| format!("{}:{}\n", user.name(), user.password()));
        ground.write("users", &users.collect::<String>(), 0o600)?;
        Ok((ground, certificate.der().to_vec()))
    }

    /// Where it is, for a configuration.
    pub(super) fn shown(&self) -> String {
        self.0.display().to_string()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) -> Outcome<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, text)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    pub(super) fn directory(&self, name: &str, mode: u32, owner: Option<u32>) -> Outcome<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir_all(&path)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
            .and_then(|()| chown(&path, owner, owner))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Ours: configuration, and a store with a thousand users.
    pub(super) fn fill(&self, port: u16) -> Outcome {
        self.directory("store", 0o700, Some(KEEPER))?;
        let text = CONFIGURATION
            .replace("DIR", &self.shown())
            .replace("PORT", &port.to_string())
            .replace("HOST", HOST)
            .replace("REALM", REALM);
        let configuration = self.write("gatepost.toml", &text, 0o644)?;
        let mut import = program("saslpasswd");
        import
            .arg("--config")
            .arg(configuration)
            .args(["--from", "text", "--import"])
            .arg(self.path("users"));
        step(import.stdout(Stdio::null()))
    }

    /// Ours, with its three processes and its log in a file.
    pub(super) fn gatepostd(&self, port: u16) -> Outcome<Server> {
        let log = File::options().create(true).append(true).open(self.path("log"));
        let log = log.map_err(|error| format!("the log: {error}"))?;
        let mut command = program("gatepostd");
        command.arg("--config").arg(self.path("gatepost.toml")).stdin(Stdio::null()).stderr(log);
        Server::new("gatepostd", loopback(port), vec![start(&mut command)?]).until_it_listens()
    }

    pub(super) fn sink(&self) -> Outcome<Server> {
        let port = free_port()?;
        let mut command = program("xtask");
        command.arg("sink").arg(port.to_string()).arg(&self.0).stdin(Stdio::null());
        let server = Server::new("bare sink", loopback(port), vec![start(&mut command)?]);
        Server { signs: false, ..server }.until_it_listens()
    }
}

fn start(command: &mut Command) -> Outcome<Held> {
    let child = command.spawn();
    child.map(Held::Child).map_err(|error| format!("{}: {error}", crate::shell::words(command)))
}

/// A port where nobody listens now.
pub(super) fn free_port() -> Outcome<u16> {
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

pub(super) fn loopback(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Accounts that every host has and nobody uses: daemon for the keeper, bin for the front.
const KEEPER: u32 = 1;

/// As shipped, but for what one address may do, since all clients have one; for PLAIN in clear; and for the iterations,
/// which are a client's work.
const CONFIGURATION: &str = r#"trusted_user = "daemon"
run_as = "bin"
host_name = "HOST"
pid_file = "DIR/run/pid"
control_socket = "DIR/run/control"

[auth]
realm = "REALM"
options = "y"

[secrets]
path = "DIR/store/secrets.redb"
keep = ["argon2id", "scram-sha-256", "cram-md5"]

[secrets.scram]
sha-256 = 4096

[tls]
certificate = "DIR/cert.pem"
key = "DIR/key.pem"

[[listen]]
address = "127.0.0.1"
port = PORT

[limits]
max_connections = 50000

[throttle]
max_connections_per_address = 50000

[queue]
directory = "DIR/queue"

[delivery]
maildirs = "DIR/mail"
"#;
