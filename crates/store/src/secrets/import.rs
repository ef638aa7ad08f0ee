//! Users of other programs: read from their files, derived over all cores, put into the store batch by batch.
//!
//! A source is an iterator of [`ImportedUser`]s and faults: [`sasldb`], [`passwd_file`], [`text`]. [`run()`] takes one
//! and fills a store. Each batch is one transaction, so an import that was interrupted has imported whole users, and
//! can be run again: who is there already is skipped before anything is derived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::num::NonZeroUsize;

use credential::dovecot;
use credential::identity::NameError;
use credential::{ChangedBy, Identity, PasswordError, Policy, Realm, Secret, Timestamp, Verifiers};
use thiserror::Error;

use crate::engine;
use crate::error::StoreError;
use crate::secrets::import::lines::Lines;

pub(crate) mod lines;
pub mod passwd_file;
mod run;
pub mod sasldb;
pub mod text;

pub use run::run;

/// What another program's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Cyrus sasldb, of version 2 or 1, in Berkeley DB, GDBM or LMDB.
    Sasldb,
    /// Dovecot passwd-file.
    PasswdFile,
    /// `user:password` text.
    Text,
}

/// What [`Format::of`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A format that can be imported.
    Readable(Format),
    /// A database in a format that is not read: its name, for people.
    NotRead(&'static str),
    /// A store or a map of our own.
    Redb,
    /// A dump of a store, which is loaded and not imported.
    Dump,
    /// No text, and no database that is known.
    NotText,
    /// A text that may be either: its first line is no passwd-file's, and its line of this number, counted from 1, has
    /// what passwd-files have, or what looks like it. Whoever takes a hash for a password lets in all who have seen it;
    /// whoever takes a password for a hash prints a part of it.
    Unclear(u64),
}

impl Format {
    /// How many octets of a file tell its format.
    pub const ENOUGH: usize = 64 * 1024;

    /// Guesses the format from the first [`Format::ENOUGH`] octets of a file (or all there are): databases by their
    /// magic number; a text whose first password begins with `{SCHEME}` or `$ID$` as Dovecot's do, or whose first line
    /// has all the fields of passwd(5), is a passwd-file. What begins as text is to be read to its end by
    /// [`Format::of_text`].
    pub fn of(start: &[u8]) -> Found {
        match mapfile::detect(start) {
            Some(detected) if detected.format().is_some() => Found::Readable(Self::Sasldb),
            Some(other) => Found::NotRead(other.name()),
            None if start.starts_with(engine::MAGIC) => Found::Redb,
            None if is_dump(start) => Found::Dump,
            None if start.contains(&0) => Found::NotText,
            None => of_lines((1..).zip(start.split(|&octet| octet == b'\n'))),
        }
    }

    /// The same for a whole text, however long: the first hash may stand behind thousands of passwords.
    pub fn of_text(input: impl Read) -> Found {
        let lines = Lines::new(input, lines::LONGEST);
        of_lines(lines.filter_map(|(number, line)| Some((number, line.ok()?))))
    }
}

/// By the first line, whatever the order of its fields and its version.
fn is_dump(start: &[u8]) -> bool {
    let first = start.split(|&octet| octet == b'\n').next().unwrap_or_default();
    first.starts_with(b"{") && first.windows(DUMP.len()).any(|octets| octets == DUMP)
}

fn of_lines<L: AsRef<[u8]>>(lines: impl Iterator<Item = (u64, L)>) -> Found {
    let mut lines = lines.filter(|(_, line)| !is_blank_or_comment(line.as_ref())).peekable();
    if lines.peek().is_some_and(|(_, line)| is_of_passwd_file(line.as_ref())) {
        return Found::Readable(Format::PasswdFile);
    }
    match lines.find(|(_, line)| fields(line.as_ref()).next().is_some_and(may_be_hash)) {
        Some((number, _)) => Found::Unclear(number),
        None => Found::Readable(Format::Text),
    }
}

fn is_of_passwd_file(line: &[u8]) -> bool {
    let mut fields = fields(line);
    fields.next().is_some_and(dovecot::is_named) || fields.count() >= PASSWD_FIELDS - 2
}

/// The password, and what follows it.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&octet| octet == b':').skip(1)
}

/// Whether a password field has the form `{SCHEME}...` or `$ID$...`, whatever the name.
fn may_be_hash(field: &[u8]) -> bool {
    let is_word = |word: &[u8], most: usize, others: &[u8]| {
        (1..=most).contains(&word.len())
            && word.iter().all(|octet| octet.is_ascii_alphanumeric() || others.contains(octet))
    };
    let named = |rest: &[u8], end: u8, most: usize, others: &[u8]| {
        rest.iter().position(|&octet| octet == end).is_some_and(|at| is_word(&rest[..at], most, others))
    };
    match field {
        [b'{', rest @ ..] => named(rest, b'}', LONGEST_SCHEME, b"-._"),
        [b'$', rest @ ..] => named(rest, b'$', LONGEST_ID, b"-"),
        _ => false,
    }
}

