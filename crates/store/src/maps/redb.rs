//! Our own type of map: one redb file, complete when it gets its name and never written again.
//!
//! Three tables. `map` holds one record, the [`Header`]; `records` each key with its first value; `further`, in maps
//! that allow duplicates, the other values, by key and a number that grows in the order in which they were added.
//!
//! No lock is taken: nobody writes such a file, and so nobody who may only read it can hold others up. Not here:
//! who may open it (`safefile`), and the order of records (`sort`).

mod build;
mod header;
mod still;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{
    AccessGuard, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, TableError,
};
use safefile::{SafeFile, Stamp};
use zeroize::Zeroizing;

use super::{
    Duplicates, Keys, Map, MapError, MapType, Occurrence, Readers, Record, Records, TypeInfo, Value, Values,
};
use crate::guard::{self, Trouble};
use crate::wait::Wait;
use header::Header;
use still::Still;

pub(super) use crate::engine::MAGIC;
pub(super) use build::build;

pub(super) const REDB: TypeInfo = TypeInfo {
    map_type: MapType::Redb,
    name: "redb",
    suffix: ".redb",
    can_read: true,
    can_write: true,
    values: Values::AsMade,
    readers: Readers::Gatepost,
};

/// Opens a map. Every page is checked against its checksum first (a second for a gigabyte): redb trusts what it reads
/// later.
pub(super) fn open(file: SafeFile) -> Result<Box<dyn Map>, MapError> {
    let (path, stamp) = (file.path().to_owned(), file.stamp());
    match RedbMap::open(file.into_std(), path.clone(), stamp) {
        Ok(map) => Ok(Box::new(map)),
        Err(trouble) => Err(error(&path, trouble)),
    }
}

struct RedbMap {
    path: PathBuf,
    stamp: Stamp,
    header: Header,
    /// Until it is dropped.
    tables: Option<Tables>,
}

struct Tables {
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    further: Option<Further>,
    _database: ReadOnlyDatabase,
}

type Further = ReadOnlyTable<(&'static [u8], u64), &'static [u8]>;
type FurtherRange<'a> = redb::Range<'a, (&'static [u8], u64), &'static [u8]>;

impl RedbMap {
    fn open(file: File, path: PathBuf, stamp: Stamp) -> Result<Self, Trouble> {
        let file = Arc::new(file);
        guarded(|| {
            check_pages(&file)?;
            let database = still::builder().open_read_only_with_backend(Still::new(file)?)?;
            let transaction = database.begin_read()?;
            let header = transaction.open_table(HEADER)?.get(HEADER_KEY)?;
            let header = Header::read(header.as_ref().map(AccessGuard::value))?;
            let further = match transaction.open_table(FURTHER) {
                Ok(table) => Some(table),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            };
            let tables = Tables { records: transaction.open_table(RECORDS)?, further, _database: database };
            tables.check_count(&header)?;
            Ok(Self { path, stamp, header, tables: Some(tables) })
        })
    }

    fn tables(&self) -> Result<&Tables, Trouble> {
        self.tables.as_ref().ok_or(Trouble::Spent)
    }

    fn find(&self, key: &[u8]) -> Result<Option<Value>, MapError> {
        guarded(|| {
            let value = self.tables()?.records.get(key)?;
            Ok(value.map(|value| Zeroizing::new(value.value().to_vec())))
        })
        .map_err(|trouble| error(&self.path, trouble))
    }
}

impl Tables {
    /// What the header says against what there is.
    fn check_count(&self, header: &Header) -> Result<(), Trouble> {
        let further = self.further.as_ref().map_or(Ok(0), ReadableTableMetadata::len)?;
        if self.records.len()?.checked_add(further) != Some(header.count) {
            return Err(Trouble::damaged("its header tells another number of records"));
        }
        if further > 0 && header.duplicates() == Duplicates::Refused {
            return Err(Trouble::damaged("it holds duplicates, which its header excludes"));
        }
        Ok(())
    }
}

impl Map for RedbMap {
    fn map_type(&self) -> MapType {
        MapType::Redb
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn stamp(&self) -> Stamp {
        self.stamp
    }

    fn duplicates(&self) -> Duplicates {
        self.header.duplicates()
    }

    fn keys(&self) -> Keys {
        self.header.keys()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, MapError> {
        super::get_as_mail(key, |key| self.find(key))
    }

    fn records(&self) -> Records<'_> {
        Box::new(RedbRecords { map: self, walk: None, ready: VecDeque::new(), given: 0, end: false })
    }

    fn verify(&self) -> Result<u64, MapError> {
        // The pages were checked when the file was opened; what is left is that the tables agree.
        self.records().try_fold(0, |count, record| record.map(|_| count + 1))
    }
}

impl Drop for RedbMap {
    fn drop(&mut self) {
        let tables = self.tables.take();
        let _ = guarded(|| {
            drop(tables);
            Ok(())
        });
    }
}

/// A walk over both tables at once, in the order of the keys.
struct RedbRecords<'a> {
    map: &'a RedbMap,
    walk: Option<Walk<'a>>,
    /// Records that were fetched together: a call into redb costs more than a record.
    ready: VecDeque<Record>,
    given: u64,
    end: bool,
}

struct Walk<'a> {
    records: redb::Range<'a, &'static [u8], &'static [u8]>,
    further: Option<FurtherRange<'a>>,
    /// The next record of `further`.
    next: Option<(Vec<u8>, Value)>,
}

impl<'a> Walk<'a> {
    fn new(tables: &'a Tables) -> Result<Self, Trouble> {
        let further = match &tables.further {
            Some(further) => Some(ReadableTable::iter(further)?),
            None => None,
        };
        let mut walk = Self { records: ReadableTable::iter(&tables.records)?, further, next: None };
        walk.advance()?;
        Ok(walk)
    }

    /// Fetches a key with all its values.
    fn fetch(&mut self, into: &mut VecDeque<Record>) -> Result<(), Trouble> {
        let Some(record) = self.records.next().transpose()? else {
            return match self.next {
                None => Ok(()),
                Some(_) => Err(Trouble::damaged("it holds further values of a key that is not there")),
            };
        };
        let key: Arc<[u8]> = record.0.value().into();
        let value = Zeroizing::new(record.1.value().to_vec());
        into.push_back(Record { key: Arc::clone(&key), value, occurrence: Occurrence::First });
        while let Some((_, value)) = self.next.take_if(|(further, _)| **further == *key) {
            into.push_back(Record { key: Arc::clone(&key), value, occurrence: Occurrence::Further });
            self.advance()?;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), Trouble> {
        let Some(further) = &mut self.further else { return Ok(()) };
        self.next = further
            .next()
            .transpose()?
            .map(|(key, value)| (key.value().0.to_vec(), Zeroizing::new(value.value().to_vec())));
        Ok(())
    }
}

impl RedbRecords<'_> {
    fn step(&mut self) -> Result<Option<Record>, Trouble> {
        if self.ready.is_empty() && !self.end {
            self.fill()?;
        }
        match self.ready.pop_front() {
            Some(record) => {
                self.given += 1;
                Ok(Some(record))
            }
            None if self.given == self.map.header.count => Ok(None),
            None => Err(Trouble::damaged("its header tells another number of records")),
        }
    }

    fn fill(&mut self) -> Result<(), Trouble> {
        let (walk, ready) = (&mut self.walk, &mut self.ready);
        let tables = self.map.tables()?;
        self.end = guarded(|| {
            let walk = match walk {
                Some(walk) => walk,
                None => walk.insert(Walk::new(tables)?),
            };
            let mut octets = 0;
            while ready.len() < RECORDS_AT_ONCE && octets < OCTETS_AT_ONCE {
                let before = ready.len();
                walk.fetch(ready)?;
                if ready.len() == before {
                    return Ok(true);
                }
                octets += ready
                    .iter()
                    .skip(before)
                    .map(|record| record.key.len() + record.value.len())
                    .sum::<usize>();
            }
            Ok(false)
        })?;
        Ok(())
    }
}

impl Iterator for RedbRecords<'_> {
    type Item = Result<Record, MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.end = true;
            self.ready.clear();
            self.given = self.map.header.count;
        }
        step.map_err(|trouble| error(&self.map.path, trouble)).transpose()
    }
}

