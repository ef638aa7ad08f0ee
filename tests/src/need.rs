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
    root()?;
    let command = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    match command().arg("true").output() {
        Ok(said) if said.status.success() => Ok(command()),
        _ => skip("this test needs a mount namespace of its own"),
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

/// A program of a Debian package that is better not installed for a test, since it would start a service or exclude
/// another package: as installed where it is, else from the package, unpacked below `target/peers`.
///
/// # Errors
/// [`Missing`] when there is neither the program nor a package to be had, or it does not start.
pub fn packaged(package: &str, program: &str) -> Result<PathBuf, Missing> {
    let peers = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers"));
    let unpacked = peers.join(package);
    let places = [Path::new("/").join(program), unpacked.join(program)];
    let found = || places.iter().find(|path| path.is_file()).cloned();
    let program = found().or_else(|| unpack(package, peers, &unpacked).and_then(|()| found()));
    match program {
        Some(path) if starts(&path) => Ok(path),
        Some(path) => skip(&format!("{} does not start: libraries of {package} are missing", path.display())),
        None => skip(&format!("this test needs a program of the package {package}")),
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

/// Whether the program can be started at all: unpacked, it has no dependencies with it.
fn starts(program: &Path) -> bool {
    let libraries = Command::new("ldd").arg(program).output();
    libraries.is_ok_and(|said| !String::from_utf8_lossy(&said.stdout).contains("not found"))
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
