//! What enemies do: damaged files before every program that reads one, and a front that strangers have taken over.
#![allow(clippy::disallowed_methods, reason = "files are copied and opened as an enemy would")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod damaged;
mod front;
mod intruder;
mod talk;
