//! Stores and records without the cost of deriving.

use std::path::{Path, PathBuf};

use credential::policy::{Argon2Cost, Iterations, Salt};
use credential::verifier::{Argon2id, Scram, ScramHash};
use credential::{
    ChangedBy, Credential, DecoyKey, Identity, Label, Realm, Record, Timestamp, Verifier, Verifiers,
};
use safefile::{Trust, Uid};
use store::secrets::{Access, NewStore, SecretStore};
use store::{StoreError, Wait};
use tempfile::TempDir;

/// A directory with a store in it.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) path: PathBuf,
}

impl Fixture {
    /// A new, empty store.
    pub(crate) fn new() -> Self {
        let dir = tests::scratch::dir();
        let path = dir.path().join("secrets.redb");
        create(&path).unwrap();
        Self { dir, path }
    }

    /// A store with `users` users.
    pub(crate) fn with_users(users: u32) -> Self {
        let fixture = Self::new();
        fill(&fixture.open(Access::Write), 0..users);
        fixture
    }

    pub(crate) fn open(&self, access: Access) -> SecretStore {
        open(&self.path, access).unwrap()
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

pub(crate) fn trust() -> Trust {
    Trust::root().caller(Uid::effective())
}

pub(crate) fn new_store() -> NewStore {
    NewStore { decoy_key: DecoyKey::new([7; DecoyKey::OCTETS]), created: Timestamp(1_700_000_000) }
}

pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    SecretStore::create(path, &trust(), new_store(), |_| Ok(()))
}

pub(crate) fn open(path: &Path, access: Access) -> Result<SecretStore, StoreError> {
    SecretStore::open(path, &trust(), access, Wait::default())
}

/// Puts users in, a thousand in a transaction.
pub(crate) fn fill(store: &SecretStore, users: std::ops::Range<u32>) {
    let numbers: Vec<u32> = users.collect();
    for batch in numbers.chunks(1000) {
        store
            .write(|edit| {
                for &number in batch {
                    edit.put(&user(number, 0))?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}

/// The identity of the user with this number; numbers are spread over seven realms.
pub(crate) fn identity(number: u32) -> Identity {
    let realm = Realm::prepare(&format!("realm{}.example", number % 7)).unwrap();
    Identity::parse(&format!("user{number:07}"), &realm).unwrap()
}

/// The record of a user; `version` is told by [`version_of`].
pub(crate) fn user(number: u32, version: u64) -> Record {
    record(identity(number), version)
}

pub(crate) fn record(identity: Identity, version: u64) -> Record {
    let salt = Salt::new(&[3; 16]).unwrap();
    let argon2id = Argon2id::from_parts(Argon2Cost::default(), salt.clone(), &[4; 32]).unwrap();
    let key = version.to_be_bytes().repeat(4);
    let scram = Scram::from_parts(ScramHash::Sha256, Iterations::default(), salt, &key, &key).unwrap();
    let verifiers = Verifiers::new(vec![Verifier::Argon2id(argon2id), Verifier::Scram(scram)]).unwrap();
    let mut record = Record::new(identity, Timestamp(version), ChangedBy::new("root", "test").unwrap());
    record.put(Credential::new(Label::main(), verifiers, false, Timestamp(version))).unwrap();
    record
}

/// The version of a record made by [`user`], if it is whole.
pub(crate) fn version_of(record: &Record) -> Option<u64> {
    let whole = user_number(record).map(|number| self::user(number, record.changed().seconds()))?;
    (format!("{whole:?}") == format!("{record:?}")).then(|| record.changed().seconds())
}

pub(crate) fn user_number(record: &Record) -> Option<u32> {
    record.identity().user.as_str().strip_prefix("user")?.parse().ok()
}
