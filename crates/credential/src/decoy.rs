//! The stand-in for a user who is absent, disabled, expired or lacks the verifier.
//!
//! A decoy is made from a key that lives in the store and from the name that was asked for, so it is the same each time
//! and after a restart; it looks like one of the real records, in the share that they have, and no password fits it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::identity::Identity;
use crate::policy::{Argon2Cost, Iterations, Policy};
use crate::record::{Record, Timestamp, Verdict};
use crate::secret::Secret;
use crate::verifier::{DeriveError, ScramHash, VerifierKind};

/// The key of all decoys of one store: 32 random octets, made with the store and carried by its dump.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DecoyKey([u8; 32]);

/// What a stranger can tell of a verifier before any password is right: kind, cost and length of the salt.
///
/// Its text is `scram-sha-256 i=65536 salt=16` or `argon2id m=19456 t=2 p=1 salt=16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Of `argon2id`.
    Argon2id {
        /// Memory, passes, lanes.
        cost: Argon2Cost,
        /// Length of the salt in octets.
        salt: u8,
    },
    /// Of a SCRAM verifier.
    Scram {
        /// The hash function.
        hash: ScramHash,
        /// The iteration count.
        iterations: Iterations,
        /// Length of the salt in octets.
        salt: u8,
    },
}

/// A text that is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the shape of a verifier: {0}")]
pub struct ShapeError(
    /// The text.
    pub String,
);

/// How many records have verifiers of each shape. The store keeps it up to date with each write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShapeCounts(BTreeMap<Shape, u64>);

/// A record that no password fits.
#[derive(Debug)]
pub struct Decoy(Record);

impl DecoyKey {
    /// How many random octets make a key.
    pub const OCTETS: usize = 32;

    /// A key from octets that the caller drew, or read from a store.
    pub fn new(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }

    /// The octets, for the store and its dump. Whoever has them can tell decoys from users.
    pub fn expose(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    /// The decoy for a name: the policy's kinds, each in a shape that real records have, by their share; where none
    /// has the kind, in the policy's own.
    pub fn record_for(&self, identity: &Identity, shapes: &ShapeCounts, policy: &Policy) -> Decoy {
        todo!()
    }
}

impl fmt::Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoyKey(…)")
    }
}

impl Shape {
    /// The kind of verifier.
    pub fn kind(self) -> VerifierKind {
        match self {
            Self::Argon2id { .. } => VerifierKind::Argon2id,
            Self::Scram { hash, .. } => hash.kind(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

impl ShapeCounts {
    /// Counts one more record: each of its shapes once.
    pub fn add(&mut self, record: &Record) {
        todo!()
    }

    /// Takes a record out of the counts again.
    pub fn remove(&mut self, record: &Record) {
        todo!()
    }

    /// Sets the count of one shape, as it was read from a store.
    pub fn set(&mut self, shape: Shape, count: u64) {
        todo!()
    }

    /// The counts, in a fixed order; none is zero.
    pub fn iter(&self) -> impl Iterator<Item = (Shape, u64)> {
        self.0.iter().map(|(&shape, &count)| (shape, count))
    }
}

impl Decoy {
    /// The record, for an exchange that needs its verifiers.
    pub fn record(&self) -> &Record {
        &self.0
    }

    /// Does the work of a check of the policy's verifier, and finds the candidate wrong.
    pub fn check(&self, candidate: &Secret, now: Timestamp) -> Result<Verdict, DeriveError> {
        todo!()
    }
}
