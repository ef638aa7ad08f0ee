//! Packets of `auth-conf` with rc4.
#![no_main]

fuzz::sasl_target!();
