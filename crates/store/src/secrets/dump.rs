//! The text form of a store: one JSON object per line, for backup, restore and merge.
//!
//! The first line is the header, the last the end; between them one user per line, by realm and name:
//!
//! ```json
//! {"gatepost-dump":1,"created":1700000000,"decoy-key":"BASE64"}
//! {"user":"alice","realm":"Example.ORG","keep":null,"plain":"by-policy","created":1700000000,"changed":1700000000,
//!  "changed-by":{"who":"root","app":"saslpasswd"},"credentials":[{"label":"main","state":"enabled","expires":null,
//!  "raw":false,"created":1700000000,"changed":1700000000,"networks":["192.0.2.0/24"],"verifiers":[
//!  {"kind":"argon2id","phc":"$argon2id$v=19$m=19456,t=2,p=1$..."},
//!  {"kind":"scram-sha-256","iterations":65536,"salt":"BASE64","stored-key":"BASE64","server-key":"BASE64"}]}]}
//! {"end":1}
//! ```
//!
//! (each on one line). Times are seconds since 1970, `keep` a list of kinds or null, `plain` `by-policy` or `never`,
//! `state` `enabled` or `suspended`. Further verifiers: `cram-md5` with `states` (32 octets), `digest-md5` with `h-a1`
//! and, where it differs, `h-a1-utf8`, `foreign` with `scheme` and `text`, `plain` with `password` (octets in base64).
//! The end counts the users: a dump that was cut off is refused. Unknown fields, kinds and versions are errors with the
//! number of their line. A dump is as secret as the store.

use std::io::{self, Read, Write};

use credential::{DecoyKey, Record, Timestamp};
use thiserror::Error;

use crate::error::StoreError;
use crate::secrets::Edit;

/// Writes everything that a store holds. The number of users.
///
/// # Errors
/// [`DumpError`]; what was written before it is not a whole dump and is refused when loaded.
pub fn write(store: &crate::secrets::SecretStore, out: &mut dyn Write) -> Result<u64, DumpError> {
    let _ = (store, out);
    unimplemented!()
}

/// Why a dump was not written.
#[derive(Debug, Error)]
pub enum DumpError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dump could not be written.
    #[error("cannot write the dump: {0}")]
    Out(io::Error),
}

/// A dump that is read: the header first, then, as an iterator, its users.
#[derive(Debug)]
pub struct Dump<R> {
    header: Header,
    input: R,
}

/// The header of a dump.
#[derive(Debug)]
pub struct Header {
    /// When the store was made that was dumped.
    pub created: Timestamp,
    /// The key of its decoys.
    pub decoy_key: DecoyKey,
}

/// Why a dump is refused.
#[derive(Debug, Error)]
#[error("line {line}: {what}")]
pub struct DumpFault {
    /// Where, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

/// What happens to a user who is in the store and in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merge {
    /// The record that was changed later stays; of two changed in the same second, the store's.
    #[default]
    LaterChangeWins,
    /// The dump's record takes the place of the store's, and its decoy key that of the store's: a restore.
    DumpWins,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Users that the store did not have.
    pub added: u64,
    /// Users whose records were replaced.
    pub replaced: u64,
    /// Users whose records stayed as they were in the store.
    pub kept: u64,
}

/// Why a dump was not loaded. Nothing of it was.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The dump is refused.
    #[error(transparent)]
    Dump(#[from] DumpFault),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<R: Read> Dump<R> {
    /// Reads the header.
    pub fn begin(input: R) -> Result<Self, DumpFault> {
        let _ = input;
        unimplemented!()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Puts all users into the store, in the transaction that `edit` is of.
    pub fn load(self, edit: &mut Edit<'_>, merge: Merge) -> Result<Loaded, LoadError> {
        let _ = (self.input, edit, merge);
        unimplemented!()
    }
}

impl<R: Read> Iterator for Dump<R> {
    type Item = Result<Record, DumpFault>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}
