//! Who has the password comes in, by every client, mechanism and way; nobody else does, and none is told why.

use std::collections::BTreeSet;

use tests::peer::until;

use super::postfix::Postfix;
use super::programs::{CURL, EVERY, Login, LogsIn, Outcome, Way, offered};
use super::sendmail::Sendmail;
use super::table::{Tried, table};
use tests::house::{Door, House, PASSWORD};

const REFUSED: &str = "535 5.7.0 authentication failed";
const WELCOME: &str = "235 2.0.0";

/// Whom the daemon knows and does not let in, and what they type: who is wrong, unknown, disabled.
const NOT_THESE: [(&str, &str); 3] = [("alice", "battery staple"), ("nobody", PASSWORD), ("bob", PASSWORD)];

#[test]
fn every_client_logs_in_and_its_mail_lies_in_the_maildir() {
    let Ok(house) = House::start() else { return };
    let clients = everybody(&house);
    let mut done = BTreeSet::new();
    for client in &clients {
        for (mechanism, way) in all_of(client.as_ref()) {
            logs_in(&house, client.as_ref(), mechanism, way, 0);
            done.insert(Tried::new(client.name(), mechanism, way));
        }
    }
    let is_here = |tried: &Tried| clients.iter().any(|client| client.name() == tried.client);
    let wanted: BTreeSet<Tried> = table().into_iter().filter(is_here).collect();
    assert_eq!(done, wanted, "those that ran, and those of the table");
}

#[test]
fn who_is_wrong_unknown_or_disabled_is_told_the_same() {
    let Ok(house) = House::start() else { return };
    for client in everybody(&house) {
        let mut ways = client.ways().iter().cycle();
        for mechanism in client.mechanisms() {
            for (user, password) in NOT_THESE {
                let way = if mechanism.ends_with("-PLUS") { Way::StartTls } else { *ways.next().unwrap() };
                let login = Login { user, password, ..alice(mechanism, way) };
                assert_refused(&client.run(&house, &login), &format!("{} {login:?}", client.name()));
            }
        }
    }
    assert_eq!(house.mails(), [""; 0]);
    let log = house.log();
    assert!(!log.contains("battery staple") && !log.contains("outcome=ok"), "{log}");
}

/// sendmail has what Cyrus SASL has: where DIGEST-MD5 has agreed on a layer, the rest of the session goes through it.
#[test]
fn sendmail_sends_its_mail_through_each_layer_of_digest_md5() {
    let Ok(house) = House::start() else { return };
    let Ok(mut sendmail) = Sendmail::start(&house) else { return };
    for bits in [1, 40, 56, 128] {
        sendmail = sendmail.with_layers(bits);
        logs_in(&house, &sendmail, "DIGEST-MD5", Way::Clear, bits);
    }
    sendmail = sendmail.with_layers(1);
    for (user, password) in NOT_THESE {
        let login = Login { user, password, ..alice("DIGEST-MD5", Way::Clear) };
        assert_refused(&sendmail.run(&house, &login), &format!("{login:?}"));
    }
}

#[test]
fn what_the_administrator_changes_counts_at_the_next_login() {
    let Ok(house) = House::start() else { return };
    let Ok(()) = CURL.installed() else { return };
    let before = processes(&house);
    for mechanism in CURL.mechanisms() {
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
    let Ok(clear) = offered(&house, Door::Default, &[]) else { return };
    let Ok(under_tls) = offered(&house, Door::Default, &["-tls"]) else { return };
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

/// Every client that is here.
fn everybody(house: &House) -> Vec<Box<dyn LogsIn>> {
    let mut all: Vec<Box<dyn LogsIn>> = Vec::new();
    for program in EVERY {
        if program.installed().is_ok() {
            all.push(Box::new(*program));
        }
    }
    if let Ok(sendmail) = Sendmail::start(house) {
        all.push(Box::new(sendmail));
    }
    if let Ok(postfix) = Postfix::start(house, &[&[("alice", PASSWORD)][..], &NOT_THESE].concat()) {
        all.push(Box::new(postfix));
    }
    all
}

fn all_of(client: &dyn LogsIn) -> Vec<(&'static str, Way)> {
    client.mechanisms().iter().flat_map(|name| client.ways().iter().map(|way| (*name, *way))).collect()
}

/// It comes in, and what it sends arrives; headers and log say how.
fn logs_in(house: &House, client: &dyn LogsIn, mechanism: &str, way: Way, bits: u32) {
    let subject = format!("{} {mechanism} {way:?} {bits}", client.name());
    let login = Login { subject: &subject, ..alice(mechanism, way) };
    let before = house.log().len();
    let done = client.run(house, &login);
    assert!(done.is_success && done.shown.contains(WELCOME), "{subject}: {}", done.shown);
    if client.sends() {
        let mail = house.mail(&subject);
        let received = mail.split_once("Received:").unwrap().1.split_once("\nFrom:").unwrap().0;
        let with = if way == Way::Clear { "with ESMTPA " } else { "with ESMTPSA " };
        assert!(received.contains(with), "{subject}: {received}");
        assert!(received.contains(&format!("(authenticated bits={bits})")), "{subject}: {received}");
    }
    let line = format!("authid=alice@example.org, mech={mechanism}, bits={bits}, outcome=ok, ");
    until(&line, || house.log()[before..].contains(&line).then_some(()));
}

/// That reply and no other that says yes, no or later; nothing was sent.
fn assert_refused(done: &Outcome, what: &str) {
    let shown = &done.shown;
    assert!(!done.is_success && shown.contains(REFUSED), "{what}: {shown}");
    for (at, _) in shown.match_indices("535 ").chain(shown.match_indices("535-")) {
        assert!(shown[at..].starts_with(REFUSED), "{what}: {shown}");
    }
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
