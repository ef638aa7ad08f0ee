//! Packets of `auth-conf` with rc4-40.
#![no_main]

fuzz::sasl_target!();
