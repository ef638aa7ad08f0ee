//! Whatever a front says, in whatever order: each login that begins ends once, and nothing is left behind.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use credential::Mechanism;
use keeper::Event;
use proptest::prelude::*;
use wire::{ExchangeId, ListenerId, SecretOctets, SessionId, ToFront, ToKeeper};

use crate::world::{World, policy, tls, user};

#[derive(Debug, Clone)]
enum Move {
    Say(ToKeeper),
    Check,
    Wait(u64),
    BreakStore(bool),
    LoseFront,
}

fn response() -> impl Strategy<Value = SecretOctets> {
    let plausible = prop::sample::select(vec![
        &b"\0alice\0wonderland"[..],
        b"\0alice\0guess",
        b"alice",
        b"wonderland",
        b"n,,n=alice,r=abcdefgh",
        b"",
        b"alice 0123456789abcdef0123456789abcdef",
    ]);
    let octets = prop_oneof![plausible.prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 0..40)];
    octets.prop_map(|octets| SecretOctets::copy_of(&octets))
}

fn move_of_front() -> impl Strategy<Value = Move> {
    let exchange = (0..4_u64, 0..2_u32);
    let exchange = exchange.prop_map(|(session, turn)| ExchangeId { session: SessionId(session), turn });
    let mechanism = prop_oneof![
        9 => prop::sample::select(Mechanism::ALL.to_vec()).prop_map(|it| it.name().to_owned()),
        1 => "\\PC{0,30}",
    ];
    let client = prop::option::of(any::<[u8; 2]>().prop_map(|[a, b]| IpAddr::from([10, 0, a % 2, b % 4])));
    let begin = (exchange.clone(), 0..2_u32, mechanism, client, prop::option::of(response())).prop_map(
        |(exchange, listener, mechanism, client, initial)| ToKeeper::Begin {
            exchange,
            listener: ListenerId(listener),
            channel: tls(),
            client,
            mechanism,
            initial,
        },
    );
    let respond =
        (exchange.clone(), response()).prop_map(|(exchange, octets)| ToKeeper::Respond { exchange, octets });
    let cancel = exchange.prop_map(|exchange| ToKeeper::Cancel { exchange });
    prop_oneof![
        6 => begin.prop_map(Move::Say),
        5 => respond.prop_map(Move::Say),
        1 => cancel.prop_map(Move::Say),
        4 => Just(Move::Check),
        1 => (0..20_u64).prop_map(Move::Wait),
        1 => any::<bool>().prop_map(Move::BreakStore),
        1 => Just(Move::LoseFront),
    ]
}

fn ends(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::Auth(_))).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_login_that_begins_ends_once(moves in prop::collection::vec(move_of_front(), 1..80)) {
        let policy = policy("argon2id scram-sha-256 cram-md5");
        let mut world = World::of(policy, &[user("alice", "wonderland", &policy)], |it| it.bounds.waiting = 3);
        world.has_threads = false;
        let mut begun = 0;
        for one in moves {
            match one {
                Move::Say(message) => {
                    begun += usize::from(matches!(message, ToKeeper::Begin { .. }));
                    world.say(message);
                }
                Move::Check if world.checks.is_empty() => {}
                Move::Check => world.check_one(),
                Move::Wait(seconds) => world.pass(Duration::from_secs(seconds)),
                Move::BreakStore(is_busy) => {
                    world.watch.is_busy.store(is_busy, std::sync::atomic::Ordering::Relaxed);
                }
                Move::LoseFront => world.keeper.front_left(),
            }
            world.settle();
            prop_assert!(world.checks.len() <= 2);
        }
        world.has_threads = true;
        world.settle();
        world.keeper.front_left();
        world.settle();
        prop_assert!(!world.keeper.is_busy());
        prop_assert_eq!(ends(&world), begun);
        let mut told: HashMap<ExchangeId, usize> = HashMap::new();
        for message in &world.sent {
            if let ToFront::LoggedIn { exchange, .. } | ToFront::Refused { exchange, .. } = message {
                *told.entry(*exchange).or_default() += 1;
            }
        }
        prop_assert!(told.values().sum::<usize>() <= begun, "nobody is told twice");
    }
}
