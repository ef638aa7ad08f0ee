//! How a session ends, and what a server can do wrong. Nothing here holds what the client has said.

use std::fmt;

use crate::line::{Bare, LineFault};
use crate::reply::{Code, Reply};

use super::Step;

/// How a session ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClosedBy {
    /// By QUIT.
    Quit,
    /// The server said 421: it closes, whatever it was asked (RFC 5321 section 3.8).
    Server(Reply),
    /// The connection ended.
    Peer {
        /// Before the reply to this came.
        awaited: Option<Step>,
    },
    /// The server took too long.
    Timeout {
        /// For the reply to this.
        awaited: Step,
    },
    /// The server broke the protocol. What it says from now on is not heard.
    Fault {
        /// Where the reply to this was awaited.
        awaited: Option<Step>,
        /// What it did.
        fault: Fault,
    },
}

/// What a server can do wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It does not speak SMTP.
    #[error("this is no reply of SMTP: {0:?}")]
    NotAReply(
        /// How it begins; printable ASCII.
        String,
    ),
    /// The lines of one reply have different codes.
    #[error("a reply that begins with {first} goes on with {then}")]
    MixedCodes {
        /// That of the first line.
        first: Code,
        /// The other one.
        then: Code,
    },
    /// A line is longer than allowed.
    #[error("a line that is too long")]
    LineTooLong,
    /// A reply is longer than allowed.
    #[error("a reply {code} that is too long")]
    ReplyTooLong {
        /// Its code.
        code: Code,
    },
    /// A CR or LF stands alone.
    #[error("{} (RFC 5321 section 2.3.8 allows CRLF only)", bare(*.0))]
    Bare(
        /// Which one.
        Bare,
    ),
    /// A reply without a command.
    #[error("a reply that nobody asked for: {0:?}")]
    Unasked(
        /// How it begins; printable ASCII.
        String,
    ),
    /// A code that this command never has.
    #[error("a reply that is none to the command: {0}")]
    Unexpected(
        /// The reply.
        Reply,
    ),
    /// Octets between the 220 of STARTTLS (or the 235 of AUTH) and what protects the others: somebody on the way wants them to be taken for what the
    /// server says under TLS (RFC 3207 section 6).
    #[error("octets behind the reply that begins the layer: somebody on the way may have put them there")]
    Injected,
}

impl From<LineFault> for Fault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::Bare(bare) => Self::Bare(bare),
            LineFault::TooLong => Self::LineTooLong,
        }
    }
}

impl fmt::Display for ClosedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = |awaited: &Option<Step>| match awaited {
            Some(step) => format!(", {step} not answered"),
            None => String::new(),
        };
        match self {
            Self::Quit => f.write_str("closed by QUIT"),
            Self::Server(reply) => write!(f, "the server closes: {reply}"),
            Self::Peer { awaited } => write!(f, "the server has hung up{}", before(awaited)),
            Self::Timeout { awaited } => write!(f, "the server took too long: {awaited} not answered"),
            Self::Fault { awaited: Some(step), fault } => write!(f, "answer to {step}: {fault}"),
            Self::Fault { awaited: None, fault } => fault.fmt(f),
        }
    }
}

fn bare(bare: Bare) -> &'static str {
    match bare {
        Bare::Cr => "a CR that stands alone",
        Bare::Lf => "a LF that stands alone",
    }
}
