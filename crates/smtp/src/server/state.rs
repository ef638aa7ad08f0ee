//! What a session waits for. A state holds what it needs to go on, and is gone when the session has moved on.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::command::Greeting;
use crate::data::DataReader;

use super::{ClosedBy, Layer};

/// What a session waits for.
pub(super) enum State {
    /// A command line.
    Command,
    /// Time: the command came too often and is held back.
    HeldBack { until: Instant, line: Zeroizing<Vec<u8>> },
    /// The caller's answer.
    Asked(Question),
    /// A line of the client's within an exchange of SASL.
    Response,
    /// The end of an AUTH line that is too long; so many octets of it are gone already.
    Overlong { dropped: usize },
    /// The data of a message.
    Data { reader: DataReader, message: Incoming },
    /// The caller, to put TLS or a security layer between. What comes in until then was not protected, and is dropped.
    Handover(Layer),
    /// Nothing.
    Closed(ClosedBy),
}

/// What the caller was asked.
pub(super) enum Question {
    Hello(Greeting),
    Auth,
    Mail { path: String },
    Recipient { path: String },
    Data,
    Message,
    StartTls,
    Etrn { node: String },
}

/// A message that comes in.
pub(super) struct Incoming {
    pub(super) since: Instant,
    pub(super) octets: u64,
    pub(super) fate: Fate,
}

/// Whether a message is still wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Wanted,
    /// It grew larger than the limit; the rest is read and dropped.
    TooLarge {
        most: u64,
    },
}

/// A mail transaction: MAIL was accepted.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) recipients: u32,
}

/// Instants that the caller told.
pub(super) struct Clock {
    /// The latest.
    pub(super) now: Instant,
    pub(super) began: Instant,
    /// Since when the client is waited for.
    pub(super) since: Instant,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { now, began: now, since: now }
    }

    /// Time does not go back, whatever the caller says.
    pub(super) fn tell(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn restart(&mut self) {
        self.since = self.now;
    }

    /// The client's time: for what it has to do next, and for everything.
    pub(super) fn deadline(&self, wait: Duration, whole: Duration) -> Option<Instant> {
        earlier(self.since.checked_add(wait), self.began.checked_add(whole))
    }
}

pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let began = Instant::now();
        let later = began + Duration::from_secs(10);
        let mut clock = Clock::new(began);
        clock.tell(later);
        clock.tell(began);
        clock.restart();
        assert_eq!(
            clock.deadline(Duration::from_secs(5), Duration::MAX),
            Some(later + Duration::from_secs(5))
        );
        assert_eq!(
            clock.deadline(Duration::from_secs(50), Duration::from_secs(30)),
            began.checked_add(Duration::from_secs(30))
        );
    }
}
