//! How much a server may say, how long it may take, and what the client calls itself.

use std::fmt;
use std::time::Duration;

use crate::line::LineEnds;

/// What holds for every session with some server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The name in EHLO: a domain, or an address literal where there is none (RFC 5321 section 4.1.4).
    pub name: ClientName,
    /// How much of everything.
    pub limits: Limits,
    /// How long for everything.
    pub waits: Waits,
    /// What becomes of a CR or LF that stands alone in a reply. RFC 5321 section 2.3.8 allows CRLF only; Postfix and
    /// sendmail take a bare LF, too. Strict is the default: a server that repeats what others have said could
    /// otherwise be made to say replies of theirs.
    pub line_ends: LineEnds,
}

/// What a client calls itself; it can end no line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientName(String);

impl ClientName {
    /// A domain or an address literal; `None` for anything else.
    pub fn new(name: &str) -> Option<Self> {
        crate::command::host_name(name.as_bytes()).ok().map(Self)
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What bounds the octets of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of a reply line with CRLF. RFC 5321 section 4.5.3.1.5 has 512; lists of mechanisms are longer in the
    /// field, so it is Postfix's 2048.
    pub reply_line: usize,
    /// Octets of a challenge of AUTH with CRLF. RFC 4954 section 4: 12288.
    pub challenge_line: usize,
    /// Challenges of one exchange: no mechanism has more than four. Ours.
    pub challenges: usize,
    /// Lines of a reply. Ours.
    pub reply_lines: usize,
    /// Octets of a whole reply. Ours.
    pub reply_octets: usize,
    /// Commands that wait for the replies of those before them. Ours.
    pub queued: usize,
}

/// How long a server may take for its reply. RFC 5321 section 4.5.3.2 has the least that a client waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waits {
    /// For the greeting: 5 minutes.
    pub greeting: Duration,
    /// For MAIL, RCPT and, as nothing else is said, every command that is not named here: 5 minutes.
    pub command: Duration,
    /// For DATA: 2 minutes.
    pub data: Duration,
    /// How long no octet of a message may go out: 3 minutes.
    pub block: Duration,
    /// Behind the end of a message: 10 minutes, since a server that is waited for less long delivers twice.
    pub message: Duration,
    /// For a TLS handshake. Ours.
    pub handshake: Duration,
}

impl Settings {
    /// Everything but the name as RFC 5321 has it. `None` where the name is no name of a host.
    pub fn new(name: &str) -> Option<Self> {
        Some(Self {
            name: ClientName::new(name)?,
            limits: Limits::default(),
            waits: Waits::default(),
            line_ends: LineEnds::Strict,
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reply_line: 2048,
            challenge_line: 12288,
            challenges: 16,
            reply_lines: 100,
            reply_octets: 65536,
            queued: 1000,
        }
    }
}

impl Limits {
    /// How many octets of a server are ever held: a whole line has to fit.
    pub(super) fn buffer(&self) -> usize {
        self.reply_line.max(self.challenge_line)
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_mins(5),
            command: Duration::from_mins(5),
            data: Duration::from_mins(2),
            block: Duration::from_mins(3),
            message: Duration::from_mins(10),
            handshake: Duration::from_mins(2),
        }
    }
}

impl Waits {
    /// The same for everything: somebody sits there and waits.
    pub fn all(wait: Duration) -> Self {
        Self { greeting: wait, command: wait, data: wait, block: wait, message: wait, handshake: wait }
    }
}
