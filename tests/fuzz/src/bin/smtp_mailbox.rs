//! Octets as the body of From.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::smtp::mailbox(octets));
