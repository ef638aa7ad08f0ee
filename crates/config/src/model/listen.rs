//! `[[listen]]`: where clients come in, as sendmail's DaemonPortOptions, and `[limits]`: what holds them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::words::{AuthOptions, BareLineEnds, MechanismName, Modifier, Modifiers};

/// One `[[listen]]`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `name`: in logs and rules; each has its own. By default `MTA`, `MSA` and `MSA-TLS` for 25, 587 and 465, else
    /// where it listens.
    pub name: String,
    /// `address` and `port`, or `socket`.
    pub endpoint: Endpoint,
    /// `modifiers`. Without the key: none on port 25, `a s` on 465, else `a`.
    pub modifiers: Modifiers,
    /// `mechanisms`: of `auth.mechanisms` only these; see [`Config::mechanisms`](crate::Config::mechanisms).
    pub mechanisms: Option<BTreeSet<MechanismName>>,
    /// `options`, in place of `auth.options`; see [`Config::auth_options`](crate::Config::auth_options).
    pub options: Option<AuthOptions>,
    /// `auth_equals`: whether EHLO says `AUTH=` too, for clients of Netscape's time.
    pub auth_equals: bool,
    /// `bare_line_ends`.
    pub bare_line_ends: BareLineEnds,
    /// Its own limits, those of `[limits]` where it names none.
    pub limits: Limits,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A port of TCP.
    Tcp {
        /// On which addresses.
        address: Address,
        /// Which port; 0: any that is free, for trials.
        port: u16,
    },
    /// A unix socket, which the daemon makes.
    Unix(PathBuf),
}

/// Addresses of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// `*`: every one, of IPv4 and of IPv6 where the host has it.
    Any,
    /// One. `0.0.0.0` is every one of IPv4 only, `::` of IPv6 only.
    Ip(IpAddr),
}

/// How much of everything, and how long. What else a session is held by is not the administrator's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max_message_size`, in octets: sendmail's MaxMessageSize, and what EHLO says of SIZE.
    pub max_message_size: u64,
    /// `max_recipients` of one message: sendmail's MaxRecipientsPerMessage. RFC 5321, section 4.5.3.1.8, asks for 100.
    pub max_recipients: u32,
    /// `max_connections` of one listener at the same time: sendmail's MaxDaemonChildren, for each.
    pub max_connections: u32,
    /// `command_timeout`: for the next line. RFC 5321, section 4.5.3.2.7, asks for 5 minutes; sendmail's Timeout.command
    /// is 1 hour.
    pub command_timeout: Duration,
    /// `datablock_timeout`: for the next octets of a message. The same section asks for 5 minutes; sendmail's
    /// Timeout.datablock is 1 hour.
    pub datablock_timeout: Duration,
    /// `message_timeout`: for a whole message, however it trickles.
    pub message_timeout: Duration,
    /// `starttls_timeout`: for a handshake; sendmail's Timeout.starttls is 1 hour.
    pub starttls_timeout: Duration,
    /// `session_timeout`: for all of a session.
    pub session_timeout: Duration,
}

impl Listener {
    /// What there is by default: port 587, AUTH required.
    pub(crate) fn submission(limits: Limits) -> Self {
        let endpoint = Endpoint::Tcp { address: Address::Any, port: Endpoint::SUBMISSION };
        Self {
            name: endpoint.usual_name(),
            modifiers: endpoint.usual_modifiers(),
            endpoint,
            mechanisms: None,
            options: None,
            auth_equals: false,
            bare_line_ends: BareLineEnds::Refuse,
            limits,
        }
    }

    /// Whether a letter is set.
    pub fn has(&self, modifier: Modifier) -> bool {
        self.modifiers.contains(modifier)
    }
}

impl Endpoint {
    pub(crate) const SMTP: u16 = 25;
    pub(crate) const SUBMISSION: u16 = 587;
    pub(crate) const SUBMISSIONS: u16 = 465;

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// The unix socket, where it is one.
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Tcp { .. } => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Whether both cannot be listened on at the same time.
    pub fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { address: one, port: a }, Self::Tcp { address: two, port: b }) => {
                a == b && *a != 0 && one.overlaps(*two)
            }
            (Self::Unix(one), Self::Unix(two)) => one == two,
            _ => false,
        }
    }

    pub(crate) fn usual_name(&self) -> String {
        match self.port() {
            Some(Self::SMTP) => "MTA".to_owned(),
            Some(Self::SUBMISSION) => "MSA".to_owned(),
            Some(Self::SUBMISSIONS) => "MSA-TLS".to_owned(),
            _ => self.to_string(),
        }
    }

    /// Wherever other servers do not deliver, who sends has to log in.
    pub(crate) fn usual_modifiers(&self) -> Modifiers {
        match self.port() {
            Some(Self::SMTP) => Modifiers::default(),
            Some(Self::SUBMISSIONS) => Modifiers::of([Modifier::RequireAuth, Modifier::ImplicitTls]),
            _ => Modifiers::of([Modifier::RequireAuth]),
        }
    }
}

impl Address {
    fn overlaps(self, other: Self) -> bool {
        let (Self::Ip(one), Self::Ip(two)) = (self, other) else { return true };
        one == two || (one.is_ipv4() == two.is_ipv4() && (one.is_unspecified() || two.is_unspecified()))
    }

    /// What to bind, the first that is possible: `*` is IPv6 with IPv4 in it where the host has IPv6.
    pub fn candidates(self) -> Vec<IpAddr> {
        match self {
            Self::Any => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            Self::Ip(address) => vec![address],
        }
    }
}

/// As the address and port are written beside each other: `*:587`, `[::1]:25`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address: Address::Any, port } => write!(f, "*:{port}"),
            Self::Tcp { address: Address::Ip(IpAddr::V6(address)), port } => write!(f, "[{address}]:{port}"),
            Self::Tcp { address: Address::Ip(address), port } => write!(f, "{address}:{port}"),
            Self::Unix(path) => f.write_str(&safefile::display_path(path)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: 50 << 20,
            max_recipients: 1000,
            max_connections: 4096,
            command_timeout: Duration::from_mins(5),
            datablock_timeout: Duration::from_mins(5),
            message_timeout: Duration::from_hours(1),
            starttls_timeout: Duration::from_mins(2),
            session_timeout: Duration::from_hours(24),
        }
    }
}
