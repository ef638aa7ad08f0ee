//! The whole suite: peers installed, parts timed, nothing skipped in silence.
//!
//! As root on Debian it installs the peers' packages; elsewhere the tests that need them are counted and named as
//! skipped. With `CI=true` in the environment a skip is a failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{Outcome, cargo, output, step, target_directory, words};

/// Debian packages of the peers, with the file by which we know that one is there; a library stands below the directory
/// for those of this machine. Postfix excludes sendmail: the tests unpack it, and here stands what it is linked with.
const PEERS: &[(&str, &str)] = &[
    ("sasl2-bin", "/usr/sbin/saslpasswd2"),
    ("sendmail-bin", "/usr/sbin/makemap"),
    ("sendmail-cf", "/usr/share/sendmail/cf/m4/cf.m4"),
    ("m4", "/usr/bin/m4"),
    // With which sendmail and Postfix log in elsewhere.
    ("libsasl2-modules", "sasl2/libplain.so"),
    // Peers of the mechanisms: a program of ours drives the library, in C.
    ("gsasl", "/usr/bin/gsasl"),
    ("libsasl2-dev", "/usr/include/sasl/sasl.h"),
    ("gcc", "/usr/bin/cc"),
    // The other end of TLS, and its second opinion of certificates.
    ("openssl", "/usr/bin/openssl"),
    // Mail programs that log in; swaks takes DIGEST-MD5 and TLS from modules.
    ("swaks", "/usr/bin/swaks"),
    ("libauthen-sasl-perl", "/usr/share/perl5/Authen/SASL.pm"),
    ("libdigest-hmac-perl", "/usr/share/perl5/Digest/HMAC_MD5.pm"),
    ("libnet-ssleay-perl", "perl5/5.36/Net/SSLeay.pm"),
    ("curl", "/usr/bin/curl"),
    ("msmtp", "/usr/bin/msmtp"),
    // Also what fail2ban is written in, which is unpacked.
    ("python3", "/usr/bin/python3"),
    ("nodejs", "/usr/bin/node"),
    ("node-nodemailer", "/usr/share/nodejs/nodemailer/package.json"),
    ("libicu72", "libicuuc.so.72"),
    ("libnsl2", "libnsl.so.2"),
    ("libcdb1", "libcdb.so.1"),
    ("liblmdb0", "liblmdb.so.0"),
    ("db5.3-util", "/usr/bin/db5.3_dump"),
    ("db-util", "/usr/bin/db_load"),
    ("gdbmtool", "/usr/bin/gdbm_dump"),
    ("lmdb-utils", "/usr/bin/mdb_dump"),
    ("tinycdb", "/usr/bin/cdb"),
    ("acl", "/usr/bin/setfacl"),
    ("util-linux", "/usr/bin/setsid"),
    // For DB_File, which deletes from maps as old programs did.
    ("perl", "/usr/bin/prove"),
];

/// The suite in parts, each a call of `cargo test`.
const PARTS: &[(&str, &[&str])] = &[
    ("libraries", &["--workspace", "--lib", "--bins", "--exclude", "tests"]),
    ("programs and crates", &["--workspace", "--test", "*", "--exclude", "tests"]),
    ("documentation", &["--workspace", "--doc"]),
    ("whole system", &["--package", "tests"]),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The long forms too: 10,000 users at full cost, ten minutes of kills.
    #[arg(long)]
    full: bool,
    /// Take the peers that are there; install nothing.
    #[arg(long)]
    no_install: bool,
}

/// What the parts came to.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
    returned_early: u64,
    /// The test whose output is being shown.
    speaker: String,
}

pub(crate) fn run(options: &Options) -> Outcome {
    if !options.no_install {
        install_peers()?;
    }
    let begun = Instant::now();
    timed("build", || step(cargo().args(["build", "--workspace", "--all-targets", "--quiet"])))?;
    let mut tally = Tally::default();
    let mut times = Vec::new();
    for (name, arguments) in PARTS {
        let start = Instant::now();
        part(name, arguments, options, &mut tally)?;
        times.push((*name, start.elapsed()));
    }
    report(&times, begun.elapsed(), &tally);
    verdict(&tally)
}

