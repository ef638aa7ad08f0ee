//! Whole-system tests: the programs together and beside their real peers.
//!
//! Here stands only what several suites need: a safe place for files, what is done when a peer is missing, and the
//! peers that take more than a command to run.
#![allow(clippy::disallowed_methods, reason = "tests make and look at unsafe files on purpose")]
#![allow(clippy::expect_used, reason = "what a test cannot do without ends it")]

pub mod house;
pub mod need;
pub mod peer;
pub mod program;
pub mod scratch;
pub mod terminal;
