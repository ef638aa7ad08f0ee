//! Our server and a client of rustls or OpenSSL, in memory: what both ends know of a connection, whom a client may be, and
//! what a file must hold.
#![allow(clippy::disallowed_methods, reason = "tests make files of every kind")]
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

mod clients;
mod handshakes;
mod openssl;
mod setup;
mod to_servers;
mod world;
