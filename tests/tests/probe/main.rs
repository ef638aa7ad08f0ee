//! `authcheck server` at real servers, our own and others', and at one that does whatever a server must not.
#![allow(
    clippy::disallowed_methods,
    reason = "a daemon's configuration and log are looked at as any program would"
)]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

mod hostile;
mod ours;
mod peers;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::program;

/// What a run of `authcheck server` came to.
#[derive(Debug)]
struct Done {
    exit: i32,
    out: String,
    err: String,
}

/// Runs it, with something typed where a password is asked for.
fn probe(arguments: &[&str], typed: &str) -> Done {
    let mut command = Command::new(program::built("authcheck"));
    command.arg("server").args(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // Who asks for nothing may be gone before.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let said = child.wait_with_output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    Done { exit: said.status.code().unwrap(), out: text(&said.stdout), err: text(&said.stderr) }
}

/// The same for a program: the objects, and the exit.
fn probe_json(arguments: &[&str], typed: &str) -> (i32, Vec<Value>) {
    let done = probe(&[&["--format", "json"], arguments].concat(), typed);
    let objects = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (done.exit, objects)
}

/// The words of the dangers that were found.
fn dangers(objects: &[Value]) -> Vec<&str> {
    let found = objects.iter().filter(|object| object["severity"] == "danger");
    found.map(|object| object["finding"].as_str().unwrap()).collect()
}

/// Mechanisms, and what came of each.
fn logins(objects: &[Value]) -> Vec<(&str, &str)> {
    let tried = objects.iter().filter(|object| object["login"].is_string());
    tried.map(|object| (object["login"].as_str().unwrap(), object["outcome"].as_str().unwrap())).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
