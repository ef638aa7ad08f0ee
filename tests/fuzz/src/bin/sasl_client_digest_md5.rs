//! The client's side of DIGEST-MD5.
#![no_main]

fuzz::sasl_target!();
