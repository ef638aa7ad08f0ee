//! The client's side of LOGIN.
#![no_main]

fuzz::sasl_target!();
