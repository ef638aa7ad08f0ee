//! One-way hashes that other servers made: checked, never made here, replaced at the next good login.
//!
//! Each is kept as the text that its own server would read (the scheme beside it), and has been parsed once
//! before, so that a check cannot fail for its form. Costs are bounded: a hostile file may not ask for
//! minutes.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::verifier::Strength;
use crate::verifier::octets::{BASE64, to_base64};

use crypt::{Bcrypt, ShaCrypt};
use digest::{CyrusPlain, Pbkdf2, Salted};

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
        found: u32,
    },
}

/// A foreign hash.
pub struct Foreign {
    scheme: Scheme,
    text: Zeroizing<String>,
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

    fn malformed(self, what: &'static str) -> ForeignError {
        ForeignError::Malformed { scheme: self, what }
    }

    fn bounded(self, found: u32, most: u32) -> Result<u32, ForeignError> {
        if found > most {
            return Err(ForeignError::TooCostly { scheme: self, most, found });
        }
        Ok(found)
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
    /// The longest text, in octets: that of a salted SHA-512 with the longest salt.
    pub const MAX_TEXT: usize = 512;

    /// Reads a hash in the text form of its scheme: the crypt string, `$1$SALT$ROUNDS$HEX`, or base64 of
    /// digest and salt (of salt and digest for [`Scheme::CyrusPlain`]).
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, ForeignError> {
        if text.len() > Self::MAX_TEXT {
            return Err(scheme.malformed("too long"));
        }
        let form = match scheme {
            Scheme::Bcrypt => Form::Bcrypt(Bcrypt::parse(text)?),
            Scheme::Sha256Crypt | Scheme::Sha512Crypt => Form::ShaCrypt(ShaCrypt::parse(scheme, text)?),
            Scheme::SaltedSha1 | Scheme::SaltedSha256 | Scheme::SaltedSha512 => {
                Form::Salted(Salted::parse(scheme, text)?)
            }
            Scheme::Pbkdf2Sha1 => Form::Pbkdf2(Pbkdf2::parse(text)?),
            Scheme::CyrusPlain => Form::CyrusPlain(CyrusPlain::parse(text)?),
        };
        Ok(Self { scheme, text: Zeroizing::new(text.to_owned()), form })
    }

    /// The same of octets that another server's file holds in binary, or in another encoding.
    pub(crate) fn from_octets(scheme: Scheme, octets: &[u8]) -> Result<Self, ForeignError> {
        Self::parse(scheme, &to_base64(&BASE64, octets))
    }

    /// How it was made.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The text that [`Foreign::parse`] reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        match &self.form {
            Form::Bcrypt(bcrypt) => bcrypt.answer(candidate),
            Form::ShaCrypt(sha_crypt) => sha_crypt.answer(candidate),
            Form::Salted(salted) => salted.answer(candidate),
            Form::Pbkdf2(pbkdf2) => pbkdf2.answer(candidate),
            Form::CyrusPlain(cyrus) => cyrus.answer(candidate),
        }
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        let kept = match &self.form {
            Form::Bcrypt(bcrypt) => bcrypt.kept(),
            Form::ShaCrypt(sha_crypt) => sha_crypt.kept(),
            Form::Salted(salted) => salted.kept(),
            Form::Pbkdf2(pbkdf2) => pbkdf2.kept(),
            Form::CyrusPlain(cyrus) => cyrus.kept(),
        };
        kept.ct_eq(answer).into()
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A hash taken apart. Each form makes, of a candidate, what it keeps of the password.
enum Form {
    Bcrypt(Bcrypt),
    ShaCrypt(ShaCrypt),
    Salted(Salted),
    Pbkdf2(Pbkdf2),
    CyrusPlain(CyrusPlain),
}

#[cfg(test)]
mod tests;
