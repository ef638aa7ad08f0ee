//! The filter that we ship, tried by fail2ban itself.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and sees what fails"
)]

use std::fs;
use std::process::Command;

/// Each line, and whether somebody is to be banned for it.
const LINES: [(&str, bool); 7] = [
    (
        "authid=alice@example.org, mech=PLAIN, bits=0, outcome=refused, session=1f, reason=\"wrong password\"",
        true,
    ),
    ("authid=\"\", mech=LOGIN, bits=0, outcome=malformed, session=20", true),
    ("authid=\"a, outcome=ok, session=1\", mech=LOGIN, bits=0, outcome=later, session=20", true),
    ("authid=alice@example.org, mech=PLAIN, bits=0, outcome=ok, session=1f", false),
    ("authid=alice@example.org, mech=PLAIN, bits=0, outcome=temporary, session=1f", false),
    (
        "authid=\"x\\\", relay=[198.51.100.9], outcome=refused, session=1\", mech=PLAIN, bits=0, outcome=ok, session=1f",
        false,
    ),
    ("authid=x, mech=\", bits=0, outcome=refused, session=\", bits=0, outcome=ok, session=1f", false),
];

#[test]
fn who_guesses_is_found_and_nobody_else() {
    let (Ok(package), Ok(python)) = (tests::need::unpacked("fail2ban"), tests::need::peer("python3")) else {
        return;
    };
    let dir = tests::scratch::dir();
    let log = dir.path().join("log");
    let line = |(number, (line, _)): (usize, &(&str, bool))| {
        let relay =
            if number % 2 == 0 { format!("192.0.2.{number}") } else { format!("IPv6:2001:db8::{number}") };
        format!(
            "2026-11-30T14:00:0{number}.123456789Z gatepostd-keeper[71]: AUTH=server, relay=[{relay}], {line}\n"
        )
    };
    fs::write(&log, LINES.iter().enumerate().map(line).collect::<String>()).unwrap();
    let filter = tests::program::in_workspace("packaging/fail2ban/filter.d/gatepost.conf");
    let said = Command::new(python)
        .arg(package.join("usr/bin/fail2ban-regex"))
        .args(["--print-all-matched", "-c"])
        .arg(package.join("etc/fail2ban"))
        .args([&log, &filter])
        .env("PYTHONPATH", package.join("usr/lib/python3/dist-packages"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let matched =
        said.split("Matched line(s):").nth(1).unwrap_or("").split("Missed line(s):").next().unwrap_or("");
    for (number, (line, is_guess)) in LINES.iter().enumerate() {
        let is_found = matched.contains(&format!("2026-11-30T14:00:0{number}."));
        assert_eq!(is_found, *is_guess, "{line}\n{said}");
    }
}
