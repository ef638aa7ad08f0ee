//! kill -9 at random moments: what was answered 250 is delivered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "tests look at files as anybody may")]
#![allow(dead_code, reason = "the other suite uses more of what is shared")]

#[path = "../front/client.rs"]
mod client;
#[path = "../front/part.rs"]
mod part;
#[path = "../front/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use client::PATIENCE;
use world::{Dir, Wish, World, files};

/// Says to the process that it is the one that is killed, and where its directories are.
const VICTIM: &str = "GATEPOST_TEST_VICTIM";
const CLIENTS: usize = 4;

#[test]
fn what_was_accepted_survives_being_killed_at_any_moment() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return serve(Path::new(&dir));
    }
    let rounds = if std::env::var_os("GATEPOST_TEST_FULL").is_some() { 200 } else { 12 };
    let wish = Wish::default();
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..rounds {
        let (mut victim, port) = start(wish.dir.path());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let accepted = Arc::clone(&accepted);
                thread::spawn(move || send_until_the_end(port, &format!("{round}-{client}"), &accepted))
            })
            .collect();
        // Not at random, so that a failure comes again; but each time elsewhere in what is going on.
        thread::sleep(Duration::from_micros(30_000 + round * 17_393 % 150_000));
        victim.kill().unwrap();
        victim.wait().unwrap();
        for client in clients {
            client.join().unwrap();
        }
    }
    let accepted = accepted.lock().unwrap().clone();
    assert!(accepted.len() > CLIENTS * 4, "only {} messages were accepted", accepted.len());
    let world = World::with_alice(wish);
    let end = Instant::now() + PATIENCE;
    while !world.queued().is_empty() {
        assert!(Instant::now() < end, "{:?}", world.queued());
        thread::sleep(Duration::from_millis(10));
    }
    for mailbox in ["bob@gate.test", "carol@gate.test"] {
        let found = subjects(&world.dir.path().join("mail").join(mailbox).join("new"));
        let all: BTreeSet<String> = found.iter().cloned().collect();
        assert!(accepted.is_subset(&all), "lost: {:?}", accepted.difference(&all));
        assert_eq!(found.len(), all.len(), "delivered twice");
    }
}

fn serve(dir: &Path) {
    let world = World::with_alice(Wish { dir: Dir::of(dir), ..Wish::default() });
    let mut output = std::io::stdout();
    writeln!(output, "\nport {}", world.address.port()).unwrap();
    output.flush().unwrap();
    loop {
        thread::park();
    }
}

fn start(dir: &Path) -> (Child, u16) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "what_was_accepted_survives_being_killed_at_any_moment", "--nocapture"]);
    let mut child = command.env(VICTIM, dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().strip_prefix("port ").map(|port| port.parse().unwrap()));
    (child, port.unwrap())
}

/// Sends messages with subjects of their own, and notes which were accepted.
fn send_until_the_end(port: u16, name: &str, accepted: &Mutex<BTreeSet<String>>) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let greeting =
        stream.write_all(b"HELO x\r\n").is_ok() && is(&mut replies, "220") && is(&mut replies, "250");
    for number in 0.. {
        let subject = format!("{name}-{number}");
        if !greeting || !send(&mut stream, &mut replies, &subject) {
            return;
        }
        accepted.lock().unwrap().insert(subject);
    }
}

fn send(stream: &mut TcpStream, replies: &mut impl BufRead, subject: &str) -> bool {
    let envelope =
        "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@gate.test>\r\nRCPT TO:<carol@gate.test>\r\nDATA\r\n";
    stream.write_all(envelope.as_bytes()).is_ok()
        && ["250", "250", "250", "354"].iter().all(|code| is(replies, code))
        && stream.write_all(format!("Subject: {subject}\r\n\r\ntext\r\n.\r\n").as_bytes()).is_ok()
        && is(replies, "250")
}

fn is(replies: &mut impl BufRead, code: &str) -> bool {
    let mut line = String::new();
    replies.read_line(&mut line).is_ok() && line.ends_with("\r\n") && line.starts_with(code)
}

fn subjects(dir: &Path) -> Vec<String> {
    let subject = |path: &Path| {
        let mut text = String::new();
        std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        line.unwrap()
    };
    files(dir).iter().map(|path| subject(path)).collect()
}
