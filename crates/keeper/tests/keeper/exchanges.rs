//! Exchanges: who gets in, who does not, and in what words.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use config::{ActsFor, ProxyRule};
use credential::{Mechanism, ScramHash, State};
use keeper::{Event, Outcome, Proof};
use sasl::client::{self, Means};
use sasl::layer::{LayerKeys, Layers};
use wire::{Class, ExchangeId, SecretOctets, ToFront, ToKeeper};

use crate::world::{World, client_settings, kinds, policy, realm, set_password, tls, user, who};

const ALL_KINDS: &str = "argon2id scram-sha-1 scram-sha-256 scram-sha-512 cram-md5 digest-md5";

fn with_password() -> Vec<Mechanism> {
    let all = Mechanism::ALL.into_iter();
    all.filter(|it| it.has_server() && Means::of(*it) == Means::Password).collect()
}

#[test]
fn every_mechanism_lets_in_whom_it_should_and_nobody_else() {
    let mut world = World::new(ALL_KINDS);
    for mechanism in with_password() {
        let (login, messages) = world.log_in(mechanism, "alice", "wonderland", None, None);
        let login = login.unwrap();
        assert_eq!(login.authentication, "alice@example.org", "{mechanism}");
        assert_eq!(
            (login.authorization.as_str(), login.mechanism.as_str()),
            ("alice@example.org", mechanism.name())
        );
        assert!(login.is_somebody && login.layer.is_none());
        let turns = |world: &mut World, userid| {
            let (refused, turns) = world.log_in(mechanism, userid, "builder", None, None);
            assert_eq!(refused.unwrap_err().0, Class::Refused, "{mechanism} {userid}");
            turns
        };
        // SCRAM's last message is for those who got in.
        let wrong = turns(&mut world, "alice");
        assert!(wrong == messages || wrong + 1 == messages, "{mechanism}");
        assert_eq!(turns(&mut world, "nobody"), wrong, "{mechanism}");
        world.pass(Duration::from_hours(3));
    }
    assert!(!world.keeper.is_busy());
    // Whatever was tried, right or wrong, nothing of it is told.
    let told = format!("{:?}", world.events);
    assert!(told.contains("alice") && !told.contains("builder") && !told.contains("wonderland"), "{told}");
}

#[test]
fn external_and_anonymous_have_their_ways() {
    let mut world = World::new("argon2id");
    let (login, _) = world.log_in(Mechanism::External, "", "", None, None);
    assert_eq!(login.unwrap().authentication, "alice@example.org");
    world.change("alice", |alice| alice.set_state(None, State::Suspended, crate::world::NOW).unwrap());
    let (refused, _) = world.log_in(Mechanism::External, "", "", None, None);
    assert_eq!(refused.unwrap_err().0, Class::Refused);
    let (login, _) = world.log_in(Mechanism::Anonymous, "sirhc", "", None, None);
    let login = login.unwrap();
    assert!(!login.is_somebody);
    assert_eq!(login.authentication, "anonymous");
}

#[test]
fn what_a_tool_changes_counts_at_the_next_begin() {
    let mut world = World::new(ALL_KINDS);
    let policy = world.settings.policy;
    for mechanism in with_password() {
        let get_in =
            |world: &mut World, text: &str| world.log_in(mechanism, "alice", text, None, None).0.is_ok();
        assert!(get_in(&mut world, "wonderland") && get_in(&mut world, "wonderland"), "{mechanism}");
        world.change("alice", |alice| set_password(alice, "looking-glass", &policy));
        assert!(!get_in(&mut world, "wonderland") && get_in(&mut world, "looking-glass"), "{mechanism}");
        world.change("alice", |alice| alice.set_state(None, State::Suspended, crate::world::NOW).unwrap());
        assert!(!get_in(&mut world, "looking-glass"), "{mechanism}");
        world.change("alice", |alice| {
            alice.set_state(None, State::Enabled, crate::world::NOW).unwrap();
            set_password(alice, "wonderland", &policy);
        });
        world.pass(Duration::from_hours(3));
    }
}

#[test]
fn who_may_act_for_whom_is_a_rule() {
    let policy = policy("argon2id scram-sha-256");
    let users = [user("alice", "wonderland", &policy), user("list", "manager", &policy)];
    let everybody = ActsFor::Everybody(realm("example.org"));
    let rule = ProxyRule { authentication: who("list"), may_act_for: vec![everybody] };
    let mut world = World::of(policy, &users, |settings| settings.auth.proxies = vec![rule]);
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let mechanism: Mechanism = mechanism.parse().unwrap();
        let (login, _) = world.log_in(mechanism, "list", "manager", Some("alice"), None);
        let login = login.unwrap();
        assert_eq!(login.authentication, "list@example.org");
        assert_eq!(login.authorization, "alice@example.org");
        let (login, _) = world.log_in(mechanism, "alice", "wonderland", Some("alice@EXAMPLE.ORG"), None);
        assert_eq!(login.unwrap().authorization, "alice@example.org");
        let (refused, _) = world.log_in(mechanism, "alice", "wonderland", Some("list"), None);
        assert_eq!(refused.unwrap_err(), (Class::Refused, 0));
        assert_eq!(world.outcomes().last(), Some(&Outcome::NotPermitted));
    }
}

