//! What the README shows first, run as it is typed.
#![allow(clippy::disallowed_methods, reason = "whether a daemon has gone is seen by what it takes with it")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use tests::need;
use tests::peer::until;
use tests::program::{built, in_workspace};
use tests::scratch;

#[test]
fn the_demonstration_runs_to_its_end() {
    for peer in ["openssl", "curl"] {
        let Ok(_) = need::peer(peer) else { return };
    }
    let place = scratch::dir_for_others();
    let directory = place.path().join("demo");
    let (status, shown) = demonstration(&directory, &[]);
    let left_up = LeftUp(directory.clone());
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
        "# What to try next",
        "# How to stop the daemon, and to be rid of it all",
    ] {
        assert!(shown.contains(line), "{line:?} is not shown: {shown}");
    }
    let at = directory.display().to_string();
    let session = readme_session();
    assert_eq!(steps(&session, "/srv/gatepost-demo"), steps(&shown, &at), "the session of the README");
    what_is_told_can_be_tried(&shown);

    // Another one beside it, which ends.
    let (status, again) = demonstration(&place.path().join("another"), &["--stop"]);
    assert!(status.success() && again.contains("# The daemon ends"), "{again}");
    assert!(!place.path().join("another/run/pid").exists());
    left_up.stop(&shown);
}

/// Every command that it tells to try is typed; to the one that asks for a password it is given.
fn what_is_told_can_be_tried(shown: &str) {
    let (_, told) = shown.split_once("# What to try next\n").unwrap();
    let (told, _) = told.split_once("\n# How to stop").unwrap();
    let (environment, commands): (Vec<&str>, Vec<&str>) =
        told.lines().filter(|line| !line.is_empty()).partition(|line| !line.contains(" # "));
    assert!(environment.len() == 2 && commands.len() > 5, "{told}");
    for command in commands {
        let typed = command.replace(" bob ", " -p -c bob ");
        let typed = if command.contains("asks for a password") { &*typed } else { command };
        let said = sh(&format!("{}\nprintf 'secret' | {typed}", environment.join("\n")));
        // A finding of authcheck on this host is none of ours.
        let most = if command.starts_with("authcheck discover") { 2 } else { 0 };
        let is_done = said.status.code().is_some_and(|code| (0..=most).contains(&code));
        assert!(is_done, "{command}: {said:?}");
    }
}

fn sh(line: &str) -> Output {
    Command::new("/bin/sh").args(["-c", line]).stdin(Stdio::null()).output().unwrap()
}

/// A daemon that was left up in that directory.
struct LeftUp(PathBuf);

impl LeftUp {
    /// As it is told.
    fn stop(&self, shown: &str) {
        let (_, told) = shown.split_once("# How to stop the daemon, and to be rid of it all\n").unwrap();
        let stop = told.lines().next().unwrap();
        let said = sh(&format!("cd {} && {stop}", self.0.display()));
        assert!(said.status.success(), "{stop}: {said:?}");
        until("the end of the daemon", || (!self.0.join("run/pid").exists()).then_some(()));
    }
}

impl Drop for LeftUp {
    fn drop(&mut self) {
        let pid = self.0.join("run/pid");
        sh(&format!("test -e {0} && kill -9 $(cat {0})", pid.display()));
    }
}

/// Runs it, and gives all that a person sees.
fn demonstration(directory: &Path, options: &[&str]) -> (ExitStatus, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(built("xtask"));
    command.args(["demo", "--directory"]).arg(directory).args(options).current_dir(in_workspace("."));
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
