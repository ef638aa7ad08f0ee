//! Passwords that take time to check: in a fair line, beside all else, and recognised when they were right lately.

use std::net::IpAddr;
use std::time::Duration;

use credential::{Label, Mechanism, Timestamp};
use keeper::Outcome;
use wire::{Class, ToKeeper};

use crate::world::{NOW, World, policy, user};

/// 0: nobody says where.
fn net(number: u8) -> Option<IpAddr> {
    (number > 0).then(|| IpAddr::from([192, 0, number, 1]))
}

#[test]
fn other_mechanisms_go_on_while_passwords_wait() {
    let mut world = World::new("argon2id cram-md5");
    world.has_threads = false;
    let waiting: Vec<_> = (0..20).map(|_| world.begin_plain("alice", "guess", net(1))).collect();
    assert_eq!(world.checks.len(), 2, "no more than there are threads");
    let (login, _) = world.log_in(Mechanism::CramMd5, "bob", "builder", None, net(1));
    assert!(login.is_ok());
    assert!(waiting.iter().all(|session| world.told(*session).is_none()));
    let other = world.begin_plain("bob", "builder", net(2));
    for _ in 0..4 {
        world.check_one();
        world.settle();
    }
    assert!(world.told(other).unwrap().is_ok(), "whose network has nobody else in line is next");
    world.has_threads = true;
    world.settle();
    assert!(waiting.iter().all(|session| world.told(*session).unwrap().is_err()));
    assert!(!world.keeper.is_busy());
}

#[test]
fn a_line_that_is_full_makes_room_at_its_longest() {
    let policy = policy("argon2id");
    let mut world = World::of(policy, &[user("alice", "wonderland", &policy)], |it| it.bounds.waiting = 10);
    world.has_threads = false;
    let greedy: Vec<_> = (0..14).map(|_| world.begin_plain("alice", "guess", net(1))).collect();
    let turned_away = |world: &World| {
        let told = greedy.iter().filter_map(|session| world.told(*session));
        told.filter(|told| matches!(told, Err((Class::Temporary, _)))).count()
    };
    assert_eq!(turned_away(&world), 2, "two are being checked and ten wait");
    let modest = world.begin_plain("alice", "wonderland", net(2));
    assert_eq!(turned_away(&world), 3);
    world.has_threads = true;
    world.settle();
    assert!(world.told(modest).unwrap().is_ok());
}

#[test]
fn who_waits_in_vain_is_told_and_who_has_left_is_not_checked() {
    let mut world = World::new("argon2id");
    world.has_threads = false;
    let sessions: Vec<_> = (0..5).map(|_| world.begin_plain("alice", "wonderland", net(1))).collect();
    world.say(ToKeeper::Cancel { exchange: sessions[2] });
    world.pass(Duration::from_secs(20));
    world.check_one();
    world.settle();
    assert!(world.told(sessions[0]).unwrap().is_ok(), "it was being checked");
    for late in &sessions[3..] {
        assert_eq!(world.told(*late).unwrap().unwrap_err(), (Class::Temporary, 0));
    }
    world.has_threads = true;
    world.settle();
    assert_eq!(world.checked, 2);
    assert_eq!(world.outcomes().iter().filter(|it| **it == Outcome::Cancelled).count(), 1);
}

#[test]
fn a_right_password_is_recognised_for_a_while() {
    let mut world = World::new("argon2id");
    let checks = |world: &mut World, text: &str, is_right: bool| {
        let before = world.checked;
        assert_eq!(world.plain("alice", text).is_ok(), is_right, "{text}");
        world.checked - before
    };
    assert_eq!(checks(&mut world, "wonderland", true), 1);
    assert_eq!(checks(&mut world, "wonderland", true), 0);
    let (login, _) = world.log_in(Mechanism::Login, "alice", "wonderland", None, None);
    assert!(login.is_ok() && world.checked == 1, "by LOGIN as by PLAIN");
    assert_eq!(checks(&mut world, "wonderlanD", false), 1);
    assert_eq!(checks(&mut world, "wonderlanD", false), 1, "nothing is kept of a wrong one");
    world.change("alice", |alice| alice.touch(Timestamp(1), credential::ChangedBy::default()));
    assert_eq!(checks(&mut world, "wonderland", true), 1, "any change of the record voids it");
    world.pass(Duration::from_mins(14));
    assert_eq!(checks(&mut world, "wonderland", true), 0);
    world.pass(Duration::from_mins(1));
    assert_eq!(checks(&mut world, "wonderland", true), 1);
    world.change("alice", |alice| {
        alice.set_expires(Some(&Label::main()), Some(Timestamp(NOW.seconds() + 1000)), NOW).unwrap();
    });
    assert_eq!(checks(&mut world, "wonderland", true), 1);
    world.pass(Duration::from_secs(100));
    assert_eq!(checks(&mut world, "wonderland", false), 1, "it has expired, though nothing has changed");
}

#[test]
fn keys_of_scram_that_are_derived_from_clear_text_are_derived_in_line() {
    let mut world = World::new("plain");
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    assert!(world.log_in(mechanism, "alice", "wonderland", None, None).0.is_ok());
    assert_eq!(world.checked, 1);
    assert!(world.log_in(mechanism, "alice", "guess", None, None).0.is_err());
    assert!(world.log_in(mechanism, "nobody", "guess", None, None).0.is_err());
    assert_eq!(world.checked, 3);
}
