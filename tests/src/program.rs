//! Our own programs, as they were built beside the test that runs.

use std::path::PathBuf;

/// The built program of this name.
///
/// # Panics
/// When it is not there: `cargo test --package tests` alone does not build the programs.
#[allow(clippy::expect_used, reason = "a test without the program has nothing to say")]
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug");
    let program = target.join(name);
    assert!(program.is_file(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

/// A file below the workspace.
pub fn in_workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
