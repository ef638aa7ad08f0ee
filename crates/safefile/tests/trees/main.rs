//! Real trees with real owners, modes, links, access lists and mounts; most of these tests need root.
#![allow(clippy::disallowed_methods, reason = "tests make and look at unsafe files on purpose")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot build its tree has failed")]

mod acl;
mod ground;
mod matrix;
mod mends;
mod mounts;
mod race;
mod replacing;
mod strangers;
mod unsafe_reading;
mod walking;
