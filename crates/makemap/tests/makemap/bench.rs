//! A place to run makemap in: ours as built, and sendmail's.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tests::need::{self, Missing};
use tests::scratch;

/// A safe directory with an empty configuration and an empty sendmail.cf, so that nothing of the host counts.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { directory: scratch::dir() };
        bench.write("c.cf", b"");
        bench.write("gatepost.toml", b"");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, octets: &[u8]) {
        fs::write(self.path(name), octets).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the directory, but for the two that are always there.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "c.cf" && name != "gatepost.toml")
            .collect();
        names.sort();
        names
    }

    /// Our makemap, run in the directory with its empty configuration.
    pub(crate) fn ours<W: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_makemap"));
        command.current_dir(&self.directory).args(["-C", "c.cf", "--config"]);
        command.arg(self.path("gatepost.toml")).args(arguments);
        command
    }

    /// sendmail's makemap, run in the directory.
    pub(crate) fn theirs<W: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = W>,
    ) -> Result<Command, Missing> {
        let mut command = Command::new(real()?);
        command.current_dir(&self.directory).args(["-C", "c.cf"]).args(arguments);
        Ok(command)
    }

    /// A fresh, empty directory in this one.
    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        path
    }
}

/// sendmail's makemap.
pub(crate) fn real() -> Result<PathBuf, Missing> {
    need::packaged("sendmail-bin", "usr/sbin/makemap")
}

/// How many lines there are.
pub(crate) fn lines(octets: &[u8]) -> usize {
    octets.split_inclusive(|&octet| octet == b'\n').count()
}

/// Runs a command with this on its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that stops before it has read everything closes the pipe.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    Said {
        exit: output.status.code().expect("ended by a signal"),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).lines().map(Into::into).collect(),
    }
}

impl Said {
    /// Fails with everything that was said unless the exit is this.
    #[track_caller]
    pub(crate) fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", String::from_utf8_lossy(&self.out), self.err.join("\n"));
        self
    }

    /// The messages as one text.
    pub(crate) fn text(&self) -> String {
        self.err.join("\n")
    }
}
