//! The client's side of SCRAM-SHA-256-PLUS.
#![no_main]

fuzz::sasl_target!();
