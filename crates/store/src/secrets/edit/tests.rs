//! Stores that older versions made.

use credential::policy::{Argon2Cost, Iterations, Salt};
use credential::verifier::{Argon2id, Scram, ScramHash};
use credential::{
    ChangedBy, Credential, DecoyKey, Identity, Label, Realm, Record, Timestamp, Verifier, Verifiers,
};
use redb::ReadableTable;
use safefile::{Trust, Uid};

use super::*;
use crate::secrets::{Access, SecretStore, Secrets};
use crate::wait::Wait;

/// What each user shows.
const BOTH: &str = "argon2id m=8 t=1 p=1 salt=16, scram-sha-256 i=4 salt=16";

fn user(number: u32) -> Record {
    let identity =
        Identity::parse(&format!("user{number}"), &Realm::prepare("example.org").unwrap()).unwrap();
    let salt = Salt::new(&[3; 16]).unwrap();
    let argon2id = Argon2id::from_parts(Argon2Cost::new(8, 1, 1).unwrap(), salt.clone(), &[4; 32]).unwrap();
    let iterations = Iterations::new(4).unwrap();
    let scram = Scram::from_parts(ScramHash::Sha256, iterations, salt, &[5; 32], &[6; 32]).unwrap();
    let verifiers = Verifiers::new(vec![Verifier::Argon2id(argon2id), Verifier::Scram(scram)]).unwrap();
    let mut record = Record::new(identity, Timestamp(1), ChangedBy::default());
    record.put(Credential::new(Label::main(), verifiers, false, Timestamp(1))).unwrap();
    record
}

/// A store of five users.
fn store(path: &Path) -> SecretStore {
    let trust = Trust::root().caller(Uid::effective());
    let new = NewStore { decoy_key: DecoyKey::new([7; 32]), created: Timestamp(1) };
    let fill = |edit: &mut Edit<'_>| (0..5).try_for_each(|number| edit.put(&user(number)).map(drop));
    SecretStore::create::<_, StoreError>(path, &trust, new, fill).unwrap();
    SecretStore::open(path, &trust, Access::Write, Wait::default()).unwrap()
}

/// Changes tables behind the store's back.
fn alter(store: &SecretStore, change: impl FnOnce(&mut Tables<'_>)) {
    let deadline = store.deadline();
    let handle = store.place().open(Access::Write, &deadline).unwrap();
    let altered = handle.write(&deadline, |transaction| {
        change(&mut Tables::open(transaction)?);
        Ok(End::Commit(()))
    });
    altered.unwrap();
    handle.close(&deadline).unwrap();
}

/// Makes a store what it was in format 1: a row for each shape, and that number at the front of the header.
fn make_old(tables: &mut Tables<'_>) {
    let stored = tables.header.get(header::KEY).unwrap().unwrap().value().to_vec();
    let mut value = seal::open(Table::Header, header::KEY, &stored).unwrap().0.to_vec();
    value[..4].copy_from_slice(&1_u32.to_be_bytes());
    let sealed = seal::seal(Table::Header, header::KEY, &value).0;
    tables.header.insert(header::KEY, sealed.as_slice()).unwrap();
    tables.shapes.remove(BOTH.as_bytes()).unwrap().unwrap();
    for shape in BOTH.split(", ") {
        let (key, value) = tables::shapes_octets(&shape.parse().unwrap(), 5);
        tables.shapes.insert(key.as_slice(), value.as_slice()).unwrap();
    }
}

fn counted(store: &SecretStore) -> Vec<(String, u64)> {
    let shapes = store.counts().unwrap().shapes;
    shapes.iter().map(|(shapes, count)| (shapes.to_string(), count)).collect()
}

/// The first field of the header, and the keys of the counts.
fn written(store: &SecretStore) -> (u8, Vec<String>) {
    let mut found = (0, Vec::new());
    alter(store, |tables| {
        found.0 = tables.header.get(header::KEY).unwrap().unwrap().value()[3];
        let keys = tables.shapes.iter().unwrap();
        found.1 = keys.map(|row| String::from_utf8(row.unwrap().0.value().to_vec()).unwrap()).collect();
    });
    found
}

#[test]
fn an_older_store_is_sound_and_counted_anew() {
    let dir = ::tests::scratch::dir();
    let store = store(&dir.path().join("secrets.redb"));
    let new = written(&store);
    assert_eq!(new, (2, vec![BOTH.to_owned()]));
    alter(&store, make_old);
    assert_eq!(written(&store).0, 1);
    assert_eq!(written(&store).1.len(), 2);
    // It is read, checked and copied as it is.
    assert_eq!(counted(&store), [(BOTH.to_owned(), 5)]);
    assert!(store.get(user(1).identity()).unwrap().is_some());
    let integrity = store.check_integrity().unwrap();
    assert!(integrity.is_sound(), "{integrity:?}");
    let trust = Trust::root().caller(Uid::effective());
    assert_eq!(store.backup(&dir.path().join("copy.redb"), &trust).unwrap().users, 5);
    // What changes nothing leaves it as it is.
    assert!(!store.remove(user(9).identity()).unwrap());
    assert_eq!(written(&store).0, 1);
    // The first change makes it a new one.
    assert!(store.remove(user(0).identity()).unwrap());
    assert_eq!(written(&store), new);
    assert_eq!(counted(&store), [(BOTH.to_owned(), 4)]);
    assert!(store.check_integrity().unwrap().is_sound());
}

#[test]
fn a_damaged_record_keeps_nobody_from_changing_an_older_store() {
    let dir = ::tests::scratch::dir();
    let store = store(&dir.path().join("secrets.redb"));
    alter(&store, make_old);
    alter(&store, |tables| {
        let key = Key::of(user(3).identity());
        tables.users.insert(key.octets(), &b"no record"[..]).unwrap();
    });
    assert_eq!(counted(&store), [(BOTH.to_owned(), 4)]);
    store.write(|edit| edit.put(&user(7))).unwrap();
    assert_eq!(counted(&store), [(BOTH.to_owned(), 5)]);
    let faults = store.check_integrity().unwrap().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
}

/// In a store as it is now, counts that do not agree with the records are still a fault.
#[test]
fn wrong_counts_are_a_fault() {
    let dir = ::tests::scratch::dir();
    let store = store(&dir.path().join("secrets.redb"));
    alter(&store, |tables| {
        let (key, value) = tables::shapes_octets(&BOTH.parse().unwrap(), 6);
        tables.shapes.insert(key.as_slice(), value.as_slice()).unwrap();
    });
    let faults = store.check_integrity().unwrap().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
}
