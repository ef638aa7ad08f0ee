//! What each process is, and what it cannot reach.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use tests::terminal::Terminal;

use crate::place::{FRONT, KEEPER, PROGRAM, Place, fact, is_root, process};

#[test]
fn each_process_is_somebody_and_has_nothing_of_the_caller() {
    let place = Place::new();
    let daemon = place.start();
    for (role, (_, uid)) in [("keeper", KEEPER), ("front", FRONT)] {
        let pid = daemon.pid(role).unwrap();
        assert_eq!(fact(pid, "SigBlk"), "0000000000000000");
        if is_root() {
            assert_eq!(fact(pid, "Uid"), format!("{uid} {uid} {uid} {uid}"));
            assert_eq!(fact(pid, "Gid"), format!("{uid} {uid} {uid} {uid}"));
            assert_eq!(fact(pid, "Groups"), "");
            assert_eq!(fact(pid, "CapEff"), "0000000000000000");
            assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"LOCALDOMAIN=.\0");
            assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
            let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
            assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
            let queue = fs::metadata(place.path("queue")).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&queue), FRONT.1);
        }
    }
    if !is_root() {
        assert!(daemon.log().contains("not started by root"), "{}", daemon.log());
    }
    let _ = daemon.end();
}

#[test]
fn a_keeper_that_is_root_or_the_front_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    for (keeper, front, words) in [
        ("root", "bin", "the keeper would run as root"),
        ("bin", "root", "the front would run as root"),
        ("bin", "bin", "the front would run as the TrustedUser"),
        ("bin", "nobody-of-that-name", "run_as: no such user"),
    ] {
        let text = place.text().replace(KEEPER.0, "KEEPER").replace(FRONT.0, front).replace("KEEPER", keeper);
        place.write(&text);
        let said = place.run(&[]);
        let said = (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned());
        assert!(said.0 == Some(78) && said.1.contains(words), "{said:?}");
    }
}

#[test]
fn the_fronts_own_user_reaches_neither_store_nor_keeper_nor_control_socket() {
    if !is_root() {
        return;
    }
    let Ok(setpriv) = tests::need::peer("setpriv") else { return };
    let place = Place::new();
    place.has_alice();
    let daemon = place.start();
    let (keeper, uid) = (daemon.pid("keeper").unwrap(), FRONT.1);
    let as_front = |arguments: &[&str]| {
        let said = Command::new(&setpriv)
            .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()])
            .args(arguments)
            .output()
            .unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    assert!(as_front(&["ls", place.path("queue").to_str().unwrap()]).0, "its own");
    for path in [
        place.path("store/secrets.redb").display().to_string(),
        format!("/proc/{keeper}/mem"),
        format!("/proc/{keeper}/fd/0"),
        format!("/proc/{}/mem", daemon.child.id()),
    ] {
        let (is_read, words) = as_front(&["head", "-c1", &path]);
        assert!(!is_read && words.contains("ermission denied"), "{path}: {words}");
    }
    let (is_killed, _) = as_front(&["kill", "-9", &keeper.to_string()]);
    assert!(!is_killed);
    let config = place.path("gatepost.toml");
    let (is_told, words) = as_front(&[PROGRAM, "status", "--config", config.to_str().unwrap()]);
    assert!(!is_told && words.contains("ermission denied"), "{words}");
    let _ = daemon.end();
}

#[test]
fn the_control_socket_is_for_root_and_the_daemons_own_user() {
    let place = Place::new();
    let daemon = place.start();
    let mut stranger = UnixStream::connect(place.path("run/control")).unwrap();
    stranger.write_all(b"{\"command\": \"shutdown\"}\n").unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("unknown variant"), "{answer}");
    let (Ok(setpriv), Ok(python)) = (tests::need::peer("setpriv"), tests::need::peer("python3")) else {
        return;
    };
    if is_root() {
        fs::set_permissions(place.path("run/control"), Permissions::from_mode(0o666)).unwrap();
        // Who is not heard out may find the connection closed already when it writes.
        let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nsaid=b''\n\
                      try:\n s.send(b'{\"command\": \"status\"}\\n')\n said=s.recv(100)\n\
                      except (BrokenPipeError, ConnectionResetError): pass\nprint('heard', repr(said))";
        let heard = |uid: u32| {
            let said = Command::new(&setpriv)
                .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()])
                .arg(&python)
                .args(["-c", script])
                .arg(place.path("run/control"))
                .output()
                .unwrap();
            assert!(said.status.success(), "{said:?}");
            String::from_utf8(said.stdout).unwrap()
        };
        for uid in [65534, FRONT.1, KEEPER.1] {
            assert_eq!(heard(uid), "heard b''\n", "as {uid}");
        }
        let answer = heard(0);
        assert!(answer.starts_with("heard b'{\"configuration\":"), "{answer}");
    }
    let _ = daemon.end();
}

