//! The front over loopback, with a keeper that plays a part.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "tests look at files as anybody may")]

mod client;
mod layers;
mod mail;
mod openssl;
mod part;
mod policy;
mod queue;
mod running;
mod sessions;
mod world;
