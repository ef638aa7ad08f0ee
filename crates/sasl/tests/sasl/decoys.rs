//! Who is there and who is not cannot be told apart, by whatever a stranger sees: what the server says first, what follows,
//! how long it takes to come to an end, and what stays the same from one day to the next.

use std::collections::HashMap;

use credential::policy::{Cost, Iterations, Recipe, Salt, Salts};
use credential::record::{State, check_user};
use credential::{Identity, Mechanism, Occasion, ScramHash, Secret, VerifierKind};
use sasl::server::{self, Class};

use crate::world::*;

/// What a stranger sees of one name by one mechanism, as text for a table.
type Seen = String;

/// A store that has grown: old users with few iterations and short salts, imported ones, some with verifiers of their own
/// choice, some locked out.
fn grown() -> Site {
    let mut site = Site::keeping(kinds("argon2id scram-sha-1 scram-sha-256"));
    for number in 0..600_u32 {
        let (iterations, salt) = match number % 10 {
            0..5 => (8, 16),
            5..8 => (4, 12),
            8 => (16, 20),
            _ => (2, 8),
        };
        let count = Iterations::new(iterations).unwrap();
        let cost = Cost { scram_sha_1: count, scram_sha_256: count, ..cheap() };
        let mut salts = Salts::from_random([0; Salts::OCTETS]);
        for hash in ScramHash::ALL {
            *salts.scram_mut(hash) = Salt::new(&random(number, salt)).unwrap();
        }
        let mine = match number % 7 {
            6 => kinds("argon2id scram-sha-1"),
            5 => kinds("scram-sha-256"),
            _ => site.policy.keep,
        };
        site.add(identity(&name(number)), mine, format!("password of {number}"), &Recipe::new(cost, salts));
        if number % 23 == 0 {
            site.user(&name(number)).set_state(None, State::Suspended, NOW).unwrap();
        }
    }
    site
}

/// Names of users have odd numbers turned round, so that nothing of them tells which exist.
fn name(number: u32) -> String {
    format!("u{:08x}", number.wrapping_mul(0x9e37_79b1))
}

/// Octets without a pattern, the same each time.
fn random(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 0x1234_5678;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// What the server says to a wrong login, without what has to differ: nonces, and the octets of a salt.
fn look(site: &mut Site, mechanism: Mechanism, name: &str) -> (Seen, Vec<u8>) {
    let lookups = site.lookups;
    let ended = log_in(site, mechanism, name, "wrong", None);
    let failure = ended.server.unwrap_err();
    assert_eq!(failure.class(), Class::Refused, "{mechanism} {name}: {failure}");
    assert_eq!(site.lookups, lookups + 1, "one look-up, whoever it is");
    let first = ended.messages.get(1).cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&first).into_owned();
    let mut parts = text.split(",s=");
    let nonce = parts.next().map_or(0, str::len);
    let rest: Vec<_> = parts.next().unwrap_or_default().split(",i=").collect();
    let salt = rest[0].to_owned();
    let seen =
        format!("{nonce} {} {:?} {} {:?}", salt.len(), rest.get(1), ended.messages.len(), ended.client);
    (seen, salt.into_bytes())
}

/// For each thing that can be seen, whether it was seen more often of users or of strangers; then a guess for the others.
fn share_guessed(there: &[Seen], absent: &[Seen]) -> f64 {
    let mut learnt: HashMap<&Seen, (usize, usize)> = HashMap::new();
    let half = there.len() / 2;
    there[..half].iter().for_each(|seen| learnt.entry(seen).or_default().0 += 1);
    absent[..half].iter().for_each(|seen| learnt.entry(seen).or_default().1 += 1);
    let says_there = |seen: &Seen| learnt.get(seen).is_some_and(|(there, absent)| there > absent);
    let right = there[half..].iter().filter(|seen| says_there(seen)).count()
        + absent[half..].iter().filter(|seen| !says_there(seen)).count();
    f64::from(u32::try_from(right).unwrap()) / f64::from(u32::try_from(2 * (there.len() - half)).unwrap())
}

#[test]
fn a_classifier_does_no_better_than_chance() {
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"] {
        let mechanism: Mechanism = mechanism.parse().unwrap();
        let mut site = grown();
        let mut see = |numbers: std::ops::Range<u32>| -> Vec<Seen> {
            numbers.map(|number| look(&mut site, mechanism, &name(number)).0).collect()
        };
        let (there, absent) = (see(0..600), see(10_000..10_600));
        let share = share_guessed(&there, &absent);
        // 600 guesses by a coin are within 0.42 and 0.58 but for one time in ten thousand.
        assert!((0.42..0.58).contains(&share), "{mechanism}: {share}");
        // It is no blind classifier: without decoys of every shape it sees the difference.
        if matches!(mechanism, Mechanism::Scram(_)) {
            let plain: Vec<Seen> = absent.iter().map(|_| "one shape for all".to_owned()).collect();
            assert!(share_guessed(&there, &plain) > 0.9);
        }
    }
}

