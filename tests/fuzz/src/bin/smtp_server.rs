//! Octets as what a client of SMTP sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::smtp::server(octets));
