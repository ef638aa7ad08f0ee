//! What the front's account can reach by itself, with no connection of the front: nothing but what is the front's.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open, test_kill_process,
};
use tests::house::{House, give_to_keeper, mode};
use tests::need;
use tests::peer::Maps;

use super::intruder::{as_front, pid};

#[test]
fn it_opens_no_secret_by_its_path() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = House::furnished(|place, text| {
        let maps = Maps::new(place);
        maps.build("hash", &[], "authinfo", "AuthInfo:smarthost.test\t\"U:relay\" \"P:a secret\"\n");
        give_to_keeper(&place.join("maps/authinfo.db"));
        mode(&place.join("maps"), 0o755);
        format!("{text}[client_info]\nmaps = [\"hash:{}/maps/authinfo\"]\n", place.display())
    }) else {
        return;
    };
    let kept = files_below(&house.path("store"));
    assert!(kept.iter().any(|path| path.ends_with("secrets.redb")), "{kept:?}");
    let others = ["store/keeper/places", "maps/authinfo.db", "key.pem", "run/control"];
    let others = others.map(|name| house.path(name));
    let own = ["queue", "mail", "mail/alice@example.org"].map(|name| house.path(name));
    as_front(|| {
        for path in kept.iter().chain(&others) {
            denied(touch(path), &format!("opened: {}", path.display()));
            denied(
                File::options().append(true).open(path).map(drop),
                &format!("written: {}", path.display()),
            );
            denied(fs::remove_file(path), &format!("removed: {}", path.display()));
            denied(fs::rename(path, house.path("queue/taken")), &format!("taken: {}", path.display()));
        }
        denied(fs::read_dir(house.path("store")).map(drop), "listed");
        for path in [house.path("store"), house.path("run")] {
            denied(File::create(path.join("x")).map(drop), &format!("made: {}", path.display()));
        }
        // It is what it says: what is its own it has.
        for path in &own {
            fs::read_dir(path).unwrap();
        }
        File::create(house.path("queue/x")).unwrap();
        fs::remove_file(house.path("queue/x")).unwrap();
    });
}

#[test]
fn it_touches_no_other_process_of_the_daemon() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = House::start() else { return };
    let (opener, keeper, front) = (house.id(), pid(&house, "keeper"), pid(&house, "front"));
    as_front(|| {
        for (process, is_its_own) in [(opener, false), (keeper, false), (front, true)] {
            // Who runs with the same account reads no memory either, where keys of TLS are.
            for name in
                ["mem", "environ", "maps", "fd", "fd/0", "auxv", "cwd/x", "root/x", "stack", "syscall"]
            {
                let path = PathBuf::from(format!("/proc/{process}/{name}"));
                denied(touch(&path), &format!("opened: {}", path.display()));
            }
            let descriptor = pidfd_open(process, PidfdFlags::empty()).unwrap();
            for number in 0..32 {
                let taken =
                    pidfd_getfd(&descriptor, number, PidfdGetfdFlags::empty()).map_err(io::Error::from);
                denied(taken.map(drop), &format!("taken: descriptor {number} of {process}"));
            }
            if !is_its_own {
                for signal in [Signal::KILL, Signal::STOP, Signal::HUP, Signal::TERM] {
                    denied(kill(process, Some(signal)), &format!("killed: {process}"));
                }
                denied(kill(process, None), &format!("killed: {process}"));
            }
        }
    });
    let now = (pid(&house, "keeper"), pid(&house, "front"));
    assert_eq!(now, (keeper, front));
}

#[test]
fn the_control_socket_does_not_hear_it() {
    let Ok(()) = need::root() else { return };
    let Ok(house) = House::start() else { return };
    let control = house.path("run/control");
    as_front(|| denied(UnixStream::connect(&control).map(drop), "connected"));
    // Nor where the mode lets it come so far.
    mode(&control, 0o666);
    let generation = house.status()["generation"].clone();
    for command in ["status", "reload"] {
        let said = as_front(|| {
            let mut stream = UnixStream::connect(&control).unwrap();
            let mut said = String::new();
            // Who is not heard out cannot finish.
            let _ = io::Write::write_all(&mut stream, format!("{{\"command\": \"{command}\"}}\n").as_bytes());
            let _ = stream.read_to_string(&mut said);
            said
        });
        assert!(!said.contains("pid") && !said.contains("generation"), "{command}: {said}");
    }
    assert_eq!(house.status()["generation"], generation);
}

/// The system has refused it: for want of a right, and not because it is not there.
fn denied<T: std::fmt::Debug>(done: io::Result<T>, what: &str) {
    let error = done.expect_err(what);
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{what}: {error}");
}

/// Reads of it, whatever it is.
fn touch(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    match file.read(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::read_dir(path).map(drop),
        read => read.map(drop),
    }
}

fn kill(process: Pid, signal: Option<Signal>) -> io::Result<()> {
    let done = signal.map_or_else(|| test_kill_process(process), |signal| kill_process(process, signal));
    done.map_err(io::Error::from)
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
