//! The daemon starts, is watched over, and ends.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::{Client, Place, is_root, process};

#[test]
fn it_starts_says_how_it_is_and_ends() {
    let place = Place::new();
    let daemon = place.start();
    let status = daemon.status();
    assert_eq!(status["generation"], 1);
    for role in ["keeper", "front"] {
        let process = process(&status, role);
        assert_eq!((&process["ready"], &process["restarts"]), (&true.into(), &0.into()), "{status}");
    }
    let pid = fs::read_to_string(place.path("run/pid")).unwrap();
    assert_eq!(pid.trim().parse::<u32>().unwrap(), daemon.child.id());
    let mode = fs::metadata(place.path("run/control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    Client::connect(status["listening"][0].as_str().unwrap());

    let text = String::from_utf8(place.run(&["status"]).stdout).unwrap();
    assert!(text.contains("keeper     process "), "{text}");
    let second = place.run(&[]);
    assert_eq!(second.status.code(), Some(69), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("is the daemon running already?"));

    let (ended, log) = daemon.end();
    assert!(ended.success(), "{log}");
    assert!(!place.path("run/control").exists() && !place.path("run/pid").exists());
    assert_eq!(place.run(&["status"]).status.code(), Some(69));
}

#[test]
fn who_is_killed_comes_back_and_nobody_is_refused_meanwhile() {
    let place = Place::new();
    let daemon = place.start();
    let address = daemon.status()["listening"][0].as_str().unwrap().to_owned();
    for role in ["front", "keeper"] {
        let before = daemon.pid(role).unwrap();
        kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
        for _ in 0..20 {
            TcpStream::connect(&address).unwrap();
        }
        daemon.until("new process", |daemon| {
            let status = daemon.status();
            let process = process(&status, role);
            process["ready"] == true && process["restarts"] == 1 && process["pid"] != before
        });
    }
    let (ended, log) = daemon.end();
    assert!(ended.success() && log.contains("the keeper has ended, status=\"signal: 9 (SIGKILL)\""), "{log}");
}

#[test]
fn the_service_manager_is_told() {
    let place = Place::new();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let hear = || {
        let mut octets = [0; 512];
        let count = manager.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    };
    let daemon = place.begin(&[("NOTIFY_SOCKET", &path)]);
    assert!(hear().starts_with("READY=1\n"));
    daemon.signal(Signal::SIGHUP);
    assert!(hear().starts_with("RELOADING=1\n"));
    assert!(hear().starts_with("READY=1\n"));
    kill(Pid::from_raw(daemon.pid("keeper").unwrap()), Signal::SIGKILL).unwrap();
    assert!(hear().starts_with("STATUS=the keeper is being started again; listening on 127.0.0.1:"));
    assert!(hear().starts_with("STATUS=listening on 127.0.0.1:"));
    assert!(daemon.end().0.success());
    assert_eq!(hear(), "STOPPING=1\n");
}

#[test]
fn with_the_opener_end_the_others_and_the_next_start_finds_no_obstacle() {
    let place = Place::new();
    place.write(&("log_format = \"json\"\nlog_level = 14\n".to_owned() + &place.text()));
    let mut daemon = place.start();
    let pids = ["keeper", "front"].map(|role| daemon.pid(role).unwrap());
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    daemon.until("end of keeper and front", |_| {
        pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
    for line in daemon.log().lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            object["level"].is_u64() && object["process"].is_string() && object["time"].is_string(),
            "{line}"
        );
    }
    let next = place.start();
    assert_eq!(next.status()["generation"], 1);
    assert!(next.end().0.success());
}

#[test]
fn the_watchdog_hears_of_it_again_and_again() {
    let place = Place::new();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let daemon = place.begin(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", Path::new("1000000"))]);
    let mut octets = [0; 512];
    let mut heard = 0;
    while heard < 3 {
        let count = manager.recv(&mut octets).unwrap();
        heard += usize::from(octets[..count].starts_with(b"WATCHDOG=1\n"));
    }
    // None of the others can speak for it.
    for role in ["keeper", "front"].into_iter().filter(|_| is_root()) {
        assert_eq!(
            fs::read(format!("/proc/{}/environ", daemon.pid(role).unwrap())).unwrap(),
            b"LOCALDOMAIN=.\0"
        );
    }
    let _ = daemon.end();
}

#[test]
fn the_version_says_what_is_in_it() {
    let place = Place::new();
    let said = |arguments: &[&str]| String::from_utf8(place.run(arguments).stdout).unwrap();
    assert_eq!(said(&["--version"]), format!("gatepostd {}\n", env!("CARGO_PKG_VERSION")));
    let all = said(&["--version", "--verbose"]);
    for words in [
        "SCRAM-SHA-256-PLUS",
        " hash",
        "TLS: 1.3",
        "/etc/gatepost/gatepost.toml",
        "recipients",
        "front runs as",
    ] {
        assert!(all.contains(words), "{words} in {all}");
    }
}
