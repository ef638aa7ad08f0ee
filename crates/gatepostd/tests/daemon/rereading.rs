//! The configuration read again by a daemon that runs: what comes into force, what stays, and what is said of it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::place::{Client, Place, RIGHT, client_to_elsewhere, is_root};

fn reloaded(place: &Place) -> Value {
    let said = place.run(&["reload", "--format", "json"]);
    serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// The daemon itself goes to / at its start.
#[test]
fn a_relative_path_of_the_configuration_is_meant_from_where_the_daemon_was_started() {
    let place = Place::new();
    let script = format!("cd '{}' && exec \"$0\" --config gatepost.toml", place.dir.path().display());
    let daemon = place.begin_with(&["sh", "-c", &script], &[]);
    daemon.until("a start", |daemon| daemon.log().contains("ready"));
    let said = place.run(&["reload"]);
    assert!(said.status.success(), "{said:?}");
    daemon.signal(Signal::SIGHUP);
    daemon.until("another configuration", |daemon| daemon.status()["generation"] == 3);
    let _ = daemon.end();
}

#[test]
fn the_room_that_is_asked_for_comes_into_force_at_once() {
    let place = Place::new();
    place.has_alice();
    let text = place.text() + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n";
    place.write(&text);
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    assert_eq!(client_to_elsewhere(&address), "250 ");
    place.write(&text.replace("[queue]", "[queue]\nmin_free = \"1024G\"\nlifetime = \"2d\""));
    let answer = reloaded(&place);
    assert!(answer["refused"].is_null() && !answer.to_string().contains("stays"), "{answer}");
    let mut client = Client::connect(&address);
    assert_eq!(client.login(RIGHT), "235");
    client.say("MAIL FROM:<alice@example.org>");
    client.say("RCPT TO:<bob@elsewhere.example>");
    let said = client.say("DATA");
    assert!(said.starts_with("452 "), "{said}");
    let _ = daemon.end();
}

#[test]
fn what_stays_where_it_is_is_said_as_long_as_it_is_so() {
    let place = Place::new();
    let daemon = place.start();
    let control = place.path("run/control");
    let moved = place.text().replace("/run/control", "/run/other").replace("/mail\"", "/boxes\"");
    let reload = || {
        let said = place.run(&["reload", "--control", control.to_str().unwrap(), "--format", "json"]);
        let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
        let remarks = answer["remarks"].as_array().unwrap().clone();
        assert!(remarks.iter().all(|remark| remark.get("exit").is_none()), "it was taken: {remarks:?}");
        let subjects = remarks.iter().map(|remark| remark["subject"].as_str().unwrap().to_owned());
        subjects.filter(|subject| !subject.starts_with('/')).collect::<Vec<_>>()
    };
    place.write(&moved);
    for _ in 0..2 {
        assert_eq!(reload(), ["control_socket", "delivery.maildirs"]);
    }
    place.write(&place.text());
    assert_eq!(reload(), Vec::<String>::new());
    let _ = daemon.end();
}

/// What the refusal says is done, and the mail is still there.
#[test]
fn a_queue_moves_by_the_commands_that_the_refusal_gives() {
    let place = Place::new();
    place.has_alice();
    let text = place.text() + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n";
    place.write(&text);
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    assert_eq!(client_to_elsewhere(&address), "250 ");
    place.write(&text.replace("/queue\"", "/waiting\""));
    let refused = reloaded(&place)["refused"][0].clone();
    assert_eq!(refused["subject"], "queue.directory");
    let fix = refused["fix"][0].as_str().unwrap();
    let command = fix.strip_prefix("stop the daemon; ").and_then(|rest| rest.strip_suffix("; start it"));
    assert!(daemon.end().0.success());
    assert!(Command::new("sh").args(["-c", command.unwrap()]).status().unwrap().success(), "{fix}");
    let daemon = place.start();
    let said = place.run(&["queue", "list"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("to bob@elsewhere.example"), "{said:?}");
    let _ = daemon.end();
}

#[test]
fn a_unix_socket_that_moves_takes_its_name_along() {
    let place = Place::new();
    let socket =
        |name: &str| place.text() + &format!("[[listen]]\nsocket = \"{}\"\n", place.path(name).display());
    place.write(&socket("one"));
    let daemon = place.start();
    place.write(&socket("two"));
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    let is_there = |name: &str| fs::symlink_metadata(place.path(name)).is_ok();
    daemon.until("end of the old name", |_| !is_there("one"));
    Client::of(UnixStream::connect(place.path("two")).unwrap());
    place.write(&place.text());
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("end of the other name", |_| !is_there("two"));
    place.write(&socket("three"));
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    assert!(is_there("three"));
    assert!(daemon.end().0.success());
    assert!(!is_there("three"));
}

#[test]
fn whoever_asks_a_daemon_whose_configuration_is_broken_hears_how() {
    let place = Place::new();
    let daemon = place.start();
    place.write("log_level = 99\n");
    for command in [&["status"][..], &["sessions"], &["throttle", "list"], &["reload"]] {
        let said = place.run(command);
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(78), "{words}");
        assert!(words.contains("--control") && words.contains("gatepost.toml:1:13"), "{words}");
    }
    let control = place.path("run/control");
    assert!(place.run(&["status", "--control", control.to_str().unwrap()]).status.success());
    let _ = daemon.end();
}

/// What the start would refuse, the check says.
#[test]
fn the_check_judges_where_sockets_and_the_pid_file_come() {
    let place = Place::new();
    let open = place.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let socket = |dir: &str| format!("[[listen]]\nsocket = \"{}/smtp\"\n", place.path(dir).display());
    for (text, exit, refusal, words) in [
        (place.text().replace("/run/pid", "/open/pid"), 1, 77, "pid_file"),
        (place.text().replace("/run/control", "/open/control"), 1, 77, "control_socket"),
        (place.text() + &socket("open"), 1, 77, "listen.socket"),
        (place.text() + &socket("nowhere"), 2, 66, "listen.socket"),
        (place.text().replace("/run/pid", "/no/run/pid"), 2, 66, "pid_file"),
    ] {
        place.write(&text);
        let said = place.run(&["check"]);
        let told = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.code() == Some(exit) && told.contains(words), "{words}: {told}");
        assert_eq!(place.run(&[]).status.code(), Some(refusal), "{words}");
    }
    place.write(&place.text());
    assert!(place.run(&["check"]).status.success(), "the directory is made where it is missing");
}

