//! Passwords as Dovecot writes them: `{SCHEME}data`, `{SCHEME.b64}data`, `{SCHEME.hex}data`.
//!
//! The lines of a passwd-file around them are the matter of `store`. Weak schemes that Dovecot itself has dropped are
//! refused by name.

use crate::verifier::{Argon2idError, ForeignError, Imported};

/// Why a password field is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DovecotError {
    /// Nothing stands in the field.
    #[error("the password field is empty")]
    Empty,
    /// A scheme that is not taken over.
    #[error("scheme is not supported: {0}")]
    Unsupported(String),
    /// The data is not what the scheme wants.
    #[error("malformed {scheme} data: {what}")]
    Malformed {
        /// The scheme, as Dovecot names it.
        scheme: String,
        /// What is wrong.
        what: String,
    },
    /// Argon2id of a form or cost that is refused.
    #[error(transparent)]
    Argon2id(#[from] Argon2idError),
    /// Another hash of a form or cost that is refused.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

/// Reads the password field of a passwd-file. Without `{SCHEME}` it is `default_scheme`, which Dovecot sets to `CRYPT`
/// unless told otherwise.
pub fn parse(field: &[u8], default_scheme: &str) -> Result<Imported, DovecotError> {
    todo!()
}