#[test]
fn nonsense_has_its_own_words() {
    let mut world = World::new("argon2id");
    for (mechanism, initial, class) in [
        ("PLAIN", &b"no nul in it"[..], Class::Malformed),
        ("GSSAPI", b"", Class::NotOffered),
        ("SCRAM-SHA-256", b"n,,n=alice,r=x", Class::NotOffered),
        ("a name that is no name at all", b"", Class::NotOffered),
        ("plain", b"\0alice\0wrong", Class::Refused),
    ] {
        let session = world.next_session();
        world.begin(session, mechanism, Some(initial), None);
        assert_eq!(world.told(session).unwrap().unwrap_err().0, class, "{mechanism}");
    }
}

#[test]
fn a_session_has_one_exchange_at_a_time() {
    let mut world = World::new("cram-md5 argon2id");
    let session = world.next_session();
    world.begin(session, "CRAM-MD5", None, None);
    assert!(matches!(world.sent.pop_back(), Some(ToFront::Challenge { .. })));
    world.begin(session, "PLAIN", Some(b"\0alice\0wonderland"), None);
    assert!(world.told(session).unwrap().is_ok());
    assert_eq!(world.outcomes(), [Outcome::Cancelled, Outcome::Ok]);
    world.sent.clear();
    world.say(ToKeeper::Respond { exchange: session, octets: SecretOctets::copy_of(b"alice 00") });
    world.say(ToKeeper::Cancel { exchange: session });
    assert!(
        world.sent.is_empty() && world.outcomes().len() == 2,
        "there is nothing left to answer or to cancel"
    );
    world.begin(session, "CRAM-MD5", None, None);
    world.say(ToKeeper::Cancel { exchange: session });
    assert_eq!(world.outcomes()[2..], [Outcome::Cancelled]);
    world.begin(session, "CRAM-MD5", None, None);
    world.keeper.front_left();
    world.settle();
    assert!(!world.keeper.is_busy());
    assert_eq!(world.outcomes()[3..], [Outcome::Cancelled]);
}

#[test]
fn exchanges_are_bounded() {
    let policy = policy("cram-md5");
    let mut world = World::of(policy, &[], |settings| settings.bounds.exchanges = 3);
    for number in 1..=5 {
        let session = world.next_session();
        world.begin(session, "CRAM-MD5", None, None);
        let temporary = Some(Err((Class::Temporary, 0)));
        let told = world.told(session).map(|told| told.map(|_| ()));
        assert_eq!(told, temporary.filter(|_| number > 3), "{number}");
    }
}

