//! One-way hashes that other servers made: checked, never made here, replaced at the next good login.
//!
//! Each is kept as the text that its own server would read (the scheme beside it), and has been parsed once before, so
//! that a check cannot fail for its form. Costs are bounded: a hostile file may not ask for minutes.

use std::fmt;

use zeroize::Zeroizing;

use crate::verifier::Strength;

mod crypt;
mod digest;

/// How a foreign hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$5$`.
    Sha256Crypt,
    /// `$6$`.
    Sha512Crypt,
    /// SHA-1(password, salt), salt; without salt Dovecot's `SHA`.
    SaltedSha1,
    /// SHA-256(password, salt), salt.
    SaltedSha256,
    /// SHA-512(password, salt), salt.
    SaltedSha512,
    /// Dovecot's `PBKDF2`: `$1$SALT$ROUNDS$HEX`, PBKDF2-HMAC-SHA1 of 20 octets, the salt as its text stands.
    Pbkdf2Sha1,
    /// Cyrus SASL 1's `PLAIN`: 16 octets of salt, MD5(salt, "sasldb", password).
    CyrusPlain,
}

/// Why a text is no hash of its scheme, or one that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Not in the form of the scheme.
    #[error("malformed {scheme} hash: {what}")]
    Malformed {
        /// The scheme.
        scheme: Scheme,
        /// What is wrong.
        what: &'static str,
    },
    /// A check would cost more than is allowed.
    #[error("{scheme} hash asks for too many rounds (at most {most}): {found}")]
    TooCostly {
        /// The scheme.
        scheme: Scheme,
        /// The limit.
        most: u32,
        /// What it asks for.
        found: u64,
    },
}

/// A foreign hash.
pub struct Foreign {
    scheme: Scheme,
    form: Form,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 8] = [
        Self::Bcrypt,
        Self::Sha256Crypt,
        Self::Sha512Crypt,
        Self::SaltedSha1,
        Self::SaltedSha256,
        Self::SaltedSha512,
        Self::Pbkdf2Sha1,
        Self::CyrusPlain,
    ];

    /// The name in stores, dumps and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::SaltedSha1 => "salted-sha1",
            Self::SaltedSha256 => "salted-sha256",
            Self::SaltedSha512 => "salted-sha512",
            Self::Pbkdf2Sha1 => "pbkdf2-sha1",
            Self::CyrusPlain => "cyrus-plain",
        }
    }

    /// The scheme of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// Whether a guess costs something.
    pub const fn strength(self) -> Strength {
        match self {
            Self::Bcrypt | Self::Sha256Crypt | Self::Sha512Crypt | Self::Pbkdf2Sha1 => Strength::Slow,
            Self::SaltedSha1 | Self::SaltedSha256 | Self::SaltedSha512 | Self::CyrusPlain => Strength::Fast,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Foreign {
    /// Reads a hash in the text form of its scheme: the crypt string, `$1$SALT$ROUNDS$HEX`, or base64 of digest and
    /// salt (of salt and digest for [`Scheme::CyrusPlain`]).
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, ForeignError> {
        todo!()
    }

    /// How it was made.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The text that [`Foreign::parse`] reads.
    pub fn text(&self) -> Zeroizing<String> {
        todo!()
    }

    pub(crate) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        todo!()
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        todo!()
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

enum Form {}
