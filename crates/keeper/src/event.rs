//! What is worth a line in the log. Events are values with names in them, and no type of theirs can hold a secret; how they
//! are written is the matter of whoever gets them.

use std::net::IpAddr;

use config::{LogFormat, LogLevel};
use credential::{Identity, KindSet, Label};
use sasl::server::Failure;
use wire::{Generation, SessionId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// How a login ended: one for each that began.
    Auth(AuthResult),
    /// The store cannot be used, and nobody can log in: told once for each reason.
    StoreUnusable {
        /// What is wrong, in authcheck's words.
        words: String,
        /// What mends it, where a command does.
        remedy: Option<String>,
    },
    /// The store is well again.
    StoreUsable,
    /// Another file stands where the store was, and has been opened in its place.
    StoreReplaced,
    /// A look-up failed, though the store is there: somebody holds it, or one record is damaged.
    StoreTrouble {
        /// Why.
        words: String,
    },
    /// A record was brought to the policy.
    Renewed {
        /// Whose.
        identity: Identity,
        /// Which of his credentials.
        label: Label,
        /// What was made of his password.
        made: KindSet,
    },
    /// It was to be, and could not: it will be tried again with the next login.
    NotRenewed {
        /// Whose.
        identity: Identity,
        /// Why.
        words: String,
    },
    /// From where users have logged in could not be read or written: strangers and friends are told apart from now on only.
    PlacesUnusable {
        /// Why.
        words: String,
    },
    /// A configuration is in force.
    Configured {
        /// Which.
        generation: Generation,
        /// How much of this is to be written now.
        log_level: LogLevel,
        /// And in what form.
        log_format: LogFormat,
    },
    /// A configuration came that has faults; the one before stays.
    NotConfigured {
        /// Which.
        generation: Generation,
        /// Its faults.
        words: String,
    },
    /// The front is there.
    FrontJoined,
    /// The front is gone, and with it all that was under way.
    FrontLeft {
        /// Whether it said something that it cannot say: then it is not listened to any more.
        malformed: bool,
    },
}

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthResult {
    /// Which session.
    pub session: SessionId,
    /// Where the client is.
    pub client: Option<IpAddr>,
    /// The mechanism; as the client wrote it where there is none of this name, without what cannot be printed.
    pub mechanism: String,
    /// Who it says to be, as it was looked up; `None` where it did not come to that.
    pub identity: Option<Identity>,
    /// Whom it wished to act for, where it got so far, and did not mean itself.
    pub authorization: Option<String>,
    /// The strength of the security layer, in bits.
    pub ssf: u32,
    /// Where nobody has this name: one that is near and that somebody has. Not looked for where many fail at once.
    pub nearest: Option<Identity>,
    /// In one word.
    pub outcome: Outcome,
    /// Why it failed, where the exchange itself has.
    pub failure: Option<Failure>,
    /// What the client had proved when it gave up.
    pub proof: Proof,
}

/// What a client had proved when it gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing.
    None,
    /// That it has the secret: it gave up behind a proof that was right.
    Right,
}

/// How a login ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Somebody is in.
    Ok,
    /// Not who he says.
    Refused,
    /// Who he says, but may not act for whom he wishes to.
    NotPermitted,
    /// No sense in it.
    Malformed,
    /// No such mechanism here.
    NotOffered,
    /// Trouble of ours.
    Temporary,
    /// Too many failures.
    Later,
    /// The client gave up.
    Cancelled,
}

impl Outcome {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::NotPermitted => "not-permitted",
            Self::Malformed => "malformed",
            Self::NotOffered => "not-offered",
            Self::Temporary => "temporary",
            Self::Later => "later",
            Self::Cancelled => "cancelled",
        }
    }
}
