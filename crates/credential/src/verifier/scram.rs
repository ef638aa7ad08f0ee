//! SCRAM (RFC 5802, RFC 7677): StoredKey and ServerKey, with the salt and iterations they were made with.
//!
//! SaltedPassword and ClientKey, each enough to log in with, are wiped as soon as these two are made.

use std::fmt;

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::policy::{CostError, Iterations, Salt, SaltError};
use crate::verifier::VerifierKind;
use crate::verifier::octets::{BASE64, from_base64, from_decimal};

/// The hash functions that SCRAM is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramHash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
    /// As RFC 7677, with SHA-512.
    Sha512,
}

/// What a SCRAM server keeps.
pub struct Scram {
    hash: ScramHash,
    iterations: Iterations,
    salt: Salt,
    stored_key: Zeroizing<Vec<u8>>,
    server_key: Zeroizing<Vec<u8>>,
}

/// Why parts are no SCRAM verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The iteration count is not a number.
    #[error("iteration count is not a number")]
    NotANumber,
    /// The salt or a key is not base64, or far too long.
    #[error("{0} is not base64, or too long")]
    NotBase64(&'static str),
    /// An iteration count that is refused.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// A salt of no allowed length.
    #[error(transparent)]
    Salt(#[from] SaltError),
    /// A key is not as long as the hash.
    #[error("{name} has {expected} octets, not {found}", expected = .hash.octets())]
    KeyLength {
        /// Which key.
        name: &'static str,
        /// For which hash.
        hash: ScramHash,
        /// How long it is.
        found: usize,
    },
}

impl ScramHash {
    /// Every hash, strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512, Self::Sha256, Self::Sha1];

    /// How long its output is, in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The kind of verifier.
    pub const fn kind(self) -> VerifierKind {
        match self {
            Self::Sha1 => VerifierKind::ScramSha1,
            Self::Sha256 => VerifierKind::ScramSha256,
            Self::Sha512 => VerifierKind::ScramSha512,
        }
    }
}

impl Scram {
    /// Derives the two keys from a password.
    pub fn derive(hash: ScramHash, iterations: Iterations, salt: &Salt, password: &[u8]) -> Self {
        let (stored_key, server_key) = match hash {
            ScramHash::Sha1 => keys::<Sha1>(iterations, salt, password),
            ScramHash::Sha256 => keys::<Sha256>(iterations, salt, password),
            ScramHash::Sha512 => keys::<Sha512>(iterations, salt, password),
        };
        Self { hash, iterations, salt: salt.clone(), stored_key, server_key }
    }

    /// A verifier of its parts, as a store or another server keeps them.
    pub fn from_parts(
        hash: ScramHash,
        iterations: Iterations,
        salt: Salt,
        stored_key: &[u8],
        server_key: &[u8],
    ) -> Result<Self, ScramError> {
        for (name, key) in [("StoredKey", stored_key), ("ServerKey", server_key)] {
            if key.len() != hash.octets() {
                return Err(ScramError::KeyLength { name, hash, found: key.len() });
            }
        }
        let own = |key: &[u8]| Zeroizing::new(key.to_vec());
        Ok(Self { hash, iterations, salt, stored_key: own(stored_key), server_key: own(server_key) })
    }

    /// A verifier of the four texts that Cyrus SASL and Dovecot write, each with its own signs between.
    pub(crate) fn from_texts(
        hash: ScramHash,
        [count, salt, stored, server]: [&str; 4],
    ) -> Result<Self, ScramError> {
        let decode = |name, text: &str| {
            from_base64(&BASE64, text.as_bytes(), Salt::MAX).ok_or(ScramError::NotBase64(name))
        };
        let iterations = Iterations::new(from_decimal(count).ok_or(ScramError::NotANumber)?)?;
        let salt = Salt::new(&decode("salt", salt)?)?;
        Self::from_parts(hash, iterations, salt, &decode("StoredKey", stored)?, &decode("ServerKey", server)?)
    }

    /// The hash function.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// The iteration count.
    pub fn iterations(&self) -> Iterations {
        self.iterations
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// StoredKey: what a client's proof is checked with.
    pub fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    /// ServerKey: what the server proves itself with.
    pub fn server_key(&self) -> &[u8] {
        &self.server_key
    }

    pub(crate) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        Self::derive(self.hash, self.iterations, &self.salt, candidate).stored_key
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        self.stored_key.as_slice().ct_eq(answer).into()
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

type Key = Zeroizing<Vec<u8>>;

/// RFC 5802, section 3: StoredKey and ServerKey.
fn keys<H: EagerHash + Digest>(iterations: Iterations, salt: &Salt, password: &[u8]) -> (Key, Key) {
    let mut salted_password = Zeroizing::new(vec![0; <H as Digest>::output_size()]);
    pbkdf2::pbkdf2_hmac::<H>(password, salt.octets(), iterations.get(), &mut salted_password);
    let client_key = hmac::<H>(&salted_password, b"Client Key");
    let stored_key = Zeroizing::new(H::digest(&*client_key).to_vec());
    (stored_key, hmac::<H>(&salted_password, b"Server Key"))
}

#[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
fn hmac<H: EagerHash>(key: &[u8], text: &[u8]) -> Key {
    let mut hmac = <Hmac<H> as KeyInit>::new_from_slice(key).expect("a key of any length");
    hmac.update(text);
    Zeroizing::new(hmac.finalize().into_bytes().to_vec())
}
