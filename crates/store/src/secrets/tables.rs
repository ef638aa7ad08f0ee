//! The four tables of a store, and reading one user from them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `header` | one fixed key | format, time of creation, decoy key, number of users and of changes |
//! | `users` | folded realm, NUL, user | the record |
//! | `witnesses` | 16 octets of SHA-256 of the key above | 8 octets of the record's checksum |
//! | `shapes` | text of what a record shows ([`Shapes`]) | how many records show that (u64) |
//!
//! A store of format 1 has in `shapes` the text of single shapes, each counted by itself. Its records are counted anew each
//! time the counts are asked for, until the first change writes them as they are now, and format 2 into the header.
//!
//! Values of all but `witnesses` end with their checksum ([`super::seal`]). Witnesses are there for what a checksum
//! cannot see, a record that is *missing*: redb does not compare page checksums when it reads, and a damaged page in
//! the tree of users would make a user vanish. The witness stands in another tree and at another place in it, so one
//! damaged page never makes both go. A user is absent only where both say so.

use credential::{Record, ShapeCounts, Shapes};
use redb::{ReadTransaction, ReadableTable, TableDefinition};

use crate::guard::Trouble;
use crate::secrets::header::{self, Header, HeaderError};
use crate::secrets::key::Key;
use crate::secrets::record;
use crate::secrets::seal::{self, Checksum, Table};

pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(crate) const HEADER: Definition = Definition::new("header");
pub(crate) const USERS: Definition = Definition::new("users");
pub(crate) const WITNESSES: Definition = Definition::new("witnesses");
pub(crate) const SHAPES: Definition = Definition::new("shapes");

/// Any table of ours, open for reading or writing.
pub(crate) trait Octets: ReadableTable<&'static [u8], &'static [u8]> {}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> Octets for T {}

/// A record as it is stored, with the checksum that is its revision.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) sum: Checksum,
}

/// Octets of a record's checksum that its witness repeats.
pub(crate) const WITNESS: usize = 8;

/// The witness's value for a record.
pub(crate) fn witness(sum: &Checksum) -> &[u8] {
    &sum[..WITNESS]
}

/// Reads the header.
pub(crate) fn read_header(transaction: &ReadTransaction) -> Result<Header, Trouble> {
    header(&transaction.open_table(HEADER)?)
}

/// Reads the header from its table.
pub(crate) fn header(table: &impl Octets) -> Result<Header, Trouble> {
    let value = table.get(header::KEY)?.ok_or_else(|| Trouble::damaged("the header is missing"))?;
    Header::from_octets(value.value()).map_err(|error| match error {
        HeaderError::Damaged(what) => Trouble::Damaged(what),
        HeaderError::Format(found) => Trouble::OtherFormat(found),
    })
}

/// Looks a user up. Both tables are asked whatever the first one says, so that a user who is absent costs as much as
/// one who is there.
pub(crate) fn find(
    users: &impl Octets,
    witnesses: &impl Octets,
    key: &Key,
) -> Result<Option<Found>, Trouble> {
    let stored = users.get(key.octets())?;
    let witnessed = witnesses.get(key.witness().as_slice())?;
    match (stored, witnessed) {
        (None, None) => Ok(None),
        (Some(value), Some(seen)) => {
            let found = decode(key, value.value())?;
            if seen.value() == witness(&found.sum) { Ok(Some(found)) } else { Err(disagree()) }
        }
        _ => Err(disagree()),
    }
}

/// Reads a stored record and sees that it is the one that belongs under this key.
pub(crate) fn decode(key: &Key, stored: &[u8]) -> Result<Found, Trouble> {
    let (octets, sum) = seal::open(Table::Users, key.octets(), stored)
        .ok_or_else(|| Trouble::damaged("a user's record does not match its checksum"))?;
    let record = record::decode(octets).map_err(|error| match error {
        record::DecodeError::Version(found) => Trouble::OtherFormat(found.into()),
        other => Trouble::Damaged(other.to_string()),
    })?;
    if Key::of(record.identity()) == *key {
        Ok(Found { record, sum })
    } else {
        Err(Trouble::damaged("a user's record stands under another user's key"))
    }
}

/// How many records show what, of the table or, where that is of an older format, of the records.
pub(crate) fn counts(
    header: &Header,
    shapes: &impl Octets,
    users: &impl Octets,
) -> Result<ShapeCounts, Trouble> {
    if header.recount { recount(users) } else { self::shapes(shapes) }
}

/// Counts the records that can be read. One that cannot keeps nobody from reading and changing the others.
fn recount(users: &impl Octets) -> Result<ShapeCounts, Trouble> {
    let (mut counts, mut ascending) = (ShapeCounts::default(), Ascending::after(None));
    for entry in users.iter()? {
        let (key, value) = entry?;
        ascending.check(key.value())?;
        let found = Key::from_stored(key.value()).ok().and_then(|key| decode(&key, value.value()).ok());
        if let Some(found) = found {
            counts.add(&found.record);
        }
    }
    Ok(counts)
}

/// Reads how many records show what.
pub(crate) fn shapes(table: &impl Octets) -> Result<ShapeCounts, Trouble> {
    let (mut counts, mut ascending) = (ShapeCounts::default(), Ascending::after(None));
    for entry in table.iter()? {
        let (key, value) = entry?;
        ascending.check(key.value())?;
        let (shapes, count) = shapes_of(key.value(), value.value())
            .ok_or_else(|| Trouble::damaged("a count of verifiers is not as it was written"))?;
        counts.set(shapes, count);
    }
    Ok(counts)
}

/// Sees that a walk over a table goes on: a page that came to stand at another place could lead round in a circle, for
/// ever.
#[derive(Debug)]
pub(crate) struct Ascending(Option<Vec<u8>>);

impl Ascending {
    /// A walk that begins behind this key, or at the front.
    pub(crate) fn after(key: Option<&[u8]>) -> Self {
        Self(key.map(<[u8]>::to_vec))
    }

    /// Every key comes after the one before.
    pub(crate) fn check(&mut self, key: &[u8]) -> Result<(), Trouble> {
        if self.0.as_deref().is_some_and(|before| before >= key) {
            return Err(Trouble::damaged("its keys are out of order"));
        }
        let before = self.0.get_or_insert_default();
        before.clear();
        before.extend_from_slice(key);
        Ok(())
    }
}

/// The stored form of one count.
pub(crate) fn shapes_octets(shapes: &Shapes, count: u64) -> (Vec<u8>, Vec<u8>) {
    let key = shapes.to_string().into_bytes();
    let value = seal::seal(Table::Shapes, &key, &count.to_be_bytes()).0.to_vec();
    (key, value)
}

fn shapes_of(key: &[u8], value: &[u8]) -> Option<(Shapes, u64)> {
    let (count, _) = seal::open(Table::Shapes, key, value)?;
    Some((std::str::from_utf8(key).ok()?.parse().ok()?, u64::from_be_bytes(count.try_into().ok()?)))
}

fn disagree() -> Trouble {
    Trouble::damaged("a user's record and its witness disagree")
}
