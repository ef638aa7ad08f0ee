//! Packets of `auth-int`.
#![no_main]

fuzz::sasl_target!();
