//! Packets of `auth-conf` with 3des.
#![no_main]

fuzz::sasl_target!();
