//! A Cyrus sasldb, opened to be read: whole, since its writers take no lock and write in place.

use std::time::Duration;

use cli::{Exit, Report, printable};
use mapfile::{Limits, MapFileError, MapReader};
use safefile::SafeFile;
use zeroize::Zeroizing;

/// Reads the whole file. One that is being written can look damaged for a moment, so it is read again a few times.
pub(crate) fn read(file: &SafeFile) -> Result<Box<dyn MapReader>, Report> {
    let subject = printable::path(file.path());
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let octets = file.read_whole(LARGEST).map_err(|error| Report::new(Exit::IOERR, subject, error))?;
        match checked(octets) {
            Ok(map) => return Ok(map),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(PAUSE);
    }
    let error = last.map_or_else(String::new, |error| error.to_string());
    Err(Report::new(Exit::DATAERR, subject, error))
}

/// Opens the octets and walks over them once: what is found to be damaged later would be half an import.
fn checked(octets: Vec<u8>) -> Result<Box<dyn MapReader>, MapFileError> {
    let map = mapfile::open(octets, Limits::default())?;
    for record in map.records() {
        drop(Zeroizing::new(record?.value));
    }
    Ok(map)
}

/// Several million users.
const LARGEST: u64 = 1 << 30;
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);
