use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use credential::{Identity, Realm};
use proptest::prelude::*;
use wire::{Held, Subject};

use super::*;

fn who(userid: &str) -> Identity {
    Identity::parse(userid, &Realm::prepare("example.org").unwrap()).unwrap()
}

fn at(address: &str) -> Option<IpAddr> {
    address.parse().ok()
}

/// An address in a network of its own.
fn network(number: u32) -> Option<IpAddr> {
    0x0a00_0001_u32.checked_add(number << 8).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

fn pace(epoch: Instant) -> Pace {
    Pace::new(Throttle::default(), PaceKey::new([1; 32]), Places::new(PaceKey::new([2; 32])), epoch)
}

fn fail(pace: &mut Pace, times: usize, client: Option<IpAddr>, userid: &str, now: Instant) -> Duration {
    (0..times).map(|_| pace.failed(client, Some(&who(userid)), now)).last().unwrap_or_default()
}

#[test]
fn an_address_is_held_back_longer_and_longer_then_refused() {
    let now = Instant::now();
    let mut pace = pace(now);
    let client = at("192.0.2.1");
    let holds: Vec<_> =
        (0..12).map(|turn| fail(&mut pace, 1, client, &format!("u{turn}"), now).as_millis()).collect();
    assert_eq!(holds, [0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    assert_eq!(pace.admit_client(client, now), Admission::Welcome);
    fail(&mut pace, 8, client, "u", now);
    assert_eq!(pace.admit_client(client, now), Admission::Later);
    assert_eq!(pace.admit_client(at("::ffff:192.0.2.1"), now), Admission::Later, "the same address");
    for other in ["192.0.2.2", "2001:db8::1"] {
        assert_eq!(pace.admit_client(at(other), now), Admission::Welcome, "{other}");
    }
    assert_eq!(pace.admit_client(client, now + Duration::from_mins(14)), Admission::Later);
    let later = now + Duration::from_mins(16);
    assert_eq!(pace.admit_client(client, later), Admission::Welcome);
    assert!(pace.hold(client, later) > Duration::ZERO, "not all is forgotten at once");
    assert_eq!(pace.hold(client, now + Duration::from_hours(2)), Duration::ZERO);
}

#[test]
fn the_configuration_has_the_last_word() {
    let now = Instant::now();
    let throttle = Throttle {
        refuse_after: 4,
        longest_delay: Duration::from_secs(1),
        forget_after: Duration::from_mins(1),
        exempt: vec!["203.0.113.0/24".parse().unwrap()],
        ..Throttle::default()
    };
    let mut pace = pace(now);
    pace.configure(throttle.clone());
    fail(&mut pace, 4, at("192.0.2.1"), "alice", now);
    assert_eq!(pace.admit_client(at("192.0.2.1"), now), Admission::Later);
    assert_eq!(pace.admit_client(at("192.0.2.1"), now + Duration::from_secs(62)), Admission::Welcome);
    fail(&mut pace, 100, at("203.0.113.9"), "alice", now);
    assert_eq!(pace.admit_client(at("203.0.113.9"), now), Admission::Welcome);
    assert_eq!(pace.hold(at("203.0.113.9"), now), Duration::ZERO);
    assert_eq!(
        fail(&mut pace, 1, at("203.0.113.9"), "alice", now),
        Duration::from_secs(5),
        "she is guessed at"
    );
    pace.configure(Throttle { enabled: false, ..throttle });
    assert_eq!(fail(&mut pace, 100, at("192.0.2.1"), "alice", now), Duration::ZERO);
    assert_eq!(pace.admit_client(at("192.0.2.1"), now), Admission::Welcome);
    assert!((0..9).all(|_| pace.admit(network(1), &who("alice"), now) == Admission::Welcome));
}

#[test]
fn a_network_is_refused_when_its_addresses_take_turns() {
    let now = Instant::now();
    for (prefix, other) in [("192.0.2.", "192.0.3.1"), ("2001:db8:1:", "2001:db8:2::1")] {
        let mut pace = pace(now);
        for turn in 0..160 {
            let client =
                if prefix.contains(':') { format!("{prefix}{turn:x}::1") } else { format!("{prefix}{turn}") };
            assert_eq!(pace.admit_client(at(&client), now), Admission::Welcome, "{client}");
            fail(&mut pace, 1, at(&client), &format!("u{turn}"), now);
        }
        let last = if prefix.contains(':') { format!("{prefix}ffff::1") } else { format!("{prefix}255") };
        assert_eq!(pace.admit_client(at(&last), now), Admission::Later);
        assert_eq!(pace.admit_client(at(other), now), Admission::Welcome);
    }
}

#[test]
fn strangers_to_an_identity_under_pressure_come_a_few_at_a_time() {
    let now = Instant::now();
    let mut pace = pace(now);
    pace.logged_in(at("198.51.100.7"), &who("alice"), 1);
    for number in 0..100 {
        fail(&mut pace, 1, network(number), "alice", now);
    }
    let mut admitted =
        |client, userid: &str, now| pace.admit(client, &who(userid), now) == Admission::Welcome;
    let strangers = (200..300).filter(|number| admitted(network(*number), "alice", now)).count();
    assert_eq!(strangers, 4);
    assert!(
        admitted(network(300), "alice", now + Duration::from_secs(5)),
        "the first of them have had their time"
    );
    assert!((0..100).all(|_| admitted(at("198.51.100.200"), "alice", now)), "she has logged in near there");
    assert!(admitted(network(301), "bob", now), "nobody guesses at him");
    let alice = who("alice@EXAMPLE.org");
    assert_eq!(pace.failed(at("198.51.100.7"), Some(&alice), now), Duration::ZERO, "nor is she held back");
    assert_eq!(pace.failed(network(302), Some(&alice), now), Duration::from_secs(5));
    assert_eq!(pace.failed(None, Some(&alice), now), Duration::from_secs(5), "only the identity counts");
}

fn held(pace: &Pace, all: bool, now: Instant) -> Vec<Held> {
    let (mut from, mut found) = (0, Vec::new());
    while let Some((next, more)) = pace.held(from, all, now) {
        found.extend(more);
        from = next;
    }
    found
}

#[test]
fn who_is_held_back_can_be_seen_and_let_go() {
    let now = Instant::now();
    let mut pace = pace(now);
    let (client, nobody) = (at("192.0.2.1"), who("nobody"));
    fail(&mut pace, 2, client, "nobody", now);
    assert_eq!(held(&pace, false, now), []);
    assert_eq!(held(&pace, true, now).len(), 3, "address, network, identity");
    fail(&mut pace, 18, client, "nobody", now);
    let found = held(&pace, false, now);
    let address = Subject::Address("192.0.2.1".parse().unwrap());
    let expected = [
        Held { subject: address, failures: 20_000, delay_ms: 30_000, refused: true, ends: 1231 },
        Held {
            subject: Subject::Identity("nobody@example.org".to_owned()),
            failures: 20_000,
            delay_ms: 5000,
            refused: false,
            ends: 450,
        },
    ];
    assert_eq!(found, expected);
    // What is said of the end is so.
    let end = now + Duration::from_secs(1233);
    assert_eq!(
        (pace.hold(client, end), pace.admit_client(client, end)),
        (Duration::ZERO, Admission::Welcome)
    );

    fail(&mut pace, 200, at("192.0.2.7"), "u", now);
    let (count, still) = pace.forget_address(client.unwrap(), now);
    assert_eq!((count, pace.admit_client(client, now)), (1, Admission::Later));
    assert_eq!(
        still.first().map(|held| &held.subject),
        Some(&Subject::Network("192.0.2.0".parse().unwrap()))
    );
    assert_eq!(pace.forget_network(client.unwrap()), 2, "the network, and the other address");
    assert_eq!(pace.admit_client(client, now), Admission::Welcome);
    assert!((0..4).all(|_| pace.admit(client, &nobody, now) == Admission::Welcome));
    assert_eq!(pace.admit(client, &nobody, now), Admission::Later);
    assert_eq!((pace.forget_identity(&nobody), pace.forget_identity(&nobody)), (1, 0));
    assert_eq!(pace.admit(client, &nobody, now), Admission::Welcome);
    assert_eq!(pace.forget_everybody(), 1, "the identity of the other guesses");
    assert_eq!(held(&pace, true, now), []);

    fail(&mut pace, 20, client, "x", now);
    pace.configure(Throttle { exempt: vec!["192.0.2.0/24".parse().unwrap()], ..Throttle::default() });
    assert!(held(&pace, false, now).iter().all(|held| matches!(held.subject, Subject::Identity(_))));
}

#[test]
fn a_name_of_nobody_is_paced_like_any_other() {
    let now = Instant::now();
    let run = |userid: &str| {
        let mut pace = pace(now);
        (0..60)
            .map(|turn| {
                let client = network(turn);
                (pace.admit(client, &who(userid), now), pace.failed(client, Some(&who(userid)), now))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run("alice"), run("nobody-of-this-name"));
}

#[test]
fn places_survive_in_a_file_and_nothing_else_passes_for_one() {
    let mut places = Places::new(PaceKey::new([3; 32]));
    assert!(places.take_changes().is_none());
    let home = wide("192.0.2.77".parse().unwrap());
    places.note(&who("alice"), home, 20_000);
    let octets = places.take_changes().unwrap();
    assert!(places.take_changes().is_none());
    places.note(&who("alice"), home, 20_000);
    assert!(places.take_changes().is_none(), "nothing new was learnt that day");
    let back = Places::from_octets(&octets).unwrap();
    assert!(back.knows(&who("alice"), home) && !back.knows(&who("bob"), home));
    assert_eq!(back.to_octets(), octets);
    assert!(!octets.windows(5).any(|part| part == b"alice"));
    for bit in 0..octets.len() * 8 {
        let mut altered = octets.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(Places::from_octets(&altered).is_err(), "bit {bit}");
    }
    for cut in 0..octets.len() {
        assert!(Places::from_octets(&octets[..cut]).is_err(), "cut to {cut}");
    }
}

#[test]
fn a_wanderer_drives_out_nobody_but_himself() {
    let mut places = Places::new(PaceKey::new([3; 32]));
    let home = wide("192.0.2.77".parse().unwrap());
    let others: Vec<_> = (0..4000).map(|number| who(&format!("user{number}"))).collect();
    for other in &others {
        places.note(other, home, 1);
    }
    for number in 0..20_000 {
        places.note(&who("wanderer"), wide(network(number).unwrap()), 2);
    }
    let left = others.iter().filter(|other| places.knows(other, home)).count();
    assert_eq!(left, others.len());
    assert!(places.knows(&who("wanderer"), wide(network(19_999).unwrap())));
    assert!(places.to_octets().len() as u64 <= Places::MAX_OCTETS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever thousands of networks do to an identity, its owner comes in from where it logged in before, at once, and
    /// some stranger always does.
    #[test]
    fn guessing_locks_nobody_out(
        seed in any::<[u8; 32]>(),
        networks in prop::collection::vec((0_u32..60_000, 1..40_usize), 500..4000),
        pause in 0_u64..50,
    ) {
        let start = Instant::now();
        let mut pace = Pace::new(Throttle::default(), PaceKey::new(seed), Places::new(PaceKey::new(seed)), start);
        let (alice, home) = (who("alice"), at("198.51.100.7"));
        pace.logged_in(home, &alice, 1);
        let mut now = start;
        let mut last_stranger = start;
        for (number, times) in networks {
            now += Duration::from_millis(pause);
            let client = network(number);
            if pace.admit_client(client, now) == Admission::Welcome
                && pace.admit(client, &alice, now) == Admission::Welcome
            {
                last_stranger = now;
                for _ in 0..times {
                    prop_assert!(pace.failed(client, Some(&alice), now) <= Duration::from_secs(30));
                }
            }
            prop_assert_eq!(pace.admit_client(home, now), Admission::Welcome);
            prop_assert_eq!(pace.admit(home, &alice, now), Admission::Welcome);
            prop_assert!(pace.hold(home, now).is_zero());
            prop_assert!(now - last_stranger <= Duration::from_secs(6));
        }
    }
}
