//! Passwords as Dovecot writes them: `{SCHEME}data`, `{SCHEME.b64}data`, `{SCHEME.hex}data`.
//!
//! The lines of a passwd-file around them are the matter of `store`. Schemes that Dovecot itself
//! calls weak are refused by name, and so are hashes without a salt and what we could not check (ARGON2I, yescrypt,
//! DES). What stands in braces and is no scheme of Dovecot may be the beginning of a password, and is never shown.

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::verifier::octets::{BASE64, from_base64, from_hex};
use crate::verifier::{
    Argon2id, Argon2idError, CramMd5, DigestMd5, Foreign, ForeignError, Imported, Scheme, Scram, ScramError,
    ScramHash, Verifier,
};

/// The longest password field that is read, in octets.
pub const MAX_FIELD: usize = 8192;

/// Why a password field is refused. No octet of the data is ever shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DovecotError {
    /// Nothing stands in the field.
    #[error("the password field is empty")]
    Empty,
    /// More than [`MAX_FIELD`] octets.
    #[error("the password field is longer than {MAX_FIELD} octets: {0}")]
    TooLong(usize),
    /// A scheme that is not taken over.
    #[error("scheme is not supported: {0}")]
    Unsupported(String),
    /// Something other than `b64`, `base64` or `hex` behind the dot.
    #[error("encoding is not b64, base64 or hex")]
    Encoding,
    /// The data is not what the scheme wants.
    #[error("malformed {scheme} data: {what}")]
    Malformed {
        /// The scheme, as Dovecot names it.
        scheme: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A SCRAM secret that is refused.
    #[error("malformed SCRAM data: {0}")]
    Scram(#[from] ScramError),
    /// Argon2id of a form or cost that is refused.
    #[error(transparent)]
    Argon2id(#[from] Argon2idError),
    /// Another hash of a form or cost that is refused.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

/// Reads the password field of a passwd-file. Without `{SCHEME}` it is of the default scheme, which Dovecot
/// takes for `CRYPT` unless told otherwise. The data of `DIGEST-MD5` fits one user and realm only.
pub fn parse(field: &[u8], default_scheme: &str) -> Result<Imported, DovecotError> {
    if field.is_empty() {
        return Err(DovecotError::Empty);
    }
    if field.len() > MAX_FIELD {
        return Err(DovecotError::TooLong(field.len()));
    }
    let (name, data) = split_scheme(field).unwrap_or((default_scheme, field));
    let (name, encoding) = match name.split_once('.') {
        Some((name, encoding)) => (name, Some(Encoding::parse(encoding)?)),
        None => (name, None),
    };
    let name = name.to_ascii_uppercase();
    read(&name, encoding, data)
}

/// Whether a field begins with `{SCHEME}`, of a scheme that Dovecot has, or as what crypt(3) makes.
pub fn is_named(field: &[u8]) -> bool {
    match split_scheme(field) {
        Some((name, _)) => match name.split_once('.') {
            Some((name, encoding)) => is_scheme(name) && Encoding::parse(encoding).is_ok(),
            None => is_scheme(name),
        },
        None => std::str::from_utf8(field).is_ok_and(|text| CRYPT.iter().any(|(id, _)| text.starts_with(id))),
    }
}

fn is_scheme(name: &str) -> bool {
    SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(name))
}

/// `{SCHEME}` in front, if there is one.
fn split_scheme(field: &[u8]) -> Option<(&str, &[u8])> {
    let rest = field.strip_prefix(b"{")?;
    let end = rest.iter().position(|&octet| octet == b'}')?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    Some((name, &rest[end + 1..]))
}

/// How data is written down.
#[derive(Clone, Copy)]
enum Encoding {
    Base64,
    Hex,
}

impl Encoding {
    fn parse(name: &str) -> Result<Self, DovecotError> {
        match name.to_ascii_lowercase().as_str() {
            "b64" | "base64" => Ok(Self::Base64),
            "hex" => Ok(Self::Hex),
            _ => Err(DovecotError::Encoding),
        }
    }

    fn decode(self, data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Base64 => from_base64(&BASE64, data, MAX_FIELD),
            Self::Hex => from_hex(data, MAX_FIELD),
        }
    }
}

fn read(name: &str, encoding: Option<Encoding>, data: &[u8]) -> Result<Imported, DovecotError> {
    let salted = |scheme, dovecot, digest| {
        let octets = decoded(dovecot, encoding, data, None)?;
        if octets.len() == digest {
            return Err(malformed(dovecot, "without a salt"));
        }
        foreign_of(Foreign::from_octets(scheme, &octets))
    };
    match name {
        "PLAIN" | "CLEAR" | "CLEARTEXT" => {
            Ok(Imported::Password(Secret::from(as_written("PLAIN", encoding, data)?)))
        }
        "CRYPT" => crypt(&text("CRYPT", encoding, data)?),
        "BLF-CRYPT" => foreign(Scheme::Bcrypt, "BLF-CRYPT", encoding, data),
        "SHA256-CRYPT" => foreign(Scheme::Sha256Crypt, "SHA256-CRYPT", encoding, data),
        "SHA512-CRYPT" => foreign(Scheme::Sha512Crypt, "SHA512-CRYPT", encoding, data),
        "PBKDF2" => foreign(Scheme::Pbkdf2Sha1, "PBKDF2", encoding, data),
        "SSHA" => salted(Scheme::SaltedSha1, "SSHA", 20),
        "SSHA256" => salted(Scheme::SaltedSha256, "SSHA256", 32),
        "SSHA512" => salted(Scheme::SaltedSha512, "SSHA512", 64),
        "ARGON2ID" | "ARGON2" => {
            let phc = text("ARGON2ID", encoding, data)?;
            Ok(Imported::Verifier(Verifier::Argon2id(Argon2id::parse(&phc)?)))
        }
        "SCRAM-SHA-1" => scram(ScramHash::Sha1, "SCRAM-SHA-1", encoding, data),
        "SCRAM-SHA-256" => scram(ScramHash::Sha256, "SCRAM-SHA-256", encoding, data),
        "CRAM-MD5" | "HMAC-MD5" => {
            let states = fixed("CRAM-MD5", encoding, data)?;
            Ok(Imported::Verifier(Verifier::CramMd5(CramMd5::from_dovecot(&states))))
        }
        "DIGEST-MD5" => {
            let hash = fixed("DIGEST-MD5", encoding, data)?;
            Ok(Imported::Verifier(Verifier::DigestMd5(DigestMd5::from_parts(*hash, None))))
        }
        other if is_scheme(other) => Err(DovecotError::Unsupported(other.to_owned())),
        _ => Err(DovecotError::Unsupported("(unknown)".to_owned())),
    }
}

/// What crypt(3) makes is known by its beginning.
fn crypt(text: &str) -> Result<Imported, DovecotError> {
    let scheme = match text.get(..3) {
        Some("$2a" | "$2b" | "$2y") => Scheme::Bcrypt,
        Some("$5$") => Scheme::Sha256Crypt,
        Some("$6$") => Scheme::Sha512Crypt,
        _ => return Err(DovecotError::Unsupported(format!("CRYPT {}", crypt_name(text)))),
    };
    foreign_of(Foreign::parse(scheme, text))
}

/// The name of a function of crypt(3) that is not taken over. A text that is none may be a password, and is
/// not shown.
fn crypt_name(text: &str) -> &'static str {
    CRYPT
        .into_iter()
        .find(|(prefix, _)| text.starts_with(prefix))
        .map_or("(DES or unknown)", |(_, name)| name)
}