/// Faults of the text, of accounts and of files are of one round.
#[test]
fn the_check_shows_everything_at_once() {
    let place = Place::new();
    fs::write(place.path("store/secrets.redb"), "").unwrap();
    fs::set_permissions(
        place.path("store/secrets.redb"),
        std::os::unix::fs::PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    let text = place.text().replace("run_as = \"", "run_as = \"no-such-");
    let second =
        "[[listen]]\naddress = \"127.0.0.1\"\nport = 70000\nname = \"x\"\nmodifiers = \"a A s S z\"\n";
    let third = "[[listen]]\naddress = \"127.0.0.3\"\nport = 0\nname = \"x\"\noptions = \"q z\"\n";
    place.write(&format!("log_level = 99\naccess_map = \"hash:/nowhere/access\"\n{text}{second}{third}"));
    let mut expected = vec![
        "log_level is not between",
        "port is not between",
        "modifiers a and A",
        "modifiers s and S",
        "unknown modifier (known: a A E O S s): 'z'",
        "d f m p y): q",
        "d f m p y): z",
        "two listeners have this name: x",
        "/nowhere is not there",
        "secrets.redb: unsafe store",
    ];
    expected.extend(is_root().then_some("run_as: no such user"));
    let check = place.run(&["check"]);
    let start = place.run(&[]);
    assert_eq!((check.status.code(), start.status.code()), (Some(1), Some(78)));
    for said in [check.stdout, start.stderr] {
        let said = String::from_utf8_lossy(&said).into_owned();
        let missing: Vec<_> = expected.iter().filter(|words| !said.contains(**words)).collect();
        assert!(missing.is_empty(), "{missing:?} in {said}");
    }
}
