//! Records that are brought to the policy after a good login.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use credential::policy::Salts;
use credential::verifier::foreign::{Foreign, Scheme};
use credential::{ChangedBy, Credential, Label, PlainRule, Policy, Record, State, Verifier, Verifiers};
use keeper::Renewed;
use store::secrets::{Access, Edit, SecretStore};
use store::{StoreError, Wait};

use crate::world::{NOW, World, cost, kinds, policy, set_password, trust, user, who};

/// `wonderland`, as an old server may have kept it.
fn imported(userid: &str) -> Record {
    let foreign = Foreign::parse(Scheme::SaltedSha1, "XcU7ZD+ozcY0NqLtsKNvy+uzXtpzYWx0c2FsdA==").unwrap();
    let mut record = Record::new(who(userid), NOW, ChangedBy::default());
    let verifiers = Verifiers::one(Verifier::Foreign(foreign));
    record.put(Credential::new(Label::main(), verifiers, true, NOW)).unwrap();
    record
}

fn world(policy: Policy, record: Record) -> World {
    World::of(policy, &[record], |_| {})
}

/// Logs in, and does what the keeper then wishes.
fn renew(world: &mut World) -> Option<Renewed> {
    assert!(world.plain("alice", "wonderland").is_ok());
    let renewal = world.renewals.pop()?;
    Some(renewal.carry_out(&world.tool(), &Salts::from_random([5; Salts::OCTETS]), by()).unwrap())
}

fn by() -> ChangedBy {
    ChangedBy::new("gatepost", "gatepostd").unwrap()
}

fn kept(world: &World) -> String {
    world.tool().look_up(&who("alice")).unwrap().unwrap().record.kinds().to_string()
}

#[test]
fn a_foreign_hash_gives_way_to_the_policys_verifiers() {
    let mut world = world(policy("argon2id scram-sha-256"), imported("alice"));
    assert!(
        matches!(renew(&mut world), Some(Renewed::Made(made)) if made == kinds("argon2id scram-sha-256"))
    );
    assert_eq!(kept(&world), "argon2id,scram-sha-256");
    let record = world.tool().look_up(&who("alice")).unwrap().unwrap().record;
    assert_eq!(record.changed_by().app(), "gatepostd");
    assert!(!record.credentials()[0].raw);
    let scram = "SCRAM-SHA-256".parse().unwrap();
    assert!(world.log_in(scram, "alice", "wonderland", None, None).0.is_ok());
    assert!(renew(&mut world).is_none(), "once is enough");
}

#[test]
fn what_is_missing_or_of_outdated_cost_is_made() {
    let target = policy("argon2id scram-sha-256 cram-md5");
    let older = Policy { keep: kinds("argon2id scram-sha-512"), cost: cost(9) };
    let mut world = world(target, user("alice", "wonderland", &older));
    assert!(matches!(renew(&mut world), Some(Renewed::Made(made)) if made == target.keep));
    assert_eq!(kept(&world), "argon2id,scram-sha-512,scram-sha-256,cram-md5", "nothing is taken away");
    assert!(renew(&mut world).is_none());
}

#[test]
fn what_a_user_is_not_to_have_is_not_made() {
    let target = policy("argon2id scram-sha-256 plain");
    let mut record = user("alice", "wonderland", &policy("argon2id"));
    record.set_plain(PlainRule::Never);
    record.set_keep(Some(kinds("argon2id plain")));
    let mut world = world(target, record);
    assert!(renew(&mut world).is_none());
    world.change("alice", |alice| alice.set_keep(None));
    assert!(matches!(renew(&mut world), Some(Renewed::Made(made)) if made == kinds("scram-sha-256")));
}

#[test]
fn a_change_that_came_first_stays() {
    let target = policy("argon2id scram-sha-256");
    for change in [
        |alice: &mut Record| alice.set_state(None, State::Suspended, NOW).unwrap(),
        |alice: &mut Record| set_password(alice, "looking-glass", &policy("argon2id")),
    ] {
        let mut world = world(target, user("alice", "wonderland", &policy("argon2id")));
        assert!(world.plain("alice", "wonderland").is_ok());
        world.change("alice", change);
        let renewal = world.renewals.pop().unwrap();
        let salts = Salts::from_random([5; Salts::OCTETS]);
        assert!(matches!(renewal.carry_out(&world.tool(), &salts, by()).unwrap(), Renewed::Overtaken));
        assert!(world.plain("alice", "wonderland").is_err());
        assert_eq!(kept(&world), "argon2id");
    }
    let mut world = world(target, user("alice", "wonderland", &policy("argon2id")));
    assert!(world.plain("alice", "wonderland").is_ok());
    world.tool().write::<_, StoreError>(|edit| edit.remove(&who("alice"))).unwrap();
    let renewal = world.renewals.pop().unwrap();
    let salts = Salts::from_random([5; Salts::OCTETS]);
    assert!(matches!(renewal.carry_out(&world.tool(), &salts, by()).unwrap(), Renewed::Overtaken));
    assert!(world.tool().look_up(&who("alice")).unwrap().is_none());
}

#[test]
fn a_wrong_password_renews_nothing() {
    let mut world = world(policy("argon2id scram-sha-256"), imported("alice"));
    assert!(world.plain("alice", "guess").is_err());
    assert!(world.renewals.is_empty());
}

#[test]
fn credentials_of_one_user_keep_their_salt_in_common() {
    let older = Policy { keep: kinds("argon2id"), cost: cost(9) };
    let mut record = user("alice", "wonderland", &older);
    let phone: Label = "phone".parse().unwrap();
    let recipe = record.recipe(&phone, &older.cost, Salts::from_random([9; Salts::OCTETS]));
    let verifiers =
        credential::derive(older.keep, record.identity(), &crate::world::password("phone word"), &recipe);
    record.put(Credential::new(phone.clone(), verifiers.unwrap(), false, NOW)).unwrap();
    let mut world = world(policy("argon2id cram-md5"), record);
    assert!(matches!(renew(&mut world), Some(Renewed::Made(made)) if made == kinds("cram-md5")));
    assert!(world.plain("alice", "phone word").is_ok() && world.plain("alice", "wonderland").is_ok());
}

#[test]
fn a_writer_who_has_stopped_keeps_nobody_waiting() {
    let target = policy("argon2id scram-sha-256");
    let mut world = world(target, user("alice", "wonderland", &policy("argon2id")));
    assert!(world.plain("alice", "wonderland").is_ok());
    let renewal = world.renewals.pop().unwrap();
    let impatient = Wait::up_to(Duration::from_millis(100));
    let impatient = SecretStore::open(&world.path, &trust(), Access::Write, impatient).unwrap();
    let holder = world.tool();
    let (holds, held) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let stopped = |_: &mut Edit<'_>| {
                holds.send(()).unwrap();
                released.recv().unwrap();
                Ok::<_, StoreError>(())
            };
            holder.write(stopped).unwrap();
        });
        held.recv().unwrap();
        let renewed = renewal.carry_out(&impatient, &Salts::from_random([5; Salts::OCTETS]), by());
        assert!(matches!(renewed, Err(StoreError::Busy { .. })), "{renewed:?}");
        world.pass(Duration::from_mins(20));
        assert!(world.plain("alice", "wonderland").is_ok(), "who only reads does not wait");
        assert_eq!(world.renewals.len(), 1, "it is tried again with the next login");
        release.send(()).unwrap();
    });
}
