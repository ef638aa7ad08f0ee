//! AUTH: messages of the client to the keeper, and its verdicts back.

use std::sync::Arc;

use credential::Secret;
use sasl::layer::LayerKeys;
use smtp::server::{AfterAuth, Answer, AuthFailure};
use wire::{Class, ExchangeId, Login, SecretOctets, ToKeeper};

use super::{Driver, until};
use crate::access::denied;
use crate::event::Event;
use crate::keeper::{Exchange, Gone, Verdict};
use crate::site::Phase;

impl Driver {
    pub(super) async fn begin_login(&mut self, mechanism: String, initial: Option<Secret>) -> Answer {
        self.turns = self.turns.wrapping_add(1);
        let mut exchange = Exchange::new(ExchangeId { session: self.begun.id, turn: self.turns });
        let message = ToKeeper::Begin {
            exchange: exchange.id,
            listener: self.begun.listener.id,
            channel: self.begun.channel(),
            client: self.begun.address,
            mechanism: mechanism.clone(),
            initial: initial.map(|octets| SecretOctets::copy_of(octets.expose())),
        };
        let verdict = self.begun.front.keeper().begin(&mut exchange, &message).await;
        self.take(verdict, exchange, &mechanism).await
    }

    pub(super) async fn respond(&mut self, octets: &Secret) -> Answer {
        let octets = SecretOctets::copy_of(octets.expose());
        // A response is asked for only behind a challenge, with which the exchange was kept.
        let Some(mut exchange) = self.exchange.take() else {
            return Answer::AuthFailed(AuthFailure::Temporary);
        };
        let message = ToKeeper::Respond { exchange: exchange.id, octets };
        let verdict = self.begun.front.keeper().ask(&mut exchange, &message).await;
        self.take(verdict, exchange, "").await
    }

    async fn take(&mut self, verdict: Result<Verdict, Gone>, exchange: Exchange, mechanism: &str) -> Answer {
        match verdict {
            Ok(Verdict::Challenge(octets)) => {
                self.exchange = Some(exchange);
                Answer::Challenge(octets)
            }
            Ok(Verdict::LoggedIn(login)) => self.logged_in(login),
            Ok(Verdict::Refused { class, hold }) => {
                self.hold_back(hold).await;
                refused(class, mechanism)
            }
            Err(_) => {
                // One that is only late has the exchange still.
                self.begun.front.keeper().cancel(exchange.id);
                self.begun.front.journal().note(&Event::NoKeeper(self.begun.peer()));
                Answer::AuthFailed(AuthFailure::Temporary)
            }
        }
    }

    /// As long as the keeper says, unless everything ends before.
    async fn hold_back(&mut self, hold: std::time::Duration) {
        if hold.is_zero() {
            return;
        }
        let end = std::time::Instant::now().checked_add(hold);
        tokio::select! {
            () = until(end) => {}
            _ = self.begun.phase.wait_for(|phase| *phase == Phase::Finishing) => {}
        }
    }

    fn logged_in(&mut self, mut login: Box<Login>) -> Answer {
        let after = match login.layer.take() {
            None => AfterAuth::Plain,
            Some(octets) => match LayerKeys::from_octets(octets.expose()) {
                Some(keys) => {
                    self.layer = Some(Box::new(keys));
                    AfterAuth::Layer
                }
                // Keys of another version of us: the client cannot be talked to as it was agreed.
                None => return Answer::AuthFailed(AuthFailure::Temporary),
            },
        };
        self.begun.front.journal().note(&Event::LoggedIn {
            peer: self.begun.peer(),
            authentication: &login.authentication,
            authorization: &login.authorization,
            mechanism: &login.mechanism,
            ssf: login.ssf,
        });
        let login = Arc::<Login>::from(login);
        self.begun.entry.has_logged_in(Some(&login));
        self.login = Some(login);
        Answer::Authenticated(after)
    }
}

fn refused(class: Class, mechanism: &str) -> Answer {
    match class {
        Class::Malformed | Class::Refused => Answer::AuthFailed(AuthFailure::Credentials),
        Class::Temporary => Answer::AuthFailed(AuthFailure::Temporary),
        Class::Later => Answer::AuthFailed(AuthFailure::Later),
        Class::NotOffered => {
            let words = format!("AUTH mechanism {mechanism:.32} not available");
            Answer::Refused(denied(504, (3, 3), &words))
        }
    }
}
