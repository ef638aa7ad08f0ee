//! Octets as a btree file.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::map(mapfile::Format::Btree, octets));
