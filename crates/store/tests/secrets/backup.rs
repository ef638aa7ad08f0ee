//! Copies and dumps of a live store.

use std::sync::atomic::{AtomicBool, Ordering};

use credential::DecoyKey;
use store::StoreError;
use store::secrets::dump::{self, Dump, DumpError, LoadError, Merge};
use store::secrets::{Access, NewStore, SecretStore, Secrets};

use crate::sample::{self, Fixture, identity, user, version_of};

fn users(store: &SecretStore) -> Vec<(String, Option<u64>)> {
    store.list().map(|record| record.unwrap()).map(|r| (r.identity().to_string(), version_of(&r))).collect()
}

#[test]
fn a_backup_is_a_store_with_the_same_users() {
    let fixture = Fixture::with_users(700);
    let store = fixture.open(Access::Write);
    let to = fixture.beside("backup.redb");
    let backup = store.backup(&to, &sample::trust()).unwrap();
    assert_eq!(backup.users, 700);
    let copy = sample::open(&to, Access::Read).unwrap();
    assert_eq!(users(&copy), users(&store));
    assert_eq!(copy.decoy_key().unwrap().expose(), store.decoy_key().unwrap().expose());
    assert_eq!(copy.counts().unwrap(), store.counts().unwrap());
    assert!(matches!(store.backup(&to, &sample::trust()), Err(StoreError::Exists { .. })));
    assert!(matches!(store.backup(&fixture.path, &sample::trust()), Err(StoreError::Exists { .. })));
}

#[test]
fn a_reader_can_make_a_backup() {
    let fixture = Fixture::with_users(3);
    let to = fixture.beside("backup.redb");
    assert_eq!(fixture.open(Access::Read).backup(&to, &sample::trust()).unwrap().users, 3);
}

/// The users of one transaction are in the copy together or not at all, whatever is written meanwhile.
#[test]
fn backups_of_a_busy_store_are_whole() {
    let fixture = Fixture::with_users(200);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = fixture.open(Access::Write);
        let stop = &stop;
        let _in_any_case = Stop(stop);
        scope.spawn(move || {
            for version in 1.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                writer
                    .write(|edit| (0..200).try_for_each(|number| edit.put(&user(number, version)).map(drop)))
                    .unwrap();
            }
        });
        for number in 0..10 {
            let to = fixture.beside(&format!("backup{number}.redb"));
            fixture.open(Access::Write).backup(&to, &sample::trust()).unwrap();
            let copy = sample::open(&to, Access::Read).unwrap();
            let mut versions: Vec<_> =
                users(&copy).into_iter().map(|(_, version)| version.unwrap()).collect();
            assert_eq!(versions.len(), 200);
            versions.dedup();
            assert_eq!(versions.len(), 1);
        }
    });
}

/// Ends the writer when the test ends, however it ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_damaged_store_gives_no_backup() {
    let fixture = Fixture::with_users(600);
    let whole = std::fs::read(&fixture.path).unwrap();
    let to = fixture.beside("backup.redb");
    let (mut refused, mut made) = (0, 0);
    for page in 1..whole.len() / 4096 {
        let mut octets = whole.clone();
        octets[page * 4096 + 100] ^= 0x40;
        std::fs::write(&fixture.path, &octets).unwrap();
        let result =
            sample::open(&fixture.path, Access::Write).and_then(|store| store.backup(&to, &sample::trust()));
        match result {
            Ok(backup) => {
                made += 1;
                assert_eq!(backup.users, 600);
                std::fs::remove_file(&to).unwrap();
            }
            Err(StoreError::Damaged { path, .. }) => {
                refused += 1;
                assert_eq!(path, fixture.path);
                assert!(!to.exists());
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > made, "{refused} refused, {made} made of pages that are not in use");
}

fn dumped(store: &SecretStore) -> Vec<u8> {
    let mut text = Vec::new();
    dump::write(store, &mut text).unwrap();
    text
}

/// Each restore changes every user and the decoy key; a dump has those of one of them, and of no two.
#[test]
fn a_dump_of_a_busy_store_is_one_state() {
    let fixture = Fixture::new();
    let stop = AtomicBool::new(false);
    let write = |store: &SecretStore, version: u8| {
        store.write(|edit| {
            edit.set_decoy_key(DecoyKey::new([version; DecoyKey::OCTETS]));
            (0..700).try_for_each(|number| edit.put(&user(number, version.into())).map(drop))
        })
    };
    let writer = fixture.open(Access::Write);
    write(&writer, 0).unwrap();
    std::thread::scope(|scope| {
        let stop = &stop;
        let _in_any_case = Stop(stop);
        scope.spawn(move || {
            for version in (0..=u8::MAX).cycle() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                write(&writer, version).unwrap();
            }
        });
        let reader = fixture.open(Access::Read);
        for _ in 0..20 {
            let text = dumped(&reader);
            let dump = Dump::begin(&text[..]).unwrap();
            let version = dump.header().decoy_key.expose()[0];
            let versions: Vec<_> = dump.map(|record| version_of(&record.unwrap()).unwrap()).collect();
            assert_eq!(versions, vec![u64::from(version); 700]);
        }
    });
}

