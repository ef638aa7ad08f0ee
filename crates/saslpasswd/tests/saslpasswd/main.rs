//! saslpasswd and sasldblistusers as built, beside those of Cyrus SASL: every row of the conformance table, and what
//! ours do by themselves.
#![allow(clippy::disallowed_methods, reason = "tests make and look at files of every kind, unsafe ones too")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod bench;
mod conformance;
