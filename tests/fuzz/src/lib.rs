//! What a fuzzer does with octets that claim to be a file: everything that a program could do with it.

pub mod smtp;

use mapfile::{Format, Limits};

/// Reads all records of a map, and looks up those keys and some that are not there. Values never take more than the file.
///
/// # Panics
/// Where a reader gives more than the file has: that is what the fuzzer is to find.
pub fn map(format: Format, octets: &[u8]) {
    let Ok(map) = mapfile::open_as(format, octets, Limits::default()) else { return };
    let mut given = 0;
    let mut keys = vec![b"".to_vec(), b"no such key".to_vec()];
    for record in map.records() {
        let Ok(record) = record else { break };
        given += record.value.len();
        if keys.len() < KEYS {
            keys.push(record.key.to_vec());
        }
    }
    assert!(given <= octets.len(), "{given} octets of values out of {}", octets.len());
    for key in &keys {
        let _ = map.get_as_mail(key);
    }
}

/// So many keys are looked up.
const KEYS: usize = 64;
