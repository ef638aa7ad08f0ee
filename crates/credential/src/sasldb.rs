//! What one record of a Cyrus sasldb (version 1, version 2, or converted from 1 to 2) means.
//!
//! The database around it, and which property wins where a user has several, are the matter of `store`.

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::verifier::{
    CramMd5, DigestMd5, Foreign, ForeignError, Imported, Scheme, Scram, ScramError, ScramHash, Verifier,
};

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
        what: &'static str,
    },
    /// A SCRAM secret that is refused.
    #[error("malformed authPassword: {0}")]
    Scram(#[from] ScramError),
    /// A salted hash that is refused.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

/// Whether a record is the version mark of a version 1 file: empty user and realm, 4 octets `00 00 00 03`.
pub fn is_version_mark(user: &[u8], realm: &[u8], property: &[u8], value: &[u8]) -> bool {
    let is_marked = matches!(property, b"CRAM-MD5" | b"DIGEST-MD5");
    user.is_empty() && realm.is_empty() && is_marked && value == 3_u32.to_be_bytes()
}

/// Reads one property: `userPassword`, `authPassword`, `cmusaslsecret…` of version 2; `PLAIN`, `PLAIN-APOP`,
/// `CRAM-MD5`, `DIGEST-MD5` of version 1.
pub fn property(name: &[u8], value: &[u8]) -> Result<Imported, SasldbError> {
    match name {
        b"userPassword" => Ok(Imported::Password(Secret::copy_of(value))),
        b"authPassword" => auth_password(value),
        _ => mechanism_secret(name.strip_prefix(b"cmusaslsecret").unwrap_or(name), value)
            .unwrap_or_else(|| Err(SasldbError::Unsupported(shown(name)))),
    }
}

/// `SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER`
fn auth_password(value: &[u8]) -> Result<Imported, SasldbError> {
    const FORM: SasldbError = SasldbError::Malformed {
        property: "authPassword",
        what: "not of the form MECHANISM$ITERATIONS:SALT$STOREDKEY:SERVERKEY",
    };
    let text = std::str::from_utf8(value).map_err(|_| FORM)?;
    let (mechanism, rest) = text.split_once('$').ok_or(FORM)?;
    let Some(hash) = scram_hash(mechanism) else {
        return Err(SasldbError::Unsupported(format!("authPassword of {}", shown(mechanism.as_bytes()))));
    };
    let (made_with, keys) = rest.split_once('$').ok_or(FORM)?;
    let (count, salt) = made_with.split_once(':').ok_or(FORM)?;
    let (stored, server) = keys.split_once(':').ok_or(FORM)?;
    Ok(Imported::Verifier(Verifier::Scram(Scram::from_texts(hash, [count, salt, stored, server])?)))
}

fn scram_hash(mechanism: &str) -> Option<ScramHash> {
    ScramHash::ALL.into_iter().find(|hash| hash.kind().name().eq_ignore_ascii_case(mechanism))
}

/// The secrets of version 1, also where its converter has put them. `None`: of another mechanism.
fn mechanism_secret(mechanism: &[u8], value: &[u8]) -> Option<Result<Imported, SasldbError>> {
    Some(match mechanism {
        b"PLAIN" => salted_plain(value),
        b"PLAIN-APOP" => match value.split_at_checked(17) {
            Some((salt, password)) if salt[16] == 0 => Ok(Imported::Password(Secret::copy_of(password))),
            _ => Err(malformed("PLAIN-APOP", "not 16 octets of salt, NUL and password")),
        },
        b"CRAM-MD5" => match value.try_into() {
            Ok(states) => Ok(Imported::Verifier(Verifier::CramMd5(CramMd5::from_octets(states)))),
            Err(_) => Err(malformed("CRAM-MD5", "not 32 octets")),
        },
        b"DIGEST-MD5" => match <[u8; 16]>::try_from(value) {
            Ok(hash) => Ok(Imported::Verifier(Verifier::DigestMd5(DigestMd5::from_parts(hash, None)))),
            Err(_) => Err(malformed("DIGEST-MD5", "not 16 octets")),
        },
        _ => return None,
    })
}

fn salted_plain(value: &[u8]) -> Result<Imported, SasldbError> {
    match (value.get(..16), value.get(16), value.get(17..)) {
        (Some(salt), Some(0), Some(digest)) if digest.len() == 16 => {
            let octets = Zeroizing::new([salt, digest].concat());
            let foreign = Foreign::from_octets(Scheme::CyrusPlain, &octets)?;
            Ok(Imported::Verifier(Verifier::Foreign(foreign)))
        }
        _ => Err(malformed("PLAIN", "not 16 octets of salt, NUL and 16 octets of MD5")),
    }
}

fn malformed(property: &'static str, what: &'static str) -> SasldbError {
    SasldbError::Malformed { property, what }
}

/// A name from a file, safe and short enough to be printed.
fn shown(name: &[u8]) -> String {
    name.iter().take(64).flat_map(|octet| octet.escape_ascii()).map(char::from).collect()
}

#[cfg(test)]
mod tests;
