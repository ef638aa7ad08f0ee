//! Why an exchange failed: a reason for the log, and how much of it the client may be told.

use credential::identity::NameError;
use credential::{DeriveError, Mechanism};

use crate::requirement::LeftOut;

/// Why an exchange failed, in words for the log. They hold nothing that the client sent but names.
///
/// The client is told the [`Class`] alone: whatever has to do with who it is falls into one. RFC 4422, section 3.6.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The mechanism is not offered here and now.
    #[error("{0} is not offered: {1}")]
    NotOffered(Mechanism, LeftOut),
    /// A message does not follow the mechanism's grammar.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// A message, or a part of one, is longer than anything honest.
    #[error("message is too long: {0}")]
    TooLong(&'static str),
    /// The client asks for an extension that must be understood, and is not (RFC 5802, `m=`).
    #[error("mandatory extension is not supported")]
    UnsupportedExtension,
    /// What the client says to be is no name.
    #[error("name is refused: {0}")]
    Name(#[from] NameError),
    /// Nobody has this name.
    #[error("no such user")]
    NoSuchUser,
    /// The user is disabled or expired, or may not log in from there.
    #[error("user may not log in now, or not from there")]
    NotUsable,
    /// The user's record has nothing for this mechanism.
    #[error("user has no verifier for the mechanism")]
    NoVerifier,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The client's nonce, or what it repeats of ours, is not what it must be.
    #[error("nonce does not fit the exchange")]
    Nonce,
    /// The exchange was made over another channel than this, or not bound to it: somebody may be in between.
    #[error("channel binding does not fit the connection")]
    Binding,
    /// The client can bind to the channel and was made to believe that the server cannot (RFC 5802, section 6).
    #[error("client saw no -PLUS mechanism, which was offered: somebody may be in between")]
    Downgrade,
    /// What the client chose of a negotiation was not offered.
    #[error("client chose what was not offered: {0}")]
    Choice(&'static str),
    /// The transport attests no identity, or another than the client says.
    #[error("transport does not attest the identity")]
    NotAttested,
    /// Our own trouble: there is not enough memory.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// Our own trouble: the store serves the mechanism no longer.
    #[error("the store keeps nothing for the mechanism")]
    NotServed,
}

/// What the client may be told. The replies are those of RFC 4954, sections 4 and 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The message makes no sense (SMTP: 501 5.5.2).
    Malformed,
    /// No such mechanism here and now (SMTP: 504 5.5.4).
    NotOffered,
    /// Whoever it was did not show to be who he says (SMTP: 535 5.7.8).
    Refused,
    /// Trouble of ours, perhaps gone in a while (SMTP: 454 4.7.0).
    Temporary,
}

impl Failure {
    /// What the client may be told.
    pub fn class(&self) -> Class {
        match self {
            Self::NotOffered(..) => Class::NotOffered,
            Self::Malformed(_) | Self::TooLong(_) | Self::UnsupportedExtension => Class::Malformed,
            Self::Derive(_) | Self::NotServed => Class::Temporary,
            Self::Name(_)
            | Self::NoSuchUser
            | Self::NotUsable
            | Self::NoVerifier
            | Self::WrongPassword
            | Self::Nonce
            | Self::Binding
            | Self::Downgrade
            | Self::Choice(_)
            | Self::NotAttested => Class::Refused,
        }
    }
}