/// What stands in the header of a dump.
const DUMP: &[u8] = br#""gatepost-dump":"#;
/// `SCRAM-SHA-512.BASE64` and the like.
const LONGEST_SCHEME: usize = 32;
/// `pbkdf2-sha512` and the like.
const LONGEST_ID: usize = 16;
/// Of passwd(5): name, password, uid, gid, gecos, home, shell.
const PASSWD_FIELDS: usize = 7;

/// A user as another program's file has it.
#[derive(Debug)]
pub struct ImportedUser {
    /// Who.
    pub identity: Identity,
    /// What the file has of the password.
    pub material: Material,
    /// Where it stands.
    pub at: At,
}

/// What a file has of a password.
#[derive(Debug)]
pub enum Material {
    /// The password, from which the policy's verifiers are derived.
    Clear(Secret),
    /// Something to check with.
    Verifiers(Verifiers),
}

/// Where in the source something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// A line, counted from 1.
    Line(u64),
    /// The records of this user, as `user@realm` (escaped), in a database.
    Records(String),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Records(user) => write!(f, "the records of {user}"),
        }
    }
}

/// Why one user was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}: {reason}")]
pub struct ImportFault {
    /// Where.
    pub at: At,
    /// Why.
    pub reason: Reason,
}

/// Why one user, or what stands in the place of one, is not imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A scheme or property that is not taken over: its name.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Not what the format wants.
    #[error("{0}")]
    Malformed(String),
    /// A name that cannot be prepared.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A password that cannot be used.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// Nothing that may be kept of the password can be made: the user's own list, or the policy less `plain`.
    #[error("no verifier would be left of this password")]
    NothingLeft,
    /// No verifier could be made: no memory, or no randomness.
    #[error("cannot derive: {0}")]
    NotDerived(String),
    /// The source cannot be read any further.
    #[error("the source cannot be read any further: {0}")]
    Unreadable(String),
}

/// How to import.
#[derive(Debug)]
pub struct Plan {
    /// Which verifiers to derive, at which cost.
    pub policy: Policy,
    /// Over how many threads derivation is spread.
    pub threads: NonZeroUsize,
    /// At most how many users go into one transaction. A batch is also closed after a second.
    pub batch: NonZeroUsize,
    /// What happens to users who are there already.
    pub existing: Existing,
    /// Whether anything is changed at all.
    pub mode: Mode,
    /// Who imports, with what: recorded with each user. A user whom the same one has imported before counts as
    /// [`Skip::AlreadyImported`], so the name of the file belongs into it.
    pub by: ChangedBy,
    /// Now.
    pub now: Timestamp,
}

/// What happens to users who are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay as they are.
    Keep,
    /// They get the password of the source. Everything else stays: their own rules, state, end and other credentials. A
    /// user whose realm is spelled in another case is never replaced. An import that was interrupted begins from the
    /// start: a record tells which file it came from, not which passwords that had.
    Replace,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Import,
    /// No: everything is read and judged as it would be, nothing derived or written.
    DryRun,
}

/// What became of one user; told as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// In the store, durably (or would be, in a dry run).
    Imported(&'a Identity),
    /// Not touched.
    Skipped(&'a Identity, &'a Skip),
    /// Not imported.
    Failed(&'a ImportFault),
}

/// Why a user was not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// The same import has been here before.
    AlreadyImported,
    /// The store has this user already.
    Exists,
    /// The source has this user twice; the first one counts.
    Duplicate,
    /// The store, or the source further up, has this user in a realm that differs only in case: its spelling.
    RealmCase(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyImported => f.write_str("already imported"),
            Self::Exists => f.write_str("in the store already"),
            Self::Duplicate => f.write_str("a second time in the source"),
            Self::RealmCase(realm) => write!(f, "there already in the realm spelled {realm}"),
        }
    }
}

/// What an import did, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Users imported, those that were replaced included.
    pub imported: u64,
    /// Of these, users who were there before.
    pub replaced: u64,
    /// Of these, users whose password SASLprep refuses; it was taken as its octets stand.
    pub raw: u64,
    /// Of these, users whose password is not known: they have the hash of the other program.
    pub hashed: u64,
    /// Users whom the same import had brought before.
    pub already_imported: u64,
    /// Users who were in the store already and stayed as they were.
    pub existing: u64,
    /// Users whom the source has a second time.
    pub duplicates: u64,
    /// Users who are there in a realm that differs only in case.
    pub realm_case: u64,
    /// Users that could not be imported.
    pub failed: u64,
    /// Of these, by name of the scheme or property that is not supported.
    pub unsupported: BTreeMap<String, u64>,
    /// Realms that differ only in case: folded, and the spellings.
    pub realms: BTreeMap<String, BTreeSet<String>>,
}

