//! What a fuzzer does with octets that claim to be a file, or what the other side of an exchange says: everything that a
//! program could do with them.
//!
//! Where seeds come from stands in `README.md`, how one is written in `targets.rs`.

use std::sync::OnceLock;

use mapfile::{Format, Limits};
use targets::Target;

pub mod smtp;
// Both are compiled into a test of `sasl`, too.
#[path = "targets.rs"]
mod targets;
#[allow(dead_code, reason = "more of it is used by the tests that it belongs to")]
#[path = "../../../crates/sasl/tests/sasl/world.rs"]
mod world;

/// What the SASL target of a name does; a program has one.
///
/// # Panics
/// Where somebody is let in or believed who must not be: that is what the fuzzer is to find.
pub fn sasl(name: &str, octets: &[u8]) {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| Target::named(name).expect("a target")).run(octets);
}

/// A program of `src/bin`, whose name says what it does.
#[macro_export]
macro_rules! sasl_target {
    () => {
        ::libfuzzer_sys::fuzz_target!(|octets: &[u8]| $crate::sasl(env!("CARGO_BIN_NAME"), octets));
    };
}

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
