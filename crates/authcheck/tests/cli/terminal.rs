//! What a person meets: a question before anything is changed, and colours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tests::terminal::Terminal;

use crate::tree::Tree;

#[test]
fn commands_are_run_only_after_a_yes() {
    if tests::need::root().is_err() || tests::need::peer("setsid").is_err() {
        return;
    }
    for (answer, mode, exit) in [("n\r", 0o644, 1), ("\r", 0o644, 1), ("yes\r", 0o600, 0), ("Y\r", 0o600, 0)]
    {
        let tree = Tree::of("file secret root:root 0644");
        let path = tree.rooted("ROOT/secret");
        let arguments = ["files", "--kind", "secret", "--fix=apply", &path];
        let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_authcheck"), &arguments);
        terminal.wait_for("chmod g-r");
        terminal.wait_for("[y/N]");
        terminal.press(answer);
        let (status, screen) = terminal.end();
        assert_eq!(status.code(), Some(exit), "{answer:?}: {screen}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{answer:?}");
    }
}

#[test]
fn colours_are_for_terminals() {
    if tests::need::root().is_err() || tests::need::peer("setsid").is_err() {
        return;
    }
    let tree = Tree::of("file secret root:root 0600");
    let path = tree.rooted("ROOT/secret");
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_authcheck"), &["files", &path]);
    let (_, screen) = terminal.end();
    assert!(screen.contains("\u{1b}[32msafe"), "{screen:?}");
    let piped = tree.authcheck("files ROOT/secret");
    assert!(!tree.unrooted(&piped.stdout).contains('\u{1b}'));
}

/// The verdict stands in the exit, whoever hears the rest: a reader that has gone does not make it safe, and a full disk
/// is one more thing that could not be checked.
#[test]
fn nobody_listening_changes_no_verdict() {
    if tests::need::root().is_err() {
        return;
    }
    let tree = Tree::of("file open root:root 0644\nfile closed root:root 0600");
    for (path, options, heard, full) in [
        ("ROOT/open", "--kind=secret", 1, 2),
        ("ROOT/closed", "--kind=secret", 0, 2),
        ("ROOT/none", "--kind=secret", 2, 2),
        ("ROOT/open", "--fix", 1, 2),
    ] {
        let run = |out: Stdio| {
            let mut authcheck = Command::new(env!("CARGO_BIN_EXE_authcheck"));
            authcheck.args(["files", options, &tree.rooted(path)]).stderr(Stdio::null());
            authcheck.stdout(out).status().unwrap().code()
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(run(writer.into()), Some(heard), "{path} {options}");
        let device = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(run(device.into()), Some(full), "{path} {options}");
    }
}
