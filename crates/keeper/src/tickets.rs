//! What is left of logins with DIGEST-MD5, for clients that log in again with one message (RFC 2831, section 2.2).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sasl::server::Ticket;

/// Tickets by nonce; each is good for one login.
#[derive(Default)]
pub(crate) struct Tickets {
    by_nonce: HashMap<Vec<u8>, (Ticket, Instant)>,
    /// The oldest first; some of them may have been used.
    ages: VecDeque<(Vec<u8>, Instant)>,
}

impl Tickets {
    /// Keeps a ticket, if they last at all.
    pub(crate) fn keep(&mut self, ticket: Ticket, lasting: Duration, now: Instant) {
        if lasting.is_zero() {
            return;
        }
        self.forget_old(lasting, now);
        if self.ages.len() >= MOST
            && let Some((nonce, since)) = self.ages.pop_front()
        {
            self.remove(&nonce, since);
        }
        let nonce = ticket.nonce().to_vec();
        self.ages.push_back((nonce.clone(), now));
        self.by_nonce.insert(nonce, (ticket, now));
    }

    /// Takes a ticket out.
    pub(crate) fn take(&mut self, nonce: &[u8], lasting: Duration, now: Instant) -> Option<Ticket> {
        self.forget_old(lasting, now);
        self.by_nonce.remove(nonce).map(|(ticket, _)| ticket)
    }

    fn forget_old(&mut self, lasting: Duration, now: Instant) {
        while let Some((_, since)) = self.ages.front()
            && now.saturating_duration_since(*since) >= lasting
            && let Some((nonce, since)) = self.ages.pop_front()
        {
            self.remove(&nonce, since);
        }
    }

    /// A nonce stands here again with each login; only the ticket of this age goes.
    fn remove(&mut self, nonce: &[u8], since: Instant) {
        if self.by_nonce.get(nonce).is_some_and(|(_, at)| *at == since) {
            self.by_nonce.remove(nonce);
        }
    }
}

const MOST: usize = 4096;