/// A store whose policy once raised one cost and lowered the other. Some users have one of the two kinds, some neither.
fn crossed() -> Site {
    let mut site = Site::keeping(kinds("argon2id scram-sha-1 scram-sha-256"));
    for number in 0..600_u32 {
        let (sha1, sha256) = if number % 2 == 0 { (10, 4) } else { (5, 64) };
        let (scram_sha_1, scram_sha_256) = (Iterations::new(sha1).unwrap(), Iterations::new(sha256).unwrap());
        let recipe = Recipe::new(
            Cost { scram_sha_1, scram_sha_256, ..cheap() },
            Salts::from_random([0; Salts::OCTETS]),
        );
        let mine = match number % 15 {
            12 => kinds("argon2id scram-sha-1"),
            13 => kinds("scram-sha-256"),
            14 => kinds("argon2id"),
            _ => site.policy.keep,
        };
        site.add(identity(&name(number)), mine, format!("password of {number}"), &recipe);
    }
    site
}

/// Asked for by two mechanisms, one name shows two costs: those who exist have pairs, and so have those who do not.
#[test]
fn two_mechanisms_tell_no_more_than_one() {
    let mechanisms: [Mechanism; 2] = ["SCRAM-SHA-1", "SCRAM-SHA-256"].map(|name| name.parse().unwrap());
    let mut site = crossed();
    let mut see = |numbers: std::ops::Range<u32>| -> Vec<[Seen; 2]> {
        numbers.map(|number| mechanisms.map(|by| look(&mut site, by, &name(number)).0)).collect()
    };
    let (there, absent) = (see(0..600), see(10_000..10_600));
    let pairs = |seen: &[[Seen; 2]]| -> Vec<Seen> { seen.iter().map(|pair| pair.join(" and ")).collect() };
    let share = share_guessed(&pairs(&there), &pairs(&absent));
    assert!((0.42..0.58).contains(&share), "{share}");
    // It is no blind classifier: where each kind is picked by itself, as if for two names, it sees the difference.
    let others = absent.iter().cycle().skip(1);
    let picked_apart: Vec<_> =
        absent.iter().zip(others).map(|(one, other)| [one[0].clone(), other[1].clone()]).collect();
    let share = share_guessed(&pairs(&there), &pairs(&picked_apart));
    assert!(share > 0.65, "{share}");
}

/// A restart is another process with the same store: what a user is answered stays the same, and so it does for nobody.
#[test]
fn nothing_changes_with_a_restart() {
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    let (mut before, mut after) = (grown(), grown());
    let mut salts = std::collections::HashSet::new();
    for number in (0..40).chain(10_000..10_040) {
        let (seen, salt) = look(&mut before, mechanism, &name(number));
        assert_eq!((seen, salt.clone()), look(&mut after, mechanism, &name(number)), "{number}");
        assert!(salts.insert(salt), "no two names have one salt");
    }
    let mut other = grown();
    other.key = credential::DecoyKey::new([10; 32]);
    let of_another_store = look(&mut other, mechanism, &name(10_000)).1;
    assert_ne!(
        of_another_store,
        look(&mut before, mechanism, &name(10_000)).1,
        "salts come from the store's key"
    );
}

/// What a check of a password derives: of the policy's own kind exactly one, whoever it is; what comes on top is of users
/// whose record lacks that kind.
#[test]
fn a_failed_password_costs_the_same_derivations() {
    let site = grown();
    let password = Secret::copy_of(b"wrong");
    let spent = |id: &Identity| {
        let decoy = site.decoy(id);
        let record = site.users.iter().find(|record| record.identity().is_same(id));
        check_user(record, &decoy, &password, &Occasion::at(NOW)).unwrap().derivations
    };
    for number in (0..60).chain(10_000..10_060) {
        let spent = spent(&identity(&name(number)));
        let of_policy = spent.iter().filter(|kind| **kind == VerifierKind::Argon2id).count();
        assert_eq!(of_policy, 1, "{number}");
        let lacks_it = number < 600 && number % 7 == 5 && number % 23 != 0;
        assert_eq!(spent.len(), 1 + usize::from(lacks_it), "{number}");
    }
}

/// By the steps of an exchange alone, when the caller is asked for what.
#[test]
fn the_steps_are_the_same() {
    for mechanism in with_password() {
        let steps = |userid: &str| {
            let mut site = Site::new().with_user("user", "pencil");
            let settings = client_settings(mechanism, userid, None);
            let mut sizes = Vec::new();
            let ended = exchange(&mut site, mechanism, &settings, b"wrong", [&tls(), &tls()], |_, octets| {
                sizes.push(octets.len());
            });
            assert!(matches!(
                ended.server,
                Err(server::Failure::WrongPassword | server::Failure::NoSuchUser)
            ));
            (sizes, site.lookups)
        };
        assert_eq!(steps("user"), steps("resu"), "{mechanism}");
    }
}
