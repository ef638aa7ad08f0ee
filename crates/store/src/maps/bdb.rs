//! Berkeley DB hash and btree, as makemap and postmap write them: in place, under an exclusive lock. So they are read
//! under a shared one: those of up to 64 MiB into memory at once, larger ones page by page, with the lock taken for
//! each look-up or walk and the file watched for changes. The format itself is `mapfile`'s.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mapfile::{Format, Limits, MapFileError, MapReader, PageSource};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use safefile::{SafeFile, Stamp};
use zeroize::Zeroizing;

use super::{Duplicates, Keys, Map, MapError, MapType, Record, Records, Value};
use crate::wait::{PollError, Wait};

/// Opens a map of either type.
pub(super) fn open(file: SafeFile, settings: &Settings) -> Result<Box<dyn Map>, MapError> {
    let file = Arc::new(LockedFile {
        path: file.path().to_owned(),
        file: file.into_std(),
        wait: settings.wait.clone(),
        holders: Mutex::new(0),
    });
    let lock = file.lock_filled(&settings.patience_with_empty)?;
    let stamp = file.stamp()?;
    let (reader, paged) = if stamp.size() <= settings.whole {
        (mapfile::open(Whole(file.read_whole(stamp.size())?), Limits::default()), None)
    } else {
        let pages = Pages { file: Arc::clone(&file), octets: stamp.size() };
        (mapfile::open(pages, Limits::default()), Some(Arc::clone(&file)))
    };
    drop(lock);
    let reader = reader.map_err(|error| not_read(&file.path, error))?;
    Ok(Box::new(BdbMap { path: file.path.clone(), stamp, reader, paged }))
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

struct BdbMap {
    path: PathBuf,
    stamp: Stamp,
    reader: Box<dyn MapReader>,
    /// The file, where it was not read whole.
    paged: Option<Arc<LockedFile>>,
}

impl BdbMap {
    /// Keeps writers out while pages are read, and fails when one was here since the file was opened.
    fn lock(&self) -> Result<Option<Lock>, MapError> {
        let Some(file) = &self.paged else { return Ok(None) };
        let lock = file.lock()?;
        if file.stamp()? != self.stamp {
            return Err(MapError::Changed { path: self.path.clone() });
        }
        Ok(Some(lock))
    }
}

impl Map for BdbMap {
    fn map_type(&self) -> MapType {
        match self.reader.format() {
            Format::Hash => MapType::Hash,
            Format::Btree => MapType::Btree,
        }
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
        let _lock = self.lock()?;
        let value = self.reader.get_as_mail(key).map_err(|error| not_read(&self.path, error))?;
        Ok(value.map(Zeroizing::new))
    }

    fn records(&self) -> Records<'_> {
        match self.lock() {
            Ok(lock) => Box::new(self.reader.records().map(move |record| {
                // The lock is kept as long as the walk.
                let _ = &lock;
                let record = record.map_err(|error| not_read(&self.path, error))?;
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

/// The file of a map with its lock, which belongs to the descriptor: several threads hold it together.
struct LockedFile {
    path: PathBuf,
    file: File,
    wait: Wait,
    holders: Mutex<usize>,
}

/// While this lives no program that asks for the lock writes the file.
struct Lock {
    file: Arc<LockedFile>,
}

impl LockedFile {
    fn lock(self: &Arc<Self>) -> Result<Lock, MapError> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if *holders == 0 {
            let attempt = || match flock(&self.file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => Ok(Some(())),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(error) => Err(error),
            };
            self.wait.start(Duration::ZERO).poll(attempt).map_err(|error| match error {
                PollError::TimedOut(_) => MapError::Busy { path: self.path.clone() },
                PollError::Failed(error) => self.failed(error.into()),
            })?;
        }
        *holders += 1;
        Ok(Lock { file: Arc::clone(self) })
    }

    /// Locks the file when there is something in it.
    fn lock_filled(self: &Arc<Self>, patience: &Wait) -> Result<Lock, MapError> {
        let attempt = || {
            let lock = self.lock()?;
            Ok((self.stamp()?.size() > 0).then_some(lock))
        };
        patience.start(Duration::ZERO).poll(attempt).map_err(|error| match error {
            PollError::TimedOut(_) => MapError::BeingWritten { path: self.path.clone() },
            PollError::Failed(error) => error,
        })
    }

    fn stamp(&self) -> Result<Stamp, MapError> {
        Stamp::of_file(&self.file).map_err(|error| self.failed(error))
    }

    fn read_whole(&self, octets: u64) -> Result<Zeroizing<Vec<u8>>, MapError> {
        let mut whole = Zeroizing::new(vec![0; octets as usize]);
        self.file.read_exact_at(&mut whole, 0).map_err(|error| self.failed(error))?;
        Ok(whole)
    }

    fn failed(&self, source: io::Error) -> MapError {
        not_read(&self.path, source.into())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut holders = self.file.holders.lock().unwrap_or_else(PoisonError::into_inner);
        *holders -= 1;
        if *holders == 0 {
            // If it fails, the lock ends with the descriptor.
            let _ = flock(&self.file.file, FlockOperation::Unlock);
        }
    }
}

/// A file in memory.
struct Whole(Zeroizing<Vec<u8>>);

impl PageSource for Whole {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        mapfile::lend(&self.0, offset, octets)
    }
}

/// A file that is read page by page; the kernel keeps those that are asked for often.
struct Pages {
    file: Arc<LockedFile>,
    octets: u64,
}

impl PageSource for Pages {
    fn length(&self) -> u64 {
        self.octets
    }

    fn read_at(&self, offset: u64, octets: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut page = vec![0; octets];
        self.file.file.read_exact_at(&mut page, offset)?;
        Ok(Cow::Owned(page))
    }
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
