//! Making, opening, changing, listing.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use credential::{DecoyKey, Identity, KindSet, Policy, Realm};
use redb::ReadableDatabase;
use store::StoreError;
use store::secrets::{Access, Put, SecretStore, Secrets};

use crate::sample::{self, Fixture, identity, user};

#[test]
fn what_was_put_is_found_by_others_at_once() {
    let fixture = Fixture::new();
    let daemon = fixture.open(Access::Write);
    let tool = fixture.open(Access::Write);
    let reader = fixture.open(Access::Read);
    assert!(daemon.get(&identity(1)).unwrap().is_none());
    assert_eq!(tool.write(|edit| edit.put(&user(1, 5))).unwrap(), Put::Added);
    for store in [&daemon, &tool, &reader] {
        assert_eq!(sample::version_of(&store.get(&identity(1)).unwrap().unwrap()), Some(5));
    }
    assert_eq!(daemon.write(|edit| edit.put(&user(1, 6))).unwrap(), Put::Replaced);
    assert_eq!(sample::version_of(&reader.get(&identity(1)).unwrap().unwrap()), Some(6));
    assert!(tool.remove(&identity(1)).unwrap());
    assert!(!tool.remove(&identity(1)).unwrap());
    assert!(reader.get(&identity(1)).unwrap().is_none());
}

#[test]
fn a_store_knows_whether_its_path_still_leads_to_it() {
    let fixture = Fixture::with_users(1);
    let daemon = fixture.open(Access::Write);
    assert!(daemon.is_in_place().unwrap());
    fixture.open(Access::Write).write(|edit| edit.put(&user(1, 5))).unwrap();
    assert!(daemon.is_in_place().unwrap(), "what is written to it does not make it another");
    let (aside, other) = (fixture.beside("aside"), Fixture::new());
    std::fs::rename(&fixture.path, &aside).unwrap();
    assert!(matches!(daemon.is_in_place(), Err(StoreError::Missing { .. })));
    std::fs::copy(&other.path, &fixture.path).unwrap();
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!daemon.is_in_place().unwrap());
    std::fs::rename(&aside, &fixture.path).unwrap();
    assert!(daemon.is_in_place().unwrap());
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(daemon.is_in_place(), Err(StoreError::Refused(_))));
    assert!(daemon.get(&identity(1)).unwrap().is_some(), "whether it is used is the caller's to decide");
}

#[test]
fn realms_are_found_in_any_case_and_keep_their_spelling() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let realm = |text: &str| Realm::prepare(text).unwrap();
    let spelled = Identity::parse("alice", &realm("Example.ORG")).unwrap();
    store.write(|edit| edit.put(&sample::record(spelled, 1))).unwrap();
    let asked = Identity::parse("alice", &realm("eXAMPLE.org")).unwrap();
    assert_eq!(store.get(&asked).unwrap().unwrap().identity().realm.as_str(), "Example.ORG");
    let other = Identity::parse("Alice", &realm("Example.ORG")).unwrap();
    assert!(store.get(&other).unwrap().is_none());
}

#[test]
fn a_failed_change_leaves_nothing_behind() {
    let fixture = Fixture::with_users(3);
    let store = fixture.open(Access::Write);
    let before = store.counts().unwrap();
    let result: Result<(), String> = store
        .write(|edit| {
            edit.put(&user(7, 1)).unwrap();
            assert_eq!(edit.users(), 4);
            assert!(edit.look_up(&identity(7)).unwrap().is_some());
            edit.remove(&identity(0)).unwrap();
            Err(Refusal("no".to_owned()))
        })
        .map_err(|refusal: Refusal| refusal.0);
    assert_eq!(result, Err("no".to_owned()));
    assert_eq!(store.counts().unwrap(), before);
    assert!(store.get(&identity(7)).unwrap().is_none());
    assert!(store.get(&identity(0)).unwrap().is_some());
}

