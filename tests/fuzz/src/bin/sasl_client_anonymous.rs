//! The client's side of ANONYMOUS.
#![no_main]

fuzz::sasl_target!();
