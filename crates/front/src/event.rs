//! What happens, for the log. How it is written is not decided here.

use config::{LogFormat, LogLevel};
use smtp::server::ClosedBy;
use wire::SessionId;

use crate::may_relay::Rule;

/// Whoever keeps the log. It is called between two steps of a session, so it does not wait.
pub trait Journal: Send + Sync {
    /// Something has happened.
    fn note(&self, event: &Event<'_>);
}

/// A session, as it is named in the log.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// Its number.
    pub session: SessionId,
    /// The name of the listener: sendmail's daemon=.
    pub listener: &'a str,
    /// The client: sendmail's relay=.
    pub client: &'a str,
}

/// Something that happened. None of it holds a secret, or anything derived from a password that was tried.
#[derive(Debug)]
pub enum Event<'a> {
    /// A client has connected.
    Connected(Peer<'a>),
    /// A client was sent away before it could say a word.
    TurnedAway {
        /// Which.
        peer: Peer<'a>,
        /// Why.
        why: TurnedAway,
    },
    /// A session has ended.
    Closed {
        /// Which.
        peer: Peer<'a>,
        /// How; none when the connection broke.
        by: Option<ClosedBy>,
    },
    /// TLS has begun: STARTTLS=server.
    TlsBegun {
        /// Whose.
        peer: Peer<'a>,
        /// What came of the handshake.
        facts: &'a tls::Facts,
    },
    /// TLS has failed.
    TlsFailed {
        /// Whose.
        peer: Peer<'a>,
        /// Why, in words.
        why: &'a str,
    },
    /// What the keeper offers, and what it leaves out and why.
    Offered {
        /// The names.
        mechanisms: &'a [String],
        /// Name and reason.
        left_out: &'a [(String, String)],
    },
    /// Somebody has logged in: AUTH=server. What fails is the keeper's to tell.
    LoggedIn {
        /// Where.
        peer: Peer<'a>,
        /// authid=.
        authentication: &'a str,
        /// For whom.
        authorization: &'a str,
        /// mech=.
        mechanism: &'a str,
        /// bits=, of the security layer.
        ssf: u32,
    },
    /// A client could not log in because the keeper does not answer.
    NoKeeper(Peer<'a>),
    /// A security layer holds what cannot be read.
    LayerFailed {
        /// Whose.
        peer: Peer<'a>,
        /// Why.
        why: sasl::layer::LayerError,
    },
    /// A client, sender or recipient was refused: ruleset=..., arg1=..., reject=...
    Refused {
        /// Where.
        peer: Peer<'a>,
        /// sendmail's word for the place: `check_relay`, `check_mail`, `check_rcpt`; of a header, `check_header`.
        ruleset: &'static str,
        /// What was refused.
        argument: &'a str,
        /// The reply.
        reply: &'a str,
        /// The rule.
        rule: Option<&'a Rule>,
        /// Who had logged in.
        authentication: Option<&'a str>,
    },
    /// A message was accepted: from=, size=, nrcpts=, proto=, daemon=, relay=.
    Accepted {
        /// Where.
        peer: Peer<'a>,
        /// Its name in the queue.
        id: &'a str,
        /// The sender.
        from: &'a str,
        /// Octets.
        size: u64,
        /// How many recipients.
        recipients: usize,
        /// With what protocol.
        protocol: &'a str,
        /// Who had logged in.
        authentication: Option<&'a str>,
    },
    /// A message was taken and thrown away, as the access map says.
    Discarded {
        /// Where.
        peer: Peer<'a>,
        /// The sender.
        from: &'a str,
    },
    /// A message could not be taken into the queue.
    NotQueued {
        /// Where.
        peer: Peer<'a>,
        /// What the system said.
        error: &'a std::io::Error,
    },
    /// A recipient was served, or not yet: to=, stat=.
    Delivery {
        /// The message.
        id: &'a str,
        /// The recipient.
        to: &'a str,
        /// What came of it.
        stat: Stat<'a>,
    },
    /// A report of a message that could not be delivered is on its way.
    Reported {
        /// The message.
        id: &'a str,
        /// The name of the report in the queue.
        report: &'a str,
        /// To whom it goes.
        to: &'a str,
    },
    /// A message that could not be delivered has nobody to whom it could be reported: it stays.
    Kept {
        /// The message.
        id: &'a str,
    },
    /// Something in the queue is not as the queue leaves it.
    QueueDamaged {
        /// The name of the file.
        file: &'a str,
        /// What is wrong.
        what: &'a str,
    },
    /// The queue was taken up again.
    QueueTakenUp {
        /// How many messages.
        messages: usize,
    },
    /// There is a connection to the keeper.
    KeeperConnected,
    /// It has ended.
    KeeperGone,
    /// No connection can be accepted for a moment.
    CannotAccept {
        /// Of which listener.
        listener: &'a str,
        /// What the system said.
        error: &'a std::io::Error,
    },
    /// A file that is needed cannot be used: authcheck's words.
    FileUnusable {
        /// What is wrong with it.
        words: &'a str,
    },
    /// Another configuration is in force.
    Configured {
        /// Its number.
        generation: wire::Generation,
        /// How much of this is to be written now.
        log_level: LogLevel,
        /// And in what form.
        log_format: LogFormat,
    },
    /// Another configuration was refused; the one before is in force.
    NotConfigured {
        /// Its number.
        generation: wire::Generation,
        /// What is wrong with it.
        words: &'a str,
    },
}

/// Why a client was sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// As many connections as the listener may have.
    ListenerIsFull,
    /// As many as one address may have.
    TooManyFromThere,
}

/// What came of a delivery: sendmail's stat=.
#[derive(Debug)]
pub enum Stat<'a> {
    /// It is in the mailbox.
    Sent,
    /// It waits: for another host, which is not served yet, or for trouble to end.
    Deferred(&'a str),
    /// It is not tried any more.
    GivenUp {
        /// RFC 3463.
        status: &'a str,
        /// Why.
        words: &'a str,
    },
}

impl<'a> Stat<'a> {
    /// Why somebody is not served, if he is not.
    pub(crate) fn trouble(&self) -> Option<&'a str> {
        match *self {
            Self::Sent => None,
            Self::Deferred(words) | Self::GivenUp { words, .. } => Some(words),
        }
    }
}
