//! What the configuration says, at the start, at a reload, and to `check`.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::{Client, Place, RIGHT, is_root, process};

#[test]
fn a_reload_takes_a_new_configuration_and_refuses_a_broken_one() {
    let place = Place::new();
    let daemon = place.start();
    let first = daemon.status()["listening"][0].clone();

    place.write(
        &("log_level = 14\n".to_owned()
            + &place.text()
            + "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nname = \"two\"\n[auth]\noptions = \"\"\n"),
    );
    let said = place.run(&["reload"]);
    assert!(said.status.success(), "{said:?}\n{}", daemon.log());
    let status = daemon.status();
    assert_eq!((&status["generation"], &status["listening"][0]), (&2.into(), &first));
    TcpStream::connect(status["listening"][1].as_str().unwrap()).unwrap();
    daemon.until("more lines of the front", |daemon| {
        Client::connect(first.as_str().unwrap());
        daemon.log().contains(": connect, daemon=")
    });
    daemon.until("news at the keeper", |daemon| process(&daemon.status(), "keeper")["generation"] == 2);

    place.write(&(place.text() + "[auth]\noptions = \"q\"\nmax_bist = 3\n"));
    daemon.signal(Signal::SIGHUP);
    daemon.until("refusal", |daemon| daemon.log().contains("the one before stays"));
    let control = place.path("run/control");
    let said = place.run(&["reload", "--control", control.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(78), "{words}");
    for line in [16, 17] {
        assert!(
            words.contains(&format!("gatepost.toml:{}:", if is_root() { line } else { line - 2 })),
            "{words}"
        );
    }
    assert!(words.contains("max_bits"), "{words}");
    place.write(&place.text());
    assert_eq!(daemon.status()["generation"], 2);
    let _ = daemon.end();
}

/// Each hears of his own: a front that is started anew never sees what was in force in between.
#[test]
fn who_was_overtaken_by_another_reload_is_not_told_that_his_is_in_force() {
    let place = Place::new();
    let daemon = place.start();
    let front = Pid::from_raw(daemon.pid("front").unwrap());
    kill(front, Signal::SIGSTOP).unwrap();
    let mut waiting = Vec::new();
    for generation in [2, 3] {
        let mut reload = place.command(&["reload"]);
        waiting.push(reload.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        daemon.until("a reload", |daemon| daemon.status()["generation"] == generation);
    }
    let status = String::from_utf8(place.run(&["status"]).stdout).unwrap();
    assert!(status.contains(" 0 restarts, with configuration 1 still\n"), "{status}");
    assert!(waiting.iter_mut().all(|reload| reload.try_wait().unwrap().is_none()), "both wait");
    kill(front, Signal::SIGKILL).unwrap();
    let [one, other] = waiting.try_into().unwrap();
    let (one, other) = (one.wait_with_output().unwrap(), other.wait_with_output().unwrap());
    let words = String::from_utf8_lossy(&one.stderr).into_owned();
    assert_eq!(one.status.code(), Some(75), "{one:?}\n{}", daemon.log());
    assert!(words.contains("configuration 2: another reload came"), "{words}");
    assert!(other.status.success(), "{other:?}\n{}", daemon.log());
    assert_eq!(String::from_utf8_lossy(&other.stdout), "configuration 3 is in force\n");
    let _ = daemon.end();
}

#[test]
fn what_is_unsafe_or_wrong_keeps_it_from_starting_and_the_check_says_so() {
    let place = Place::new();
    let well = place.run(&["check"]);
    let text = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(well.status.success() && text.contains("offered in clear: SCRAM-SHA-256"), "{text}");
    assert!(text.contains("left out: PLAIN") && text.contains("saslpasswd -c USER makes it"), "{text}");

    fs::write(place.path("store/secrets.redb"), "").unwrap();
    fs::set_permissions(place.path("store/secrets.redb"), Permissions::from_mode(0o666)).unwrap();
    fs::create_dir(place.path("queue")).unwrap();
    fs::set_permissions(place.path("queue"), Permissions::from_mode(0o777)).unwrap();
    let bad = place.run(&["check", "--format", "json"]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    let objects = String::from_utf8(bad.stdout).unwrap();
    let objects: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about = |name: &str| {
        let is = |it: &&Value| it["level"] == "error" && it["subject"].as_str().unwrap_or("").ends_with(name);
        objects.iter().filter(is).count()
    };
    assert!(about("secrets.redb") >= 1 && about("queue") >= 1, "{objects:?}");
    let start = place.run(&[]);
    let words = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(77), "{words}");
    assert!(
        words.contains("secrets.redb: unsafe store") && words.contains("unsafe secret-directory"),
        "{words}"
    );

    place.write("log_level = \"loud\"\nlisten = 3\n");
    let start = place.run(&[]);
    let words = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(78), "{words}");
    assert!(words.contains("gatepost.toml:1:") && words.contains("gatepost.toml:2:"), "{words}");
    assert_eq!(place.run(&["check"]).status.code(), Some(2));
}

#[test]
fn a_listener_that_a_reload_does_not_name_any_more_is_closed() {
    let place = Place::new();
    let second = "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nname = \"two\"\n";
    // Two equal endpoints share a port; another address has its own.
    place.write(&(place.text() + &second.replace("127.0.0.1", "127.0.0.2")));
    let daemon = place.start();
    let address = daemon.status()["listening"][1].as_str().unwrap().to_owned();
    Client::connect(&address);
    place.write(&place.text());
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("closed port", |_| TcpStream::connect(&address).is_err());
    Client::connect(daemon.status()["listening"][0].as_str().unwrap());
    let _ = daemon.end();
}

/// A session goes by the block that it came by, wherever that stands now.
#[test]
fn a_reload_that_turns_the_blocks_round_leaves_each_session_its_own() {
    let place = Place::new();
    place.has_alice();
    let auth = "[auth]\nrealm = \"example.org\"\noptions = \"\"\n";
    let place_of = |name: &str| format!("[[listen]]\nsocket = \"{}\"\n", place.path(name).display());
    let plain = place_of("plain") + "name = \"plain\"\nmechanisms = [\"PLAIN\"]\n";
    let login = place_of("login") + "name = \"login\"\nmechanisms = [\"LOGIN\"]\n";
    place.write(&(place.text() + &plain + &login + auth));
    let daemon = place.start();
    daemon.until("store", |daemon| daemon.log().contains("the store is open"));
    let connect = |name: &str| Client::of(UnixStream::connect(place.path(name)).unwrap());
    let (mut one, mut other, mut gone) = (connect("plain"), connect("login"), connect("login"));
    assert!(other.say("EHLO x").contains("AUTH LOGIN\r"));
    place.write(&(place.text() + &login + &plain + auth));
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("news at the keeper", |daemon| process(&daemon.status(), "keeper")["generation"] == 2);
    daemon.until("news at the front", |daemon| process(&daemon.status(), "front")["generation"] == 2);
    assert_eq!(one.login(RIGHT), "235");
    assert!(other.say(&format!("AUTH PLAIN {RIGHT}")).starts_with("504 "), "no PLAIN was ever offered there");
    assert!(other.say("EHLO x").contains("AUTH LOGIN\r"));
    // The block is gone: nobody can say what would be offered there.
    place.write(&(place.text() + &plain + auth));
    assert!(place.run(&["reload"]).status.success(), "{}", daemon.log());
    daemon.until("news at the keeper", |daemon| process(&daemon.status(), "keeper")["generation"] == 3);
    assert_eq!(gone.login(RIGHT), "503", "no AUTH is offered");
    let _ = daemon.end();
}

#[test]
fn the_check_says_what_is_wrong_inside_of_certificate_and_key() {
    let place = Place::new();
    let write = |name: &str, text: &str| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(0o600)).unwrap();
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::CertificateParams::new(names).unwrap()
    };
    let signed = |parameters: rcgen::CertificateParams| parameters.self_signed(&key).unwrap().pem();
    let mut expired = parameters(&["mail.example.org"]);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let good = signed(parameters(&["mail.example.org"]));
    let dir = place.dir.path().display();
    let text = place.text() + &format!("[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n");
    place.write(&text);
    let own = key.serialize_pem();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (certificate, key, status, words) in [
        (good.as_str(), own.as_str(), 0, "0 unsafe, 0 wrong"),
        ("no PEM", &own, 2, "no certificate in PEM form"),
        (&good, "no PEM", 2, "no private key in PEM form"),
        (&good, &other, 2, "does not belong to the first certificate"),
        (&signed(expired), &own, 2, "the certificate has expired: 2001-01-01"),
        (&signed(parameters(&[])), &own, 2, "names no host"),
        (&signed(parameters(&["www.example.org"])), &own, 0, "not for host_name: mail.example.org"),
    ] {
        write("cert.pem", certificate);
        write("key.pem", key);
        let said = place.run(&["check"]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!((said.status.code(), text.contains(words)), (Some(status), true), "{words}: {text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    write("cert.pem", &good);
    write("key.pem", &own);
    write("ca.pem", "no PEM");
    place.write(&format!("{text}client_ca = \"{dir}/ca.pem\"\n"));
    let said = place.run(&["check"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.code() == Some(2) && text.contains("EXTERNAL is not offered"), "{text}");
    assert!(text.contains("that vouch for users") && !text.contains("fullchain"), "{text}");
}
