//! The server's side of SCRAM-SHA-1-PLUS.
#![no_main]

fuzz::sasl_target!();
