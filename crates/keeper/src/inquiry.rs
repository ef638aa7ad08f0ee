//! What whoever administers the daemon may ask: against whom failures are counted, and to forget them.

use std::time::Instant;

use credential::{Identity, Realm};
use wire::{Finding, Question, Whom};

use crate::pace::Pace;

/// The answer, as much of it as a message has room for.
pub(crate) fn answer(pace: &mut Pace, realm: &Realm, question: &Question, now: Instant) -> Finding {
    match question {
        Question::Throttled { from, all } => throttled(pace, *from, *all, now),
        Question::Forget(whom) => forget(pace, realm, whom, now),
        Question::Sessions { .. } => Finding::Nothing("the keeper has no sessions".to_owned()),
    }
}

fn throttled(pace: &Pace, from: u32, all: bool, now: Instant) -> Finding {
    let (mut held, mut from) = (Vec::new(), from);
    while held.len() < MOST {
        match pace.held(from, all, now) {
            Some((next, found)) => {
                held.extend(found);
                from = next;
            }
            None => return Finding::Throttled { held, next: None },
        }
    }
    Finding::Throttled { held, next: Some(from) }
}

fn forget(pace: &mut Pace, realm: &Realm, whom: &Whom, now: Instant) -> Finding {
    let (names, still) = match whom {
        Whom::Address(client) => pace.forget_address(*client, now),
        Whom::Network(client) => (pace.forget_network(*client), Vec::new()),
        Whom::Identity(name) => match Identity::parse(name, realm) {
            Ok(identity) => (pace.forget_identity(&identity), Vec::new()),
            Err(error) => return Finding::Nothing(error.to_string()),
        },
        Whom::Everybody => (pace.forget_everybody(), Vec::new()),
    };
    Finding::Forgotten { names, still }
}

/// A line of them has at most 128 characters of four octets, and 30 octets beside: with the last bucket, which is taken as a
/// whole, a message has room for them.
const MOST: usize = 48;
