//! A server, which hears whatever a client says.

use std::sync::Arc;
use std::time::Instant;

use smtp::server::{
    AfterAuth, AuthFailure, AuthRule, Connection, EtrnRule, HelloRule, Offer, Policy, StartTls, Transport,
    Welcome,
};
use smtp::{Answer, Event, Limits, LineEnds, Session};

/// The first octet chooses what the caller answers, the others are the client's.
///
/// # Panics
/// Where the pieces in which octets come make a difference: that is what the fuzzer is to find.
pub(crate) fn server(octets: &[u8]) {
    let Some((&choice, sent)) = octets.split_first() else { return };
    let whole = Caller::new(choice).play([sent]);
    assert!(whole.ends_with("\r\n"));
    assert_eq!(whole, Caller::new(choice).play(sent.chunks(1)));
}

struct Caller {
    session: Session,
    now: Instant,
    choice: u8,
    seen: String,
}

impl Caller {
    fn new(choice: u8) -> Self {
        let now = Instant::now();
        let policy = Policy {
            host: "mail.gate.test".to_owned(),
            limits: Limits::default(),
            line_ends: if choice & 1 == 0 { LineEnds::Strict } else { LineEnds::Normalised },
            auth: AuthRule::Optional,
            etrn: EtrnRule::Asked,
            hello: HelloRule::NotNeeded,
        };
        let client = "client.far.test [198.51.100.77]".to_owned();
        let connection =
            Connection { client, transport: Transport::Clear, offer: offer(), welcome: Welcome::Open };
        let session = Session::new(now, Arc::new(policy), connection);
        Self { session, now, choice, seen: String::new() }
    }

    /// Everything, then time until the session ends.
    fn play<'a>(mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        for piece in pieces {
            let mut rest = piece;
            while !rest.is_empty() {
                let taken = self.session.receive(self.now, rest);
                rest = &rest[taken..];
                self.drain();
                if taken == 0 {
                    self.pass();
                }
            }
        }
        while self.session.closed_by().is_none() {
            self.session.layered(self.now, offer());
            self.pass();
            self.drain();
        }
        self.drain();
        self.seen
    }

    /// Until something has to happen: a command that was held back is done.
    fn pass(&mut self) {
        self.now = self.session.poll_timeout().unwrap_or(self.now);
        self.session.expire(self.now);
    }

    /// Pieces of a message are not compared: how many there are depends on how they came.
    fn drain(&mut self) {
        loop {
            let output = self.session.poll_output();
            let event = self.session.poll_event();
            if output.is_none() && event.is_none() {
                return;
            }
            self.seen += &String::from_utf8_lossy(&output.unwrap_or_default());
            if let Some(answer) = event.and_then(|event| self.answer(&event)) {
                assert_eq!(self.session.answer(self.now, answer), Ok(()));
            }
        }
    }

    fn answer(&self, event: &Event) -> Option<Answer> {
        match (event, self.choice & 6) {
            (Event::Piece(_) | Event::Reset | Event::AuthEnded(_) | Event::Closed(_), _) => None,
            (Event::Auth { .. }, 0) => Some(Answer::Authenticated(AfterAuth::Layer)),
            (Event::Auth { .. }, 2) => Some(Answer::AuthFailed(AuthFailure::Credentials)),
            (Event::Auth { .. }, _) => Some(Answer::Challenge(vec![self.choice; 3])),
            (Event::Response(_), _) => Some(Answer::Authenticated(AfterAuth::Plain)),
            _ => Some(Answer::Accepted),
        }
    }
}

fn offer() -> Arc<Offer> {
    let mechanisms = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    Arc::new(Offer { mechanisms, starttls: StartTls::Offered, size: Some(100), ..Offer::default() })
}
