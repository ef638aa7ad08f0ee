//! The server's side of DIGEST-MD5.
#![no_main]

fuzz::sasl_target!();
