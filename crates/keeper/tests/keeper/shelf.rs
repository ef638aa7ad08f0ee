//! The store that is moved, opened up, mended, replaced or held by others while the keeper lives.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keeper::{Event, Outcome};
use wire::{Class, ToFront};

use crate::world::{World, make_store, policy, user};

const SECOND: Duration = Duration::from_secs(1);

fn open_up(world: &World, mode: u32) {
    fs::set_permissions(&world.path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_unsafe_store_is_not_used_until_it_is_mended() {
    let mut world = World::new("argon2id");
    assert!(world.plain("alice", "wonderland").is_ok());
    open_up(&world, 0o604);
    world.pass(SECOND);
    assert_eq!(world.plain("alice", "wonderland").unwrap_err(), (Class::Temporary, 0));
    assert!(world.sent.iter().any(|message| matches!(message, ToFront::OffersChanged)));
    assert_eq!(world.offered(), "not now");
    for _ in 0..3 {
        world.pass(SECOND);
        assert_eq!(world.plain("alice", "wonderland").unwrap_err().0, Class::Temporary);
    }
    let lines: Vec<_> = world.events.iter().filter(|event| !matches!(event, Event::Auth(_))).collect();
    let [Event::StoreUnusable { words, remedy }] = lines[..] else { panic!("{lines:?}") };
    assert!(words.contains("unsafe (") && words.contains("mode 0604"), "{words}");
    assert!(remedy.as_ref().unwrap().starts_with("chmod o"), "{remedy:?}");
    open_up(&world, 0o600);
    world.pass(SECOND);
    world.sent.clear();
    world.tick();
    assert!(matches!(world.sent.pop_front(), Some(ToFront::OffersChanged)), "nobody had to ask");
    assert!(matches!(world.events.last(), Some(Event::StoreUsable)));
    assert!(world.plain("alice", "wonderland").is_ok());
}

#[test]
fn a_store_that_is_gone_is_trouble_of_ours_and_one_that_comes_is_used() {
    let mut world = World::new("argon2id");
    let aside = world.dir.path().join("aside");
    fs::rename(&world.path, &aside).unwrap();
    world.pass(SECOND);
    assert_eq!(world.plain("alice", "wonderland").unwrap_err(), (Class::Temporary, 0));
    assert_eq!(world.outcomes(), [Outcome::Temporary]);
    let policy = policy("argon2id");
    make_store(&world.path, &[user("alice", "looking-glass", &policy)]);
    world.pass(SECOND);
    assert!(world.plain("alice", "looking-glass").is_ok());
    fs::rename(&aside, &world.path).unwrap();
    world.pass(SECOND);
    assert!(world.plain("alice", "looking-glass").is_err(), "the file that was open is not asked any more");
    assert!(world.plain("alice", "wonderland").is_ok());
    assert!(world.events.iter().any(|event| matches!(event, Event::StoreReplaced)));
}

#[test]
fn the_path_is_walked_at_most_once_a_second() {
    let mut world = World::new("argon2id");
    let attended = |world: &World| world.watch.attended.load(Ordering::Relaxed);
    let before = attended(&world);
    (0..10).for_each(|_| drop(world.plain("alice", "wonderland")));
    assert_eq!(attended(&world), before);
    world.pass(SECOND);
    (0..10).for_each(|_| drop(world.plain("alice", "wonderland")));
    world.tick();
    assert_eq!(attended(&world), before + 1);
}

#[test]
fn a_store_that_others_hold_is_asked_once_a_second_and_nobody_is_refused_for_it() {
    let mut world = World::new("argon2id");
    let asked = |world: &World| world.watch.look_ups.load(Ordering::Relaxed);
    world.watch.is_busy.store(true, Ordering::Relaxed);
    for _ in 0..10 {
        assert_eq!(world.plain("alice", "wonderland").unwrap_err(), (Class::Temporary, 0));
    }
    assert_eq!(asked(&world), 1, "each question would keep everybody waiting");
    let told = world.events.iter().filter(|event| matches!(event, Event::StoreTrouble { .. })).count();
    assert_eq!(told, 1);
    assert_ne!(world.offered(), "", "it is busy, not unsafe");
    world.watch.is_busy.store(false, Ordering::Relaxed);
    world.pass(SECOND);
    assert!(world.plain("alice", "wonderland").is_ok());
}

#[test]
fn a_store_of_length_nothing_is_damage_and_not_an_absence_of_users() {
    let mut world = World::new("argon2id");
    fs::remove_file(&world.path).unwrap();
    fs::write(&world.path, "").unwrap();
    open_up(&world, 0o600);
    world.pass(SECOND);
    assert_eq!(world.plain("alice", "wonderland").unwrap_err().0, Class::Temporary);
    assert_eq!(world.offered(), "not now");
}

#[test]
fn decoys_follow_what_records_look_like() {
    let policy = policy("scram-sha-256");
    let mut world = World::of(policy, &[], |_| {});
    let iterations = |world: &mut World| {
        let session = world.next_session();
        world.begin(session, "SCRAM-SHA-256", Some(b"n,,n=nobody,r=abcdefgh"), None);
        let Some(ToFront::Challenge { octets, .. }) = world.sent.pop_back() else { panic!() };
        String::from_utf8(octets).unwrap().rsplit_once(",i=").unwrap().1.to_owned()
    };
    assert_eq!(iterations(&mut world), "16");
    let older = credential::Policy { cost: crate::world::cost(9), ..policy };
    let record = user("alice", "wonderland", &older);
    world.tool().write::<_, store::StoreError>(|edit| edit.put(&record)).unwrap();
    world.pass(SECOND);
    assert_eq!(iterations(&mut world), "9");
}
