//! The text form of a store: one JSON object per line, for backup, restore and merge.
//!
//! The first line is the header, the last the end; between them one user per line, by realm and name (here broken
//! for reading):
//!
//! ```json
//! {"gatepost-dump":1,"created":1700000000,"decoy-key":"BASE64"}
//! {"user":"alice","realm":"Example.ORG","keep":null,"plain":"by-policy","created":1700000000,
//!  "changed":1700000000,"changed-by":{"who":"root","app":"saslpasswd"},"credentials":[{"label":"main",
//!  "state":"enabled","expires":null,"raw":false,"created":1700000000,"changed":1700000000,
//!  "networks":["192.0.2.0/24"],"verifiers":[{"kind":"argon2id","phc":"$argon2id$v=19$m=19456,t=2,p=1$..."},
//!  {"kind":"scram-sha-256","iterations":65536,"salt":"BASE64","stored-key":"BASE64","server-key":"BASE64"}]}]}
//! {"end":1}
//! ```
//!
//! Times are seconds since 1970, `keep` a list of kinds or null, `plain` is `by-policy` or `never`, `state` `enabled`
//! or `suspended`. Further verifiers: `cram-md5` with `states` (32 octets), `digest-md5` with `h-a1` and, where it
//! differs, `h-a1-utf8`, `foreign` with `scheme` and `text`, `plain` with `password`. Octets are in base64 (RFC 4648).
//! The end counts the users: a dump that was cut off is refused, as is one that has a user twice, or users in another
//! order (realms by their octets in lower case, then names by theirs). Unknown fields, kinds and versions are errors with
//! the number of their line. A dump is as secret as the store.

use std::io::{self, Read, Write};

use credential::{DecoyKey, Record, Timestamp};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::guard;
use crate::secrets::import::Reason;
use crate::secrets::import::lines::Lines;
use crate::secrets::key::Key;
use crate::secrets::{Edit, Put, SecretStore, list, record, tables};

mod json;

/// The version of this form.
const VERSION: u32 = 1;

/// Writes everything that a store holds in one state, and says how many users that were. `out` is a file and waits for
/// nobody: what others change meanwhile takes room in the store until the dump is written.
///
/// # Errors
/// [`DumpError`]; what was written before it is not a whole dump and is refused when loaded.
pub fn write(store: &SecretStore, out: &mut dyn Write) -> Result<u64, DumpError> {
    let written = store.read_once(|transaction| {
        let stored = tables::read_header(transaction)?;
        let header = Header { created: stored.created, decoy_key: stored.decoy_key };
        if let Err(error) = put(out, || json::header_line(&header)) {
            return Ok(Err(error));
        }
        list::all_at_once(transaction, |record| put(out, || json::user_line(record)))
    });
    let users = written??;
    put(out, || json::end_line(users))?;
    out.flush().map_err(DumpError::Out)?;
    Ok(users)
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

/// A dump that is read: the header first, then, as an iterator, its users. After an error there is nothing more.
#[derive(Debug)]
pub struct Dump<R> {
    header: Header,
    lines: Lines<R>,
    users: u64,
    last: Option<Key>,
    state: Progress,
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
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Users,
    /// Behind the end; nothing may follow.
    Ended,
    /// Read to its last line, or refused.
    Over,
}

impl<R: Read> Dump<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`DumpFault`]: the input is no dump, or one of a version that is not known.
    pub fn begin(input: R) -> Result<Self, DumpFault> {
        let mut lines = Lines::new(input, LONGEST_LINE);
        let (line, text) =
            lines.next().ok_or_else(|| DumpFault { line: 1, what: "the dump is empty".to_owned() })?;
        let header = readable(text).and_then(|text| json::parse_header(&text));
        let header = header.map_err(|what| DumpFault { line, what })?;
        Ok(Self { header, lines, users: 0, last: None, state: Progress::Users })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Puts all users into the store, in the transaction that `edit` is of. When this fails, so must the transaction.
    /// A store that is made for the dump is made with the decoy key of its [`header`](Self::header).
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(mut self, edit: &mut Edit<'_>, merge: Merge) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded::default();
        for record in self.by_ref() {
            let record = record?;
            if merge == Merge::LaterChangeWins
                && let Some(stored) = edit.look_up(record.identity())?
                && stored.record.changed() >= record.changed()
            {
                loaded.kept += 1;
                continue;
            }
            match edit.put(&record)? {
                Put::Added => loaded.added += 1,
                Put::Replaced => loaded.replaced += 1,
            }
        }
        if merge == Merge::DumpWins {
            edit.set_decoy_key(self.header.decoy_key);
        }
        Ok(loaded)
    }

    /// The next line: a user, or the end.
    fn line(&mut self) -> Option<Result<Record, DumpFault>> {
        let Some((line, text)) = self.lines.next() else {
            let what = "the dump was cut off: its end is missing".to_owned();
            return (self.state == Progress::Users).then(|| Err(DumpFault { line: self.users + 2, what }));
        };
        let parsed = readable(text).and_then(|text| {
            if self.state == Progress::Ended {
                return Err("something follows the end of the dump".to_owned());
            }
            json::parse_line(&text)
        });
        match parsed.map_err(|what| DumpFault { line, what }) {
            Ok(json::Line::User(record)) => {
                let key = Key::of(record.identity());
                if self.last.as_ref().is_some_and(|last| *last >= key) {
                    let what = format!("a user twice or out of order: {}", record.identity());
                    return Some(Err(DumpFault { line, what }));
                }
                if let Err(error) = record::encode(&record) {
                    let what = format!("{}: {error}", record.identity());
                    return Some(Err(DumpFault { line, what }));
                }
                self.last = Some(key);
                self.users += 1;
                Some(Ok(*record))
            }
            Ok(json::Line::End(users)) if users == self.users => {
                self.state = Progress::Ended;
                self.line()
            }
            Ok(json::Line::End(users)) => {
                let what = format!("the dump has {} users, its end counts {users}", self.users);
                Some(Err(DumpFault { line, what }))
            }
            Err(fault) => Some(Err(fault)),
        }
    }
}

impl<R: Read> Iterator for Dump<R> {
    type Item = Result<Record, DumpFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == Progress::Over {
            return None;
        }
        let item = self.line();
        if !matches!(item, Some(Ok(_))) {
            self.state = Progress::Over;
        }
        item
    }
}

fn readable(line: Result<Zeroizing<Vec<u8>>, Reason>) -> Result<Zeroizing<Vec<u8>>, String> {
    line.map_err(|reason| reason.to_string())
}

/// Writes one line. Its panics are not those of a damaged store.
fn put(
    out: &mut dyn Write,
    line: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, DumpError>,
) -> Result<(), DumpError> {
    guard::foreign(|| {
        let line = line()?;
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(DumpError::Out)
    })
}

/// 64 credentials, each with a password of 4,096 octets in clear and 256 networks, stay below.
const LONGEST_LINE: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests;