/// What cannot be written ends a dump with that error, once.
#[test]
fn a_dump_that_cannot_be_written_is_no_fault_of_the_store() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(octets.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let fixture = Fixture::with_users(30);
    let store = fixture.open(Access::Read);
    for room in [0, 10, 150, 3000] {
        let error = dump::write(&store, &mut Full(room)).unwrap_err();
        assert!(matches!(&error, DumpError::Out(error) if error.kind() == std::io::ErrorKind::StorageFull));
    }
    assert_eq!(dump::write(&store, &mut Full(1 << 20)).unwrap(), 30);
}

fn load(store: &SecretStore, text: &[u8], merge: Merge) -> Result<dump::Loaded, LoadError> {
    let dump = Dump::begin(text)?;
    store.write(|edit| dump.load(edit, merge))
}

#[test]
fn a_dump_makes_the_same_store_again() {
    let fixture = Fixture::with_users(700);
    let store = fixture.open(Access::Read);
    let text = dumped(&store);
    assert_eq!(text.split(|&octet| octet == b'\n').count(), 703);
    let to = fixture.beside("again.redb");
    let dump = Dump::begin(&text[..]).unwrap();
    let header = dump.header();
    let new = NewStore { decoy_key: DecoyKey::new(*header.decoy_key.expose()), created: header.created };
    let loaded =
        SecretStore::create(&to, &sample::trust(), new, |edit| dump.load(edit, Merge::default())).unwrap();
    assert_eq!((loaded.added, loaded.replaced, loaded.kept), (700, 0, 0));
    let again = sample::open(&to, Access::Read).unwrap();
    assert_eq!(dumped(&again), text);
}

#[test]
fn a_merge_keeps_what_was_changed_later_and_a_restore_does_not() {
    let fixture = Fixture::with_users(0);
    let store = fixture.open(Access::Write);
    store.write(|edit| (0..3).try_for_each(|number| edit.put(&user(number, 5)).map(drop))).unwrap();
    let text = dumped(&store);
    store
        .write(|edit| {
            edit.put(&user(0, 4))?;
            edit.put(&user(1, 6))?;
            edit.put(&user(9, 1))?;
            edit.remove(&identity(2)).map(drop)
        })
        .unwrap();
    let now = |store: &SecretStore| {
        [0, 1, 2, 9]
            .map(|number| store.get(&identity(number)).unwrap().and_then(|record| version_of(&record)))
    };
    let loaded = load(&store, &text, Merge::LaterChangeWins).unwrap();
    assert_eq!((loaded.added, loaded.replaced, loaded.kept), (1, 1, 1));
    assert_eq!(now(&store), [Some(5), Some(6), Some(5), Some(1)]);
    let loaded = load(&store, &text, Merge::DumpWins).unwrap();
    assert_eq!((loaded.added, loaded.replaced, loaded.kept), (0, 3, 0));
    assert_eq!(now(&store), [Some(5), Some(5), Some(5), Some(1)]);
    assert!(store.check_integrity().unwrap().is_sound());
}

#[test]
fn of_a_bad_dump_nothing_is_loaded() {
    let fixture = Fixture::with_users(20);
    let text = dumped(&fixture.open(Access::Read));
    let other = fixture.beside("other.redb");
    sample::create(&other).unwrap();
    let store = sample::open(&other, Access::Write).unwrap();
    for cut in [text.len() - 2, text.len() / 2, text.len() - 10] {
        assert!(matches!(load(&store, &text[..cut], Merge::default()), Err(LoadError::Dump(_))));
        assert_eq!(store.counts().unwrap().users, 0);
    }
    let fault = load(&store, b"{}\n", Merge::default()).unwrap_err();
    assert!(fault.to_string().contains("line 1"));
}

#[test]
fn the_decoy_key_travels_with_a_restore_only() {
    let fixture = Fixture::with_users(1);
    let text = dumped(&fixture.open(Access::Read));
    let other = fixture.beside("other.redb");
    let new = NewStore { decoy_key: DecoyKey::new([9; DecoyKey::OCTETS]), ..sample::new_store() };
    SecretStore::create(&other, &sample::trust(), new, |_| Ok::<_, StoreError>(())).unwrap();
    let store = sample::open(&other, Access::Write).unwrap();
    load(&store, &text, Merge::LaterChangeWins).unwrap();
    assert_eq!(store.decoy_key().unwrap().expose(), &[9; DecoyKey::OCTETS]);
    load(&store, &text, Merge::DumpWins).unwrap();
    assert_eq!(store.decoy_key().unwrap().expose(), &[7; DecoyKey::OCTETS]);
}