impl Drop for RedbRecords<'_> {
    fn drop(&mut self) {
        let walk = self.walk.take();
        let _ = guarded(|| {
            drop(walk);
            Ok(())
        });
    }
}

/// Checks every page before anything on it is believed: a damaged page number alone can make redb ask for more memory
/// than there is. What the check writes stays in memory ([`Still`]).
fn check_pages(file: &Arc<File>) -> Result<(), Trouble> {
    let mut builder = still::builder();
    builder.set_check_integrity_on_open(true).set_repair_callback(refuse_repair);
    drop(builder.create_with_backend(Still::new(Arc::clone(file))?)?);
    Ok(())
}

/// The check reports its progress as a repair does; between its start and its half it says that the last commit does
/// not verify and an older one is looked for. A map was whole when it got its name: mended is damaged.
fn refuse_repair(session: &mut redb::RepairSession) {
    if session.progress() > 0.0 && session.progress() < 0.5 {
        session.abort();
    }
}

fn guarded<T>(body: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    guard::call(&Wait::default().start(Duration::ZERO), body)
}

fn error(path: &Path, trouble: Trouble) -> MapError {
    let path = path.to_owned();
    match trouble {
        Trouble::Damaged(what) => MapError::Damaged { path, what },
        Trouble::Unclean => MapError::Damaged { path, what: "it was not completed".to_owned() },
        Trouble::OldFormat(_) | Trouble::OtherFormat(_) => {
            MapError::NotRead { path, found: "a redb map of another version" }
        }
        Trouble::Busy(_) | Trouble::OtherGeneration => MapError::Busy { path },
        Trouble::Io(source) => MapError::Read { path, source },
        Trouble::Spent => MapError::Read { path, source: std::io::Error::other("an earlier error") },
    }
}

const HEADER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("map");
const HEADER_KEY: &str = "header";
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const FURTHER: TableDefinition<'_, (&[u8], u64), &[u8]> = TableDefinition::new("further");

const RECORDS_AT_ONCE: usize = 512;
const OCTETS_AT_ONCE: usize = 1 << 20;
