//! At our own daemon: nothing to find fault with where it is as it is by default, and every login step by step.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::peer::until;

use crate::{dangers, logins, probe, probe_json, shown};
use tests::house::{Door, House, PASSWORD};

fn url(house: &House, door: Door) -> String {
    let scheme = if door == Door::Tls { "submissions" } else { "submission" };
    format!("{scheme}://{}", house.at(door))
}

#[test]
fn a_door_as_it_is_by_default_is_without_danger_and_lets_in_by_each_mechanism() {
    let Ok(house) = House::start() else { return };
    let ca = shown(&house.path("cert.pem"));
    for door in [Door::Default, Door::Tls] {
        let url = url(&house, door);
        let (exit, objects) = probe_json(&[&url, "--ca", &ca], "");
        assert_eq!((exit, dangers(&objects)), (0, vec![]), "{objects:?}");
        let end = objects.last().unwrap();
        assert_eq!(end["certificate"]["verified"], true, "{end}");
        assert_eq!(end["clear"].is_null(), door == Door::Tls, "{end}");
        let (exit, objects) = probe_json(&[&url, "--ca", &ca, "--user", "alice"], PASSWORD);
        let tried = logins(&objects);
        assert!(tried.iter().all(|(_, outcome)| *outcome == "let in"), "{objects:?}");
        for mechanism in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"] {
            assert!(tried.iter().any(|(name, _)| *name == mechanism), "{mechanism}: {tried:?}");
        }
        assert_eq!(exit, 0, "{objects:?}");
    }
}

#[test]
fn each_step_is_shown_and_no_secret() {
    let Ok(house) = House::start() else { return };
    let ca = shown(&house.path("cert.pem"));
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"] {
        let url = url(&house, Door::Default);
        let done = probe(&[&url, "--ca", &ca, "--user", "alice", "--mechanism", mechanism], PASSWORD);
        assert_eq!(done.exit, 0, "{done:?}");
        for step in [
            "    < 220 mail.example.org ESMTP Gatepost",
            "    > EHLO [127.0.0.1]",
            "    > STARTTLS",
            "    = TLSv1.3 ",
            "    > MAIL FROM:<>",
            &format!("    > AUTH {mechanism}"),
            "    < 235 2.0.0 OK Authenticated",
            "    > QUIT",
        ] {
            assert!(done.out.contains(step), "{step}: {}", done.out);
        }
        let plain = STANDARD.encode(format!("\0alice\0{PASSWORD}"));
        for secret in [PASSWORD, &plain, &STANDARD.encode(PASSWORD)] {
            assert!(!done.out.contains(secret) && !done.err.contains(secret), "{mechanism}: {}", done.out);
        }
    }
}

#[test]
fn a_password_is_not_sent_where_it_is_not_known_to_whom() {
    let Ok(house) = House::start() else { return };
    let url = url(&house, Door::Default);
    // Signed by itself, and nobody has said that it is believed.
    let plain = ["--user", "alice", "--mechanism", "PLAIN", "--mechanism", "LOGIN"];
    let (exit, objects) = probe_json(&[&[url.as_str()], &plain[..]].concat(), PASSWORD);
    assert_eq!((exit, dangers(&objects)), (77, vec!["certificate-self-signed"]), "{objects:?}");
    assert_eq!(logins(&objects), [("PLAIN", "not tried"), ("LOGIN", "not tried")]);
    assert!(!house.log().contains("AUTH=server"), "{}", house.log());
    // What does not send it is used, and finds out who is in between.
    let scram = ["--user", "alice", "--mechanism", "SCRAM-SHA-256-PLUS"];
    let (exit, objects) = probe_json(&[&[url.as_str()], &scram[..]].concat(), PASSWORD);
    assert_eq!((exit, logins(&objects)), (1, vec![("SCRAM-SHA-256-PLUS", "let in")]), "{objects:?}");
    // Who insists may.
    let insisting = [&[url.as_str(), "--send-password-unprotected"], &plain[..]].concat();
    let (exit, objects) = probe_json(&insisting, PASSWORD);
    assert_eq!((exit, logins(&objects)), (1, vec![("PLAIN", "let in"), ("LOGIN", "let in")]), "{objects:?}");
}

#[test]
fn a_refusal_is_explained_and_not_repeated_over_and_over() {
    let Ok(house) = House::start() else { return };
    let ca = shown(&house.path("cert.pem"));
    let url = url(&house, Door::Default);
    for (user, password) in [("alice", "battery staple"), ("nobody", PASSWORD), ("bob", PASSWORD)] {
        let before = house.log().matches("outcome=refused").count();
        let done = probe(&[&url, "--ca", &ca, "--user", user], password);
        assert_eq!(done.exit, 77, "{done:?}");
        assert!(
            done.out.contains("refused (535 5.7.0 authentication failed): name or password"),
            "{}",
            done.out
        );
        let tries = || house.log().matches("outcome=refused").count() - before;
        until("the log of two refusals", || (tries() >= 2).then_some(()));
        assert_eq!(tries(), 2, "{}", house.log());
    }
    let (exit, objects) = probe_json(
        &[&url, "--ca", &ca, "--user", "alice", "--authorize", "bob", "--mechanism", "PLAIN"],
        PASSWORD,
    );
    assert_eq!((exit, logins(&objects)), (77, vec![("PLAIN", "refused")]), "{objects:?}");
}

#[test]
fn passwords_in_clear_and_another_name_are_dangers() {
    let Ok(house) = House::start() else { return };
    let ca = shown(&house.path("cert.pem"));
    let url = url(&house, Door::Open);
    let (exit, objects) = probe_json(&[&url, "--ca", &ca, "--name", "mail.example.com"], "");
    let expected = vec!["certificate-wrong-name", "plain-in-clear"];
    assert_eq!((exit, dangers(&objects)), (1, expected), "{objects:?}");
    // A recipient of its own is not relaying, but it is taken.
    let own = ["--rcpt-to", "alice@example.org"];
    let done = probe(&[&[url.as_str(), "--ca", &ca], &own[..]].concat(), "");
    assert!(done.out.contains("DANGER open-relay") && done.exit == 1, "{}", done.out);
    assert_eq!(house.mails(), [""; 0], "no message is ever sent");
}
