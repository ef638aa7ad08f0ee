//! What of a record a stranger can see, and how many records look like it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::policy::{Argon2Cost, Iterations, KindSet, Policy, Salt};
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

/// What a stranger can tell of a record: the shapes of its verifiers, in their order, one for each kind. There is at least
/// one: of a record that shows nothing, there are none.
///
/// Its text is that of the shapes, with commas: `argon2id m=19456 t=2 p=1 salt=16, scram-sha-256 i=65536 salt=16`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shapes(Vec<Shape>);

/// A text that is no shape, or no combination of shapes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the shape of a verifier: {0}")]
pub struct ShapeError(
    /// The text.
    pub String,
);

/// How many records show each combination of shapes. The store keeps it up to date with each write.
///
/// Whole records are counted, not the verifiers of each kind by themselves: where a policy has raised one cost and lowered
/// another, two kinds together would tell users, who have the old costs or the new ones, from decoys, who would have any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShapeCounts(BTreeMap<Shapes, u64>);

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
        parse(text).ok_or_else(|| ShapeError::of(text))
    }
}

impl Shapes {
    /// What a record shows; `None` where that is nothing.
    pub fn of(record: &Record) -> Option<Self> {
        let sorted: BTreeSet<Shape> = record.verifiers().filter_map(Shape::of).collect();
        let mut shapes: Vec<Shape> = sorted.into_iter().collect();
        // Credentials of one record share salt and cost, so that this drops nothing.
        shapes.dedup_by_key(|shape| shape.kind());
        (!shapes.is_empty()).then_some(Self(shapes))
    }

    /// The shapes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Shape> {
        self.0.iter().copied()
    }

    /// Their kinds.
    pub fn kinds(&self) -> KindSet {
        self.iter().map(Shape::kind).collect()
    }
}

impl fmt::Display for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, shape) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { COMMA };
            write!(f, "{comma}{shape}")?;
        }
        Ok(())
    }
}

/// The one text of each combination, in the order of its shapes.
impl FromStr for Shapes {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shapes: Option<Vec<Shape>> = text.split(COMMA).take(MOST + 1).map(parse).collect();
        let is_ordered = |pair: &[Shape]| pair[0] < pair[1] && pair[0].kind() != pair[1].kind();
        shapes
            .filter(|shapes| shapes.len() <= MOST && shapes.windows(2).all(is_ordered))
            .map(Self)
            .ok_or_else(|| ShapeError::of(text))
    }
}

impl ShapeError {
    fn of(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl ShapeCounts {
    /// Counts one more record.
    pub fn add(&mut self, record: &Record) {
        if let Some(shapes) = Shapes::of(record) {
            let count = self.0.entry(shapes).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes a record out of the counts again.
    pub fn remove(&mut self, record: &Record) {
        if let Some(shapes) = Shapes::of(record) {
            let left = self.get(&shapes).saturating_sub(1);
            self.set(shapes, left);
        }
    }

    /// Sets the count of one combination, as it was read from a store.
    pub fn set(&mut self, shapes: Shapes, count: u64) {
        if count == 0 {
            self.0.remove(&shapes);
        } else {
            self.0.insert(shapes, count);
        }
    }

    /// How many records show a combination.
    pub fn get(&self, shapes: &Shapes) -> u64 {
        self.0.get(shapes).copied().unwrap_or_default()
    }

    /// The counts, in a fixed order; none is zero.
    pub fn iter(&self) -> impl Iterator<Item = (&Shapes, u64)> {
        self.0.iter().map(|(shapes, &count)| (shapes, count))
    }

    /// The combination at a place between the first and the last record that has any of these kinds, `place` of 2^64 of
    /// the way.
    pub(super) fn pick(&self, kinds: KindSet, place: u64) -> Option<&Shapes> {
        let of_kinds = || self.iter().filter(|(shapes, _)| shapes.iter().any(|it| kinds.contains(it.kind())));
        let total: u128 = of_kinds().map(|(_, count)| u128::from(count)).sum();
        // Both are under 2^64, or nearly: more records than that there are none.
        let mut left = (u128::from(place) * total.min(u128::from(u64::MAX))) >> 64;
        of_kinds()
            .find(|(_, count)| match left.checked_sub(u128::from(*count)) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
            .map(|(shapes, _)| shapes)
    }
}

/// Between the texts of two shapes.
const COMMA: &str = ", ";
/// Of Argon2id, and of SCRAM with each hash.
const MOST: usize = 1 + ScramHash::ALL.len();

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
