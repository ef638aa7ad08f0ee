//! What comes out of a client's session, and what it does not let in.

use std::fmt;

use zeroize::Zeroizing;

use crate::reply::{Code, Reply};

use super::{ClosedBy, Step};

/// What comes out of a session.
#[derive(Eq, PartialEq)]
pub enum Event {
    /// The reply to a command, in the order of the commands. Behind 220 to STARTTLS: send the output, do the handshake,
    /// call [`layered`](super::Session::layered). Behind 354 to DATA: [`message`](super::Session::message),
    /// [`end_message`](super::Session::end_message).
    Reply {
        /// To what.
        to: Step,
        /// In the server's words.
        reply: Reply,
    },
    /// AUTH goes on: [`respond`](super::Session::respond) or [`cancel`](super::Session::cancel).
    Challenge {
        /// 334, or what stood in its place.
        code: Code,
        /// Without base64.
        octets: Zeroizing<Vec<u8>>,
    },
    /// A challenge was no base64, one that no initial response answers, or one too many, and the exchange was given up with
    /// `*` (RFC 4954 section 4). The reply to AUTH comes.
    BadChallenge,
    /// The last event. Send the output, then close. Commands without a reply may have been carried out or not.
    Closed(ClosedBy),
}

/// Why something is not sent. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotSend {
    /// The session waits for a layer, a response to a challenge, a message, or a reply that decides what may be said; or it
    /// has ended.
    #[error("not at this point of the session")]
    NotNow,
    /// The server does not have an extension that this needs.
    #[error("the server does not offer {0}")]
    NotOffered(&'static str),
    /// An argument with octets that may not be there, or too many.
    #[error("an argument that cannot be sent")]
    BadArgument,
    /// So many commands wait already.
    #[error("too many commands wait")]
    Full,
}

impl fmt::Debug for Event {
    /// No octet of a challenge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { to, reply } => write!(f, "Reply({to}: {reply})"),
            Self::Challenge { code, octets } => write!(f, "Challenge({code}, {} octets)", octets.len()),
            Self::BadChallenge => f.write_str("BadChallenge"),
            Self::Closed(by) => write!(f, "Closed({by})"),
        }
    }
}
