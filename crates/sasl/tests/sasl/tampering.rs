//! Somebody in between alters what passes, or sends whatever he likes.

use std::sync::Arc;

use credential::{Mechanism, Secret};
use proptest::prelude::*;
use sasl::client;
use sasl::server;

use crate::world::*;

/// Bits that make another character of a letter or digit, one of the other case, and one that is no ASCII.
const BITS: [u8; 4] = [0x01, 0x02, 0x20, 0x80];

/// Which octets may change without harm, and why: everything else must make the exchange fail on one side at least.
fn is_irrelevant(mechanism: Mechanism, place: usize, before: &[u8], at: usize, after: u8) -> bool {
    let is_case = before[at].eq_ignore_ascii_case(&after);
    match (mechanism, place) {
        // A realm is looked up without regard to case, and hexadecimal digits count in either.
        (Mechanism::Plain, _) | (Mechanism::Login | Mechanism::CramMd5, 1) => {
            is_case && before[..at].contains(&b'@')
        }
        // The client does not look at the prompts: no two servers write them alike.
        (Mechanism::Login, _) => place != 3,
        // RFC 2831 signs neither the lists that the server offers nor the names of directives and their spelling.
        (Mechanism::DigestMd5, 0) => !is_signed(before, at),
        (Mechanism::DigestMd5, 1) => {
            let is_hashed = |name| is_within(before, at, name);
            let is_named = ["username", "nonce", "cnonce"].into_iter().any(is_hashed);
            (is_case && !is_named) || is_unsigned_answer(before, at)
        }
        (Mechanism::DigestMd5, 2) => is_case,
        _ => false,
    }
}

/// Whether an octet of a digest-challenge takes part in what both sides hash.
fn is_signed(challenge: &[u8], at: usize) -> bool {
    ["nonce", "realm"].iter().any(|name| is_within(challenge, at, name))
}

/// Whether an octet of a digest-response belongs to what nobody hashes: the largest packet, the charset, and the name of
/// the cipher, of which another gives other keys.
fn is_unsigned_answer(response: &[u8], at: usize) -> bool {
    let text = std::str::from_utf8(response).unwrap();
    let start = text.find(",cipher=").unwrap_or(text.len());
    let end = text.find(",digest-uri=").unwrap_or(0);
    (start..end).contains(&at)
}

/// Whether an octet stands within the quotes of a directive.
fn is_within(message: &[u8], at: usize, name: &str) -> bool {
    let text = std::str::from_utf8(message).unwrap();
    let Some(start) = text.find(&format!("{name}=\"")).map(|start| start + name.len() + 2) else {
        return false;
    };
    let end = start + text[start..].find('"').unwrap_or(0);
    (start..end).contains(&at)
}

#[test]
fn a_single_changed_octet_makes_the_exchange_fail() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user@example.org", "pencil");
        let settings = client_settings(mechanism, "user@example.org", None);
        let settings = if mechanism == Mechanism::DigestMd5 {
            client_settings(mechanism, "user", None)
        } else {
            settings
        };
        let mut go = |between: &mut dyn FnMut(usize, &mut Vec<u8>)| {
            site.tickets.clear();
            exchange(&mut site, mechanism, &settings, b"pencil", [&tls(), &tls()], between)
        };
        let honest = go(&mut |_, _| {});
        assert!(honest.server.is_ok() && honest.client.is_ok(), "{mechanism}: {honest:?}");
        for (place, message) in honest.messages.iter().enumerate() {
            for (at, bit) in (0..message.len()).flat_map(|at| BITS.map(|bit| (at, bit))) {
                let ended = go(&mut |index, octets| {
                    if index == place && at < octets.len() {
                        octets[at] ^= bit;
                    }
                });
                let went_through = ended.server.is_ok() && ended.client.is_ok();
                let may = is_irrelevant(mechanism, place, message, at, message[at] ^ bit);
                let shown = String::from_utf8_lossy(message);
                assert!(!went_through || may, "{mechanism}, message {place}, octet {at} ^ {bit:#x}: {shown}");
            }
        }
    }
}

/// What is cut off, or has something behind it, is another message too.
#[test]
fn a_message_of_another_length_makes_the_exchange_fail() {
    for mechanism in with_password() {
        let mut site = Site::new().with_user("user", "pencil");
        let settings = client_settings(mechanism, "user", None);
        let honest = log_in(&mut site, mechanism, "user", "pencil", None);
        for (place, message) in honest.messages.iter().enumerate() {
            for alter in [
                |octets: &mut Vec<u8>| octets.truncate(octets.len().saturating_sub(1)),
                |octets: &mut Vec<u8>| octets.push(b'x'),
            ] {
                site.tickets.clear();
                let ended = exchange(
                    &mut site,
                    mechanism,
                    &settings,
                    b"pencil",
                    [&tls(), &tls()],
                    |index, octets| {
                        if index == place {
                            alter(octets);
                        }
                    },
                );
                let prompts = mechanism == Mechanism::Login && place.is_multiple_of(2);
                let lists = mechanism == Mechanism::DigestMd5 && place == 0;
                let went_through = ended.server.is_ok() && ended.client.is_ok();
                let shown = String::from_utf8_lossy(message);
                assert!(
                    !went_through || message.is_empty() || prompts || lists,
                    "{mechanism}, message {place}: {shown}"
                );
            }
        }
    }
}

