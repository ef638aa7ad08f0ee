//! What the README shows first, run as it is typed.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::process::{Command, Stdio};

use tests::program::{built, in_workspace};
use tests::scratch;

#[test]
fn the_demonstration_runs_to_its_end() {
    let place = scratch::dir();
    let directory = place.path().join("demo");
    let done = Command::new(built("xtask"))
        .args(["demo", "--directory"])
        .arg(&directory)
        .current_dir(in_workspace("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{shown}\n{}", String::from_utf8_lossy(&done.stderr));
    for line in [
        "imported 20 users from sasldb2 (sasldb)",
        "alice@demo.example: authenticates",
        "alice@demo.example: does not authenticate",
        "\"U:relay@demo.example\" \"P:a secret of the demonstration\" \"M:SCRAM-SHA-256 PLAIN\"",
        "3 safe, 0 unsafe, 0 not checked",
        "0 safe, 1 unsafe, 0 not checked",
        "# What to type next",
    ] {
        assert!(shown.contains(line), "{line:?} is not shown: {shown}");
    }
}