fn foreign(
    scheme: Scheme,
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
) -> Result<Imported, DovecotError> {
    foreign_of(Foreign::parse(scheme, &text(name, encoding, data)?))
}

fn foreign_of(parsed: Result<Foreign, ForeignError>) -> Result<Imported, DovecotError> {
    Ok(Imported::Verifier(Verifier::Foreign(parsed?)))
}

/// `ITERATIONS,SALT,STOREDKEY,SERVERKEY`
fn scram(
    hash: ScramHash,
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
) -> Result<Imported, DovecotError> {
    let text = text(name, encoding, data)?;
    let fields: Vec<&str> = text.split(',').collect();
    let fields = <[&str; 4]>::try_from(fields)
        .map_err(|_| malformed(name, "not of the form ITERATIONS,SALT,STOREDKEY,SERVERKEY"))?;
    Ok(Imported::Verifier(Verifier::Scram(Scram::from_texts(hash, fields)?)))
}

/// The octets of a scheme whose data stands as it is unless an encoding is named.
fn as_written(
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DovecotError> {
    match encoding {
        None => Ok(Zeroizing::new(data.to_vec())),
        Some(encoding) => {
            encoding.decode(data).ok_or_else(|| malformed(name, "does not decode in the encoding it names"))
        }
    }
}

/// The same, as text.
fn text(
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
) -> Result<Zeroizing<String>, DovecotError> {
    let octets = as_written(name, encoding, data)?;
    let text = std::str::from_utf8(&octets).map_err(|_| malformed(name, "not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The octets of a scheme whose data is always encoded: as it says, else in hexadecimal digits if its length
/// is twice that of the digest, else in base64.
fn decoded(
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
    length: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>, DovecotError> {
    let hex = || Encoding::Hex.decode(data).filter(|_| length.is_some_and(|length| data.len() == 2 * length));
    let octets = match encoding {
        Some(encoding) => encoding.decode(data),
        None => hex().or_else(|| Encoding::Base64.decode(data)),
    };
    let octets = octets.ok_or_else(|| malformed(name, "neither hexadecimal digits nor base64"))?;
    match length {
        Some(length) if octets.len() != length => Err(malformed(name, "not as long as its digest")),
        _ => Ok(octets),
    }
}

fn fixed<const N: usize>(
    name: &'static str,
    encoding: Option<Encoding>,
    data: &[u8],
) -> Result<Zeroizing<[u8; N]>, DovecotError> {
    let octets = decoded(name, encoding, data, Some(N))?;
    let mut array = Zeroizing::new([0; N]);
    array.copy_from_slice(&octets);
    Ok(array)
}

fn malformed(scheme: &'static str, what: &'static str) -> DovecotError {
    DovecotError::Malformed { scheme, what }
}

/// What crypt(3) makes is known by its beginning: that, and what to call it.
const CRYPT: [(&str, &str); 14] = [
    ("$1$", "$1$ (MD5)"),
    ("$2a$", "$2a$ (bcrypt)"),
    ("$2b$", "$2b$ (bcrypt)"),
    ("$2x$", "$2x$ (faulty bcrypt)"),
    ("$2y$", "$2y$ (bcrypt)"),
    ("$3$", "$3$ (NT hash)"),
    ("$5$", "$5$ (SHA-256)"),
    ("$6$", "$6$ (SHA-512)"),
    ("$7$", "$7$ (scrypt)"),
    ("$apr1$", "$apr1$ (MD5)"),
    ("$gy$", "$gy$ (gost-yescrypt)"),
    ("$md5", "$md5 (Solaris)"),
    ("$sha1$", "$sha1$ (NetBSD)"),
    ("$y$", "$y$ (yescrypt)"),
];

/// Every scheme that `doveadm pw -l` of Dovecot 2.3 and its documentation name.
const SCHEMES: [&str; 36] = [
    "ARGON2",
    "ARGON2I",
    "ARGON2ID",
    "BLF-CRYPT",
    "CLEAR",
    "CLEARTEXT",
    "CRAM-MD5",
    "CRYPT",
    "DES-CRYPT",
    "DIGEST-MD5",
    "HMAC-MD5",
    "LANMAN",
    "LDAP-MD5",
    "MD5",
    "MD5-CRYPT",
    "NTLM",
    "OTP",
    "PBKDF2",
    "PLAIN",
    "PLAIN-MD4",
    "PLAIN-MD5",
    "PLAIN-TRUNC",
    "RPA",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA256-CRYPT",
    "SHA512",
    "SHA512-CRYPT",
    "SKEY",
    "SMD5",
    "SSHA",
    "SSHA256",
    "SSHA512",
];

#[cfg(test)]
mod tests;
