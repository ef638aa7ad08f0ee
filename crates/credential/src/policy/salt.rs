//! Salts, and the recipe of one user: the salts and costs that all of the user's credentials share.

use std::fmt;

use crate::policy::{Cost, Iterations};
use crate::verifier::{ScramHash, Verifier};

/// A salt as it is hashed. Not secret; drawn by the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Box<[u8]>);

/// Why octets are no salt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a salt has between 1 and {most} octets: {octets}", most = Salt::MAX)]
pub struct SaltError {
    /// How many octets were given.
    pub octets: usize,
}

/// One salt for each kind of verifier that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salts {
    /// For `argon2id`.
    pub argon2id: Salt,
    /// For `scram-sha-1`.
    pub scram_sha_1: Salt,
    /// For `scram-sha-256`.
    pub scram_sha_256: Salt,
    /// For `scram-sha-512`.
    pub scram_sha_512: Salt,
}

/// What verifiers are made with, kind by kind: all credentials of one user share it, so that one derivation,
/// or one SCRAM exchange, checks any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The costs.
    pub cost: Cost,
    /// The salts.
    pub salts: Salts,
}

impl Salt {
    /// The longest salt, in octets. Ours have [`Salt::FRESH`]; others' are taken up to here.
    pub const MAX: usize = 255;
    /// How many octets a salt of ours has.
    pub const FRESH: usize = 16;

    /// A salt that somebody chose before.
    pub fn new(octets: &[u8]) -> Result<Self, SaltError> {
        if (1..=Self::MAX).contains(&octets.len()) {
            Ok(Self(octets.into()))
        } else {
            Err(SaltError { octets: octets.len() })
        }
    }

    /// A salt of 16 fresh octets.
    pub fn fresh(octets: [u8; Self::FRESH]) -> Self {
        Self(octets.into())
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is long enough for nobody else to have the same.
    pub(crate) fn is_fair(&self) -> bool {
        self.0.len() >= Self::FRESH
    }
}

/// Short enough for a failed test to be read.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({} octets)", self.0.len())
    }
}

impl Salts {
    /// How many random octets make a set of salts.
    pub const OCTETS: usize = 4 * Salt::FRESH;

    /// A fresh set, from octets that the caller drew from the system's source of randomness.
    pub fn from_random(octets: [u8; Self::OCTETS]) -> Self {
        let part = |index: usize| Salt(octets[index * Salt::FRESH..(index + 1) * Salt::FRESH].into());
        Self { argon2id: part(0), scram_sha_1: part(1), scram_sha_256: part(2), scram_sha_512: part(3) }
    }

    /// The salt of one SCRAM hash.
    pub fn scram(&self, hash: ScramHash) -> &Salt {
        match hash {
            ScramHash::Sha1 => &self.scram_sha_1,
            ScramHash::Sha256 => &self.scram_sha_256,
            ScramHash::Sha512 => &self.scram_sha_512,
        }
    }

    /// The place of the salt of one SCRAM hash.
    pub fn scram_mut(&mut self, hash: ScramHash) -> &mut Salt {
        match hash {
            ScramHash::Sha1 => &mut self.scram_sha_1,
            ScramHash::Sha256 => &mut self.scram_sha_256,
            ScramHash::Sha512 => &mut self.scram_sha_512,
        }
    }
}

impl Recipe {
    /// A recipe for a user who has no credential yet.
    pub fn new(cost: Cost, salts: Salts) -> Self {
        Self { cost, salts }
    }

    /// Iterations and salt of one SCRAM hash.
    pub fn scram(&self, hash: ScramHash) -> (Iterations, &Salt) {
        (self.cost.iterations(hash), self.salts.scram(hash))
    }

    /// Takes over the cost and salt of a verifier that the user has already, if its kind has any. Not those with which no
    /// password of ours is derived: a salt that others may share, or a cost that neither this recipe nor anybody else
    /// would choose. Another server may have made it.
    pub fn adopt(&mut self, verifier: &Verifier) {
        match verifier {
            Verifier::Argon2id(argon2id) => {
                let as_dear = argon2id.cost().work_kib() >= self.cost.argon2id.work_kib();
                if argon2id.salt().is_fair() && (as_dear || verifier.is_fair()) {
                    self.cost.argon2id = argon2id.cost();
                    self.salts.argon2id = argon2id.salt().clone();
                }
            }
            Verifier::Scram(scram) => {
                let as_dear = scram.iterations() >= self.cost.iterations(scram.hash());
                if scram.salt().is_fair() && (as_dear || verifier.is_fair()) {
                    self.cost = self.cost.with_iterations(scram.hash(), scram.iterations());
                    *self.salts.scram_mut(scram.hash()) = scram.salt().clone();
                }
            }
            Verifier::Foreign(_) | Verifier::CramMd5(_) | Verifier::DigestMd5(_) | Verifier::Plain(_) => {}
        }
    }
}
