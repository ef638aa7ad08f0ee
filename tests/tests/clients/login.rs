//! Who has the password comes in, by every program, mechanism and way; nobody else does, and none is told why.

use std::process::Command;

use tests::need;
use tests::peer::until;

use super::house::{Door, House, PASSWORD};
use super::programs::{CURL, EVERY, Login, Outcome, Program, SWAKS, Way};

const REFUSED: &str = "535 5.7.0 authentication failed";
const WELCOME: &str = "235 2.0.0";

#[test]
fn every_program_logs_in_and_its_mail_lies_in_the_maildir() {
    let Ok(house) = House::start() else { return };
    for program in EVERY {
        let Ok(()) = program.installed() else { continue };
        for (mechanism, way) in all_of(program, program.ways) {
            let subject = format!("{} {mechanism} {way:?}", program.name);
            let login = Login { subject: &subject, ..alice(mechanism, way) };
            let before = house.log().len();
            let done = program.run(&house, &login);
            assert!(done.is_success && done.shown.contains(WELCOME), "{subject}: {}", done.shown);
            if program.sends {
                let mail = house.mail(&subject);
                let received = mail.split_once("Received:").unwrap().1.split_once("\nFrom:").unwrap().0;
                let with = if way == Way::Clear { "with ESMTPA " } else { "with ESMTPSA " };
                assert!(received.contains(with), "{subject}: {received}");
                assert!(received.contains("(authenticated bits="), "{subject}: {received}");
            }
            // As sendmail's line, of so many octets.
            let shown = &mechanism[..mechanism.len().min(16)];
            let line = format!("authid=alice@example.org, mech={shown}, bits=0, outcome=ok, ");
            until(&line, || house.log()[before..].contains(&line).then_some(()));
        }
    }
}

#[test]
fn who_is_wrong_unknown_or_disabled_is_told_the_same() {
    let Ok(house) = House::start() else { return };
    for program in EVERY {
        let Ok(()) = program.installed() else { continue };
        for (mechanism, way) in all_of(program, &[Way::StartTls]) {
            for (user, password) in [("alice", "battery staple"), ("nobody", PASSWORD), ("bob", PASSWORD)] {
                let login = Login { user, password, ..alice(mechanism, way) };
                assert_refused(&program.run(&house, &login), &format!("{} {login:?}", program.name));
            }
        }
    }
    assert_eq!(house.mails(), [""; 0]);
    let log = house.log();
    assert!(!log.contains("battery staple") && !log.contains(WELCOME), "{log}");
}

#[test]
fn what_the_administrator_changes_counts_at_the_next_login() {
    let Ok(house) = House::start() else { return };
    let Ok(()) = CURL.installed() else { return };
    let before = processes(&house);
    for mechanism in CURL.mechanisms {
        let comes_in = |password: &str| {
            let done = CURL.run(&house, &Login { password, ..alice(mechanism, Way::StartTls) });
            if !done.is_success {
                assert_refused(&done, mechanism);
            }
            done.is_success
        };
        assert!(comes_in(PASSWORD), "{mechanism}");
        house.saslpasswd(&["-p", "alice"], "another one");
        assert!(!comes_in(PASSWORD) && comes_in("another one"), "{mechanism}");
        house.saslpasswd(&["--disable", "alice"], "");
        assert!(!comes_in("another one"), "{mechanism}");
        house.saslpasswd(&["--enable", "alice"], "");
        assert!(comes_in("another one"), "{mechanism}");
        house.saslpasswd(&["-p", "alice"], PASSWORD);
    }
    house.saslpasswd(&["-d", "alice"], "");
    let done = CURL.run(&house, &alice("PLAIN", Way::StartTls));
    assert!(!done.is_success);
    assert_refused(&done, "a user who is no more");
    assert_eq!(processes(&house), before, "nothing was started again");
}

#[test]
fn by_default_no_password_travels_in_clear() {
    let Ok(house) = House::start() else { return };
    let Ok(swaks) = need::peer(SWAKS.name) else { return };
    let offered = |options: &[&str]| {
        let at = house.at(Door::Default);
        let said = Command::new(&swaks)
            .args(["--server", &at.ip().to_string(), "--port", &at.port().to_string()])
            .args(options)
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = shown.lines().rev().find_map(|line| line.split_once("250-AUTH ")).map(|(_, names)| names);
        line.unwrap_or_else(|| panic!("no AUTH: {shown}")).split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let clear = offered(&["--quit-after", "EHLO"]);
    let under_tls = offered(&["-tls", "--quit-after", "EHLO"]);
    for name in ["PLAIN", "LOGIN"] {
        assert!(!clear.iter().any(|offer| offer == name), "{clear:?}");
        assert!(under_tls.iter().any(|offer| offer == name), "{under_tls:?}");
    }
    assert!(clear.iter().any(|offer| offer == "SCRAM-SHA-256"), "{clear:?}");
    for line in ["AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=", "AUTH LOGIN"] {
        let said = house.speak(Door::Default).say(line);
        assert!(said.starts_with("504 5.3.3 "), "{line}: {said}");
    }
}

fn alice(mechanism: &str, way: Way) -> Login<'_> {
    Login {
        mechanism,
        user: "alice",
        password: PASSWORD,
        way,
        subject: "a login",
        recipient: "alice@example.org",
    }
}

fn all_of(program: &Program, ways: &[Way]) -> Vec<(&'static str, Way)> {
    program.mechanisms.iter().flat_map(|name| ways.iter().map(|way| (*name, *way))).collect()
}

/// That reply and no other that says yes, no or later; nothing was sent.
fn assert_refused(done: &Outcome, what: &str) {
    let shown = &done.shown;
    assert!(!done.is_success && shown.contains(REFUSED), "{what}: {shown}");
    let others = [
        "235 2.", "354 ", "421 4.", "432 4.", "454 4.", "500 5.", "501 5.", "503 5.", "504 5.", "530 5.",
        "534 5.", "538 5.",
    ];
    for other in others {
        assert!(!shown.contains(other), "{what}: {other}: {shown}");
    }
}

fn processes(house: &House) -> Vec<(serde_json::Value, serde_json::Value)> {
    let status = house.status();
    let processes = status["processes"].as_array().unwrap();
    processes.iter().map(|process| (process["role"].clone(), process["pid"].clone())).collect()
}
