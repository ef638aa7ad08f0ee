//! TLS by rustls, set up once: certificates and keys come from safe files, connections are machines without sockets, and
//! of a finished handshake there are facts.
//!
//! Octets go in ([`Connection::feed`], [`Connection::write_plain`]) and octets come out ([`Connection::take_output`],
//! [`Connection::read_plain`]); whoever has the socket carries them, and knows no type of rustls. TLS 1.2 and 1.3, with
//! the ciphers that rustls holds for good: all of them have forward secrecy and authenticate what they encrypt. There is
//! no renegotiation, no early data, no ALPN and no resumption: a ticket would outlive the certificate, and the client's
//! certificate, with which the connection was made.
//!
//! [`client`] is the other end: it believes the CAs of a file, and of a server that it cannot verify it says why.
//!
//! What is in a mail, who may log in and what a name is good for, this crate does not know.

mod binding;
mod certificate;
mod cipher;
pub mod client;
mod client_certificate;
mod connection;
mod facts;
mod hello;
mod pem;
mod server;
mod setup_error;

pub use connection::{Connection, ConnectionError};
pub use facts::{ClientCertificate, ClientIdentity, Facts, Version};
pub use server::ServerSetup;
pub use setup_error::SetupError;
