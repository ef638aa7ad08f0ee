//! Whatever a client sends, in whatever pieces: the session goes the same way, says well-formed lines, and holds no more
//! than its limits say.
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use smtp::server::{AfterAuth, AuthFailure, EtrnRule, HelloRule, Offer, StartTls};
use smtp::{Answer, Event, LineEnds, Session};

use crate::talk::{self, Setup};

/// What a session did, from outside.
#[derive(Debug, Default, PartialEq)]
struct Transcript {
    output: Vec<u8>,
    events: Vec<String>,
    message: Vec<u8>,
}

/// A caller that answers from a list, and takes everything at once.
struct Caller {
    session: Session,
    now: Instant,
    answers: Vec<u8>,
    asked: usize,
    seen: Transcript,
}

impl Caller {
    fn new(ends: LineEnds, answers: Vec<u8>) -> Self {
        let now = Instant::now();
        let mut setup = Setup::default();
        setup.policy.line_ends = ends;
        setup.policy.etrn = EtrnRule::Asked;
        setup.policy.hello = HelloRule::NotNeeded;
        setup.offer = offer();
        Self { session: setup.session(now), now, answers, asked: 0, seen: Transcript::default() }
    }

    /// Everything in pieces, then time until the session ends.
    fn play(mut self, pieces: &[&[u8]]) -> Transcript {
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let taken = self.session.receive(self.now, rest);
                rest = &rest[taken..];
                self.drain();
                // What was taken out of it may have brought it to its end.
                if taken == 0 && self.session.closed_by().is_none() {
                    self.pass();
                }
            }
        }
        while self.session.closed_by().is_none() {
            if self.session.awaits_layer().is_some() {
                self.session.layered(self.now, Arc::new(offer()));
                self.session.receive(self.now, b"NOOP\r\n");
            } else {
                self.pass();
            }
            self.drain();
        }
        assert!(self.session.poll_event().is_none() && self.session.poll_output().is_none());
        self.seen
    }

    /// Until something has to happen: a command that was held back is done.
    fn pass(&mut self) {
        self.now = self.session.poll_timeout().unwrap();
        self.session.expire(self.now);
    }

    fn drain(&mut self) {
        loop {
            let output = self.session.poll_output();
            let event = self.session.poll_event();
            if output.is_none() && event.is_none() {
                return;
            }
            self.seen.output.extend(output.unwrap_or_default());
            if let Some(event) = event {
                self.see(&event);
            }
        }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Piece(octets) => return self.seen.message.extend(octets),
            // How much of a message that is void was seen depends on the pieces.
            Event::Reset | Event::Closed(_) => self.seen.message.clear(),
            _ => {}
        }
        let message = std::mem::take(&mut self.seen.message);
        self.seen.events.push(format!("{event:?} {}", message.escape_ascii()));
        let choice = self.answers.get(self.asked % self.answers.len().max(1)).copied().unwrap_or_default();
        if let Some(answer) = answer(event, choice) {
            self.asked += 1;
            self.session.answer(self.now, answer).unwrap();
        }
    }
}

fn offer() -> Offer {
    Offer {
        mechanisms: vec!["PLAIN".to_owned(), "DIGEST-MD5".to_owned()],
        starttls: StartTls::Offered,
        size: Some(60),
        ..Offer::default()
    }
}

fn answer(event: &Event, choice: u8) -> Option<Answer> {
    let refused = |code: &str| Answer::Refused(talk::refusal(code));
    Some(match (event, choice % 8) {
        (Event::Piece(_) | Event::Reset | Event::AuthEnded(_) | Event::Closed(_), _) => return None,
        (_, 7) if choice > 250 => refused("421 4.3.2 enough"),
        (_, 7) => refused("450 4.3.0 later"),
        (_, 6) => refused("550 5.7.1 no\r\n250 yes"),
        (Event::Auth { .. } | Event::Response(_), 0) => Answer::Authenticated(AfterAuth::Plain),
        (Event::Auth { .. } | Event::Response(_), 1) => Answer::Authenticated(AfterAuth::Layer),
        (Event::Auth { .. } | Event::Response(_), 2) => Answer::AuthFailed(AuthFailure::Credentials),
        (Event::Auth { .. } | Event::Response(_), more) => Answer::Challenge(vec![0xff; more.into()]),
        (Event::MessageEnd, 1) => Answer::AcceptedAs("id\n".to_owned()),
        _ => Answer::Accepted,
    })
}

