//! A client's exchange, which hears whatever a server says.

use std::sync::Arc;

use credential::{Mechanism, Property, Secret};
use sasl::Entropy;
use sasl::client::{self, Choice, Outcome, Settings, Step};

use super::{ANOTHER, BETWEEN, PASSWORD, USER, look_at_failure};
use crate::world::{client_settings, dice, tls};

/// Where a mechanism has the server prove itself, only a server that knows the password is believed, and only in the
/// exchange that is going on. No other mechanism claims to know the server.
pub(super) fn run(mechanism: Mechanism, octets: &[u8]) -> bool {
    let said: Vec<&[u8]> = octets.split(|octet| *octet == BETWEEN).collect();
    // As many iterations as the RFCs' examples have; more would be the fuzzer's time.
    let settings = Settings { iterations: 1..=4096, ..client_settings(mechanism, USER, None) };
    let settings = Arc::new(settings);
    let is_mutual = mechanism.properties().contains(Property::Mutual);
    let outcome = hear(&settings, mechanism, &said, PASSWORD, dice(1));
    if let Some(outcome) = &outcome {
        assert_eq!((outcome.mechanism, outcome.is_mutual), (mechanism, is_mutual));
        assert_eq!(outcome.ssf > 0, outcome.layer.is_some(), "strength without a layer");
    }
    if is_mutual {
        let outcome = hear(&settings, mechanism, &said, ANOTHER, dice(1));
        assert!(outcome.is_none(), "believed without the password: {outcome:?}");
        let outcome = hear(&settings, mechanism, &said, PASSWORD, dice(3));
        assert!(outcome.is_none(), "believed by what another exchange was: {outcome:?}");
    }
    outcome.is_some()
}

/// One exchange, and others by what it has left, as long as there is something to hear. Each ends with a claim of success at
/// the latest. Gives the last outcome.
fn hear(
    settings: &Arc<Settings>,
    mechanism: Mechanism,
    said: &[&[u8]],
    password: &str,
    entropy: Entropy,
) -> Option<Box<Outcome>> {
    let secret = Secret::copy_of(password.as_bytes());
    let mut left = said.iter().copied();
    let first = client::begin(Choice::of(mechanism), settings, &tls(), entropy);
    let mut outcome = one(first, &mut left, &secret)?;
    while left.len() > 0
        && let Some(ticket) = outcome.ticket.take()
    {
        outcome = one(client::resume(ticket, settings, &tls(), entropy), &mut left, &secret)?;
    }
    Some(outcome)
}

fn one<'a>(
    mut step: Step,
    left: &mut impl Iterator<Item = &'a [u8]>,
    secret: &Secret,
) -> Option<Box<Outcome>> {
    loop {
        step = match step {
            Step::Secret(next) => next.supply(secret),
            Step::Send { octets, next } => {
                let length = octets.map_or(0, |octets| octets.len());
                assert!(length <= sasl::MAX_MESSAGE, "a message of {length} octets");
                match left.next().unwrap_or(b".") {
                    b"." => next.success(None),
                    b"-" => Step::Failed(next.refused()),
                    [b'=', data @ ..] => next.success(Some(data)),
                    [b'+', challenge @ ..] | challenge => next.challenge(challenge),
                }
            }
            Step::Done(outcome) => return Some(outcome),
            Step::Failed(failure) => {
                look_at_failure(&failure);
                return None;
            }
        };
    }
}
