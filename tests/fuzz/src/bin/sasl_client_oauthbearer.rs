//! The client's side of OAUTHBEARER.
#![no_main]

fuzz::sasl_target!();