#[test]
fn offers_are_those_of_the_listener_and_the_channel() {
    let mut world = World::new("argon2id scram-sha-256");
    assert_eq!(world.offered(), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL PLAIN LOGIN ANONYMOUS");
    let mut settings = world.settings.clone();
    let mut own = (*settings.listeners[0]).clone();
    own.mechanisms = [Mechanism::Plain].into_iter().collect();
    own.keep = kinds("argon2id");
    settings.listeners.push(Arc::new(own));
    settings.numbers = vec![wire::ListenerId(7), wire::ListenerId(1)];
    world.keeper.configure(settings, &world.now);
    world.settle();
    assert!(matches!(world.sent.pop_back(), Some(ToFront::OffersChanged)));
    world.say(ToKeeper::Offer { request: 1, listener: wire::ListenerId(1), channel: tls() });
    let Some(ToFront::Offered { mechanisms, left_out, .. }) = world.sent.pop_back() else { panic!() };
    assert_eq!(mechanisms, ["PLAIN"]);
    assert!(left_out.contains(&("LOGIN".to_owned(), "the configuration does not list it".to_owned())));
    world.say(ToKeeper::Offer { request: 2, listener: wire::ListenerId(0), channel: tls() });
    let Some(ToFront::Offered { mechanisms, .. }) = world.sent.pop_back() else { panic!() };
    assert!(mechanisms.is_empty(), "nobody listens there any more");
    // Who came by it hears that the trouble is ours, not that a mechanism was never there.
    let session = world.begin_plain("alice", "wonderland", None);
    assert_eq!(world.told(session).unwrap().unwrap_err().0, Class::Temporary);
}

#[test]
fn what_is_said_of_an_exchange_that_was_given_up_is_not_taken_for_the_next() {
    let mut world = World::new("argon2id cram-md5");
    world.has_threads = false;
    let first = world.begin_plain("alice", "guess", None);
    let second = ExchangeId { turn: 2, ..first };
    world.begin(second, "PLAIN", Some(b"\0alice\0wonderland"), None);
    for late in [
        ToKeeper::Respond { exchange: first, octets: SecretOctets::copy_of(b"x") },
        ToKeeper::Cancel { exchange: first },
    ] {
        world.say(late);
    }
    world.has_threads = true;
    world.settle();
    assert!(world.told(first).is_none() && world.told(second).unwrap().is_ok());
    assert_eq!(
        world.outcomes(),
        [Outcome::Refused, Outcome::Ok],
        "each has one end, and the guess is in the log"
    );
}

#[test]
fn who_gives_up_behind_a_right_proof_has_shown_that_he_has_the_password() {
    let proofs = |world: &World| {
        let results = world.events.iter().filter_map(|event| match event {
            Event::Auth(result) => Some((result.outcome, result.proof)),
            _ => None,
        });
        results.collect::<Vec<_>>()
    };
    let client: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let mut world = World::new("scram-sha-256 argon2id");
    for _ in 0..30 {
        world.give_up_behind_proof("alice", "wonderland", client);
    }
    assert_eq!(proofs(&world), [(Outcome::Cancelled, Proof::Right); 30]);
    assert!(
        world.log_in(Mechanism::Plain, "alice", "wonderland", None, client).0.is_ok(),
        "it was no failure"
    );
    world.events.clear();
    let session = world.next_session();
    world.begin(session, "SCRAM-SHA-256", Some(b"n,,n=alice,r=abcdefghij"), client);
    world.say(ToKeeper::Cancel { exchange: session });
    assert_eq!(proofs(&world), [(Outcome::Cancelled, Proof::None)]);

    world.events.clear();
    world.has_threads = false;
    for (text, end) in
        [("builder", (Outcome::Cancelled, Proof::Right)), ("guess", (Outcome::Refused, Proof::None))]
    {
        let session = world.begin_plain("bob", text, client);
        world.say(ToKeeper::Cancel { exchange: session });
        assert_eq!(proofs(&world), [], "nobody knows yet");
        world.check_one();
        world.settle();
        assert_eq!(proofs(&world), [end], "{text}");
        world.events.clear();
    }
}

#[test]
fn who_guesses_is_held_back_then_refused_and_hanging_up_does_not_help() {
    let mut world = World::new("argon2id");
    let client: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let mut last_hold = 0;
    for turn in 0..20 {
        let session = world.begin_plain(&format!("user{turn}"), "guess", client);
        if turn % 2 == 0 {
            let (class, hold) = world.told(session).unwrap().unwrap_err();
            assert_eq!(class, Class::Refused);
            assert!(hold >= last_hold && hold <= 30_000);
            last_hold = hold;
        }
    }
    assert_eq!(last_hold, 30_000);
    let session = world.begin_plain("alice", "wonderland", client);
    assert_eq!(world.told(session).unwrap().unwrap_err(), (Class::Later, 30_000));
    assert!(world.plain("alice", "wonderland").is_ok());

    let mut world = World::new("argon2id");
    world.has_threads = false;
    for turn in 0..20 {
        let session = world.begin_plain(&format!("user{turn}"), "guess", client);
        world.say(ToKeeper::Cancel { exchange: session });
        world.check_one();
        world.settle();
    }
    let session = world.begin_plain("alice", "wonderland", client);
    assert_eq!(world.told(session).unwrap().unwrap_err().0, Class::Later);
}

#[test]
fn the_log_names_whom_somebody_may_have_meant() {
    let policy = policy("argon2id");
    let users = [
        user("alice@mail", "wonderland", &policy),
        user("bob", "builder", &policy),
        user("erin@node7.inside.example", "builder", &policy),
        user("frank@node7", "builder", &policy),
    ];
    let mut world = World::of(policy, &users, |_| {});
    for (userid, nearest) in [
        ("alice", Some("alice@mail")),
        ("BOB", Some("bob@example.org")),
        ("bob@mail.example.org", Some("bob@example.org")),
        ("bob@elsewhere.example", Some("bob@example.org")),
        ("erin", Some("erin@node7.inside.example")),
        ("frank", Some("frank@node7")),
        ("bob", None),
        ("nobody", None),
    ] {
        assert!(world.plain(userid, "guess").is_err());
        let Some(Event::Auth(result)) = world.events.last() else { panic!("{:?}", world.events) };
        let found = result.nearest.as_ref().map(ToString::to_string);
        assert_eq!(found.as_deref(), nearest, "{userid}");
        assert_eq!(result.identity, Some(who(userid)));
        // As a person tries one after another, or a script.
        world.pass(Duration::from_millis(20));
    }
    world.pass(Duration::from_mins(1));
    let look_ups = |world: &mut World, userid: &str| {
        world.pass(Duration::from_secs(1));
        let before = world.watch.look_ups.load(Ordering::Relaxed);
        assert!(world.plain(userid, "guess").is_err());
        world.watch.look_ups.load(Ordering::Relaxed) - before
    };
    assert_eq!(look_ups(&mut world, "bob"), look_ups(&mut world, "nobody"));
}

#[test]
fn who_has_logged_in_by_digest_md5_does_so_again_with_one_message() {
    let policy = policy("digest-md5");
    let users = [user("alice", "wonderland", &policy)];
    let mut world = World::of(policy, &users, |settings| {
        settings.reauthentication = Duration::from_mins(1);
        let mut own = (*settings.listeners[0]).clone();
        own.layers = Layers::default();
        settings.listeners[0] = Arc::new(own);
    });
    let settings = client::Settings {
        layers: Layers::default(),
        ..client_settings(Mechanism::DigestMd5, "alice", None)
    };
    let settings = Arc::new(settings);
    let channel = sasl::Channel::clear();
    let begin = || client::begin(client::Choice::of(Mechanism::DigestMd5), &settings, &channel, [7; 32]);
    let (login, outcome, messages) = world.drive(begin(), &wire::Channel::default());
    assert_eq!(messages, 3);
    let login = login.unwrap();
    let layer = LayerKeys::from_octets(login.layer.as_ref().unwrap().expose()).unwrap();
    assert_eq!((login.ssf, layer.protection().ssf()), (55, 55));
    let again = client::resume(outcome.unwrap().ticket.unwrap(), &settings, &channel, [8; 32]);
    let (login, _, messages) = world.drive(again, &wire::Channel::default());
    assert!(login.is_ok() && messages == 2, "{messages}");
    let (_, outcome, _) = world.drive(begin(), &wire::Channel::default());
    world.pass(Duration::from_mins(1));
    let again = client::resume(outcome.unwrap().ticket.unwrap(), &settings, &channel, [9; 32]);
    let (login, _, messages) = world.drive(again, &wire::Channel::default());
    assert!(login.is_ok() && messages > 2, "the ticket was too old: {messages}");
}

#[test]
fn an_owner_gets_in_from_home_while_the_world_guesses() {
    let mut world = World::new("argon2id cram-md5");
    let home: Option<IpAddr> = Some("198.51.100.7".parse().unwrap());
    assert!(world.log_in(Mechanism::Plain, "alice", "wonderland", None, home).0.is_ok());
    let mut refused = 0;
    for number in 0..200_u8 {
        let client = Some(IpAddr::from([10, 0, number, 1]));
        let (told, _) = world.log_in(Mechanism::CramMd5, "alice", "guess", None, client);
        refused += usize::from(told.unwrap_err().0 == Class::Later);
    }
    assert!(refused > 150, "strangers come a few at a time: {refused}");
    let (login, _) = world.log_in(Mechanism::CramMd5, "alice", "wonderland", None, home);
    assert!(login.is_ok());
    let (mistyped, _) = world.log_in(Mechanism::CramMd5, "alice", "wunderland", None, home);
    assert_eq!(mistyped.unwrap_err(), (Class::Refused, 0));
}

/// Who only says whose name it is, and never proves it, takes no place of those who do.
#[test]
fn names_without_proof_keep_nobody_out() {
    let mut world = World::new("argon2id scram-sha-256");
    for number in 0..6_u8 {
        let client = Some(IpAddr::from([10, 0, number, 1]));
        for _ in 0..3 {
            assert!(world.log_in(Mechanism::Plain, "alice", "guess", None, client).0.is_err());
        }
    }
    // What they held back for is over.
    world.pass(Duration::from_secs(6));
    let guesser = Some(IpAddr::from([10, 1, 0, 1]));
    for _ in 0..20 {
        let session = world.next_session();
        world.begin(session, "SCRAM-SHA-256", Some(b"n,,n=alice,r=abcdefghij"), guesser);
        assert!(world.told(session).is_none(), "a challenge, not a verdict");
    }
    let travelling = Some(IpAddr::from([203, 0, 113, 9]));
    let (login, _) =
        world.log_in(Mechanism::Scram(ScramHash::Sha256), "alice", "wonderland", None, travelling);
    assert!(login.is_ok(), "{login:?}");
}
