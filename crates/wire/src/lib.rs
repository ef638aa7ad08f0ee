//! The only words between the processes of the daemon. The front, which parses what strangers send, can say what stands in
//! [`ToKeeper`] and [`ToOpener`], and nothing else: there is no word to ask for a verifier, a record or a path.
//!
//! Messages are postcard's form of the types below. On a stream each has its length in front ([`frame`]); on a socket of
//! packets each is a packet. Every length is bounded before anything is allocated by it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub mod frame;
mod inquiry;
mod octets;

pub use inquiry::{Finding, Held, Question, Security, SessionFacts, SessionLogin, Subject, Whom};
pub use octets::SecretOctets;

/// The longest message, in octets: a response of SASL, which RFC 4954 bounds by 12288 octets of base64, and its frame.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// Room for nearly every message.
const USUAL_MESSAGE: usize = 512;

/// An SMTP session, numbered by the front; never twice in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// One login that a session has begun, so that what is said of one that was given up is not taken for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExchangeId {
    /// Whose.
    pub session: SessionId,
    /// Which of the session's: counted by the front, never twice for one session.
    pub turn: u32,
}

/// Which `[[listen]]` block a session came by. The opener gives the number with the socket; a block keeps it as long as it
/// is listened at the same place, wherever it stands in the configuration, and no other ever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListenerId(pub u32);

/// Which version of the configuration a message speaks of: opener, keeper and front count alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation(pub u32);

/// From the front to the keeper.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToKeeper {
    /// Which mechanisms may be listed over such a channel? Answered by [`ToFront::Offered`].
    Offer {
        /// Repeated in the answer.
        request: u32,
        /// By which listener.
        listener: ListenerId,
        /// Over what.
        channel: Channel,
    },
    /// A client begins to log in. A session has one exchange at a time; a new one takes the place of the old.
    Begin {
        /// Which.
        exchange: ExchangeId,
        /// By which listener.
        listener: ListenerId,
        /// Over what.
        channel: Channel,
        /// Where the client is, if the transport says.
        client: Option<IpAddr>,
        /// The mechanism as the client wrote it; at most 20 octets count.
        mechanism: String,
        /// The initial response.
        initial: Option<SecretOctets>,
    },
    /// The client's answer to a challenge.
    Respond {
        /// Of which.
        exchange: ExchangeId,
        /// What it sent, without base64.
        octets: SecretOctets,
    },
    /// The client cancelled its exchange, or is gone.
    Cancel {
        /// Which.
        exchange: ExchangeId,
    },
}

/// From the keeper to the front.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToFront {
    /// What may be listed.
    Offered {
        /// Of [`ToKeeper::Offer`].
        request: u32,
        /// The names, the preferred first.
        mechanisms: Vec<String>,
        /// What was left out, and why, for the log.
        left_out: Vec<(String, String)>,
        /// Whether nothing is listed only because of trouble of ours.
        logins: Logins,
    },
    /// What was offered may no longer be true: ask again before the next EHLO is answered.
    OffersChanged,
    /// Send this challenge.
    Challenge {
        /// In which exchange.
        exchange: ExchangeId,
        /// What to send, without base64.
        octets: Vec<u8>,
    },
    /// The client is who it says, and may act for whom it wishes to.
    LoggedIn {
        /// By which exchange.
        exchange: ExchangeId,
        /// Who it is.
        login: Login,
    },
    /// It is not, or nobody can tell.
    Refused {
        /// In which exchange.
        exchange: ExchangeId,
        /// What it may be told.
        class: Class,
        /// How long the reply is held back, in milliseconds.
        hold_ms: u32,
    },
}

/// Whether anybody can log in where mechanisms are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logins {
    /// By what is listed, if anything is.
    Possible,
    /// The store cannot be used: what would be listed is not, and that is no reason to turn anybody away for good.
    NotNow,
}

/// The transport below a login, as the front sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its strength in bits; 0 without TLS.
    pub ssf: u32,
    /// What a client certificate that was verified says.
    pub identity: Option<String>,
    /// `tls-exporter` (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929).
    pub end_point: Option<Vec<u8>>,
}

/// Who has logged in, and how: sendmail's {auth_authen}, {auth_author}, {auth_type} and {auth_ssf}.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// The authentication identity, `user@realm`; `anonymous` for nobody in particular.
    pub authentication: String,
    /// The authorization identity: the same, or whom it acts for.
    pub authorization: String,
    /// The mechanism.
    pub mechanism: String,
    /// The strength of the security layer in bits; 0 without one.
    pub ssf: u32,
    /// The security layer, if there is one: keys and limits of this session.
    pub layer: Option<SecretOctets>,
    /// Whether somebody has logged in at all (ANONYMOUS has not).
    pub is_somebody: bool,
}