/// An exchange that was overheard is of no use in the next: the server's part of the nonce is another.
#[test]
fn what_was_overheard_is_of_no_use() {
    let is_replayable = |it: &Mechanism| !matches!(it, Mechanism::Plain | Mechanism::Login);
    for mechanism in with_password().into_iter().filter(is_replayable) {
        let mut site = Site::new().with_user("user", "pencil");
        let heard = log_in(&mut site, mechanism, "user", "pencil", None).messages;
        site.tickets.clear();
        let is_server_first = matches!(mechanism, Mechanism::CramMd5 | Mechanism::DigestMd5);
        let mut said = heard.iter().enumerate().filter(|(place, _)| (place % 2 == 1) == is_server_first);
        let initial = if is_server_first { None } else { said.next().map(|(_, octets)| octets.as_slice()) };
        let mut step = server::begin(mechanism, initial, &site.settings, &tls(), dice(3));
        loop {
            step = match site.settle(step) {
                server::Step::Challenge { next, .. } => next.respond(said.next().unwrap().1),
                server::Step::Failed(_) => break,
                other => panic!("{mechanism}: {other:?}"),
            };
        }
    }
}

/// A message that is near enough to an honest one to come far.
fn near(honest: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let count = honest.len();
    (0..count, any::<proptest::sample::Index>(), prop::collection::vec(any::<u8>(), 0..6), any::<bool>())
        .prop_map(move |(which, at, octets, is_cut)| {
            let mut message = honest[which].clone();
            let at = if message.is_empty() { 0 } else { at.index(message.len()) };
            let end = if is_cut { message.len() } else { (at + octets.len()).min(message.len()) };
            message.splice(at..end, octets);
            message
        })
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let honest: Vec<Vec<u8>> = with_password()
        .into_iter()
        .flat_map(|mechanism| {
            let mut site = Site::new().with_user("user", "pencil");
            log_in(&mut site, mechanism, "user", "pencil", None).messages
        })
        .collect();
    prop_oneof![
        near(honest),
        prop::collection::vec(any::<u8>(), 0..300),
        "[ -~]{0,80}".prop_map(String::into_bytes)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is sent: nobody comes in but as nobody, and nothing panics.
    #[test]
    fn a_server_takes_whatever_comes(messages in prop::collection::vec(any_message(), 1..5), first in any::<bool>()) {
        let mut site = Site::new().with_user("user", "secret-that-is-not-among-them");
        for mechanism in Mechanism::ALL.into_iter().filter(|it| it.has_server() && *it != Mechanism::External) {
            let mut left = messages.iter();
            let initial = if first { left.next().map(Vec::as_slice) } else { None };
            let mut step = server::begin(mechanism, initial, &site.settings, &tls(), dice(2));
            loop {
                step = match site.settle(step) {
                    server::Step::Challenge { next, .. } => match left.next() {
                        Some(message) => next.respond(message),
                        None => break,
                    },
                    server::Step::Done(outcome) => {
                        prop_assert_eq!(outcome.mechanism, Mechanism::Anonymous);
                        break;
                    }
                    _ => break,
                };
            }
        }
    }

    /// Whatever is sent: a client is never sure of a server that does not know the password.
    #[test]
    fn a_client_takes_whatever_comes(messages in prop::collection::vec(any_message(), 1..5)) {
        for mechanism in Mechanism::ALL {
            let settings = client_settings(mechanism, "user", None);
            let settings = Arc::new(client::Settings { iterations: 1..=10, ..settings });
            let mut step = client::begin(client::Choice::of(mechanism), &settings, &tls(), dice(1));
            let mut left = messages.iter();
            loop {
                step = match step {
                    client::Step::Secret(next) => next.supply(&Secret::copy_of(b"secret-that-is-not-among-them")),
                    client::Step::Send { next, .. } => match left.next() {
                        Some(message) => next.challenge(message),
                        None => next.success(None),
                    },
                    client::Step::Done(outcome) => {
                        prop_assert!(!outcome.is_mutual, "{}", mechanism);
                        break;
                    }
                    client::Step::Failed(_) => break,
                };
            }
        }
    }
}
