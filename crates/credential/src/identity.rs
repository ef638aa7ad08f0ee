//! Who somebody says to be: user and realm, prepared.
//!
//! A [`Username`] or [`Realm`] that exists has been through SASLprep (RFC 4013). Both may be empty: Cyrus
//! SASL stores such users (`alice@`, `@example.org`), and whoever imports them needs a name for them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::password::{SaslprepError, saslprep_name};

/// The longest user name or realm, in octets, before as after preparation.
pub const MAX_NAME: usize = 1024;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than [`MAX_NAME`] octets.
    #[error("name is longer than {MAX_NAME} octets: {octets}")]
    TooLong {
        /// How long it is, in octets.
        octets: usize,
    },
    /// Not UTF-8.
    #[error("name is not UTF-8 at octet {position}")]
    NotUtf8 {
        /// The first octet that does not fit, counted from 1.
        position: usize,
    },
    /// SASLprep refuses it.
    #[error("name is refused by SASLprep: {0}")]
    Refused(#[from] SaslprepError),
    /// Preparation made an `@` of another character (U+FF20, say): written as `user@realm` it would name somebody else.
    #[error("name holds an @ once it is prepared")]
    HoldsAt,
}

/// The name of a user, without realm. May be empty. What holds an `@` no command can name: see [`Username::of_userid`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Arc<str>);

impl Username {
    /// Prepares a name.
    pub fn prepare(text: &str) -> Result<Self, NameError> {
        prepare(text).map(|name| Self(name.into()))
    }

    /// Prepares a name that came as octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, NameError> {
        Self::prepare(utf8(octets)?)
    }

    /// Prepares what stands before the first `@` of a user id, in which no further one may appear.
    pub fn of_userid(octets: &[u8]) -> Result<Self, NameError> {
        let name = Self::from_octets(octets)?;
        if name.0.contains('@') { Err(NameError::HoldsAt) } else { Ok(name) }
    }

    /// The prepared name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A realm: where a user name means something, mostly a host or a domain. May be empty.
///
/// The spelling is kept, since DIGEST-MD5 hashes it; look-ups go by [`Realm::folded`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Realm(Arc<str>);

impl Realm {
    /// Prepares a realm.
    pub fn prepare(text: &str) -> Result<Self, NameError> {
        prepare(text).map(|name| Self(name.into()))
    }

    /// Prepares a realm that came as octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, NameError> {
        Self::prepare(utf8(octets)?)
    }

    /// The prepared realm as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is looked up: ASCII letters in lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// An authentication identity: whose password is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The user.
    pub user: Username,
    /// The realm, in the spelling that DIGEST-MD5 is hashed with.
    pub realm: Realm,
}

impl Identity {
    /// An identity of its two parts.
    pub fn new(user: Username, realm: Realm) -> Self {
        Self { user, realm }
    }

    /// Reads a user id as saslpasswd2 does: split at the first `@`; without one the realm is `default`.
    /// `alice@` has the empty realm, `@example.org` the empty user.
    pub fn parse(userid: &str, default: &Realm) -> Result<Self, NameError> {
        match userid.split_once('@') {
            Some((user, realm)) => {
                Ok(Self::new(Username::of_userid(user.as_bytes())?, Realm::prepare(realm)?))
            }
            None => Ok(Self::new(Username::of_userid(userid.as_bytes())?, default.clone())),
        }
    }

    /// Whether both name the same record: the same user, and realms that differ in ASCII case at most.
    pub fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && self.realm.as_str().eq_ignore_ascii_case(other.realm.as_str())
    }
}

/// An authorization identity: whom somebody wishes to act for (RFC 4422, section 3.4.1). Never empty: that means
/// oneself, and is told by not having one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthorizationId(String);

impl AuthorizationId {
    /// Prepares what a client asked for; `None` where nothing is left of it. What looks like `user@realm` is prepared as
    /// [`Identity::parse`] does it, each part on its own: together they may break the rules for writing directions.
    pub fn prepare(text: &str) -> Result<Option<Self>, NameError> {
        check_length(text.len())?;
        let (user, realm) = text.split_once('@').map_or((text, None), |(user, realm)| (user, Some(realm)));
        let user = Username::of_userid(user.as_bytes())?;
        let name = match realm {
            Some(realm) => format!("{user}@{}", Realm::prepare(realm)?),
            None => user.to_string(),
        };
        Ok((!name.is_empty()).then_some(Self(name)))
    }

    /// The prepared text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names the authentication identity itself, written with its realm or without.
    pub fn is_of(&self, identity: &Identity) -> bool {
        Identity::parse(&self.0, &identity.realm).is_ok_and(|named| named.is_same(identity))
    }
}

impl fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `user@realm`, as sasldblistusers2 prints it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.realm)
    }
}

fn prepare(text: &str) -> Result<Cow<'_, str>, NameError> {
    check_length(text.len())?;
    let name = saslprep_name(text)?;
    check_length(name.len())?;
    Ok(name)
}

fn check_length(octets: usize) -> Result<(), NameError> {
    if octets > MAX_NAME { Err(NameError::TooLong { octets }) } else { Ok(()) }
}

fn utf8(octets: &[u8]) -> Result<&str, NameError> {
    std::str::from_utf8(octets).map_err(|e| NameError::NotUtf8 { position: e.valid_up_to() + 1 })
}

#[cfg(test)]
mod tests;
