//! A server's exchange, which hears whatever a client says.

use std::cell::RefCell;

use credential::{Mechanism, Property};
use sasl::Entropy;
use sasl::server::{self, Outcome, Principal, Step};

use super::{ANOTHER, BETWEEN, PASSWORD, USER, look_at_failure};
use crate::world::{Site, dice, identity, tls};

thread_local! {
    /// Two servers with one user each, whose passwords differ, and nothing else.
    static SITES: [RefCell<Site>; 2] =
        [PASSWORD, ANOTHER].map(|password| RefCell::new(Site::new().with_user(USER, password)));
}

/// Nobody gets in without the password but by EXTERNAL and as nobody; nor, where the server's nonce counts, by what was
/// said in another exchange.
pub(super) fn run(mechanism: Mechanism, octets: &[u8]) -> bool {
    let said: Vec<&[u8]> = octets.split(|octet| *octet == BETWEEN).collect();
    SITES.with(|[site, other]| {
        let outcome = hear(&mut site.borrow_mut(), mechanism, &said, dice(2));
        if let Some(outcome) = &outcome {
            look_at(mechanism, outcome);
        }
        if !matches!(mechanism, Mechanism::External | Mechanism::Anonymous) {
            let outcome = hear(&mut other.borrow_mut(), mechanism, &said, dice(2));
            assert!(outcome.is_none(), "let in without the password: {outcome:?}");
            if mechanism.properties().contains(Property::NoPlaintext) {
                let outcome = hear(&mut site.borrow_mut(), mechanism, &said, dice(3));
                assert!(outcome.is_none(), "let in by what another exchange was: {outcome:?}");
            }
        }
        outcome.is_some()
    })
}

/// One connection after the other, as long as they go well and there is something to say. Gives the last outcome.
fn hear(site: &mut Site, mechanism: Mechanism, said: &[&[u8]], entropy: Entropy) -> Option<Box<Outcome>> {
    site.tickets.clear();
    let mut left = said.iter().copied();
    let mut last = None;
    while let Some(initial) = left.next() {
        let Some(mut outcome) = one(site, mechanism, initial, &mut left, entropy) else { break };
        site.tickets.extend(outcome.ticket.take());
        last = Some(outcome);
    }
    last
}

fn one<'a>(
    site: &mut Site,
    mechanism: Mechanism,
    initial: &'a [u8],
    left: &mut impl Iterator<Item = &'a [u8]>,
    entropy: Entropy,
) -> Option<Box<Outcome>> {
    let initial = match initial {
        b"" => None,
        b"=" => Some(&b""[..]),
        other => Some(other),
    };
    let mut step = server::begin(mechanism, initial, &site.settings, &tls(), entropy);
    loop {
        step = match site.settle(step) {
            Step::Challenge { octets, next } => {
                assert!(octets.len() <= sasl::MAX_MESSAGE, "a challenge of {} octets", octets.len());
                next.respond(left.next()?)
            }
            Step::Done(outcome) => return Some(outcome),
            Step::Failed(failure) => {
                look_at_failure(&failure);
                return None;
            }
            other => panic!("not settled: {other:?}"),
        };
    }
}

/// There is one user, and who is nobody leaves a trace that can be printed.
fn look_at(mechanism: Mechanism, outcome: &Outcome) {
    assert_eq!(outcome.mechanism, mechanism);
    assert!(outcome.layer.is_none() || mechanism == Mechanism::DigestMd5, "a layer of {mechanism}");
    assert_eq!(outcome.ssf > 0, outcome.layer.is_some(), "strength without a layer");
    match &outcome.principal {
        Principal::User(found) => {
            assert_ne!(mechanism, Mechanism::Anonymous);
            assert!(found.is_same(&identity(USER)), "let in as {found}");
            assert_eq!(outcome.credential.is_none(), mechanism == Mechanism::External, "{outcome:?}");
        }
        Principal::Anonymous { trace } => {
            assert_eq!(mechanism, Mechanism::Anonymous);
            assert!(trace.chars().count() <= 255 && !trace.chars().any(char::is_control), "{trace:?}");
        }
    }
}