/// Something that a client could send, well or ill.
fn sent() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"EHLO cli.example\r\n"[..],
        b"HELO x\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=61\r\n",
        b"mail from:<@x:\"a b\"@[192.0.2.1]> BODY=8BITMIME AUTH=x+2B\r\n",
        b"RCPT TO:<c%d@gate.test>\r\n",
        b"RCPT TO:<postmaster>\r\n",
        b"DATA\r\n",
        b"DATA\r\nx\r\n..\r\n.\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY x\r\n",
        b"ETRN x\r\n",
        b"HELP\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"AUTH DIGEST-MD5 =\r\n",
        b"AUTH NOSUCH\r\n",
        b"AGEAYg==\r\n",
        b"*\r\n",
        b"QUIT\r\n",
        b"\r",
        b"\n",
        b"text of a message that is not all too long",
    ]);
    prop_oneof![
        30 => known.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..30),
        1 => (1_usize..14000).prop_map(|count| [b"AUTH PLAIN ", &vec![b'A'; count][..], b"\r\n"].concat()),
        1 => (1_usize..3000).prop_map(|count| [b"NOOP ", &vec![b'x'; count][..], b"\r\n"].concat()),
    ]
}

fn ends() -> impl Strategy<Value = LineEnds> {
    prop_oneof![Just(LineEnds::Strict), Just(LineEnds::Normalised)]
}

/// Cut at these places.
fn cut<'a>(input: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    for place in places {
        let (piece, behind) = rest.split_at(place % (rest.len() + 1));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

fn assert_well_formed(output: &[u8]) {
    let text = std::str::from_utf8(output).unwrap();
    assert!(text.ends_with("\r\n"), "{text:?}");
    for line in text.split_terminator("\r\n") {
        let (code, rest) = line.split_at(3);
        assert!(smtp::Code::new(code.parse().unwrap()).is_some(), "{line:?}");
        assert!(rest.starts_with([' ', '-']), "{line:?}");
        assert!(line.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{line:?}");
        assert!(line.len() <= 510, "{line:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn pieces_make_no_difference_and_replies_are_well_formed(
        ends in ends(),
        sent in prop::collection::vec(sent(), 0..30),
        answers in prop::collection::vec(any::<u8>(), 1..20),
        places in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let input = sent.concat();
        let whole = Caller::new(ends, answers.clone()).play(&[&input]);
        assert_well_formed(&whole.output);
        let pieces = Caller::new(ends, answers.clone()).play(&cut(&input, &places));
        prop_assert_eq!(&whole, &pieces);
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&whole, &Caller::new(ends, answers).play(&octets));
    }

    #[test]
    fn octets_of_any_kind_end_well(
        ends in ends(),
        input in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'.')], 0..300),
        answers in prop::collection::vec(any::<u8>(), 1..5),
    ) {
        for before in [&b""[..], b"AUTH PLAIN\r\n", b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"] {
            let input = [before, &input].concat();
            let octets: Vec<&[u8]> = input.chunks(1).collect();
            let whole = Caller::new(ends, answers.clone()).play(&[&input]);
            assert_well_formed(&whole.output);
            prop_assert_eq!(&whole, &Caller::new(ends, answers.clone()).play(&octets));
        }
    }

    /// Calls in an order that no caller should have: none panics, and no answer is taken that nobody asked for.
    #[test]
    fn calls_in_any_order_do_no_harm(
        calls in prop::collection::vec((0_u8..9, sent(), any::<u8>()), 0..60),
    ) {
        let mut caller = Caller::new(LineEnds::Strict, vec![0]);
        let session = &mut caller.session;
        for (call, octets, choice) in calls {
            caller.now += Duration::from_secs(u64::from(choice) % 3);
            match call {
                0..=2 => { session.receive(caller.now, &octets); }
                3 => drop(session.poll_output()),
                4 => {
                    let event = session.poll_event();
                    let answered = event.and_then(|event| answer(&event, choice));
                    answered.map(|answer| session.answer(caller.now, answer)).transpose().unwrap();
                }
                5 => { let _ = session.answer(caller.now, Answer::Challenge(vec![choice])); }
                6 => session.expire(caller.now),
                7 => session.layered(caller.now, Arc::new(offer())),
                _ if choice == 0 => session.end_of_input(caller.now),
                _ => { let _ = session.answer(caller.now, Answer::Accepted); }
            }
        }
    }
}

