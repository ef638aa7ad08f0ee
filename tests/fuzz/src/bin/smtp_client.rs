//! Octets as what a server of SMTP sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::smtp::client(octets));
