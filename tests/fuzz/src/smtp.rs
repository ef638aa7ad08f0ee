//! Both sides of SMTP, sent whole and octet by octet: nothing panics, and both go the same way.

mod client;
mod server;

pub use client::client;
pub use server::server;
