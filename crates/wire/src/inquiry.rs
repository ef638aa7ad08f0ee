//! What the control socket may ask of keeper and front, and what they answer. An answer is one message, so it has an end:
//! what does not fit is asked for with the next question, which says where this one ended.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::SessionId;

/// What is asked. The front knows of sessions, the keeper of failures; each says so where it is asked for the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Which sessions are there? Answered by [`Finding::Sessions`].
    Sessions {
        /// Those with greater numbers than this.
        after: SessionId,
    },
    /// Against whom do failures count? Answered by [`Finding::Throttled`].
    Throttled {
        /// Where the answer before ended; 0 for the first.
        from: u32,
        /// Also those who are not held back yet.
        all: bool,
    },
    /// Forget failures. Answered by [`Finding::Forgotten`].
    Forget(Whom),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// Sessions, in the order of their numbers.
    Sessions {
        /// What is known of each.
        sessions: Vec<SessionFacts>,
        /// After whom to ask for more; none where these were the last.
        next: Option<SessionId>,
    },
    /// Who failed.
    Throttled {
        /// In no order that means anything.
        held: Vec<Held>,
        /// From where to ask for more; none where these were the last.
        next: Option<u32>,
    },
    /// Failures are forgotten.
    Forgotten {
        /// Against how many names something was counted.
        names: u32,
        /// Who is held back still, and holds back whom this was about: the network around an address.
        still: Vec<Held>,
    },
    /// The question is the other process's, or the name in it is none: why.
    Nothing(String),
}

/// A session of SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// Its number, as the log has it.
    pub session: SessionId,
    /// When it began, in seconds since the epoch.
    pub since: u64,
    /// The name of its listener.
    pub listener: String,
    /// The client, as the log names it.
    pub client: String,
    /// TLS, where there is.
    pub tls: Option<Security>,
    /// Who has logged in.
    pub login: Option<SessionLogin>,
    /// What it is doing: a word.
    pub state: String,
    /// Messages that were accepted.
    pub messages: u32,
}

/// TLS of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// The cipher suite.
    pub cipher: String,
}

/// Who has logged in to a session, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLogin {
    /// The authentication identity.
    pub authentication: String,
    /// The authorization identity.
    pub authorization: String,
    /// The mechanism.
    pub mechanism: String,
    /// The strength of the security layer, in bits.
    pub ssf: u32,
}

/// Against whom failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// An IPv4 address, or the /64 of an IPv6 address.
    Address(IpAddr),
    /// A /24 of IPv4 or a /48 of IPv6.
    Network(IpAddr),
    /// An identity that somebody named, whether or not it exists.
    Identity(String),
}

/// What is counted against somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whom.
    pub subject: Subject,
    /// How many failures count now, in thousandths: they fade.
    pub failures: u64,
    /// How long an answer is held back now, in milliseconds; of an identity, for strangers to it.
    pub delay_ms: u32,
    /// Whether nobody from there may try at all.
    pub refused: bool,
    /// In how many seconds nobody is held back by this any more, if nothing is added.
    pub ends: u32,
}

/// Whose failures are to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whom {
    /// Of an IPv4 address or the /64 of an IPv6 address.
    Address(IpAddr),
    /// Of a /24 or /48, and of every address in it.
    Network(IpAddr),
    /// Of an identity, with or without its realm.
    Identity(String),
    /// Everybody's.
    Everybody,
}
