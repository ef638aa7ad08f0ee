//! Octets as a lmdb file.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::map(mapfile::Format::Lmdb, octets));