/// Why an import ended before its source. What was imported stays, and the import can be run again.
#[derive(Debug, Error)]
#[error("{source}")]
pub struct ImportError {
    /// What had been done.
    pub report: Report,
    /// What ended it.
    pub source: StoreError,
}

/// Users from lines, by a parser that sees those that are neither blank nor comments.
fn from_lines(
    input: impl Read,
    parse: impl Fn(&[u8]) -> Result<(Identity, Material), Reason>,
) -> impl Iterator<Item = Result<ImportedUser, ImportFault>> {
    Lines::new(input, lines::LONGEST).filter_map(move |(number, line)| {
        let at = At::Line(number);
        let user = match line {
            Ok(line) if is_blank_or_comment(&line) => return None,
            Ok(line) => parse(&line),
            Err(reason) => Err(reason),
        };
        Some(match user {
            Ok((identity, material)) => Ok(ImportedUser { identity, material, at }),
            Err(reason) => Err(ImportFault { at, reason }),
        })
    })
}

fn is_blank_or_comment(line: &[u8]) -> bool {
    line.first().is_none_or(|&octet| octet == b'#') || line.iter().all(u8::is_ascii_whitespace)
}

fn identity(userid: &[u8], default_realm: &Realm) -> Result<Identity, NameError> {
    let text =
        std::str::from_utf8(userid).map_err(|e| NameError::NotUtf8 { position: e.valid_up_to() + 1 })?;
    Identity::parse(text, default_realm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let mut bdb = vec![0; 64];
        bdb[12..16].copy_from_slice(&[0x61, 0x15, 0x06, 0x00]);
        let mut lmdb = vec![0; 64];
        lmdb[16..20].copy_from_slice(&[0xde, 0xc0, 0xef, 0xbe]);
        let rows: [(&[u8], Found); 23] = [
            (&bdb, Found::Readable(Format::Sasldb)),
            (&lmdb, Found::Readable(Format::Sasldb)),
            (&[0xcf, 0x9a, 0x57, 0x13], Found::Readable(Format::Sasldb)),
            (&[0x61, 0x15, 0x06, 0x00], Found::NotRead("Berkeley DB 1.85 hash")),
            (b"# list\n\nalice:{PLAIN}secret\n", Found::Readable(Format::PasswdFile)),
            (b"alice:$6$abc$def:::::", Found::Readable(Format::PasswdFile)),
            (b"alice:x:1000:1000:Alice:/home/alice:/bin/sh\n", Found::Readable(Format::PasswdFile)),
            (b"alice:secret\n", Found::Readable(Format::Text)),
            (b"alice:{hunter2}x\n", Found::Unclear(1)),
            (b"\nalice:$hunter2$x\nbob:{SSHA}x\n", Found::Unclear(2)),
            (b"alice:secret\nbob:{hunter2}x\n", Found::Unclear(2)),
            (b"alice:se:cr:et\nbob:{} x\n", Found::Readable(Format::Text)),
            (b"alice:{secret\nbob:{x y}z\n", Found::Readable(Format::Text)),
            (b"alice:$ecret\nbob:$1,000$\n", Found::Readable(Format::Text)),
            (b"alice:p\xe4\xff\n", Found::Readable(Format::Text)),
            (b"", Found::Readable(Format::Text)),
            (b"# ab and cd\nalice:ab5sdfGHjk012\n\nbob:{SSHA.b64}x\n", Found::Unclear(4)),
            (b"alice:secret\nbob:$2y$05$abc\n", Found::Unclear(2)),
            (b"redb\x1a\x0a\xa9\x0d\x0a rest", Found::Redb),
            (b"{\"gatepost-dump\":1,\"created\":1}\n", Found::Dump),
            (b"{\"created\":1,\"gatepost-dump\":9}\n", Found::Dump),
            (b"alice:secret\nbob:x\0y\n", Found::NotText),
            (b"\0\0\0\0", Found::NotText),
        ];
        for (start, found) in rows {
            assert_eq!(Format::of(start), found, "{}", start.escape_ascii());
        }
    }

    #[test]
    fn a_hash_is_found_however_far_down_it_stands() {
        let users = "user@ex.org:password\n".repeat(10_000);
        let long = [&users, &"x".repeat(lines::LONGEST + 1), "\r\n", &users].concat();
        assert_eq!(Format::of_text(long.as_bytes()), Found::Readable(Format::Text));
        let text = [&long, "victim:{SSHA}BMqYeRqj9RMfSmPz5kU/cFZvA7J0Ww6C\n", &users].concat();
        assert_eq!(Format::of_text(text.as_bytes()), Found::Unclear(20_002));
    }
}
