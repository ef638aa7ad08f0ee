//! Why an exchange failed, as the client sees it.

use std::ops::RangeInclusive;

use credential::Mechanism;

use crate::requirement::LeftOut;

/// Why an exchange failed. Nothing in it was derived from the secret. RFC 4422, section 3.6.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A message of the server does not follow the mechanism's grammar.
    #[error("malformed message from the server: {0}")]
    Malformed(&'static str),
    /// A message of the server, or a part of one, is longer than anything honest.
    #[error("message from the server is too long: {0}")]
    TooLong(&'static str),
    /// The server asks for an extension that must be understood, and is not (RFC 5802, `m=`).
    #[error("server requires an extension that is not supported")]
    UnsupportedExtension,
    /// The server's nonce does not begin with ours, or adds nothing to it: an old exchange, played back.
    #[error("nonce of the server does not extend ours")]
    Nonce,
    /// So few iterations that a listener could guess the password, or so many that the server means to keep us busy.
    #[error("server asks for {found} iterations, which is not between {} and {}", sane.start(), sane.end())]
    Iterations {
        /// What it asks for.
        found: u64,
        /// What is taken.
        sane: RangeInclusive<u32>,
    },
    /// The server does not know the password, or another one: whoever it is, it is not the server of this user.
    #[error("server has not proven to know the user")]
    WrongServer,
    /// The server claims success without having proven to know the password: somebody may be in between.
    #[error("server claims success before it has proven to know the user")]
    TooEarly,
    /// The server did not agree to what the exchange has to have.
    #[error("server does not agree to what is required: {0}")]
    Unmet(&'static str),
    /// The settings do not allow the mechanism.
    #[error("{0} is ruled out: {1}")]
    RuledOut(Mechanism, LeftOut),
    /// Something that the mechanism has no way to say.
    #[error("the mechanism cannot carry {0}")]
    Unsayable(&'static str),
    /// The server refuses, and has said so within the exchange.
    #[error("server refuses: {0}")]
    RefusedByServer(String),
    /// The server refuses, in the protocol around the exchange.
    #[error("server refuses")]
    Refused,
}
