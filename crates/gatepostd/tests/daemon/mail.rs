//! Clients that log in and send mail.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Client, Place, RIGHT, WRONG, client_to_elsewhere};

#[test]
fn who_has_a_password_sends_mail_and_who_has_none_does_not() {
    let place = Place::new();
    place.has_alice();
    let text = "local_domains = [\"example.org\"]\n".to_owned() + &place.text();
    place.write(&(text + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();

    let mut client = Client::connect(&address);
    assert!(client.say("EHLO client.example.org").contains("AUTH "));
    assert!(client.say("MAIL FROM:<alice@example.org>").starts_with("530 "));
    assert_eq!(client.login(WRONG), "535");
    assert_eq!(client.login(RIGHT), "235");
    for (line, reply) in [
        ("MAIL FROM:<alice@example.org>", "250 "),
        ("RCPT TO:<alice@example.org>", "250 "),
        ("DATA", "354 "),
        ("Subject: test\r\n\r\nhello\r\n.", "250 "),
        ("QUIT", "221 "),
    ] {
        let said = client.say(line);
        assert!(said.starts_with(reply), "{line}: {said}\n{}", daemon.log());
    }
    let mailbox = place.path("mail/alice@example.org/new");
    daemon.until("mail", |_| fs::read_dir(&mailbox).is_ok_and(|found| found.count() == 1));

    assert_eq!(client_to_elsewhere(&address), "250 ");
    let said = place.run(&["queue", "list"]);
    let waiting = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(waiting.contains("to bob@elsewhere.example: waits for another host"), "{waiting}{said:?}");
    assert!(waiting.contains(" s old  from <alice@example.org>"), "{waiting}");
    daemon.until("a word of the last try", |_| {
        let said = place.run(&["queue", "list"]);
        String::from_utf8_lossy(&said.stdout).contains("Z: <bob@elsewhere.example>: waits for its host")
    });

    kill(Pid::from_raw(daemon.pid("keeper").unwrap()), Signal::SIGKILL).unwrap();
    daemon.until("login with the new keeper", |_| Client::connect(&address).login(RIGHT) == "235");
    let (ended, log) = daemon.end();
    assert!(ended.success(), "{log}");
    for outcome in ["outcome=ok", "outcome=refused"] {
        let line = format!(
            "AUTH=server, relay=[127.0.0.1], authid=alice@example.org, mech=PLAIN, bits=0, {outcome}"
        );
        assert!(log.contains(&line), "{log}");
    }
    assert!(!log.contains("wonderland") && !log.contains("guess"), "{log}");
}

/// What others could have written is not read, and nobody hears that his password is wrong.
#[test]
fn a_store_that_becomes_unsafe_lets_nobody_in_until_it_is_mended() {
    let place = Place::new();
    place.has_alice();
    place.write(&(place.text() + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let has_auth = || Client::connect(&address).say("EHLO client.example.org").contains("AUTH");
    let mut waiting = Client::connect(&address);
    assert!(waiting.say("EHLO client.example.org").contains("AUTH"));
    let set = |mode| fs::set_permissions(place.path("store"), Permissions::from_mode(mode)).unwrap();
    set(0o777);
    daemon.until("end of AUTH", |_| !has_auth());
    assert!(waiting.say(&format!("AUTH PLAIN {RIGHT}")).starts_with("454 "));
    let log = daemon.log();
    let complaints = log.lines().filter(|line| line.contains("the store cannot be used")).collect::<Vec<_>>();
    assert!(complaints.len() == 1 && complaints[0].contains("writable"), "{log}");
    set(0o755);
    daemon.until("AUTH", |_| has_auth());
    assert_eq!(waiting.login(RIGHT), "235");
    let _ = daemon.end();
}

/// Nobody hears for good what is trouble of ours, in a session that begins in it either; and who waits in one logs in when it
/// is over.
#[test]
fn a_store_that_cannot_be_used_turns_nobody_away_for_good() {
    let place = Place::new();
    place.has_alice();
    place.write(&(place.text() + "modifiers = \"\"\n[auth]\nrealm = \"example.org\"\noptions = \"\"\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    let store = place.path("store/secrets.redb");
    let has_auth = || Client::connect(&address).say("EHLO client.example.org").contains("AUTH");
    for is_gone in [false, true] {
        let aside = place.path("store/aside");
        if is_gone {
            fs::rename(&store, &aside).unwrap();
        } else {
            fs::set_permissions(&store, Permissions::from_mode(0o644)).unwrap();
        }
        daemon.until("end of AUTH", |_| !has_auth());
        let mut client = Client::connect(&address);
        client.say("EHLO client.example.org");
        assert!(client.say(&format!("AUTH PLAIN {RIGHT}")).starts_with("454 4.7.0 "));
        assert!(client.say("MAIL FROM:<alice@example.org>").starts_with("250 "));
        let said = client.say("RCPT TO:<bob@elsewhere.example>");
        assert!(said.starts_with("451 4.3.0 "), "{said}");
        client.say("RSET");
        if is_gone {
            fs::rename(&aside, &store).unwrap();
        } else {
            fs::set_permissions(&store, Permissions::from_mode(0o600)).unwrap();
        }
        daemon.until("AUTH", |_| has_auth());
        assert_eq!(client.login(RIGHT), "235");
    }
    let _ = daemon.end();
}

/// What others could write to takes no mail, as long as it is so.
#[test]
fn a_queue_that_becomes_unsafe_takes_nothing_until_it_is_mended() {
    let place = Place::new();
    place.has_alice();
    place.write(&(place.text() + "[auth]\nrealm = \"example.org\"\noptions = \"\"\n"));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    assert_eq!(client_to_elsewhere(&address), "250 ");
    let data = || {
        let mut client = Client::connect(&address);
        client.say("EHLO client.example.org");
        assert_eq!(client.login(RIGHT), "235");
        client.say("MAIL FROM:<alice@example.org>");
        client.say("RCPT TO:<bob@elsewhere.example>");
        client.say("DATA")
    };
    let set = |mode| fs::set_permissions(place.path("queue"), Permissions::from_mode(mode)).unwrap();
    set(0o777);
    daemon.until("451", |_| data().starts_with("451 4.3.0 "));
    daemon.until("a line of it", |daemon| daemon.log().contains("writable-directory"));
    set(0o700);
    daemon.until("354", |_| data().starts_with("354 "));
    let _ = daemon.end();
}
