//! Every damaged map file before every program that reads one: an error and its number, no crash, no hang, and no more
//! than 100 MB of memory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::program::{built, in_workspace};
use tests::{need, scratch};

/// Octets of memory of its own that a program may have; beyond it an allocation fails, and the program with it.
const MEMORY: &str = "--data=100000000";
/// Seconds; none takes one.
const PATIENCE: &str = "20";

#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    let (Ok(prlimit), Ok(timeout)) = (need::peer("prlimit"), need::peer("timeout")) else { return };
    let directory = scratch::dir();
    for file in damaged(directory.path()) {
        for (program, arguments, answer) in readers(&file) {
            let mut command = Command::new(&prlimit);
            command.arg(MEMORY).arg(&timeout).args(["--signal=KILL", PATIENCE]).arg(built(program));
            let done = command.args(&arguments).stdin(Stdio::null()).output().unwrap();
            check(&file, program, answer, &done);
        }
    }
}

/// What a program has to make of a damaged file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// Another number than 0, and says why.
    Fault,
    /// One key is looked up: it is not there, or the damage was met on the way.
    NothingFound,
    /// Its subject is the path, not what is in the file.
    Safe,
}

fn check(file: &Path, program: &str, answer: Answer, done: &Output) {
    let code = done.status.code();
    let told = String::from_utf8_lossy(&done.stderr);
    let context = format!("{program} {}: {:?}: {told}", file.display(), done.status);
    assert!(code.is_some_and(|code| code < 124), "killed, crashed or too slow: {context}");
    assert!(!told.contains("internal error"), "{context}");
    match answer {
        Answer::Fault => assert!(code != Some(0) && told.len() > program.len(), "{context}"),
        Answer::NothingFound => assert!(code == Some(1) || !told.is_empty(), "{context}"),
        Answer::Safe => assert_eq!(code, Some(0), "{context}"),
    }
}

/// What each program is asked to do with the file, and what it has to answer.
fn readers(file: &Path) -> Vec<(&'static str, Vec<String>, Answer)> {
    let name = file.display().to_string();
    let store = file.with_extension("store").display().to_string();
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    vec![
        ("makemap", words(&["-u", "hash", &name]), Answer::Fault),
        ("makemap", words(&["-u", "btree", &name]), Answer::Fault),
        ("makemap", words(&["-u", "implicit", &name]), Answer::Fault),
        ("makemap", words(&["-u", "redb", &name]), Answer::Fault),
        ("makemap", words(&["-q", "a", "implicit", &name]), Answer::NothingFound),
        ("sasldblistusers", words(&[&name]), Answer::Fault),
        ("saslpasswd", words(&["--import", &name, "--from", "sasldb", "-f", &store]), Answer::Fault),
        ("saslpasswd", words(&["--list", "-f", &name]), Answer::Fault),
        ("authcheck", words(&["files", "--kind", "secret", &name]), Answer::Safe),
    ]
}

/// Copies of the damaged files that only their owner reads.
fn damaged(to: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(in_workspace("tests/fixtures/maps/corrupt"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .collect();
    files.sort();
    assert!(files.len() > 50, "the damaged files are missing");
    let copy = |file: PathBuf| {
        let copy = to.join(file.file_name().unwrap());
        std::fs::write(&copy, std::fs::read(&file).unwrap()).unwrap();
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
        copy
    };
    files.into_iter().map(copy).collect()
}