/// Installs what is missing, starting no service; without root or apt the tests themselves say what they miss.
pub(crate) fn install_peers() -> Outcome {
    let libraries = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let missing: Vec<&str> = PEERS
        .iter()
        .filter(|(_, file)| !libraries.join(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0");
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        println!("not root on Debian, so these are not installed: {}", missing.join(" "));
        return Ok(());
    }
    timed("peers", || {
        let policy = keep_services_still();
        let done = step(apt().args(["-qq", "update"])).and_then(|()| {
            step(
                apt()
                    .args(["-qq", "-y", "--no-install-recommends", "install"])
                    .args(&missing)
                    .stdout(Stdio::null()),
            )
        });
        if let Some(path) = policy {
            let _ = std::fs::remove_file(path);
        }
        done
    })
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Debian asks this file before it starts a service; we want the programs, not the daemons. Returns what to remove.
fn keep_services_still() -> Option<&'static str> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = "/usr/sbin/policy-rc.d";
    let mut file = File::options().write(true).create_new(true).mode(0o755).open(path).ok()?;
    file.write_all(b"#!/bin/sh\nexit 101\n").ok().map(|()| path)
}

fn part(name: &str, arguments: &[&str], options: &Options, tally: &mut Tally) -> Outcome {
    println!("\n== {name}");
    let mut command = cargo();
    command.arg("test").args(arguments).args(["--no-fail-fast", "--", "--show-output"]);
    if options.full {
        command.env("GATEPOST_TEST_FULL", "1");
    }
    let log = target_directory()?.join(format!("test-{}.log", name.replace(' ', "-")));
    let (reader, writer) = std::io::pipe().map_err(|error| format!("a pipe: {error}"))?;
    let other = writer.try_clone().map_err(|error| format!("a pipe: {error}"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(other)
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", words(&command)))?;
    drop(command);
    let before = (tally.passed, tally.failed);
    let told = follow(BufReader::new(reader), &log, tally)?;
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    if !status.success() {
        println!("{told}\nthe whole output: {}", log.display());
        if (tally.passed, tally.failed) == before || tally.failed == before.1 {
            return Err(format!("{name} did not run to its end ({status})"));
        }
    }
    Ok(())
}

/// Keeps all that is printed in a log, shows the closing lines as they come, returns what speaks of failures.
fn follow(lines: impl BufRead, log: &Path, tally: &mut Tally) -> Outcome<String> {
    let mut kept = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut told = String::new();
    let mut failing = false;
    for line in lines.split(b'\n') {
        let line = line.map_err(|error| format!("reading the tests' output: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        writeln!(kept, "{line}").map_err(|error| format!("{}: {error}", log.display()))?;
        if line.starts_with("test result:") || line.trim_start().starts_with("Running ") {
            println!("{line}");
        }
        tally.take(&line);
        failing |= line == "failures:" || line.starts_with("error");
        failing &= !line.starts_with("test result:");
        if failing {
            told.push_str(&line);
            told.push('\n');
        }
    }
    Ok(told)
}

impl Tally {
    /// Reads what one line of the test runner says of numbers, and our own word for a test that did not run.
    fn take(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.speaker);
        }
        if let Some(reason) = line.trim().strip_prefix("SKIPPED: ") {
            // It returned early, which the runner counts as passed.
            self.returned_early += 1;
            self.skipped.push(format!("{}: {reason}", self.speaker));
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', '.', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped.extend((0..number).map(|_| "an ignored test".to_owned())),
                _ => {}
            }
        }
    }
}

fn timed(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    let start = Instant::now();
    let done = work();
    println!("   {name}: {:.1} s", start.elapsed().as_secs_f64());
    done
}

fn report(times: &[(&str, Duration)], whole: Duration, tally: &Tally) {
    println!("\n== times");
    for (name, time) in times {
        println!("   {name}: {:.1} s", time.as_secs_f64());
    }
    println!("   all, build included: {:.1} s", whole.as_secs_f64());
    for reason in &tally.skipped {
        println!("   skipped: {reason}");
    }
    let passed = tally.passed.saturating_sub(tally.returned_early);
    println!("\n{passed} passed, {} failed, {} skipped", tally.failed, tally.skipped.len());
}

fn verdict(tally: &Tally) -> Outcome {
    if tally.failed > 0 {
        return Err(format!("{} tests failed", tally.failed));
    }
    if tally.passed == 0 {
        return Err("no test ran".to_owned());
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if in_ci && !tally.skipped.is_empty() {
        return Err(format!("in CI nothing may be skipped: {}", tally.skipped.join("; ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_lines_are_counted() {
        let mut tally = Tally::default();
        tally.take(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        );
        tally.take("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.5s");
        tally.take("---- a::b stdout ----");
        tally.take("SKIPPED: this test needs root");
        tally.take("test a::b ... ok");
        assert_eq!((tally.passed, tally.failed, tally.returned_early), (15, 2, 1));
        assert_eq!(tally.skipped, ["an ignored test", "a::b: this test needs root"]);
    }

    #[test]
    fn a_run_without_tests_is_no_success() {
        assert!(verdict(&Tally::default()).is_err());
        assert!(verdict(&Tally { passed: 1, ..Tally::default() }).is_ok());
        assert!(verdict(&Tally { passed: 1, failed: 1, ..Tally::default() }).is_err());
    }
}
