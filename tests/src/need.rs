//! What a test cannot do without. Where it is missing the test is skipped, aloud; under `CI=true` that is a failure.

use std::path::{Path, PathBuf};

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

/// Whether the long forms run: `GATEPOST_TEST_FULL=1`, as `cargo xtask test --full` sets it.
pub fn full() -> bool {
    std::env::var_os("GATEPOST_TEST_FULL").is_some_and(|value| value == "1")
}

#[allow(clippy::print_stderr, reason = "a test that does not run must be seen")]
fn skip<T>(reason: &str) -> Result<T, Missing> {
    assert!(std::env::var_os("CI").is_none(), "{reason}, and in CI nothing may be skipped");
    eprintln!("SKIPPED: {reason}");
    Err(Missing)
}
