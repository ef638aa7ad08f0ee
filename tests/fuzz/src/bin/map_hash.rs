//! Octets as a hash file.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::map(mapfile::Format::Hash, octets));
