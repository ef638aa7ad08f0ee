//! Names of clients, by the program as it is built, the resolver of the C library, and a name server that is asked over
//! the network.
#![allow(clippy::disallowed_methods, reason = "a configuration and maps of the test's own")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use tests::peer::world::{Process, World};
use tests::program::built;

/// What a client from this address is told when it wants to relay, and what the name server says of the address.
const ROWS: [(u8, Said, &str); 5] = [
    (2, Said::Named("client.friend.test", [127, 0, 0, 2]), "250 2.1.5 "),
    (3, Said::Named("forged.friend.test", [127, 0, 0, 9]), "550 5.7.1 "),
    (4, Said::Failure, "450 4.4.0 Relaying temporarily denied. Cannot resolve PTR record for 127.0.0.4"),
    (5, Said::Nothing, "550 5.7.1 "),
    (6, Said::Named("client.other.test", [127, 0, 0, 6]), "550 5.7.1 "),
];

/// What a name server says.
#[derive(Clone, Copy)]
enum Said {
    /// The name, and the address that the name has.
    Named(&'static str, [u8; 4]),
    /// There is no such name.
    Nothing,
    /// SERVFAIL.
    Failure,
}

/// Answers whoever asks, as RFC 1035 has it, for as long as the test runs.
fn name_server(socket: &UdpSocket) {
    let mut octets = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut octets) {
        let (name, end) = question(&octets[..length]);
        let (code, answer) = answer(&name, octets[end - 3]);
        let mut reply = octets[..end].to_vec();
        reply[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0]);
        if let Some(data) = answer {
            // The name of the question, its type, IN, a minute.
            reply.extend([
                0xc0,
                12,
                0,
                octets[end - 3],
                0,
                1,
                0,
                0,
                0,
                60,
                0,
                u8::try_from(data.len()).unwrap(),
            ]);
            reply.extend(data);
        }
        let _ = socket.send_to(&reply, client);
    }
}

/// The name in a question, and where the question ends.
fn question(octets: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (Vec::new(), 12);
    while octets[at] != 0 {
        let length = usize::from(octets[at]);
        name.push(String::from_utf8_lossy(&octets[at + 1..=at + length]).into_owned());
        at += length + 1;
    }
    (name.join(".").to_ascii_lowercase(), at + 5)
}

/// The code, and the data of an answer.
fn answer(name: &str, kind: u8) -> (u8, Option<Vec<u8>>) {
    const A: u8 = 1;
    const PTR: u8 = 12;
    for (last, said, _) in ROWS {
        let is_asked = name == format!("{last}.0.0.127.in-addr.arpa");
        match said {
            Said::Named(name, _) if is_asked && kind == PTR => {
                let labels =
                    name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
                return (0, Some(labels.chain([0]).collect()));
            }
            Said::Named(known, address) if known == name => {
                return (0, (kind == A).then(|| address.to_vec()));
            }
            Said::Failure if is_asked => return (2, None),
            _ => {}
        }
    }
    (3, None)
}

/// Below /run, where keeper and front may reach what is theirs.
fn configure(dir: &Path) {
    fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(dir.join("store")).unwrap();
    chown(dir.join("store"), Some(1), Some(1)).unwrap();
    let shown = dir.display();
    let text = format!(
        "trusted_user = \"daemon\"\nrun_as = \"bin\"\npid_file = \"{shown}/run/pid\"\n\
         control_socket = \"{shown}/run/control\"\nhost_name = \"mail.gate.test\"\naccess_map = \"cdb:{shown}/access\"\n\
         [secrets]\npath = \"{shown}/store/secrets.redb\"\n[queue]\ndirectory = \"{shown}/queue\"\n\
         [delivery]\nmaildirs = \"{shown}/mail\"\n[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nmodifiers = \"\"\n"
    );
    for (name, text) in [
        ("gatepost.toml", text.as_str()),
        ("source", "Connect:friend.test RELAY\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ("resolv.conf", "nameserver 127.0.0.77\noptions timeout:1 attempts:1\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let mut makemap = Command::new(built("makemap"));
    makemap.arg("cdb").arg(dir.join("access")).stdin(File::open(dir.join("source")).unwrap());
    assert!(makemap.status().unwrap().success());
    // Where nobody could log in for want of a store, a refusal would not be for good.
    fs::write(dir.join("password"), "pencil").unwrap();
    let mut saslpasswd = Command::new(built("saslpasswd"));
    saslpasswd.arg("--config").arg(dir.join("gatepost.toml")).args(["-p", "-c", "-u", "gate.test", "alice"]);
    assert!(saslpasswd.stdin(File::open(dir.join("password")).unwrap()).status().unwrap().success());
    for entry in fs::read_dir(dir.join("store")).unwrap() {
        chown(entry.unwrap().path(), Some(1), Some(1)).unwrap();
    }
}

/// Where it listens, as its log says, once it is ready.
fn listening(dir: &Path) -> SocketAddr {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let log = fs::read_to_string(dir.join("log")).unwrap();
        let place = log.split_once("listening=").and_then(|(_, rest)| rest.split_once(','));
        if let (Some((place, _)), true) = (place, log.contains(": ready")) {
            return place.parse().unwrap();
        }
        assert!(Instant::now() < end, "{log}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a client from this address hears of its RCPT.
fn wants_to_relay(from: Ipv4Addr, to: SocketAddr) -> String {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut client = BufReader::new(stream);
    let mut heard = String::new();
    for line in ["", "EHLO x\r\n", "MAIL FROM:<a@far.test>\r\n", "RCPT TO:<u@remote.test>\r\n"] {
        client.get_mut().write_all(line.as_bytes()).unwrap();
        loop {
            heard.clear();
            assert!(client.read_line(&mut heard).unwrap() > 0, "closed");
            if heard.as_bytes()[3] == b' ' {
                break;
            }
        }
    }
    heard
}

#[test]
fn a_client_relays_by_its_name_only_where_the_name_leads_back() {
    if tests::need::root().is_err() {
        return;
    }
    let Ok(world) = World::new() else { return };
    let server = UdpSocket::bind("127.0.0.77:53").unwrap();
    thread::spawn(move || name_server(&server));
    let dir = tempfile::Builder::new().prefix("gatepost-test-").tempdir_in("/run").unwrap();
    let dir = dir.path();
    configure(dir);
    let shown = ["hosts", "nsswitch.conf", "resolv.conf"];
    let world = shown.iter().fold(world, |world, name| world.show(dir.join(name), format!("/etc/{name}")));
    let mut daemon = world.daemon(&built("gatepostd")).unwrap();
    let log = File::create(dir.join("log")).unwrap();
    let _running = Process::start(daemon.arg("--config").arg(dir.join("gatepost.toml")).stderr(log));
    let address = listening(dir);
    for (last, _, reply) in ROWS {
        let said = wants_to_relay(Ipv4Addr::new(127, 0, 0, last), address);
        assert!(
            said.starts_with(reply),
            "127.0.0.{last}: {said}{}",
            fs::read_to_string(dir.join("log")).unwrap()
        );
    }
}
