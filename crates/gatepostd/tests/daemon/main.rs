//! The real program, as whoever runs the tests: with the accounts of others where that is root.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and sees what fails"
)]

mod certificates;
mod configuration;
mod life;
mod mail;
mod place;
mod rereading;
mod walls;
mod watching;