#[derive(Debug)]
struct Refusal(String);

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn a_callers_panic_is_no_damage() {
    let fixture = Fixture::with_users(1);
    let store = fixture.open(Access::Write);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(|edit| {
            edit.put(&user(2, 1))?;
            std::panic::resume_unwind(Box::new("the caller's"));
            #[allow(unreachable_code, reason = "gives the closure its type")]
            Ok::<_, StoreError>(())
        })
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "the caller's");
    assert!(store.get(&identity(2)).unwrap().is_none());
    store.write(|edit| edit.put(&user(2, 1))).unwrap();
    assert!(store.check_integrity().unwrap().is_sound());
}

#[test]
fn a_record_that_changed_meanwhile_is_not_overwritten() {
    let fixture = Fixture::with_users(1);
    let store = fixture.open(Access::Write);
    let seen = store.look_up(&identity(0)).unwrap().unwrap().revision;
    assert!(!store.put(&user(0, 9), None).unwrap(), "somebody is there");
    assert!(store.put(&user(0, 1), Some(seen)).unwrap());
    assert!(!store.put(&user(0, 2), Some(seen)).unwrap(), "it is another record by now");
    assert_eq!(store.get(&identity(0)).unwrap().unwrap().changed().seconds(), 1);
    assert!(!store.put(&user(5, 2), Some(seen)).unwrap(), "nobody is there");
    assert!(store.put(&user(5, 2), None).unwrap());
}

#[test]
fn listing_goes_by_realm_and_user_over_many_pages() {
    let fixture = Fixture::with_users(1500);
    let store = fixture.open(Access::Read);
    let listed: Vec<_> = store.list().map(|record| record.unwrap().identity().clone()).collect();
    let mut wanted: Vec<_> = (0..1500).map(identity).collect();
    wanted.sort_by_key(|identity| (identity.realm.folded(), identity.user.clone()));
    assert_eq!(listed, wanted);
}

#[test]
fn listing_while_others_change_gives_each_user_once() {
    let fixture = Fixture::with_users(1500);
    let (reader, writer) = (fixture.open(Access::Read), fixture.open(Access::Write));
    let mut listed = Vec::new();
    for (number, record) in (0_u32..).zip(reader.list()) {
        listed.push(record.unwrap().identity().clone());
        if number % 400 == 0 {
            writer.write(|edit| edit.put(&user(2000 + number, 1))).unwrap();
            writer.remove(&identity(number / 2)).unwrap();
        }
    }
    let mut once = listed.clone();
    once.dedup();
    assert_eq!(once, listed);
    assert!(listed.len() >= 1490);
}

#[test]
fn counts_follow_every_change() {
    let fixture = Fixture::with_users(10);
    let store = fixture.open(Access::Write);
    let counts = store.counts().unwrap();
    assert_eq!((counts.users, counts.created.seconds()), (10, 1_700_000_000));
    let shapes: Vec<_> = counts.shapes.iter().map(|(shapes, count)| (shapes.to_string(), count)).collect();
    let both = "argon2id m=19456 t=2 p=1 salt=16, scram-sha-256 i=65536 salt=16".to_owned();
    assert_eq!(shapes, [(both, 10)]);
    store
        .write(|edit| {
            let mut record = user(3, 1);
            record.retain("argon2id".parse::<KindSet>().unwrap()).unwrap();
            edit.put(&record)?;
            edit.remove(&identity(4)).map(drop)
        })
        .unwrap();
    let after = store.counts().unwrap();
    assert_eq!((after.users, after.changes), (9, counts.changes + 1));
    assert_eq!(after.shapes.iter().map(|(_, count)| count).collect::<Vec<_>>(), [1, 8]);
    for number in 0..10 {
        assert_eq!(store.remove(&identity(number)).unwrap(), number != 4);
    }
    let empty = store.counts().unwrap();
    assert_eq!((empty.users, empty.shapes.iter().count()), (0, 0));
    assert!(store.check_integrity().unwrap().is_sound());
}

