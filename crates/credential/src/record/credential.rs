//! One way to log in: a labelled password and what is kept of it.

use std::net::IpAddr;

use crate::record::{Label, Network, Timestamp};
use crate::verifier::Verifiers;

/// A credential of a user.
#[derive(Debug)]
pub struct Credential {
    /// What it is called.
    pub label: Label,
    /// What is kept of the password.
    pub verifiers: Verifiers,
    /// Whether it may be used.
    pub state: State,
    /// From when on it may not be used.
    pub expires: Option<Timestamp>,
    /// From where it may be used; empty: from anywhere.
    pub networks: Vec<Network>,
    /// Whether the verifiers were made from octets that were not prepared (by an import): a candidate is then
    /// compared as it was sent.
    pub raw: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// Whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Enabled,
    /// Not until it is enabled again.
    Suspended,
}

/// When a password is tried, and from where: what decides whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// The time.
    pub now: Timestamp,
    /// The client's address; `None` where nobody can say, or at a terminal of this host: then a credential's networks
    /// do not count.
    pub from: Option<IpAddr>,
}

impl Occasion {
    /// A time, at no place in particular.
    pub fn at(now: Timestamp) -> Self {
        Self { now, from: None }
    }
}

impl Credential {
    /// A credential that is good from anywhere and for ever.
    pub fn new(label: Label, verifiers: Verifiers, raw: bool, now: Timestamp) -> Self {
        Self {
            label,
            verifiers,
            state: State::Enabled,
            expires: None,
            networks: Vec::new(),
            raw,
            created: now,
            changed: now,
        }
    }

    /// Whether it may be used at a time: enabled, and not expired.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.state == State::Enabled && self.expires.is_none_or(|end| now < end)
    }

    /// Whether it may be used on an occasion: at that time, and from there.
    pub fn is_usable_on(&self, occasion: &Occasion) -> bool {
        let is_in = |address| self.networks.iter().any(|network| network.contains(address));
        self.is_usable(occasion.now) && (self.networks.is_empty() || occasion.from.is_none_or(is_in))
    }
}
