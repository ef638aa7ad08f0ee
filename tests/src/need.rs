//! What a test cannot do without. Where it is missing the test is skipped, aloud; under `CI=true` that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a test needs and finds or does not find here.
#[derive(Debug)]
pub struct Missing;

/// Root, for tests that change owners or become another user.
///
/// # Errors
/// [`Missing`] when the effective user is not root.
pub fn root() -> Result<(), Missing> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { skip("this test needs root") }
}

/// A mount namespace of one's own, for tests that show a program another `/etc`: needs root, and a kernel or container
/// that allows it. The command runs what is added to it there.
///
/// # Errors
/// [`Missing`] when mounting is not allowed.
pub fn own_mounts() -> Result<Command, Missing> {
    own(&["--mount", "--propagation", "private"], "a mount namespace of its own")
}

/// As [`own_mounts`], and what is run there is the first of its processes: with it ends whatever it started.
///
/// # Errors
/// [`Missing`] when that is not allowed.
pub fn own_processes() -> Result<Command, Missing> {
    own(
        &["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"],
        "namespaces for mounts and processes of its own",
    )
}

fn own(options: &[&str], what: &str) -> Result<Command, Missing> {
    root()?;
    let command = || {
        let mut command = Command::new("unshare");
        command.args(options);
        command
    };
    match command().arg("true").output() {
        Ok(said) if said.status.success() => Ok(command()),
        _ => skip(&format!("this test needs {what}")),
    }
}

/// The full path of a program of a peer, looked up in the usual directories.
///
/// # Errors
/// [`Missing`] when no such program is installed.
pub fn peer(program: &str) -> Result<PathBuf, Missing> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/lib/postfix/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file())
        .map_or_else(|| skip(&format!("this test needs the program {program}")), Ok)
}

/// A file of a peer that is no program.
///
/// # Errors
/// [`Missing`] when it is not there.
pub fn file(path: &str) -> Result<(), Missing> {
    if Path::new(path).is_file() { Ok(()) } else { skip(&format!("this test needs {path}")) }
}

/// A library of a peer, below the directory that Debian has for those of this machine.
///
/// # Errors
/// [`Missing`] when it is not there.
pub fn library(name: &str) -> Result<(), Missing> {
    file(&format!("/usr/lib/{}-linux-gnu/{name}", std::env::consts::ARCH))
}

/// A program of a Debian package that is better not installed for a test, since it would start a service or exclude
/// another package: as installed where it is, else from the package, unpacked below `target/peers`.
///
/// # Errors
/// [`Missing`] when there is neither the program nor a package to be had, or it does not start.
pub fn packaged(package: &str, program: &str) -> Result<PathBuf, Missing> {
    let installed = Path::new("/").join(program);
    let program = if installed.is_file() { installed } else { unpacked(package)?.join(program) };
    if !program.is_file() {
        return skip(&format!("this test needs a program of the package {package}"));
    }
    libraries_of(&program, None).map(|()| program)
}

/// A Debian package, unpacked below `target/peers` and not installed: the directory with its files.
///
/// # Errors
/// [`Missing`] when there is no package to be had.
pub fn unpacked(package: &str) -> Result<PathBuf, Missing> {
    let peers = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers"));
    let place = peers.join(package);
    if place.is_dir() || unpack(package, peers, &place).is_some() {
        Ok(place)
    } else {
        skip(&format!("this test needs the package {package}"))
    }
}

/// Unpacks a package without installing it. Another test may be doing the same: the first to be done is kept.
fn unpack(package: &str, peers: &Path, place: &Path) -> Option<()> {
    std::fs::create_dir_all(peers).ok()?;
    let fresh = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(peers).ok()?;
    let download =
        Command::new("apt-get").args(["download", "-q", package]).current_dir(&fresh).output().ok()?;
    let archive =
        std::fs::read_dir(&fresh).ok()?.find_map(Result::ok).filter(|_| download.status.success())?;
    let tree = fresh.path().join("tree");
    let unpacked = Command::new("dpkg").arg("-x").arg(archive.path()).arg(&tree).status().ok()?;
    let kept = unpacked.success() && (std::fs::rename(&tree, place).is_ok() || place.is_dir());
    kept.then_some(())
}

/// Everything that a program or library is linked with: unpacked, it has nothing with it but what is beside it.
///
/// # Errors
/// [`Missing`] when something is not there.
pub fn libraries_of(program: &Path, beside: Option<&Path>) -> Result<(), Missing> {
    let mut ldd = Command::new("ldd");
    if let Some(beside) = beside {
        ldd.env("LD_LIBRARY_PATH", beside);
    }
    let said = ldd.arg(program).output();
    let found = said.is_ok_and(|said| !String::from_utf8_lossy(&said.stdout).contains("not found"));
    if found { Ok(()) } else { skip(&format!("{} does not start: libraries are missing", program.display())) }
}

/// Whether the long forms run: `GATEPOST_TEST_FULL=1`, as `cargo xtask test --full` sets it.
pub fn full() -> bool {
    std::env::var_os("GATEPOST_TEST_FULL").is_some_and(|value| value == "1")
}

#[allow(clippy::print_stderr, reason = "a test that does not run must be seen")]
pub(crate) fn skip<T>(reason: &str) -> Result<T, Missing> {
    assert!(std::env::var_os("CI").is_none(), "{reason}, and in CI nothing may be skipped");
    eprintln!("SKIPPED: {reason}");
    Err(Missing)
}
