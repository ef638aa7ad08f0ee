//! The client's side of SCRAM-SHA-256.
#![no_main]

fuzz::sasl_target!();
