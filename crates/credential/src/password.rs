//! A password after preparation: SASLprep (RFC 4013), or, on import only, the octets themselves.
//!
//! The rules are those of RFC 4013 for stored strings; a refusal names the character and where it stands.

use crate::secret::Secret;

mod saslprep;

use saslprep::saslprep;
pub(crate) use saslprep::saslprep_name;
pub use saslprep::{Prohibited, SaslprepError};

/// The longest password that is taken, in octets, before as after preparation.
pub const MAX_PASSWORD: usize = 4096;

/// Why octets are no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was given, or nothing is left of it after preparation.
    #[error("the password is empty")]
    Empty,
    /// More than [`MAX_PASSWORD`] octets.
    #[error("the password is longer than {MAX_PASSWORD} octets: {octets}")]
    TooLong {
        /// How long it is, in octets.
        octets: usize,
    },
    /// Not UTF-8; RFC 4013 knows only characters.
    #[error("the password is not UTF-8 at octet {position}")]
    NotUtf8 {
        /// The first octet that does not fit, counted from 1.
        position: usize,
    },
    /// A NUL, which no mechanism can carry (RFC 4616).
    #[error("the password holds a NUL at octet {position}")]
    Nul {
        /// Where it stands, in octets counted from 1.
        position: usize,
    },
    /// SASLprep refuses it.
    #[error("the password is refused by SASLprep: {0}")]
    Refused(#[from] SaslprepError),
}

/// A password that verifiers may be made from.
#[derive(Debug)]
pub struct Password {
    octets: Secret,
    raw: bool,
}

impl Password {
    /// Prepares what a person or a client gave.
    pub fn prepare(secret: &Secret) -> Result<Self, PasswordError> {
        check_bounds(secret)?;
        let text = std::str::from_utf8(secret.expose())
            .map_err(|e| PasswordError::NotUtf8 { position: e.valid_up_to() + 1 })?;
        let octets = Secret::from(saslprep(text)?);
        check_bounds(&octets)?;
        Ok(Self { octets, raw: false })
    }

    /// Takes a password that another server already accepts: prepared where SASLprep agrees, else as its
    /// octets stand, [raw](Self::is_raw). Empty, over-long and NUL are refused here too.
    pub fn import(secret: &Secret) -> Result<Self, PasswordError> {
        match Self::prepare(secret) {
            Err(PasswordError::Refused(_) | PasswordError::NotUtf8 { .. }) => {
                Ok(Self { octets: Secret::copy_of(secret.expose()), raw: true })
            }
            other => other,
        }
    }

    /// The octets that verifiers are made from.
    pub fn octets(&self) -> &[u8] {
        self.octets.expose()
    }

    /// Whether these are octets that SASLprep refused.
    pub fn is_raw(&self) -> bool {
        self.raw
    }
}

fn check_bounds(secret: &Secret) -> Result<(), PasswordError> {
    if secret.is_empty() {
        return Err(PasswordError::Empty);
    }
    if secret.len() > MAX_PASSWORD {
        return Err(PasswordError::TooLong { octets: secret.len() });
    }
    match secret.expose().iter().position(|&octet| octet == 0) {
        Some(index) => Err(PasswordError::Nul { position: index + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
