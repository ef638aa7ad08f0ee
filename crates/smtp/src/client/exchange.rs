//! An exchange of SASL between AUTH and its reply (RFC 4954 section 4). What it says is the caller's business.

use std::time::Instant;

use credential::Secret;

use crate::reply::Code;

use super::reader::Heard;
use super::{CannotSend, Event, Session, State, command};

impl Session {
    /// Answers a challenge.
    pub fn respond(&mut self, now: Instant, response: &Secret) -> Result<(), CannotSend> {
        self.answer(now, &command::response(response))
    }

    /// Gives the exchange of AUTH up. The server's reply comes all the same.
    pub fn cancel(&mut self, now: Instant) -> Result<(), CannotSend> {
        self.answer(now, b"*\r\n")
    }

    pub(super) fn challenged(&mut self, code: Code, heard: &Heard) {
        let text = heard.lines.first().map(String::as_str).unwrap_or_default();
        let octets = command::challenge(text).filter(|_| heard.lines.len() == 1);
        match (self.kept.take(), octets) {
            (Some(initial), Some(octets)) if octets.is_empty() => self.say(&command::response(&initial)),
            (None, Some(octets)) => {
                self.state = State::Challenged;
                self.events.push_back(Event::Challenge { code, octets });
            }
            // No base64; or, before the initial response was sent, a challenge that it is no answer to.
            _ => {
                self.say(b"*\r\n");
                self.events.push_back(Event::BadChallenge);
            }
        }
    }

    fn answer(&mut self, now: Instant, line: &[u8]) -> Result<(), CannotSend> {
        if !matches!(self.state, State::Challenged) {
            return Err(CannotSend::NotNow);
        }
        self.tell(now);
        self.must_be_silent();
        if matches!(self.state, State::Challenged) {
            self.state = State::Dialogue;
            self.say(line);
            self.restart();
        }
        self.advance();
        Ok(())
    }
}
