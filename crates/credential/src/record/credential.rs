//! One way to log in: a labelled password and what is kept of it.

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
}
