//! What holds for any octets of a server: a session does the same however they are cut, and holds no more than its limits say.

use std::sync::Arc;
use std::time::Instant;

use credential::Secret;
use proptest::prelude::*;
use smtp::LineEnds;
use smtp::client::{Command, Session};
use smtp::server::Layer;

use crate::talk;

/// A caller that goes through a session, whatever it hears: one command behind each turn of the server's.
struct Caller {
    session: Session,
    now: Instant,
    seen: String,
}

impl Caller {
    fn new(ends: LineEnds) -> Self {
        let now = Instant::now();
        let settings = smtp::client::Settings { line_ends: ends, ..talk::settings() };
        Self { session: Session::new(now, Arc::new(settings)), now, seen: String::new() }
    }

    /// The server's turns, each in pieces of this size, then time until the session ends.
    fn play(mut self, turns: &[(Vec<u8>, u8)], piece: usize) -> String {
        for (turn, choice) in turns {
            for octets in turn.chunks(piece) {
                let mut rest = octets;
                while !rest.is_empty() {
                    let taken = self.session.receive(self.now, rest);
                    rest = &rest[taken..];
                    let moved = self.drain();
                    assert!(taken > 0 || moved, "neither octets nor events");
                }
            }
            self.drain();
            self.act(*choice);
            self.drain();
        }
        if let Some(deadline) = self.session.poll_timeout() {
            self.session.expire(deadline);
        } else {
            self.session.end_of_input(self.now);
        }
        self.drain();
        assert!(self.session.closed_by().is_some());
        assert!(self.session.poll_event().is_none());
        self.seen
    }

    fn drain(&mut self) -> bool {
        let mut moved = false;
        loop {
            let output = self.session.poll_output();
            let event = self.session.poll_event();
            if output.is_none() && event.is_none() {
                return moved;
            }
            moved = true;
            if let Some(output) = output {
                assert!(output.ends_with(b"\r\n"), "{}", output.escape_ascii());
                self.seen += &String::from_utf8_lossy(&output);
            }
            if let Some(event) = event {
                let shown = format!("{event:?}\n");
                assert!(
                    shown.lines().all(|line| line.bytes().all(|octet| matches!(octet, b' '..=b'~'))),
                    "{shown:?}"
                );
                self.seen += &shown;
            }
        }
    }

    /// What can be done now, and else what cannot: that changes nothing.
    fn act(&mut self, choice: u8) {
        let now = self.now;
        let _ = self.session.respond(now, &Secret::new(vec![choice; usize::from(choice % 4)]));
        if choice.is_multiple_of(2) {
            let _ = self.session.layered(now, Layer::Tls);
        }
        let _ = self.session.message(now, b"text\r\n.\r\n");
        let _ = self.session.end_message(now);
        for command in commands(choice) {
            let _ = self.session.send(now, command);
        }
    }
}

fn commands(choice: u8) -> Vec<Command> {
    let mail = || smtp::command::Mail {
        from: smtp::address::ReversePath::Null,
        size: Some(1),
        body: smtp::command::Body::SevenBit,
        submitter: None,
    };
    let rcpt = || Command::Recipient(smtp::address::ForwardPath::Postmaster);
    match choice % 8 {
        0 => vec![Command::Hello],
        1 => vec![Command::StartTls],
        2 => vec![Command::Auth { mechanism: "PLAIN".to_owned(), initial: Some(Secret::new(vec![0; 400])) }],
        3 => vec![Command::Auth { mechanism: "LOGIN".to_owned(), initial: None }],
        4 => vec![Command::Mail(mail()), rcpt(), rcpt(), Command::Data],
        5 => vec![Command::Reset, Command::Noop],
        6 => vec![Command::Verify("x".to_owned())],
        _ => vec![Command::Quit],
    }
}

/// What a server could say, well or ill: some replies, perhaps the start of another.
fn turn() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"220 a\r\n"[..],
        b"250-a\r\n250-PIPELINING\r\n250-SIZE 10\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
        b"250 OK\r\n",
        b"220 go\r\n250 injected\r\n",
        b"250-",
        b"334 \r\n",
        b"334 YWFh\r\n",
        b"330 x\r\n",
        b"235 yes\r\n",
        b"354 go\r\n",
        b"421 bye\r\n",
        b"451 later\r\n",
        b"500 what\r\n",
        b"550-no\r\n250 yes\r\n",
        b"250\n",
        b"\r\n",
        b"\xff\xfe",
    ]);
    let one = prop_oneof![
        20 => known.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (1_usize..14000).prop_map(|count| [b"334 ", &vec![b'A'; count][..], b"\r\n"].concat()),
    ];
    prop_oneof![5 => one.clone(), 1 => prop::collection::vec(one, 0..5).prop_map(|all| all.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn pieces_make_no_difference(
        turns in prop::collection::vec((turn(), any::<u8>()), 0..12),
        is_strict in any::<bool>(),
        piece in 1_usize..20,
    ) {
        let ends = if is_strict { LineEnds::Strict } else { LineEnds::Normalised };
        let whole = Caller::new(ends).play(&turns, usize::MAX);
        prop_assert_eq!(&whole, &Caller::new(ends).play(&turns, 1));
        prop_assert_eq!(&whole, &Caller::new(ends).play(&turns, piece));
    }
}

/// A server that says one thing for ever: no more is taken than the limits say, also where nobody takes events.
#[test]
fn what_is_held_is_bounded() {
    for flood in [&b"220 a\r\n"[..], b"220-a\r\n", b"2", b"220-", b"\r\n"] {
        let now = Instant::now();
        let mut session = Session::new(now, Arc::new(talk::settings()));
        let mut taken = 0;
        for _ in 0..100_000 {
            if session.closed_by().is_none() {
                taken += session.receive(now, flood);
            }
        }
        assert!(taken < 100_000, "{taken} octets of {}", flood.escape_ascii());
    }
}

#[test]
fn debug_shows_no_secret() {
    let now = Instant::now();
    let mut session = Session::new(now, Arc::new(talk::settings()));
    let auth = Command::Auth { mechanism: "PLAIN".to_owned(), initial: Some(Secret::copy_of(b"secret")) };
    let shown = format!("{auth} {auth:?}");
    session.receive(now, b"220 a\r\n");
    session.poll_event().unwrap();
    session.send(now, auth).unwrap();
    let before = format!("{session:?}");
    session.receive(now, b"334 c2VjcmV0\r\n");
    let event = format!("{:?}", session.poll_event().unwrap());
    let all = [shown, before, event].concat();
    assert!(all.contains("AUTH PLAIN ...") && all.contains("6 octets"), "{all}");
    for secret in ["secret", "c2Vj", "115, 101"] {
        assert!(!all.contains(secret), "{all}");
    }
}
