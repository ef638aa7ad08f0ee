//! The server's side of PLAIN.
#![no_main]

fuzz::sasl_target!();
