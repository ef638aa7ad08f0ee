//! makemap as built, beside sendmail's: every row of the conformance table, and what ours does by itself.
#![allow(clippy::disallowed_methods, reason = "tests make and look at files of every kind, unsafe ones too")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]

mod bench;
mod client_info;
mod convert;
mod every_type;
mod existing;
mod failure;
mod fixtures;
mod output;
mod query;
mod random;
mod reasons;
mod rows;
mod safety;
mod scale;
mod source;

mod usage;
