//! SMTP as machines: octets, time and answers go in; octets, events and a deadline come out.
//!
//! [`server::Session`] is the server's side of one connection, [`client::Session`] the client's. What both sides share has a module each: lines, commands,
//! replies, addresses, xtext, extensions, the data of a message, the frame around SASL. Not here: sockets, clocks,
//! threads, randomness, TLS, what a SASL exchange says (its octets are opaque), and every decision about who may do
//! what: those are asked of the caller, one at a time.

mod auth;
mod data;
mod line;

pub mod address;
pub mod client;
pub mod command;
pub mod extension;
pub mod mailbox;
pub mod reply;
pub mod server;
pub mod xtext;

pub use line::{Bare, LineEnds};
pub use reply::{Code, EnhancedCode, Refusal, Reply};
pub use server::{Answer, Event, Limits, Session};
