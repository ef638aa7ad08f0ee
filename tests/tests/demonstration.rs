//! What the README shows first, run as it is typed.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use tests::need;
use tests::program::{built, in_workspace};
use tests::scratch;

#[test]
fn the_demonstration_runs_to_its_end() {
    for peer in ["openssl", "curl"] {
        let Ok(_) = need::peer(peer) else { return };
    }
    let place = scratch::dir_for_others();
    let directory = place.path().join("demo");
    let (status, shown) = demonstration(&directory);
    assert!(status.success(), "{shown}");
    for line in [
        "imported 20 users from sasldb2 (sasldb)",
        "alice@demo.example: authenticates",
        "alice@demo.example: does not authenticate",
        "\"U:relay@demo.example\" \"P:a secret of the demonstration\" \"M:SCRAM-SHA-256 PLAIN\"",
        "7 safe, 0 unsafe, 0 not checked",
        "0 safe, 1 unsafe, 0 not checked",
        "0 unsafe, 0 wrong, 1 to be known",
        "with ESMTPSA id ",
        "To myself.",
        "authid=alice@demo.example, mech=PLAIN, bits=0, outcome=ok, ",
        "outcome=refused, session=2, reason=\"wrong password\"",
        "# What to type next",
    ] {
        assert!(shown.contains(line), "{line:?} is not shown: {shown}");
    }
    let place = directory.display().to_string();
    let session = readme_session();
    assert_eq!(steps(&session, "/srv/gatepost-demo"), steps(&shown, &place), "the session of the README");
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
        [
            "# ",
            "$ ",
            "cd ",
            "rm ",
            "kill ",
            "saslpasswd ",
            "makemap ",
            "authcheck ",
            "gatepostd --config",
            "gatepostd queue",
            "  chmod ",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    });
    lines.map(|line| without_port(&line.replace(directory, "DIRECTORY"))).collect()
}

/// The daemon listens on the first port that is free.
fn without_port(line: &str) -> String {
    let Some((before, after)) = line.split_once("127.0.0.1:") else { return line.to_owned() };
    format!("{before}127.0.0.1:PORT{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}
