//! What of a record a stranger can see, and how many records look like it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::policy::{Argon2Cost, Iterations, Policy, Salt};
use crate::record::Record;
use crate::verifier::octets::from_decimal;
use crate::verifier::{ScramHash, Verifier, VerifierKind};

/// What a stranger can tell of a verifier before any password is right: kind, cost and length of the salt.
///
/// Its text is `scram-sha-256 i=65536 salt=16` or `argon2id m=19456 t=2 p=1 salt=16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Of `argon2id`; it shows in the time that PLAIN takes.
    Argon2id {
        /// Memory, passes, lanes.
        cost: Argon2Cost,
        /// Length of the salt in octets.
        salt: u8,
    },
    /// Of a SCRAM verifier; it is sent to whoever asks.
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

impl Shape {
    /// The shape of a verifier; `None` for kinds that show nothing.
    pub fn of(verifier: &Verifier) -> Option<Self> {
        match verifier {
            Verifier::Argon2id(argon2id) => {
                Some(Self::Argon2id { cost: argon2id.cost(), salt: length(argon2id.salt()) })
            }
            Verifier::Scram(scram) => Some(Self::Scram {
                hash: scram.hash(),
                iterations: scram.iterations(),
                salt: length(scram.salt()),
            }),
            Verifier::Foreign(_) | Verifier::CramMd5(_) | Verifier::DigestMd5(_) | Verifier::Plain(_) => None,
        }
    }

    /// The shape of a verifier that the policy would have made; `None` for kinds that show nothing.
    pub(super) fn by_policy(kind: VerifierKind, policy: &Policy) -> Option<Self> {
        let salt = Salt::FRESH as u8;
        if kind == VerifierKind::Argon2id {
            return Some(Self::Argon2id { cost: policy.cost.argon2id, salt });
        }
        let hash = ScramHash::ALL.into_iter().find(|hash| hash.kind() == kind)?;
        Some(Self::Scram { hash, iterations: policy.cost.iterations(hash), salt })
    }

    /// The kind of verifier.
    pub fn kind(self) -> VerifierKind {
        match self {
            Self::Argon2id { .. } => VerifierKind::Argon2id,
            Self::Scram { hash, .. } => hash.kind(),
        }
    }

    /// Length of the salt in octets.
    pub fn salt(self) -> usize {
        match self {
            Self::Argon2id { salt, .. } | Self::Scram { salt, .. } => salt.into(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Argon2id { cost, salt } => {
                write!(f, "{kind} m={} t={} p={} salt={salt}", cost.m_kib(), cost.t(), cost.p())
            }
            Self::Scram { iterations, salt, .. } => write!(f, "{kind} i={} salt={salt}", iterations.get()),
        }
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ShapeError(text.chars().take(80).collect()))
    }
}

impl ShapeCounts {
    /// Counts one more record: each of its shapes once.
    pub fn add(&mut self, record: &Record) {
        for shape in shapes(record) {
            let count = self.0.entry(shape).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes a record out of the counts again.
    pub fn remove(&mut self, record: &Record) {
        for shape in shapes(record) {
            self.set(shape, self.get(shape).saturating_sub(1));
        }
    }

    /// Sets the count of one shape, as it was read from a store.
    pub fn set(&mut self, shape: Shape, count: u64) {
        if count == 0 {
            self.0.remove(&shape);
        } else {
            self.0.insert(shape, count);
        }
    }

    /// How many records have a shape.
    pub fn get(&self, shape: Shape) -> u64 {
        self.0.get(&shape).copied().unwrap_or_default()
    }

    /// The counts, in a fixed order; none is zero.
    pub fn iter(&self) -> impl Iterator<Item = (Shape, u64)> {
        self.0.iter().map(|(&shape, &count)| (shape, count))
    }

    /// The shape of a kind at a place between the first and the last record of that kind, `place` of 2^64 of
    /// the way. The cheapest come first, so that the same place finds an old user's shape for each kind.
    pub(super) fn pick(&self, kind: VerifierKind, place: u64) -> Option<Shape> {
        let of_kind = || self.iter().filter(|(shape, _)| shape.kind() == kind);
        let total: u128 = of_kind().map(|(_, count)| u128::from(count)).sum();
        // Both are under 2^64, or nearly: more records than that there are none.
        let mut left = (u128::from(place) * total.min(u128::from(u64::MAX))) >> 64;
        of_kind()
            .find(|(_, count)| match left.checked_sub(u128::from(*count)) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
            .map(|(shape, _)| shape)
    }
}

/// Credentials of one record share salt and cost, so that there is one shape for each kind.
fn shapes(record: &Record) -> BTreeSet<Shape> {
    record.verifiers().filter_map(Shape::of).collect()
}

fn parse(text: &str) -> Option<Shape> {
    let mut words = text.split(' ');
    let kind: VerifierKind = words.next()?.parse().ok()?;
    let mut number = |name| words.next()?.strip_prefix(name).and_then(from_decimal);
    let shape = if kind == VerifierKind::Argon2id {
        let cost = Argon2Cost::new(number("m=")?, number("t=")?, number("p=")?).ok()?;
        Shape::Argon2id { cost, salt: number("salt=")?.try_into().ok()? }
    } else {
        let hash = ScramHash::ALL.into_iter().find(|hash| hash.kind() == kind)?;
        let iterations = Iterations::new(number("i=")?).ok()?;
        Shape::Scram { hash, iterations, salt: number("salt=")?.try_into().ok()? }
    };
    (words.next().is_none() && shape.salt() > 0).then_some(shape)
}

/// No salt is longer than 255 octets.
fn length(salt: &Salt) -> u8 {
    u8::try_from(salt.octets().len()).unwrap_or(u8::MAX)
}