#[test]
fn what_changes_nothing_is_not_counted() {
    let fixture = Fixture::with_users(1);
    let store = fixture.open(Access::Write);
    let before = store.counts().unwrap();
    assert!(!store.remove(&identity(77)).unwrap());
    store.write(|edit| edit.look_up(&identity(0)).map(drop)).unwrap();
    assert_eq!(store.counts().unwrap(), before);
}

#[test]
fn the_decoy_key_stays() {
    let fixture = Fixture::with_users(2);
    let of = |store: &SecretStore| {
        let decoy = store.decoy_key().unwrap();
        let shapes = store.counts().unwrap().shapes;
        format!("{:?}", decoy.record_for(&identity(9), &shapes, &Policy::default()).record())
    };
    let first = of(&fixture.open(Access::Read));
    assert_eq!(fixture.open(Access::Read).decoy_key().unwrap().expose(), &[7; DecoyKey::OCTETS]);
    assert_eq!(of(&fixture.open(Access::Write)), first);
}

#[test]
fn only_create_makes_a_store() {
    let dir = tests::scratch::dir();
    let path = dir.path().join("secrets.redb");
    for access in [Access::Read, Access::Write] {
        assert!(matches!(sample::open(&path, access), Err(StoreError::Missing { .. })));
        assert!(!path.exists());
    }
    sample::create(&path).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    assert!(matches!(sample::create(&path), Err(StoreError::Exists { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary is left");
}

#[test]
fn a_store_whose_first_users_fail_is_not_made() {
    let dir = tests::scratch::dir();
    let path = dir.path().join("secrets.redb");
    let result = SecretStore::create(&path, &sample::trust(), sample::new_store(), |edit| {
        edit.put(&user(1, 1)).unwrap();
        Err::<(), _>(Refusal("no".to_owned()))
    });
    assert_eq!(result.unwrap_err().0, "no");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    SecretStore::create(&path, &sample::trust(), sample::new_store(), |edit| edit.put(&user(1, 1))).unwrap();
    assert_eq!(sample::open(&path, Access::Read).unwrap().counts().unwrap().users, 1);
}

#[test]
fn a_store_that_others_may_read_is_refused() {
    let fixture = Fixture::with_users(1);
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o640)).unwrap();
    for access in [Access::Read, Access::Write] {
        assert!(matches!(sample::open(&fixture.path, access), Err(StoreError::Refused(_))));
    }
}

#[test]
fn a_reader_cannot_write() {
    let fixture = Fixture::with_users(1);
    let store = fixture.open(Access::Read);
    assert!(matches!(store.write(|edit| edit.put(&user(1, 1))), Err(StoreError::Io { .. })));
    assert!(store.get(&identity(0)).unwrap().is_some());
}

#[test]
fn threads_share_a_store() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..25 {
                    store.write(|edit| edit.put(&user(thread * 100 + number, 1))).unwrap();
                    assert!(store.get(&identity(thread * 100 + number)).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(store.counts().unwrap().users, 100);
    assert!(store.check_integrity().unwrap().is_sound());
}

/// Another generation of the programs is one that does not share the file as ours do.
#[test]
fn another_generation_is_told_apart_from_damage() {
    let fixture = Fixture::with_users(1);
    let exclusive = redb::Database::open(&fixture.path).unwrap();
    let wait = store::Wait::up_to(std::time::Duration::from_millis(50));
    for access in [Access::Read, Access::Write] {
        let error = SecretStore::open(&fixture.path, &sample::trust(), access, wait.clone()).unwrap_err();
        assert!(matches!(error, StoreError::OtherGeneration { .. }) && error.is_temporary(), "{error:?}");
    }
    drop(exclusive.begin_read().unwrap());
    drop(exclusive);
    assert!(fixture.open(Access::Write).get(&identity(0)).unwrap().is_some());
}
