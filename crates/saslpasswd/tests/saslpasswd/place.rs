//! A safe directory with a configuration and, perhaps, a store; and one way to run the programs in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const SASLPASSWD: &str = env!("CARGO_BIN_EXE_saslpasswd");
pub(crate) const SASLDBLISTUSERS: &str = env!("CARGO_BIN_EXE_sasldblistusers");

/// Where a test works. The store is `secrets.redb`, the realm `vm`, every verifier as cheap as it may be.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// One whose policy keeps these verifiers.
    pub(crate) fn keeping(kinds: &[&str]) -> Self {
        let dir = tests::scratch::dir();
        let place = Self { dir };
        place.configure(&configuration(&place.store(), "vm", kinds));
        place
    }

    /// One with the usual policy.
    pub(crate) fn new() -> Self {
        Self::keeping(&["argon2id", "scram-sha-256"])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("secrets.redb")
    }

    /// The configuration that the programs are run with.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("gatepost.toml")
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.configuration(), text).unwrap();
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, octets).unwrap();
        mode(&path, 0o600);
        path
    }

    /// A copy of a fixture.
    pub(crate) fn fixture(&self, name: &str) -> PathBuf {
        self.write(name, fs::read(fixture(name)).unwrap())
    }

    /// saslpasswd with the configuration.
    pub(crate) fn command(&self) -> Command {
        self.program(SASLPASSWD)
    }

    /// One of the programs with the configuration, in the directory.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).arg("--config").arg(self.configuration());
        command
    }

    /// Runs saslpasswd with nothing on standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.feed(arguments, "")
    }

    /// Runs saslpasswd with this on standard input.
    pub(crate) fn feed(&self, arguments: &[impl AsRef<OsStr>], input: impl AsRef<[u8]>) -> Ran {
        feed(self.command().args(arguments), input)
    }

    /// Sets a password.
    pub(crate) fn set(&self, arguments: &[&str], password: &str) {
        self.feed(&[&["-p", "-c"], arguments].concat(), password).succeeded();
    }

    /// Whether a password is right.
    pub(crate) fn accepts(&self, user: &str, password: impl AsRef<[u8]>) -> bool {
        let ran = self.feed(&["--verify", user], password);
        match ran.exit {
            Some(0) => true,
            Some(1) => false,
            _ => panic!("could not find out: {ran:?}"),
        }
    }

    /// What `--show` says of a user, as JSON.
    pub(crate) fn shown(&self, user: &str) -> Value {
        self.run(&["--show", "--format", "json", user]).succeeded().json()
    }

    /// What `sasldblistusers` prints, in lines.
    pub(crate) fn listed(&self) -> Vec<String> {
        let ran = feed(&mut self.program(SASLDBLISTUSERS), "").succeeded();
        assert_eq!(ran.err, "");
        ran.out.lines().map(str::to_owned).collect()
    }

    /// Every user of a store as a dump has them.
    pub(crate) fn dumped(&self, store: &Path) -> Vec<Value> {
        let to = self.path("dump-to-look-at");
        let store = store.to_str().unwrap();
        self.run(&["-f", store, "--dump", to.to_str().unwrap()]).succeeded();
        let text = fs::read_to_string(&to).unwrap();
        fs::remove_file(to).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("user").is_some()).collect()
    }
}

impl Ran {
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.exit, Some(0), "{self:?}");
        self
    }

    /// It left this number, and said this on standard error and nothing on standard output.
    pub(crate) fn failed(&self, exit: i32, with: &str) {
        assert_eq!((self.exit, self.out.as_str()), (Some(exit), ""), "{self:?}");
        assert!(self.err.contains(with), "no {with:?} in {self:?}");
    }

    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a program to its end, under the name that it would have installed.
pub(crate) fn feed(command: &mut Command, input: impl AsRef<[u8]>) -> Ran {
    let name = Path::new(command.get_program()).file_name().unwrap().to_owned();
    command.arg0(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read it has gone before it was written.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap().into()
}

/// A file of `tests/fixtures/maps`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/maps").join(name)
}

/// Changes a file's mode.
pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// A gatepost.toml.
pub(crate) fn configuration(store: &Path, realm: &str, kinds: &[&str]) -> String {
    format!(
        "auth.realm = {realm:?}\n[secrets]\npath = {:?}\nkeep = {kinds:?}\n\
         [secrets.argon2id]\nm = 8\nt = 1\np = 1\n\
         [secrets.scram]\nsha-1 = 4096\nsha-256 = 4096\nsha-512 = 4096\n",
        store.to_str().unwrap()
    )
}
