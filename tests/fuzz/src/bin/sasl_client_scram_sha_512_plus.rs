//! The client's side of SCRAM-SHA-512-PLUS.
#![no_main]

fuzz::sasl_target!();
