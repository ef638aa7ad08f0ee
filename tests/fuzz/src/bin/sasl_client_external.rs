//! The client's side of EXTERNAL.
#![no_main]

fuzz::sasl_target!();
