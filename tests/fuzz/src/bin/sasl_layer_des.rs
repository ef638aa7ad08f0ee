//! Packets of `auth-conf` with des.
#![no_main]

fuzz::sasl_target!();
