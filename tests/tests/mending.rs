//! What one program prints another one does: the commands of `authcheck --fix` on a store, run by a shell.
#![allow(clippy::disallowed_methods, reason = "a configuration and a script of the test's own")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::program::built;
use tests::scratch;

fn run(directory: &Path, program: &str, arguments: &[&str], input: &str) -> Output {
    let script = format!("printf '%s' '{input}' | \"$@\"");
    let mut sh = Command::new("sh");
    sh.args(["-c", &script, "sh"]).arg(built(program)).args(arguments).current_dir(directory);
    sh.stdin(Stdio::null()).output().unwrap()
}

fn configure(directory: &Path, keep: &str) {
    let store = directory.join("configured.redb").display().to_string();
    let text = format!("[secrets]\npath = \"{store}\"\nkeep = \"{keep}\"\nargon2id.m = 8\nargon2id.t = 1\n");
    fs::write(directory.join("gatepost.toml"), text).unwrap();
}

/// Verifiers that nothing asks for any more are dropped from the store that was looked into, and from no other.
#[test]
fn a_store_is_mended_by_what_is_printed() {
    let directory = scratch::dir();
    let directory = directory.path();
    let here = ["--config", "gatepost.toml"];
    configure(directory, "argon2id plain");
    for store in ["configured.redb", "it's another.redb"] {
        for user in ["alice", "--dry-run"] {
            let words = [&here[..], &["-f", store, "-u", "b.example", "-p", "-c", "--", user]].concat();
            let made = run(directory, "saslpasswd", &words, "secret");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
    }
    configure(directory, "argon2id");
    let named = [&here[..], &["store", "it's another.redb"]].concat();
    for (looked_into, after) in [(&named[..], Some(1)), (&here[..], Some(0))] {
        let printed = run(directory, "authcheck", &[looked_into, &["--fix"]].concat(), "");
        assert_eq!(printed.status.code(), Some(1));
        fs::write(directory.join("mend"), &printed.stdout).unwrap();
        let mut sh = Command::new("/bin/sh");
        sh.args(["-e", "mend"]).env("PATH", built("saslpasswd").parent().unwrap()).current_dir(directory);
        let ran = sh.stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(run(directory, "authcheck", looked_into, "").status.code(), Some(0));
        let other = run(directory, "authcheck", &here, "").status.code();
        assert_eq!(other, after, "the store of the configuration waits for its turn");
    }
}
