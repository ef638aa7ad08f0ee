//! An exchange of SASL between AUTH and its last reply (RFC 4954 section 4). What it says is the caller's business.

use std::sync::Arc;

use crate::auth::{self, Response};
use crate::command;
use crate::line::{LineFault, Skipped};
use crate::reply::Reply;

use super::state::{Question, State};
use super::{AfterAuth, Answer, AuthEnd, AuthFailure, Event, Layer, Login, Logins, Progress, Session, words};

impl Session {
    /// AUTH, which may come now.
    pub(super) fn auth(&mut self, argument: &[u8]) {
        let Some(command::Auth { mechanism, initial }) = command::auth(argument) else {
            return self.say(&words::mechanism_required());
        };
        let is_listed = || self.offer.mechanisms.iter().any(|it| it.eq_ignore_ascii_case(&mechanism));
        if self.offer.logins == Logins::Possible && !is_listed() {
            return self.say(&words::mechanism_not_available(&mechanism));
        }
        match initial {
            Ok(initial) => self.ask(Question::Auth, Event::Auth { mechanism, initial }),
            Err(auth::NotBase64) => self.say(&words::initial_not_base64()),
        }
    }

    /// The client's next line in the exchange: whatever it says, it is no command.
    pub(super) fn read_response(&mut self) -> Progress {
        let most = self.policy.limits.auth_line;
        match self.input.line(self.policy.line_ends, |_| most) {
            Ok(None) => return Progress::Stuck,
            Ok(Some(line)) => self.response(&line),
            Err(LineFault::Bare(bare)) => self.bare_line_end(bare),
            Err(LineFault::TooLong) => {
                self.events.push_back(Event::AuthEnded(AuthEnd::TooLong));
                self.state = State::Overlong { dropped: 0 };
            }
        }
        Progress::Made
    }

    /// Reads an AUTH line that is too long to its end, so that none of it is taken for a command.
    pub(super) fn skip_overlong(&mut self, dropped: usize) -> Progress {
        let most = self.policy.limits.overlong.saturating_sub(dropped);
        match self.input.skip_line(self.policy.line_ends, most) {
            Ok(Skipped::Part(0)) => return Progress::Stuck,
            Ok(Skipped::Part(more)) => self.state = State::Overlong { dropped: dropped + more },
            Ok(Skipped::Whole) => self.say_and_go_on(&words::auth_line_too_long()),
            Err(LineFault::Bare(bare)) => self.bare_line_end(bare),
            Err(LineFault::TooLong) => self.line_too_long(),
        }
        Progress::Made
    }

    pub(super) fn auth_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Challenge(octets) => self.challenge(&octets),
            Answer::Authenticated(after) => self.authenticated(after),
            Answer::AuthFailed(failure) => {
                if failure == AuthFailure::Temporary {
                    // That he has not logged in is not his fault.
                    Arc::make_mut(&mut self.offer).logins = Logins::NotNow;
                }
                self.say(&words::auth_failed(failure));
            }
            Answer::Refused(refusal) => self.refuse(&refusal),
            Answer::Accepted | Answer::AcceptedAs(_) => {}
        }
    }

    fn response(&mut self, line: &[u8]) {
        match auth::response(line) {
            Ok(Response::Octets(octets)) => self.ask(Question::Auth, Event::Response(octets)),
            Ok(Response::Cancel) => self.end_exchange(AuthEnd::Cancelled, &words::auth_cancelled()),
            Err(auth::NotBase64) => self.end_exchange(AuthEnd::NotBase64, &words::response_not_base64()),
        }
    }

    fn end_exchange(&mut self, end: AuthEnd, reply: &Reply) {
        self.events.push_back(Event::AuthEnded(end));
        self.say_and_go_on(reply);
    }

    /// Back to commands; the reply may be one refusal too many, so it comes last.
    fn say_and_go_on(&mut self, reply: &Reply) {
        self.expect(State::Command);
        self.say(reply);
    }

    /// RFC 4954 section 4: with an empty challenge the blank stays.
    fn challenge(&mut self, octets: &[u8]) {
        let line = auth::challenge(octets);
        if line.len() + "334 \r\n".len() > self.policy.limits.auth_line {
            return self.end_exchange(AuthEnd::ChallengeTooLong, &words::challenge_too_long());
        }
        self.output.extend_from_slice(format!("334 {line}\r\n").as_bytes());
        self.expect(State::Response);
    }

    fn authenticated(&mut self, after: AfterAuth) {
        self.login = Login::Authenticated;
        match after {
            AfterAuth::Plain => self.say(&words::authenticated()),
            AfterAuth::Layer => self.hand_over(&words::authenticated(), Layer::Sasl),
        }
    }
}
