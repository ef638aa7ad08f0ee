//! A Cyrus sasldb, opened to be read: whole, since its writers write in place, and those of Berkeley DB take no lock.

use std::fs::TryLockError;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use cli::{Exit, Report, printable};
use mapfile::{DETECT_OCTETS, Detected, InPlace, Limits, MapFileError, MapReader, Whole};
use safefile::SafeFile;
use zeroize::Zeroizing;

/// Reads the whole file. One that is being written can look damaged for a moment, so it is read again a few times; who
/// locks it is waited for up to `patience`.
pub(crate) fn read(file: &SafeFile, patience: Duration) -> Result<Box<dyn MapReader>, Report> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match checked(copied(file, patience)?) {
            Ok(map) => return Ok(map),
            Err(error) => last = Some(error),
        }
        thread::sleep(PAUSE);
    }
    let error = last.map_or_else(String::new, |error| error.to_string());
    Err(Report::new(Exit::DATAERR, printable::path(file.path()), error))
}

fn copied(file: &SafeFile, patience: Duration) -> Result<Copy, Report> {
    let mut start = [0; DETECT_OCTETS];
    let count = file.read_at(&mut start, 0).map_err(|error| failed(file, error))?;
    let octets = match mapfile::detect(&start[..count]) {
        Some(Detected::Gdbm) => copied_under_lock(file, patience),
        Some(Detected::Lmdb) => copied_between_transactions(file, patience),
        _ => file.read_whole(LARGEST).map_err(|error| failed(file, error)),
    };
    octets.map(|octets| Whole(Zeroizing::new(octets)))
}

/// libgdbm locks a file for as long as it has it open to write, and does not wait for anybody's lock: who logs in or
/// changes a password while we have ours fails. So it is held for the copying and no longer.
fn copied_under_lock(file: &SafeFile, patience: Duration) -> Result<Vec<u8>, Report> {
    let end = Instant::now() + patience;
    loop {
        match file.as_file().try_lock_shared() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(busy(file)),
            Err(TryLockError::Error(error)) => return Err(failed(file, error)),
        }
    }
    let octets = file.read_whole(LARGEST);
    // If it fails, the lock ends with the descriptor.
    let _ = file.as_file().unlock();
    octets.map_err(|error| failed(file, error))
}

/// LMDB writes what it changes beside what the last transaction shows, and without a lock that we could take. So a copy
/// is whole when no transaction ended while it was made.
fn copied_between_transactions(file: &SafeFile, patience: Duration) -> Result<Vec<u8>, Report> {
    let end = Instant::now() + patience;
    let read = |page: &mut [u8], offset| file.read_at(page, offset);
    let transaction = || mapfile::lmdb_transaction(&InPlace { octets: file.len(), read }).ok();
    loop {
        let before = transaction();
        let octets = file.read_whole(LARGEST);
        // Of a damaged file there is no number; its reader says what is wrong with it.
        let is_whole = transaction() == before;
        match octets {
            Ok(octets) if is_whole => return Ok(octets),
            Ok(_) if Instant::now() >= end => return Err(busy(file)),
            Err(error) if Instant::now() >= end => return Err(failed(file, error)),
            _ => thread::sleep(PAUSE),
        }
    }
}

fn busy(file: &SafeFile) -> Report {
    let path = printable::path(file.path());
    Report::new(Exit::TEMPFAIL, path, "another program is writing to this database; try again")
}

fn failed(file: &SafeFile, error: io::Error) -> Report {
    Report::new(Exit::IOERR, printable::path(file.path()), error)
}

/// Opens the octets and walks over them once: what is found to be damaged later would be half an import.
fn checked(octets: Copy) -> Result<Box<dyn MapReader>, MapFileError> {
    let map = mapfile::open(octets, Limits::default())?;
    for record in map.records() {
        drop(Zeroizing::new(record?.value));
    }
    Ok(map)
}

/// A file in memory, full of passwords.
type Copy = Whole<Zeroizing<Vec<u8>>>;

/// Several million users.
const LARGEST: u64 = 1 << 30;
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);
