//! authcheck as it is run: the built program on real trees of files, made as root below a safe directory.
#![allow(clippy::disallowed_methods, reason = "tests make and look at unsafe files on purpose")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by its panic")]

mod cases;
mod discover;
mod mend;
mod person;
mod store;
mod terminal;
mod tree;