/// A shell gives its terminal to read and to write, as standard error too; who types there is root.
#[test]
fn keeper_and_front_write_to_the_terminal_of_their_start_and_cannot_read_it() {
    let place = Place::new();
    let config = place.path("gatepost.toml");
    let mut terminal = Terminal::start(PROGRAM, &["--config", config.to_str().unwrap()]);
    terminal.wait_for(": ready");
    let said = place.run(&["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let mode = |pid: &serde_json::Value| {
        let facts = fs::read_to_string(format!("/proc/{pid}/fdinfo/2")).unwrap();
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
        let file = fs::read_link(format!("/proc/{pid}/fd/2")).unwrap();
        (file, u32::from_str_radix(&flags, 8).unwrap() & 3)
    };
    let (theirs, is_open) = mode(&status["pid"]);
    assert!(theirs.starts_with("/dev/pts") && is_open == 2, "{theirs:?} {is_open}");
    for role in ["keeper", "front"] {
        // O_WRONLY
        assert_eq!(mode(&process(&status, role)["pid"]), (theirs.clone(), 1), "{role}");
    }
    // What they have to say comes through.
    assert!(terminal.screen().contains("gatepostd-keeper"), "{}", terminal.screen());
    terminal.signal(rustix::process::Signal::TERM);
    assert!(terminal.end().0.success());
}

/// Whoever starts the daemon may have left something open that is not for the process with the network.
#[test]
fn what_the_caller_left_open_stays_with_the_caller() {
    let place = Place::new();
    let secret = place.path("secret");
    fs::write(&secret, "of the caller").unwrap();
    let daemon =
        place.begin_with(&["sh", "-c", "exec 9<\"$SECRET\"; exec \"$0\" \"$@\""], &[("SECRET", &secret)]);
    daemon.until("a start", |daemon| daemon.log().contains("ready"));
    let opener = i32::try_from(daemon.child.id()).unwrap();
    for pid in [Some(opener), daemon.pid("keeper"), daemon.pid("front")] {
        let pid = pid.unwrap();
        let open = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|it| fs::read_link(it.unwrap().path()).ok());
        assert!(open.into_iter().all(|path| path != secret), "process {pid}");
        // Nobody has a terminal as his own but, perhaps, the opener.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().to_owned();
        assert!(pid == opener || session == pid.to_string(), "{stat}");
    }
    let _ = daemon.end();
}

/// As whoever has taken over the process with the network would: by its own connection to the opener.
#[test]
fn the_fronts_own_process_asks_the_opener_for_the_store_in_vain() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    place.has_alice();
    let dir = place.dir.path().display().to_string();
    fs::write(place.path("authinfo.cdb"), "").unwrap();
    fs::set_permissions(place.path("authinfo.cdb"), Permissions::from_mode(0o600)).unwrap();
    place.give("authinfo.cdb", KEEPER.1);
    place.write(&(place.text() + &format!("[client_info]\nmaps = [\"cdb:{dir}/authinfo\"]\n")));
    let daemon = place.start();
    let front = rustix::process::Pid::from_raw(daemon.pid("front").unwrap()).unwrap();
    let process = rustix::process::pidfd_open(front, rustix::process::PidfdFlags::empty()).unwrap();
    let connection =
        rustix::process::pidfd_getfd(&process, 0, rustix::process::PidfdGetfdFlags::empty()).unwrap();
    let connection = safefile::Passage::of(connection);
    for (role, file) in
        [(config::FileRole::Store, "secrets.redb"), (config::FileRole::ClientInfo(0), "authinfo.cdb")]
    {
        let words = wire::ToOpener::Open { request: u32::MAX, file: role.index().0 };
        connection.send(&wire::to_octets(&words).unwrap(), None).unwrap();
        daemon.until("a line in the log", |daemon| {
            let log = daemon.log();
            let mut lines = log.lines();
            lines.any(|line| line.contains("did not get it: ") && line.contains(file))
        });
    }
    let (ended, log) = daemon.end();
    assert!(ended.success() && log.contains("the front has asked for a file that is not its own"), "{log}");
}
