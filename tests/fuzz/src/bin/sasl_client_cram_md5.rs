//! The client's side of CRAM-MD5.
#![no_main]

fuzz::sasl_target!();
