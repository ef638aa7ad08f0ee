//! What one record of a Cyrus sasldb (version 1, version 2, or converted from 1 to 2) means.
//!
//! The database around it, and which property wins where a user has several, are the matter of `store`.

use crate::verifier::Imported;

/// Why a property is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SasldbError {
    /// A property of a mechanism that we do not have, or of an application.
    #[error("property is not supported: {0}")]
    Unsupported(String),
    /// The value is not what the property wants.
    #[error("malformed {property}: {what}")]
    Malformed {
        /// The property.
        property: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// Whether a record is the version mark of a version 1 file: empty user and realm, 4 octets `00 00 00 03`.
pub fn is_version_mark(user: &[u8], realm: &[u8], property: &[u8], value: &[u8]) -> bool {
    todo!()
}

/// Reads one property: `userPassword`, `authPassword`, `cmusaslsecret…` of version 2; `PLAIN`, `PLAIN-APOP`,
/// `CRAM-MD5`, `DIGEST-MD5` of version 1.
pub fn property(name: &[u8], value: &[u8]) -> Result<Imported, SasldbError> {
    todo!()
}