/// A client that sends for ever while nobody answers, or reads: no more is taken than the limits say.
#[test]
fn what_is_held_is_bounded() {
    let floods: [&[u8]; 4] = [b"EHLO x\r\n", b"NOOP\r\n", b"HELP\r\n", b"MAIL FROM:<>\r\n"];
    for flood in floods {
        let now = Instant::now();
        let mut setup = Setup::default();
        setup.policy.hello = HelloRule::NotNeeded;
        let mut session = setup.session(now);
        let mut taken = 0;
        for _ in 0..100_000 {
            taken += session.receive(now, flood);
        }
        assert!(taken < 100_000, "{taken} octets of {}", flood.escape_ascii());
        let output = session.poll_output().unwrap();
        assert!(output.len() < 20_000, "{}", output.len());
    }
}

/// A message that nobody takes: one piece is there, one more is held.
#[test]
fn a_message_waits_for_its_reader() {
    let now = Instant::now();
    let mut caller = Caller::new(LineEnds::Strict, vec![0]);
    let session = &mut caller.session;
    session.offer(Arc::new(Offer::default()));
    session.receive(now, b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    caller.drain();
    let block = [b'x'; 8192];
    let taken: usize = (0..100).map(|_| caller.session.receive(now, &block)).sum();
    assert!((8192..=2 * 16384 + 8192).contains(&taken), "{taken}");
    caller.drain();
    assert_eq!(caller.seen.message.len(), taken);
    assert_eq!(caller.session.receive(now, &block), block.len());
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused() {
    let mut caller = Caller::new(LineEnds::Strict, vec![0]);
    let now = caller.now;
    let session = &mut caller.session;
    assert!(session.answer(now, Answer::Accepted).is_err());
    session.receive(now, b"AUTH PLAIN AGEAYg==\r\n");
    // Not before the question was seen, and not one of another kind.
    assert!(session.answer(now, Answer::Authenticated(AfterAuth::Plain)).is_err());
    assert!(session.poll_event().is_some());
    assert!(session.answer(now, Answer::Accepted).is_err());
    assert!(session.answer(now, Answer::AcceptedAs("x".to_owned())).is_err());
    assert!(session.answer(now, Answer::Authenticated(AfterAuth::Plain)).is_ok());
    assert!(session.answer(now, Answer::Authenticated(AfterAuth::Plain)).is_err());
    session.receive(now, b"MAIL FROM:<>\r\n");
    assert!(session.poll_event().is_some());
    assert!(session.answer(now, Answer::Authenticated(AfterAuth::Plain)).is_err());
    assert!(session.answer(now, Answer::Challenge(Vec::new())).is_err());
    // After the end none at all: a late verdict cannot change anything.
    session.shut_down(now);
    assert!(session.answer(now, Answer::Accepted).is_err());
    assert!(session.receive(now, b"NOOP\r\n") == 6);
}

/// Neither a session nor an event or answer shows what it holds.
#[test]
fn debug_shows_no_secret() {
    let mut caller = Caller::new(LineEnds::Strict, vec![0]);
    let now = caller.now;
    caller.session.receive(now, b"AUTH PLAIN c2VjcmV0\r\nc2VjcmV0\r\n");
    let session = format!("{:?}", caller.session);
    let auth = format!("{:?}", caller.session.poll_event().unwrap());
    let challenge = Answer::Challenge(b"secret".to_vec());
    let answer = format!("{challenge:?}");
    caller.session.answer(now, challenge).unwrap();
    let response = format!("{:?}", caller.session.poll_event().unwrap());
    let shown = [session, auth, answer, response].concat();
    assert!(shown.contains("Auth(\"PLAIN\"") && shown.contains("Response("), "{shown}");
    for secret in ["secret", "c2Vj", "115, 101"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Ten thousand idle sessions are a matter of megabytes (an idle one holds no buffer).
#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 640, "{}", size_of::<Session>());
}
