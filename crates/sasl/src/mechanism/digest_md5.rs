//! DIGEST-MD5 (RFC 2831), made historic by RFC 6331: nothing that protects a password by itself, but what old clients have.
//!
//! ```text
//! S: nonce="N",realm="R",qop="auth,auth-int",charset=utf-8,algorithm=md5-sess     digest-challenge
//! C: username="U",realm="R",nonce="N",cnonce="C",nc=00000001,qop=auth,
//!    digest-uri="smtp/host",response=HEX                                            digest-response
//! S: rspauth=HEX                                                                   response-auth
//! ```
//!
//! Both hash a secret that they share, MD5(user:realm:password), over what was said: the client in `response`, the server
//! in `rspauth`. The keys of a [security layer](crate::layer), where one was agreed on, come of the same hash.
//!
//! Whoever has logged in may do so again with a single message (section 2.2), for which both sides keep a ticket.
//!
//! The exchange with a user who does not exist is that with a decoy. One more difference than for other mechanisms: a user
//! whose password is not ASCII costs a second pair of short hashes, since clients disagree about the form of characters.

mod client;
mod hash;
mod message;
mod server;

pub use client::ClientTicket;
pub use server::Ticket;

pub(crate) use client::{connect, reconnect};
pub(crate) use server::serve;

#[cfg(test)]
mod tests;
