//! Packets of `auth-conf` with rc4-56.
#![no_main]

fuzz::sasl_target!();
