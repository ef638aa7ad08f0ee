//! The client's side of SCRAM-SHA-1.
#![no_main]

fuzz::sasl_target!();
