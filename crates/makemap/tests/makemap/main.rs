//! makemap as built, beside sendmail's: every row of the conformance table, and what ours does by itself.
#![allow(clippy::disallowed_methods, reason = "tests make and look at files of every kind, unsafe ones too")]

mod bench;
mod existing;
mod rows;
mod source;
