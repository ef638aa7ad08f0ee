//! SCRAM (RFC 5802, RFC 7677): StoredKey and ServerKey, with the salt and iterations they were made with.
//!
//! SaltedPassword and ClientKey, each enough to log in with, are wiped as soon as these two are made.

use std::fmt;

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

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
    stored_key: ScramKey,
    server_key: ScramKey,
}

/// What a client makes of a password for SCRAM. ClientKey is enough to log in with.
#[derive(Debug)]
pub struct ClientKeys {
    /// HMAC(SaltedPassword, "Client Key").
    pub client_key: ScramKey,
    /// H(ClientKey).
    pub stored_key: ScramKey,
    /// HMAC(SaltedPassword, "Server Key").
    pub server_key: ScramKey,
}

/// A key or signature of SCRAM: as many octets as the hash has, wiped when dropped.
#[derive(Clone)]
pub struct ScramKey {
    octets: [u8; 64],
    length: usize,
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

    /// RFC 5802, section 3: all the keys that a client makes of a prepared password, at the cost of `iterations`.
    pub fn client_keys(self, iterations: u32, salt: &[u8], password: &[u8]) -> ClientKeys {
        match self {
            Self::Sha1 => keys::<Sha1>(iterations, salt, password),
            Self::Sha256 => keys::<Sha256>(iterations, salt, password),
            Self::Sha512 => keys::<Sha512>(iterations, salt, password),
        }
    }

    /// HMAC with this hash (RFC 5802, section 2.2): how both sides sign an exchange.
    pub fn hmac(self, key: &ScramKey, text: &[u8]) -> ScramKey {
        match self {
            Self::Sha1 => hmac::<Sha1>(key.octets(), text),
            Self::Sha256 => hmac::<Sha256>(key.octets(), text),
            Self::Sha512 => hmac::<Sha512>(key.octets(), text),
        }
    }

    /// H of RFC 5802, section 2.2: what makes StoredKey of ClientKey.
    pub fn digest(self, key: &ScramKey) -> ScramKey {
        match self {
            Self::Sha1 => ScramKey::new(&Sha1::digest(key.octets())),
            Self::Sha256 => ScramKey::new(&Sha256::digest(key.octets())),
            Self::Sha512 => ScramKey::new(&Sha512::digest(key.octets())),
        }
    }
}

impl ScramKey {
    /// A key of its octets, which are at most 64.
    fn new(octets: &[u8]) -> Self {
        let mut key = Self::zero(octets.len());
        key.octets_mut().copy_from_slice(octets);
        key
    }

    fn zero(length: usize) -> Self {
        Self { octets: [0; 64], length }
    }

    /// A key that came as octets; `None` where they are not as many as the hash has.
    pub fn from_octets(hash: ScramHash, octets: &[u8]) -> Option<Self> {
        (octets.len() == hash.octets()).then(|| Self::new(octets))
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.length]
    }

    /// RFC 5802, section 3: ClientProof of ClientKey and ClientSignature, and ClientKey of ClientProof.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut key = self.clone();
        key.octets_mut().iter_mut().zip(other.octets()).for_each(|(octet, other)| *octet ^= other);
        key
    }
}

/// Behind the octets there is nothing to wipe.
impl Drop for ScramKey {
    fn drop(&mut self) {
        self.octets_mut().zeroize();
    }
}

impl ZeroizeOnDrop for ScramKey {}

/// In a time that depends on the lengths alone.
impl ConstantTimeEq for ScramKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.octets().ct_eq(other.octets())
    }
}

impl fmt::Debug for ScramKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKey(…)")
    }
}

impl Scram {
    /// Derives the two keys from a password.
    pub fn derive(hash: ScramHash, iterations: Iterations, salt: &Salt, password: &[u8]) -> Self {
        let keys = hash.client_keys(iterations.get(), salt.octets(), password);
        Self {
            hash,
            iterations,
            salt: salt.clone(),
            stored_key: keys.stored_key,
            server_key: keys.server_key,
        }
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
        let (stored_key, server_key) = (ScramKey::new(stored_key), ScramKey::new(server_key));
        Ok(Self { hash, iterations, salt, stored_key, server_key })
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
    pub fn stored_key(&self) -> &ScramKey {
        &self.stored_key
    }

    /// ServerKey: what the server proves itself with.
    pub fn server_key(&self) -> &ScramKey {
        &self.server_key
    }

    pub(crate) fn answer(&self, candidate: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(
            Self::derive(self.hash, self.iterations, &self.salt, candidate).stored_key.octets().to_vec(),
        )
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        self.stored_key.octets().ct_eq(answer).into()
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

/// RFC 5802, section 3: ClientKey, StoredKey and ServerKey.
fn keys<H: EagerHash + Digest>(iterations: u32, salt: &[u8], password: &[u8]) -> ClientKeys {
    let mut salted_password = ScramKey::zero(<H as Digest>::output_size());
    pbkdf2::pbkdf2_hmac::<H>(password, salt, iterations, salted_password.octets_mut());
    let client_key = hmac::<H>(salted_password.octets(), b"Client Key");
    let stored_key = ScramKey::new(&H::digest(client_key.octets()));
    ClientKeys { stored_key, server_key: hmac::<H>(salted_password.octets(), b"Server Key"), client_key }
}

#[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
fn hmac<H: EagerHash>(key: &[u8], text: &[u8]) -> ScramKey {
    let mut hmac = <Hmac<H> as KeyInit>::new_from_slice(key).expect("a key of any length");
    hmac.update(text);
    ScramKey::new(&hmac.finalize().into_bytes())
}
