//! Users' secrets: who has a record, what it holds, and how it is changed.
//!
//! [`SecretStore`] keeps them in a redb file that every program of Gatepost shares while it is live; [`Secrets`] is
//! what a daemon needs of any such store. What the records mean is the matter of `credential`; where the file is and
//! which verifiers to keep, of `config`.
//!
//! The format is a document: `tables` (the tables), `key`, `record` and `header` (their octets), `seal`
//! (checksums), [`dump`] (the text form).

use credential::{DecoyKey, Identity, Record, ShapeCounts, Timestamp};

use crate::error::StoreError;

mod backup;
pub mod dump;
mod edit;
mod file;
mod header;
pub mod import;
mod integrity;
mod key;
mod list;
mod octets;
mod record;
#[cfg(test)]
mod sample;
mod seal;
mod tables;

pub use backup::Backup;
pub use edit::Edit;
pub use file::SecretStore;
pub(crate) use header::FORMAT;
pub use integrity::{Fault, Integrity, Pages};
pub use list::Listing;

/// What a daemon asks of a store of secrets, wherever it is kept.
pub trait Secrets {
    /// A user's record. Who is absent costs as much as who is there.
    fn get(&self, identity: &Identity) -> Result<Option<Record>, StoreError>;

    /// Puts a record in the place of the one with this revision (`None`: of nothing). `false`: it is another one by
    /// now, and nothing happened. When this returns `true`, the change is durable.
    fn put(&self, record: &Record, seen: Option<Revision>) -> Result<bool, StoreError>;

    /// Takes a user out. Whether there was one.
    fn remove(&self, identity: &Identity) -> Result<bool, StoreError>;

    /// All users by realm and name, in bounded memory.
    fn records(&self) -> Box<dyn Iterator<Item = Result<Record, StoreError>> + '_>;

    /// How many users there are, and what they show.
    fn counts(&self) -> Result<Counts, StoreError>;

    /// The key of the decoys.
    fn decoy_key(&self) -> Result<DecoyKey, StoreError>;
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looking up and listing. Needs no more than to read the file, unless a killed writer left it to be healed.
    Read,
    /// Changing, too.
    Write,
}

/// What a new store is made with.
#[derive(Debug)]
pub struct NewStore {
    /// The key of the decoys: random, or that of a dump.
    pub decoy_key: DecoyKey,
    /// Now.
    pub created: Timestamp,
}

/// A record as it was read.
#[derive(Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Which state of it.
    pub revision: Revision,
}

/// Which state of a record was read: its checksum. Equal for equal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(seal::Checksum);

impl Revision {
    /// Octets that no other state of a record has.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a record can be stored at all, found out without a store.
///
/// # Errors
/// [`StoreError::Unstorable`].
pub fn storable(record: &Record) -> Result<(), StoreError> {
    record::encode(record).map(drop).map_err(|error| StoreError::Unstorable { what: error.to_string() })
}

/// What became of a record that was put into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The user is new.
    Added,
    /// The user had a record before.
    Replaced,
}

/// What a store counts of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Transactions that have changed the store; equal numbers mean that nothing happened.
    pub changes: u64,
    /// When the store was made.
    pub created: Timestamp,
    /// Records by what a stranger can tell of them: what decoys are picked by.
    pub shapes: ShapeCounts,
}
