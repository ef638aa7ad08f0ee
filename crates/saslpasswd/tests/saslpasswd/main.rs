//! saslpasswd and sasldblistusers as built: every row of saslpasswd2's conformance table beside the real one, and what
//! ours do by themselves.
#![allow(clippy::disallowed_methods, reason = "tests make and look at files of every kind, unsafe ones too")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod conformance;
mod export;
mod foreign;
mod full;
mod hardships;
mod import;
mod moving;
mod place;
mod show;
mod state;
mod terminal;
mod verify;
mod waiting;
mod weak;
