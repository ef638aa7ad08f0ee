//! A client's exchange, which hears whatever a server says.

use std::sync::Arc;

use credential::{Mechanism, Property, Secret};
use sasl::Entropy;
use sasl::client::{self, Choice, Outcome, Settings, Step};

use super::{ANOTHER, BETWEEN, PASSWORD, USER, look_at_failure};
use crate::world::{client_settings, dice, tls};

/// Where a mechanism has the server prove itself, only a server that knows the password is believed, and only in the
/// exchange that is going on. No other mechanism claims to know the server.
pub(super) fn run(mechanism: Mechanism, octets: &[u8]) {
    let said: Vec<&[u8]> = octets.split(|octet| *octet == BETWEEN).collect();
    // As many iterations as the RFCs' examples have; more would be the fuzzer's time.
    let settings = Settings { iterations: 1..=4096, ..client_settings(mechanism, USER, None) };
    let settings = Arc::new(settings);
    let is_mutual = mechanism.properties().contains(Property::Mutual);
    if let Some(outcome) = hear(&settings, mechanism, &said, PASSWORD, dice(1)) {
        assert_eq!((outcome.mechanism, outcome.is_mutual), (mechanism, is_mutual));
        assert_eq!(outcome.ssf > 0, outcome.layer.is_some(), "strength without a layer");
    }
    if is_mutual {
        let outcome = hear(&settings, mechanism, &said, ANOTHER, dice(1));
        assert!(outcome.is_none(), "believed without the password: {outcome:?}");
        let outcome = hear(&settings, mechanism, &said, PASSWORD, dice(3));
        assert!(outcome.is_none(), "believed by what another exchange was: {outcome:?}");
    }
}

/// One exchange, which ends with a claim of success at the latest.
fn hear(
    settings: &Arc<Settings>,
    mechanism: Mechanism,
    said: &[&[u8]],
    password: &str,
    entropy: Entropy,
) -> Option<Box<Outcome>> {
    let mut left = said.iter();
    let mut step = client::begin(Choice::of(mechanism), settings, &tls(), entropy);
    loop {
        step = match step {
            Step::Secret(next) => next.supply(&Secret::copy_of(password.as_bytes())),
            Step::Send { octets, next } => {
                let length = octets.map_or(0, |octets| octets.len());
                assert!(length <= sasl::MAX_MESSAGE, "a message of {length} octets");
                match left.next().copied().unwrap_or(b".") {
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
