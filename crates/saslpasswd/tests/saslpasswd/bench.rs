//! A bench to try the programs on: a safe directory, a cheap policy, and what a run left behind.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A directory of one test, with a configuration whose realm is the host's name, as saslpasswd2 has it.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// One MD5 for each password, so that hundreds are tried in a moment.
pub(crate) const CHEAP: &str = "keep = [\"digest-md5\"]";

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_policy(CHEAP)
    }

    /// With these lines of `[secrets]`.
    pub(crate) fn with_policy(secrets: &str) -> Self {
        let bench = Self { directory: tests::scratch::dir() };
        let store = bench.path("store").display().to_string();
        bench.write(
            "gatepost.toml",
            format!("[auth]\nrealm = \"{}\"\n[secrets]\npath = \"{store}\"\n{secrets}\n", host()),
        );
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file that only its owner reads.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// saslpasswd on this bench's configuration; `DB` in the arguments is its store.
    pub(crate) fn saslpasswd(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saslpasswd"));
        command.arg("--config").arg(self.path("gatepost.toml")).args(self.resolved(arguments));
        run(command, &[input.as_ref()])
    }

    /// sasldblistusers, likewise.
    pub(crate) fn list(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sasldblistusers"));
        command.arg("--config").arg(self.path("gatepost.toml")).args(self.resolved(arguments));
        run(command, &[])
    }

    /// The lines of the list, sorted.
    pub(crate) fn users(&self) -> Vec<String> {
        let mut users: Vec<String> = self.list(&[]).out.lines().map(str::to_owned).collect();
        users.sort();
        users
    }

    /// Whether this password authenticates.
    pub(crate) fn verifies(&self, user: &str, password: impl AsRef<[u8]>) -> bool {
        match self.saslpasswd(&["--verify", "--", user], password) {
            Run { exit: 0, .. } => true,
            Run { exit: 1, .. } => false,
            run => panic!("--verify {user}: {run:?}"),
        }
    }

    /// Arguments with `DB` and `DIR` filled in.
    pub(crate) fn resolved(&self, arguments: &[&str]) -> Vec<OsString> {
        let fill = |word: &&str| {
            let word = if *word == "DB" { "DIR/store" } else { word };
            OsString::from(
                word.replace("DIR", &self.directory.path().display().to_string()).replace("HOST", &host()),
            )
        };
        arguments.iter().map(fill).collect()
    }
}

/// Runs a program; the pieces of input come with a pause between them, in which a hasty reader goes on.
pub(crate) fn run(mut command: Command, input: &[&[u8]]) -> Run {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for (index, piece) in input.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        // A program that does not read its input may have ended.
        let _ = pipe.write_all(piece);
    }
    drop(pipe);
    let done = child.wait_with_output().unwrap();
    Run {
        exit: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// The host's name as saslpasswd2 takes it.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

/// The arguments as words to read.
pub(crate) fn shown<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
    words.join(" ")
}
