//! An exchange of SASL between AUTH and its reply (RFC 4954 section 4). What it says is the caller's business.

use std::time::Instant;

use credential::Secret;
use zeroize::Zeroizing;

use crate::reply::Code;

use super::reader::Heard;
use super::{CannotSend, Event, Session, State, command};

/// How far an exchange is.
#[derive(Default)]
pub(super) struct Exchange {
    challenges: usize,
    is_given_up: bool,
    /// What was said last, in base64: some servers repeat the lines that they do not understand.
    said: Zeroizing<Vec<u8>>,
}

impl Exchange {
    pub(super) fn begun_with(said: Zeroizing<Vec<u8>>) -> Self {
        Self { said, ..Self::default() }
    }

    /// Whether `*` was sent: nothing but a refusal can follow.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// Lines of a reply without the response that they may repeat, whole or cut off.
    pub(super) fn without_what_was_said(&self, lines: &[String]) -> Vec<String> {
        let told =
            self.said.get(..TELLING.min(self.said.len())).and_then(|said| std::str::from_utf8(said).ok());
        let Some(told) = told.filter(|told| !told.is_empty()) else { return lines.to_vec() };
        let is_base64 = |octet: char| octet.is_ascii_alphanumeric() || "+/=".contains(octet);
        let conceal = |line: &String| {
            let mut parts = line.split(told);
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |shown, part| shown + "..." + part.trim_start_matches(is_base64))
        };
        lines.iter().map(conceal).collect()
    }
}

/// With so many characters of it a response is recognised.
const TELLING: usize = 8;

impl Session {
    /// Answers a challenge.
    pub fn respond(&mut self, now: Instant, response: &Secret) -> Result<(), CannotSend> {
        self.answer(now, command::encode(response))
    }

    /// Gives the exchange of AUTH up. The server's reply comes all the same.
    pub fn cancel(&mut self, now: Instant) -> Result<(), CannotSend> {
        self.answer(now, Zeroizing::new(GIVE_UP.to_vec()))?;
        self.exchange.is_given_up = true;
        Ok(())
    }

    pub(super) fn challenged(&mut self, code: Code, heard: &Heard) {
        let text = heard.lines.first().map(String::as_str).unwrap_or_default();
        self.exchange.challenges += 1;
        let may_go_on = heard.lines.len() == 1 && self.exchange.challenges <= self.settings.limits.challenges;
        let octets = command::challenge(text).filter(|_| may_go_on);
        match (self.kept.take(), octets) {
            (Some(initial), Some(octets)) if octets.is_empty() => {
                self.say_in_exchange(command::encode(&initial))
            }
            (None, Some(octets)) => {
                self.state = State::Challenged;
                self.events.push_back(Event::Challenge { code, octets });
            }
            // No base64, too many; or, before the initial response was sent, a challenge that it is no answer to.
            _ => {
                self.say_in_exchange(Zeroizing::new(GIVE_UP.to_vec()));
                self.exchange.is_given_up = true;
                self.events.push_back(Event::BadChallenge);
            }
        }
    }

    fn answer(&mut self, now: Instant, line: Zeroizing<Vec<u8>>) -> Result<(), CannotSend> {
        if !matches!(self.state, State::Challenged) {
            return Err(CannotSend::NotNow);
        }
        self.tell(now);
        self.must_be_silent();
        if matches!(self.state, State::Challenged) {
            self.state = State::Dialogue;
            self.say_in_exchange(line);
            self.restart();
        }
        self.advance();
        Ok(())
    }

    fn say_in_exchange(&mut self, line: Zeroizing<Vec<u8>>) {
        self.say(&line);
        self.say(b"\r\n");
        self.exchange.said = line;
    }
}

/// What ends an exchange before its end.
const GIVE_UP: &[u8] = b"*";
