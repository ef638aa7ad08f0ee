//! A client, which hears whatever a server says.

use std::sync::Arc;
use std::time::Instant;

use credential::Secret;
use smtp::LineEnds;
use smtp::address::{ForwardPath, ReversePath};
use smtp::client::{Command, Session, Settings};
use smtp::command::{Body, Mail};
use smtp::server::Layer;

/// Turns of a server, with an octet 0xFF between; the first octet of each chooses what the client does when it has heard
/// the turn.
///
/// # Panics
/// Where the pieces in which octets come make a difference, or what is told of a session could end a line of a log: that is
/// what the fuzzer is to find.
pub(crate) fn client(octets: &[u8]) {
    assert_eq!(hear(octets, usize::MAX), hear(octets, 1));
}

fn hear(octets: &[u8], piece: usize) -> String {
    let now = Instant::now();
    let Some(mut settings) = Settings::new("cli.example") else { return String::new() };
    if octets.last().is_some_and(|last| last % 2 == 1) {
        settings.line_ends = LineEnds::Normalised;
    }
    let mut caller = Caller { session: Session::new(now, Arc::new(settings)), now, seen: String::new() };
    for turn in octets.split(|octet| *octet == BETWEEN) {
        let Some((&choice, said)) = turn.split_first() else { continue };
        caller.hear(said, piece);
        caller.act(choice);
        caller.drain();
    }
    caller.end()
}

struct Caller {
    session: Session,
    now: Instant,
    seen: String,
}

impl Caller {
    fn hear(&mut self, said: &[u8], piece: usize) {
        for octets in said.chunks(piece) {
            let mut rest = octets;
            while !rest.is_empty() {
                let taken = self.session.receive(self.now, rest);
                rest = &rest[taken..];
                self.drain();
            }
        }
    }

    /// What can be done now, and else what cannot: that changes nothing.
    fn act(&mut self, choice: u8) {
        let _ = self.session.respond(self.now, &Secret::new(vec![choice; usize::from(choice % 4)]));
        let layer = if choice & 8 == 0 { Layer::Tls } else { Layer::Sasl };
        let _ = self.session.layered(self.now, layer);
        let _ = self.session.message(self.now, b"text\r\n.\r\n");
        let _ = self.session.end_message(self.now);
        for command in commands(choice) {
            let _ = self.session.send(self.now, command);
        }
    }

    fn drain(&mut self) {
        loop {
            let output = self.session.poll_output();
            let event = self.session.poll_event();
            if output.is_none() && event.is_none() {
                return;
            }
            let output = output.unwrap_or_default();
            assert!(output.is_empty() || output.ends_with(b"\r\n"), "half a line");
            self.seen += &String::from_utf8_lossy(&output);
            let event = event.map(|event| format!("{event:?}")).unwrap_or_default();
            let is_plain = |octet| matches!(octet, b' '..=b'~' | b'\r' | b'\n');
            assert!(event.bytes().all(is_plain), "{event:?}");
            self.seen += &event;
        }
    }

    fn end(mut self) -> String {
        match self.session.poll_timeout() {
            Some(deadline) => self.session.expire(deadline),
            None => self.session.end_of_input(self.now),
        }
        self.drain();
        assert!(self.session.closed_by().is_some(), "a session without end");
        self.seen
    }
}

fn commands(choice: u8) -> Vec<Command> {
    let mail = || Mail { from: ReversePath::Null, size: Some(1), body: Body::SevenBit, submitter: None };
    let auth = |name: &str, initial| Command::Auth { mechanism: name.to_owned(), initial };
    match choice & 7 {
        0 => vec![Command::Hello],
        1 => vec![Command::StartTls],
        2 => vec![auth("PLAIN", Some(Secret::new(vec![0; 400])))],
        3 => vec![auth("LOGIN", None)],
        4 => vec![
            Command::Mail(mail()),
            Command::Recipient(ForwardPath::Postmaster),
            Command::Recipient(ForwardPath::Postmaster),
            Command::Data,
        ],
        5 => vec![Command::Reset, Command::Noop],
        6 => vec![Command::Verify("x".to_owned())],
        _ => vec![Command::Quit],
    }
}

/// Stands between two turns.
const BETWEEN: u8 = 0xff;
