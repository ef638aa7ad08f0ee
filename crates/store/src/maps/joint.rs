//! Where the formats of [`mapfile`] meet safe files: what the programs that a format belongs to do with its files, and
//! what we therefore do when we read or replace one.
//!
//! Files of up to 64 MiB are read into memory at once, larger ones block by block through a bounded cache, watched for
//! changes. What a format is on disk is `mapfile`'s; which types there are stands in the files beside this one.

mod build;
mod cache;
mod locked;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mapfile::{Format, Limits, MapFileError, MapReader, PageSource, Whole};
use safefile::{SafeFile, Stamp};
use zeroize::Zeroizing;

use super::sort::Order;
use super::{Duplicates, Keys, Map, MapError, MapType, Record, Records, Value};
use crate::wait::Wait;
use cache::Cached;
use locked::{Lock, LockedFile};

pub(super) use build::build;

/// What is usual with the files of a type.
#[derive(Debug)]
pub(super) struct Joint {
    /// The type.
    pub(super) map_type: MapType,
    /// Its format.
    pub(super) format: Format,
    /// The order in which it is built.
    pub(super) order: Order,
    /// How a writer is kept out, or noticed, while the file is read.
    pub(super) guard: Guard,
}

/// How the programs that write a type in place let others read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guard {
    /// They hold flock(2) while they write: a reader takes a shared one.
    Flock,
    /// Nobody writes such a file after it got its name.
    Replaced,
    /// What was committed stays readable while the next transaction is written, so the number of the transaction is
    /// read before and after. Postfix keeps others out by fcntl(2) while it writes, and waits for who reads; Cyrus does
    /// not.
    Transactions,
}

/// Opens a file of this type.
pub(super) fn open(
    file: SafeFile,
    joint: &'static Joint,
    settings: &Settings,
) -> Result<Box<dyn Map>, MapError> {
    let file = Arc::new(LockedFile::new(file, joint.guard, settings.wait.clone()));
    let lock = file.lock_filled(&settings.patience_with_empty)?;
    let stamp = file.stamp()?;
    let is_whole = stamp.size() <= settings.whole;
    let reader = if is_whole {
        reader(Whole(whole(&file, stamp.size(), joint.guard)?), joint)
    } else {
        reader(Cached::new(Arc::clone(&file), stamp.size()), joint)
    };
    drop(lock);
    let reader = reader.map_err(|error| not_read(file.path(), error))?;
    let path = file.path().to_owned();
    Ok(Box::new(JointMap { path, stamp, reader, paged: Some(file).filter(|_| !is_whole) }))
}

/// A file that was empty when its type was guessed is what it says of itself now.
fn reader(source: impl PageSource + 'static, joint: &Joint) -> Result<Box<dyn MapReader>, MapFileError> {
    if joint.format.has_magic() {
        mapfile::open(source, Limits::default())
    } else {
        mapfile::open_as(joint.format, source, Limits::default())
    }
}

/// What tests make smaller.
pub(super) struct Settings {
    /// Up to so many octets are read at once.
    pub(super) whole: u64,
    /// How long to wait for a program that writes.
    pub(super) wait: Wait,
    /// How long an empty file may take to be filled: makemap makes it, locks it, and then writes.
    pub(super) patience_with_empty: Wait,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            whole: 64 << 20,
            wait: Wait::default(),
            patience_with_empty: Wait::up_to(Duration::from_millis(250)),
        }
    }
}

struct JointMap {
    path: PathBuf,
    stamp: Stamp,
    reader: Box<dyn MapReader>,
    /// The file, where it was not read whole.
    paged: Option<Arc<LockedFile>>,
}

impl JointMap {
    /// Keeps writers out while pages are read, and fails when one was here since the file was opened.
    fn lock(&self) -> Result<Option<Lock>, MapError> {
        let Some(file) = &self.paged else { return Ok(None) };
        let lock = file.lock()?;
        if file.stamp()? != self.stamp {
            return Err(MapError::Changed { path: self.path.clone() });
        }
        Ok(Some(lock))
    }

    fn not_read(&self, error: MapFileError) -> MapError {
        // What looks like damage in a file that is written without a lock may be the next transaction.
        let changed =
            self.paged.as_ref().is_some_and(|file| !file.stamp().is_ok_and(|now| now == self.stamp));
        if changed { MapError::Changed { path: self.path.clone() } } else { not_read(&self.path, error) }
    }
}

impl Map for JointMap {
    fn map_type(&self) -> MapType {
        super::type_of(self.reader.format())
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn stamp(&self) -> Stamp {
        self.stamp
    }

    fn duplicates(&self) -> Duplicates {
        match self.reader.duplicates() {
            mapfile::Duplicates::Refused => Duplicates::Refused,
            mapfile::Duplicates::InOrder | mapfile::Duplicates::Sorted => Duplicates::Allowed,
        }
    }

    fn keys(&self) -> Keys {
        Keys::Unknown
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, MapError> {
        let lock = self.lock()?;
        let value = self.reader.get_as_mail(key).map_err(|error| self.not_read(error))?.map(Zeroizing::new);
        if lock.is_some_and(|lock| !lock.keeps_writers_out()) {
            self.lock()?;
        }
        Ok(value)
    }

    fn records(&self) -> Records<'_> {
        match self.lock() {
            Ok(lock) => Box::new(self.reader.records().map(move |record| {
                // The lock is kept as long as the walk.
                if lock.as_ref().is_some_and(|lock| !lock.keeps_writers_out()) {
                    self.lock()?;
                }
                let record = record.map_err(|error| self.not_read(error))?;
                Ok(Record {
                    key: record.key,
                    value: Zeroizing::new(record.value),
                    occurrence: record.occurrence,
                })
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn verify(&self) -> Result<u64, MapError> {
        self.records().try_fold(0, |count, record| record.map(|_| count + 1))
    }
}

/// Reads the whole file: of one that is written meanwhile, all of one transaction.
fn whole(file: &LockedFile, octets: u64, guard: Guard) -> Result<Zeroizing<Vec<u8>>, MapError> {
    let transaction = |octets: &[u8]| mapfile::lmdb_transaction(&octets);
    for _ in 0..ATTEMPTS {
        let read = file.read_start(octets)?;
        if guard != Guard::Transactions {
            return Ok(read);
        }
        // The pages of a transaction are left alone until the one after the next.
        let after = file.read_start(octets.min(META_OCTETS))?;
        if transaction(&read).ok() == transaction(&after).ok() {
            return Ok(read);
        }
    }
    Err(MapError::Busy { path: file.path().to_owned() })
}

fn not_read(path: &Path, error: MapFileError) -> MapError {
    let path = path.to_owned();
    match error {
        MapFileError::Empty => MapError::BeingWritten { path },
        MapFileError::NotRead(format) => MapError::NotRead { path, found: format.name() },
        MapFileError::Source(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            MapError::Damaged { path, what: "the file ends too early".to_owned() }
        }
        MapFileError::Source(source) => MapError::Read { path, source },
        damaged => MapError::Damaged { path, what: damaged.to_string() },
    }
}

/// How often a file is read again that others change while it is read.
const ATTEMPTS: u32 = 10;

/// Enough for both meta pages of the largest page size.
const META_OCTETS: u64 = 128 << 10;
