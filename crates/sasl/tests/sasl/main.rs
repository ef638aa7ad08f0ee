//! Our client against our server, in memory: every mechanism, every way to fail, and whoever stands in between.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

mod decoys;
mod messages;
mod offers;
mod pairs;
mod tampering;
mod world;
