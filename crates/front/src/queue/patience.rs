//! What this process has seen itself, and for how long. A mailbox is not gone because a message for it is old, and a message is not
//! old because the clock says so: the filesystem may be mounted late, and the clock set right after mail was taken in. Nothing
//! here outlives the process, and all of it is measured by the clock that nobody sets.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use smtp::address::Mailbox;

use crate::lock::lock;

/// Mailboxes that are missing where the directory of all is there.
#[derive(Debug, Default)]
pub(super) struct Missing(Mutex<HashMap<String, Seen>>);

/// When one was found missing.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first: Instant,
    last: Instant,
}

impl Missing {
    /// One is missing now: for how long it has been, as far as anybody has looked.
    pub(super) fn note(&self, mailbox: &Mailbox, now: Instant) -> Duration {
        let mut missing = lock(&self.0);
        // Where nobody has looked for so long, it may have been there meanwhile.
        missing.retain(|_, seen| now.saturating_duration_since(seen.last) <= MOST_BETWEEN_LOOKS);
        let seen = missing.entry(name(mailbox)).or_insert(Seen { first: now, last: now });
        seen.last = now;
        now.saturating_duration_since(seen.first)
    }

    /// One is there, or nobody can tell.
    pub(super) fn forget(&self, mailbox: &Mailbox) {
        lock(&self.0).remove(&name(mailbox));
    }
}

/// Since when a message is known, and from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    since: Instant,
    origin: Origin,
}

/// From where a message is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was put into the queue by this process.
    TakenIn,
    /// It lay there when the process began.
    Found,
}

impl Known {
    pub(super) fn now(origin: Origin) -> Self {
        Self { since: Instant::now(), origin }
    }

    /// How long one may still wait that has the age `age` by the host's clock. Of what this process has taken in that is
    /// the whole of its lifetime, whatever the clock says; of what it has found, at least `patience`.
    pub(super) fn time_left(
        self,
        age: Duration,
        lifetime: Duration,
        patience: Duration,
        now: Instant,
    ) -> Duration {
        let least = match self.origin {
            Origin::TakenIn => lifetime,
            Origin::Found => lifetime.min(patience),
        };
        let known_for = now.saturating_duration_since(self.since);
        lifetime.saturating_sub(age).max(least.saturating_sub(known_for))
    }
}

/// Mailboxes are named without regard to case.
fn name(mailbox: &Mailbox) -> String {
    mailbox.to_string().to_ascii_lowercase()
}

/// Twice as long as between two tries of a message.
const MOST_BETWEEN_LOOKS: Duration = Duration::from_mins(30);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_mailbox_is_missing_since_it_was_first_found_so_whatever_message_asks() {
        let mailbox = |text: &str| Mailbox::parse(text.as_bytes()).unwrap();
        let (bob, carol) = (mailbox("bob@gate.test"), mailbox("carol@gate.test"));
        let (missing, begun) = (Missing::default(), Instant::now());
        assert_eq!(missing.note(&bob, begun), Duration::ZERO);
        assert_eq!(missing.note(&bob, begun + 20 * MINUTE), 20 * MINUTE);
        assert_eq!(missing.note(&mailbox("BOB@Gate.test"), begun + 40 * MINUTE), 40 * MINUTE);
        assert_eq!(missing.note(&carol, begun + 40 * MINUTE), Duration::ZERO);
        // It came back, or the directory of all was away.
        missing.forget(&bob);
        assert_eq!(missing.note(&bob, begun + 41 * MINUTE), Duration::ZERO);
        // Nobody has looked for hours: what it was meanwhile is not known.
        assert_eq!(missing.note(&bob, begun + 300 * MINUTE), Duration::ZERO);
        assert_eq!(lock(&missing.0).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_makes_no_message_old() {
        let begun = Instant::now();
        let known = |origin| Known { since: begun, origin };
        let left = |origin, age, minutes| {
            known(origin).time_left(age, 5 * 24 * HOUR, HOUR, begun + minutes * MINUTE)
        };
        let years = 56 * 365 * 24 * HOUR;
        // Taken in before the clock was set.
        assert_eq!(left(Origin::TakenIn, years, 1), (5 * 24 * 60 - 1) * MINUTE);
        assert_eq!(left(Origin::TakenIn, years, 5 * 24 * 60), Duration::ZERO);
        // Found by a process that has begun before the clock was set.
        assert_eq!(left(Origin::Found, years, 1), 59 * MINUTE);
        assert_eq!(left(Origin::Found, years, 60), Duration::ZERO);
        assert_eq!(left(Origin::Found, 24 * HOUR, 60), 4 * 24 * HOUR);
        // Who lets mail wait for less than that waits for less.
        let short = known(Origin::Found).time_left(years, MINUTE, HOUR, begun + MINUTE);
        assert_eq!(short, Duration::ZERO);
    }
}