/// What a client may be told of a login that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// The message makes no sense.
    Malformed,
    /// No such mechanism here and now.
    NotOffered,
    /// Not who he says.
    Refused,
    /// Trouble of ours.
    Temporary,
    /// Too many failures from there: later.
    Later,
}

/// From keeper or front to the opener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToOpener {
    /// Open a file of the configuration again.
    Open {
        /// Repeated in the answer.
        request: u32,
        /// Its index among the files of the configuration.
        file: u16,
    },
    /// The asker is ready.
    Ready,
    /// The asker is alive, and knows this configuration. Said whenever it has taken one, and every ten seconds: who says
    /// nothing for a minute is killed, and started again.
    Alive(Generation),
    /// A map of this configuration holds secrets, and the front may read it: it goes on with the configuration before,
    /// if it has one. The number of the file, for whoever knows its name and what to do about it.
    HoldsSecrets {
        /// Of which configuration.
        generation: Generation,
        /// Its index among the files of that configuration.
        file: u16,
    },
    /// There is no connection to the other of keeper and front, and another one is wished for.
    Alone,
    /// What was asked.
    Found {
        /// Of [`FromOpener::Inquire`].
        request: u32,
        /// The answer, as much of it as fits.
        finding: Finding,
    },
}

/// From the opener to keeper or front. A file or socket comes with the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromOpener {
    /// Here it is: opened for reading, its whole path judged.
    Opened {
        /// Of [`ToOpener::Open`].
        request: u32,
    },
    /// It is not: why, in authcheck's words.
    Refused {
        /// Of [`ToOpener::Open`].
        request: u32,
        /// Whether there is no such file.
        is_missing: bool,
        /// What is wrong, where, and what mends it.
        words: String,
    },
    /// A listening socket of this listener. After each configuration come all of its sockets, those that were open already
    /// among them: another descriptor of the same socket. What does not come again is not listened on any more.
    Listener(ListenerId),
    /// The connection to the other of keeper and front.
    Peer,
    /// The configuration, as text that was read from a safe file and found without fault.
    Configuration {
        /// Its number.
        generation: Generation,
        /// The path it was read from, as it is shown.
        path: String,
        /// What it says.
        text: String,
        /// The number of each `[[listen]]` block, in their order.
        listeners: Vec<ListenerId>,
    },
    /// Somebody at the control socket wants to know, or to have done. Answered by [`ToOpener::Found`].
    Inquire {
        /// Repeated in the answer.
        request: u32,
        /// What.
        question: Question,
    },
    /// Finish what is under way, and end.
    ShutDown,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl From<&Channel> for sasl::Channel {
    fn from(channel: &Channel) -> Self {
        let mut known = Self::layered(channel.ssf);
        if let Some(identity) = &channel.identity {
            known = known.with_identity(identity.clone());
        }
        if let Some(data) = channel.exporter {
            known = known.with_binding(sasl::BindingKind::TlsExporter, data);
        }
        if let Some(data) = &channel.end_point {
            known = known.with_binding(sasl::BindingKind::TlsServerEndPoint, data.clone());
        }
        known
    }
}

/// Encodes a message in a buffer that is wiped.
pub fn to_octets<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, WireError> {
    // What is wiped is the whole buffer, whatever is in it: most messages do with a small one.
    for room in [USUAL_MESSAGE, MAX_MESSAGE] {
        let mut buffer = Zeroizing::new(vec![0; room]);
        if let Ok(length) = postcard::to_slice(message, &mut buffer).map(|used| used.len()) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
    Err(WireError::TooLong)
}

/// Decodes a message, which must fill its octets.
pub fn from_octets<'a, T: Deserialize<'a>>(octets: &'a [u8]) -> Result<T, WireError> {
    if octets.len() > MAX_MESSAGE {
        return Err(WireError::TooLong);
    }
    match postcard::take_from_bytes(octets) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(WireError::Malformed),
    }
}

/// Why a message was not sent or taken. Whoever gets one from another process of the daemon does not talk to it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Above [`MAX_MESSAGE`].
    #[error("message between processes is longer than {MAX_MESSAGE} octets")]
    TooLong,
    /// No such message.
    #[error("message between processes is malformed")]
    Malformed,
}
