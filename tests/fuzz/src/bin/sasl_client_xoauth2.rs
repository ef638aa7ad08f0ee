//! The client's side of XOAUTH2.
#![no_main]

fuzz::sasl_target!();
