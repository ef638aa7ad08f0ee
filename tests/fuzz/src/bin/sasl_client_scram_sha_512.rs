//! The client's side of SCRAM-SHA-512.
#![no_main]

fuzz::sasl_target!();
