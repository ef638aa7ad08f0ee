//! The keeper over a real store: without I/O and on a clock that is turned by hand, and as a process's loop over sockets.
#![allow(clippy::disallowed_methods, reason = "tests move, damage and open up files on purpose")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

mod checks;
mod exchanges;
mod renewals;
mod running;
mod shelf;
mod whatever;
mod world;
