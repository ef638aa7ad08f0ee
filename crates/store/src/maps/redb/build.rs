//! Building: records come in order and go to the end of their table, all in one transaction on a file that nobody
//! else has.
//!
//! redb keeps a bounded part of what is not yet committed in memory, so ten million records take no more than a few.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, CursorError, CursorMut, Database, Key, Table, Value, WriteTransaction};
use safefile::{OldFile, Replacement, Stamp};
use zeroize::Zeroizing;

use super::header::Header;
use super::{FURTHER, HEADER, HEADER_KEY, RECORDS, guarded};
use crate::guard::Trouble;
use crate::maps::{BuildError, Duplicates, Making, MapBuilder};

/// Begins a map in the place of the file that `replacement` is for.
pub(in crate::maps) fn build(
    mut replacement: Replacement,
    making: &Making,
) -> Result<Box<dyn MapBuilder>, BuildError> {
    let path = replacement.path().to_owned();
    let file = replacement.take_file().ok_or_else(|| {
        failed(&path, Trouble::Io(io::Error::other("the temporary file was handed out already")))
    })?;
    let engine = Engine::create(file).map_err(|trouble| failed(&path, trouble))?;
    Ok(Box::new(RedbBuilder {
        engine,
        replacement,
        path,
        making: making.clone(),
        batch: Batch::default(),
        last: None,
        count: 0,
    }))
}

/// Dropped in the order of its fields: redb closes the file before the file is removed.
struct RedbBuilder {
    engine: Engine,
    replacement: Replacement,
    path: PathBuf,
    making: Making,
    batch: Batch,
    /// The last key, and the number of its last value.
    last: Option<(Zeroizing<Vec<u8>>, u64)>,
    count: u64,
}

impl MapBuilder for RedbBuilder {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let octets = key.len().saturating_add(value.len());
        if octets > MOST_OCTETS {
            return Err(BuildError::TooLong(octets));
        }
        let number = self.number(key)?;
        self.batch.push(key, value, number);
        self.count += 1;
        if self.batch.octets.len() >= BATCH_OCTETS { self.write_batch() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Stamp, BuildError> {
        self.write_batch()?;
        let header = Header::new(&self.making, self.count);
        self.engine.complete(&header).map_err(|trouble| failed(&self.path, trouble))?;
        let Self { replacement, .. } = *self;
        // Only our own programs read such maps, and they look whether the name leads to another file.
        Ok(replacement.commit(OldFile::Leave)?)
    }
}

impl RedbBuilder {
    /// 0 for the first value of a key, then 1, 2, ...
    fn number(&mut self, key: &[u8]) -> Result<u64, BuildError> {
        match &mut self.last {
            Some((last, number)) if **last == key && self.making.duplicates == Duplicates::Allowed => {
                *number += 1;
                Ok(*number)
            }
            Some((last, _)) if last.as_slice() >= key => Err(BuildError::Order),
            last => {
                *last = Some((Zeroizing::new(key.to_vec()), 0));
                Ok(0)
            }
        }
    }

    fn write_batch(&mut self) -> Result<(), BuildError> {
        let batch = std::mem::take(&mut self.batch);
        self.engine.append(&batch).map_err(|trouble| failed(&self.path, trouble))
    }
}

/// Records on their way: a call into redb for each would cost more than the record.
#[derive(Default)]
struct Batch {
    octets: Zeroizing<Vec<u8>>,
    /// Length of the key, length of the value, number of the value.
    records: Vec<(usize, usize, u64)>,
}

impl Batch {
    fn push(&mut self, key: &[u8], value: &[u8], number: u64) {
        if self.octets.capacity() - self.octets.len() < key.len() + value.len() {
            // Grown by hand, so that what is left behind is wiped.
            let octets =
                (self.octets.len() + key.len() + value.len()).max(BATCH_OCTETS + (BATCH_OCTETS >> 3));
            let mut larger = Zeroizing::new(Vec::with_capacity(octets));
            larger.extend_from_slice(&self.octets);
            self.octets = larger;
        }
        self.octets.extend_from_slice(key);
        self.octets.extend_from_slice(value);
        self.records.push((key.len(), value.len(), number));
    }

    fn records(&self) -> impl Iterator<Item = (&[u8], &[u8], u64)> {
        let mut rest: &[u8] = &self.octets;
        self.records.iter().map(move |&(key, value, number)| {
            let (record, after) = rest.split_at(key + value);
            rest = after;
            (&record[..key], &record[key..], number)
        })
    }
}

/// redb, with the one transaction.
struct Engine {
    transaction: Option<WriteTransaction>,
    database: Option<Database>,
}

impl Engine {
    fn create(file: File) -> Result<Self, Trouble> {
        guarded(|| {
            let mut builder = Builder::new();
            builder.set_cache_size(CACHE_OCTETS);
            let database = builder.create_with_backend(FileBackend::new(file)?)?;
            let mut transaction = database.begin_write()?;
            // The last commit is then the only one: damage to it is not taken for a commit that was cut short.
            transaction.set_two_phase_commit(true);
            // They are there also when nothing is added.
            transaction.open_table(RECORDS)?;
            Ok(Self { transaction: Some(transaction), database: Some(database) })
        })
    }

    fn append(&self, batch: &Batch) -> Result<(), Trouble> {
        let transaction = self.transaction.as_ref().ok_or(Trouble::Spent)?;
        guarded(|| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut end = at_end(&mut records)?;
            for (key, value, _) in batch.records().filter(|(_, _, number)| *number == 0) {
                end.insert_before(key, value).map_err(not_inserted)?;
            }
            end.close()?;
            if batch.records.iter().all(|(_, _, number)| *number == 0) {
                return Ok(());
            }
            let mut further = transaction.open_table(FURTHER)?;
            let mut end = at_end(&mut further)?;
            for (key, value, number) in batch.records().filter(|(_, _, number)| *number > 0) {
                end.insert_before((key, number), value).map_err(not_inserted)?;
            }
            Ok(end.close()?)
        })
    }

    /// Writes the header, commits, and takes out what redb left free: a third of a large file.
    fn complete(&mut self, header: &Header) -> Result<(), Trouble> {
        let (transaction, database) = (self.transaction.take(), self.database.take());
        guarded(|| {
            let (transaction, mut database) = transaction.zip(database).ok_or(Trouble::Spent)?;
            transaction.open_table(HEADER)?.insert(HEADER_KEY, header.octets()?.as_slice())?;
            transaction.commit()?;
            database.compact().map_err(redb::Error::from)?;
            Ok(database.close()?)
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let parts = (self.transaction.take(), self.database.take());
        let _ = guarded(|| {
            drop(parts);
            Ok(())
        });
    }
}

fn at_end<'a, K: Key, V: Value>(table: &'a mut Table<'_, K, V>) -> Result<CursorMut<'a, K, V>, Trouble> {
    Ok(table.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?)
}

fn not_inserted(error: CursorError) -> Trouble {
    redb::Error::from(error).into()
}

fn failed(path: &Path, trouble: Trouble) -> BuildError {
    let source = match trouble {
        Trouble::Io(source) => source,
        Trouble::Damaged(what) => io::Error::other(what),
        _ => io::Error::other("redb refuses"),
    };
    BuildError::Write { path: path.to_owned(), source }
}

/// A key with its value; as much as the other types of map are read with.
const MOST_OCTETS: usize = 16 << 20;
const BATCH_OCTETS: usize = 1 << 20;
const CACHE_OCTETS: usize = 64 << 20;
