//! What the README shows first, run as it is typed.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use tests::program::{built, in_workspace};
use tests::scratch;

#[test]
fn the_demonstration_runs_to_its_end() {
    let place = scratch::dir();
    let directory = place.path().join("demo");
    let (status, shown) = demonstration(&directory);
    assert!(status.success(), "{shown}");
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
    let place = directory.display().to_string();
    let session = readme_session();
    assert_eq!(steps(&session, "/root/gatepost-demo"), steps(&shown, &place), "the session of the README");
}

/// Runs it, and gives all that a person sees.
fn demonstration(directory: &Path) -> (ExitStatus, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(built("xtask"));
    command.args(["demo", "--directory"]).arg(directory).current_dir(in_workspace("."));
    command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    // Our own copies of the writing end go with it.
    drop(command);
    let mut shown = Vec::new();
    reader.read_to_end(&mut shown).unwrap();
    (child.wait().unwrap(), String::from_utf8_lossy(&shown).into_owned())
}

/// The first block of the README that is a session.
fn readme_session() -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("\n```console\n").unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// What is typed and told, and what is said to have been changed: lines without times and without what depends on where
/// the directory lies.
fn steps(session: &str, directory: &str) -> Vec<String> {
    let lines = session.lines().filter(|line| {
        ["# ", "$ ", "cd ", "rm ", "saslpasswd ", "makemap ", "authcheck ", "  chmod "]
            .iter()
            .any(|start| line.starts_with(start))
    });
    lines.map(|line| line.replace(directory, "DIRECTORY")).collect()
}
