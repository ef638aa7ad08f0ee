//! A set of verifier kinds, as `[secrets] keep` and `--keep` name it.

use std::fmt;
use std::str::FromStr;

use crate::verifier::VerifierKind;

/// Which verifiers are kept. Its text form is a list of names with commas, strongest first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KindSet(u8);

/// Why a text is no such list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindSetError {
    /// A name that is no verifier.
    #[error("no verifier has this name: {0} (known: {known})", known = KindSet::ALL)]
    Unknown(String),
    /// `foreign` is what an import leaves; it cannot be made and so not asked for.
    #[error("foreign hashes come by import only and cannot be asked for")]
    Foreign,
    /// No name at all: no user could log in.
    #[error("the list of verifiers is empty")]
    Empty,
}

impl KindSet {
    /// No kind at all.
    pub const EMPTY: Self = Self(0);

    /// Every kind that can be made from a password: all but `foreign`.
    pub const ALL: Self = Self(!(1 << VerifierKind::Foreign as u8));

    /// The set with `kind` in it.
    #[must_use]
    pub const fn with(self, kind: VerifierKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// The set without `kind`.
    #[must_use]
    pub const fn without(self, kind: VerifierKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    /// Whether `kind` is in it.
    pub const fn contains(self, kind: VerifierKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, strongest first.
    pub fn iter(self) -> impl Iterator<Item = VerifierKind> {
        VerifierKind::ALL.into_iter().filter(move |&kind| self.contains(kind))
    }

    /// The kind that PLAIN and LOGIN are checked with.
    pub fn strongest(self) -> Option<VerifierKind> {
        self.iter().next()
    }

    /// The kind that a thief of the store would choose.
    pub fn weakest(self) -> Option<VerifierKind> {
        self.iter().min_by_key(|kind| kind.strength())
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// `argon2id` and `scram-sha-256`: the password is nowhere kept, and a host without a certificate still has a
/// safe mechanism.
impl Default for KindSet {
    fn default() -> Self {
        Self::EMPTY.with(VerifierKind::Argon2id).with(VerifierKind::ScramSha256)
    }
}

impl FromIterator<VerifierKind> for KindSet {
    fn from_iter<T: IntoIterator<Item = VerifierKind>>(kinds: T) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// Names with commas, blanks around them allowed, any order and case, repetition allowed.
impl FromStr for KindSet {
    type Err = KindSetError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut set = Self::EMPTY;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.parse::<VerifierKind>() {
                Ok(VerifierKind::Foreign) => return Err(KindSetError::Foreign),
                Ok(kind) => set = set.with(kind),
                Err(_) => return Err(KindSetError::Unknown(name.to_owned())),
            }
        }
        if set.is_empty() { Err(KindSetError::Empty) } else { Ok(set) }
    }
}

impl fmt::Display for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.iter().enumerate() {
            write!(f, "{}{kind}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KindSet({self})")
    }
}
