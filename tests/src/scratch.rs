//! Directories for tests whose whole path is safe: `/tmp` is not, anybody may write there.

use std::path::PathBuf;

/// A fresh directory below one that only this user (root in CI) may write, removed when dropped.
///
/// # Panics
/// When no directory can be made: a test cannot go on then.
#[allow(clippy::expect_used, reason = "a test without its directory has nothing to say")]
pub fn dir() -> tempfile::TempDir {
    let base = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    tempfile::Builder::new()
        .prefix(".gatepost-test-")
        .tempdir_in(base)
        .expect("a scratch directory below HOME")
}
