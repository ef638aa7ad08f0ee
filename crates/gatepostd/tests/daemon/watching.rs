//! What whoever administers the daemon sees of it, and does: sessions, who is held back.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::{Client, Place, RIGHT, WRONG};

/// Objects, one a line.
fn objects(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let said = place.run(&[arguments, &["--format", "json"]].concat());
    assert!(said.status.success(), "{said:?}");
    let text = String::from_utf8(said.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text_of(place: &Place, arguments: &[&str]) -> String {
    let said = place.run(arguments);
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn sessions_are_listed_with_who_they_are_and_what_they_do() {
    let place = Place::new();
    place.has_alice();
    place.write(&(place.text() + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n[throttle]\nmax_connections_per_address = 1000\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let mut alice = Client::connect(&address);
    assert_eq!(alice.login(RIGHT), "235");
    assert!(alice.say("MAIL FROM:<alice@example.org>").starts_with("250 "));
    // More than one message between the processes holds.
    let others: Vec<_> = (0..300).map(|_| Client::connect(&address)).collect();
    let sessions = objects(&place, &["sessions"]);
    assert_eq!(sessions.len(), 301, "{}", daemon.log());
    let first = &sessions[0];
    assert_eq!(
        (&first["session"], &first["login"]["authentication"], &first["login"]["mechanism"]),
        (&"1".into(), &"alice@example.org".into(), &"PLAIN".into())
    );
    assert_eq!(
        (&first["state"], &first["client"], &first["tls"]),
        (&"mail".into(), &"[127.0.0.1]".into(), &Value::Null)
    );
    assert!(sessions[1..].iter().all(|session| session["login"].is_null()));
    let table = text_of(&place, &["sessions"]);
    assert!(table.starts_with("SESSION  SINCE ") && table.ends_with("301 sessions\n"), "{table}");
    assert!(table.lines().nth(1).unwrap().contains("alice@example.org by PLAIN"), "{table}");
    drop(others);
    daemon.until("one session", |_| objects(&place, &["sessions"]).len() == 1);
    let _ = daemon.end();
    assert_eq!(place.run(&["sessions"]).status.code(), Some(69));
}

#[test]
fn who_is_held_back_is_listed_and_can_be_let_go() {
    let place = Place::new();
    place.has_alice();
    let text = "[auth]\nrealm = \"example.org\"\noptions = \"\"\n[throttle]\nlongest_delay = \"1s\"\nrefuse_after = 5\n";
    place.write(&(place.text() + text));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    assert_eq!(text_of(&place, &["throttle", "list"]).lines().last(), Some("0 held back"));
    // Failures fade, and time passes meanwhile.
    let refused = (0..20).find(|_| Client::connect(&address).login(WRONG) == "454");
    assert!(refused.is_some_and(|before| before >= 5), "{refused:?}");
    assert_eq!(Client::connect(&address).login(RIGHT), "454");
    let held = objects(&place, &["throttle", "list"]);
    assert_eq!((&held[0]["name"], &held[0]["refused"]), (&"127.0.0.1/32".into(), &true.into()), "{held:?}");
    let all = objects(&place, &["throttle", "list", "--all"]);
    let names: Vec<_> = all.iter().map(|held| held["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"127.0.0.0/24") && names.contains(&"alice@example.org"), "{names:?}");
    let table = text_of(&place, &["throttle", "list"]);
    assert!(table.contains("127.0.0.1/32") && table.contains("refused"), "{table}");

    assert_eq!(text_of(&place, &["throttle", "clear", "127.0.0.1"]), "127.0.0.1: forgotten\n");
    assert_eq!(text_of(&place, &["throttle", "clear", "127.0.0.1"]), "127.0.0.1: nothing is counted\n");
    assert_eq!(Client::connect(&address).login(RIGHT), "235");
    assert_eq!(text_of(&place, &["throttle", "clear", "alice"]), "alice: forgotten\n");
    assert!(text_of(&place, &["throttle", "clear", "--all"]).ends_with(": forgotten\n"));
    assert_eq!(objects(&place, &["throttle", "list", "--all"]), Vec::<Value>::new());
    let wrong = place.run(&["throttle", "clear", "127.0.0.0/8"]);
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
    let _ = daemon.end();
}

/// A keeper that is stopped answers nobody; the opener and whoever asks for something else do not wait for it.
#[test]
fn who_waits_for_a_process_that_does_not_answer_holds_up_nobody() {
    let place = Place::new();
    let daemon = place.start();
    let keeper = Pid::from_raw(daemon.pid("keeper").unwrap());
    kill(keeper, Signal::SIGSTOP).unwrap();
    let mut asking = place.command(&["throttle", "list"]).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(objects(&place, &["sessions"]), Vec::<Value>::new());
    assert_eq!(daemon.status()["generation"], 1);
    assert!(asking.try_wait().unwrap().is_none(), "it waits still");
    kill(keeper, Signal::SIGKILL).unwrap();
    let said = asking.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(69) && words.contains("the keeper has ended"), "{words}");
    let _ = daemon.end();
}
