//! What is kept of a password so that it can be checked: derive and check, kind by kind.
//!
//! A verifier answers one question, whether a candidate is the password, and (except `plain`) cannot give the
//! password back. Which kinds are kept is the matter of [`crate::policy`]; how they are written down is the
//! store's.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::password::Password;
use crate::policy::{Argon2Cost, Iterations, KindSet, Recipe};
use crate::secret::Secret;

pub mod argon2id;
pub mod cram_md5;
pub mod digest_md5;
pub mod foreign;
pub mod plain;
pub mod scram;

pub(crate) mod octets;

pub use argon2id::{Argon2id, Argon2idError};
pub use cram_md5::CramMd5;
pub use digest_md5::DigestMd5;
pub use foreign::{Foreign, ForeignError, Scheme};
pub use plain::Plain;
pub use scram::{ClientKeys, Scram, ScramError, ScramHash, ScramKey};

/// The kinds of verifiers, in the order in which PLAIN and LOGIN prefer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum VerifierKind {
    /// RFC 9106; serves PLAIN and LOGIN.
    Argon2id,
    /// StoredKey and ServerKey of SCRAM-SHA-512.
    ScramSha512,
    /// StoredKey and ServerKey of SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// StoredKey and ServerKey of SCRAM-SHA-1 (RFC 5802).
    ScramSha1,
    /// Another server's one-way hash, by import only; serves PLAIN and LOGIN.
    Foreign,
    /// The two MD5 states of CRAM-MD5 (RFC 2195).
    CramMd5,
    /// H(A1) of DIGEST-MD5 (RFC 2831).
    DigestMd5,
    /// The password itself.
    Plain,
}

/// How much a thief of the store gains from a verifier, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    /// The password itself.
    ClearText,
    /// Enough to log in by one mechanism, and fast to guess with.
    PasswordEquivalent,
    /// One way, but a guess costs next to nothing.
    Fast,
    /// One way, and every guess costs.
    Slow,
}

/// A name that is no verifier's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no verifier has this name: {0}")]
pub struct UnknownKind(
    /// The name.
    pub String,
);

impl VerifierKind {
    /// Every kind, strongest first.
    pub const ALL: [Self; 8] = [
        Self::Argon2id,
        Self::ScramSha512,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::Foreign,
        Self::CramMd5,
        Self::DigestMd5,
        Self::Plain,
    ];

    /// The name in configuration, options and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::ScramSha512 => "scram-sha-512",
            Self::ScramSha256 => "scram-sha-256",
            Self::ScramSha1 => "scram-sha-1",
            Self::Foreign => "foreign",
            Self::CramMd5 => "cram-md5",
            Self::DigestMd5 => "digest-md5",
            Self::Plain => "plain",
        }
    }

    /// How strong such a verifier is; of `foreign` the worst that is imported. [`Verifier::strength`] knows
    /// better.
    pub const fn strength(self) -> Strength {
        match self {
            Self::Argon2id | Self::ScramSha512 | Self::ScramSha256 | Self::ScramSha1 => Strength::Slow,
            Self::Foreign => Strength::Fast,
            Self::CramMd5 | Self::DigestMd5 => Strength::PasswordEquivalent,
            Self::Plain => Strength::ClearText,
        }
    }

    /// Whether who has it can log in without the password.
    pub fn is_password_equivalent(self) -> bool {
        self.strength() <= Strength::PasswordEquivalent
    }

    /// Whether a guess costs next to nothing.
    pub fn is_fast(self) -> bool {
        self.strength() <= Strength::Fast
    }
}

impl fmt::Display for VerifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// By name, in either case.
impl FromStr for VerifierKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

impl Strength {
    /// The word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClearText => "clear text",
            Self::PasswordEquivalent => "password-equivalent",
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a derivation could not be made. It says nothing about the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The memory that Argon2id asks for could not be had.
    #[error("not enough memory for argon2id")]
    OutOfMemory,
}

/// What is kept of one password, for one purpose.
#[derive(Debug)]
pub enum Verifier {
    /// `argon2id`.
    Argon2id(Argon2id),
    /// `scram-sha-1`, `scram-sha-256` or `scram-sha-512`.
    Scram(Scram),
    /// `foreign`.
    Foreign(Foreign),
    /// `cram-md5`.
    CramMd5(CramMd5),
    /// `digest-md5`.
    DigestMd5(DigestMd5),
    /// `plain`.
    Plain(Plain),
}

impl Verifier {
    /// Makes one verifier. `foreign` is never made: `None`.
    pub fn derive(
        kind: VerifierKind,
        identity: &Identity,
        password: &Password,
        recipe: &Recipe,
    ) -> Result<Option<Self>, DeriveError> {
        let scram = |hash| {
            let (iterations, salt) = recipe.scram(hash);
            Self::Scram(Scram::derive(hash, iterations, salt, password.octets()))
        };
        Ok(Some(match kind {
            VerifierKind::Argon2id => Self::Argon2id(Argon2id::derive(
                recipe.cost.argon2id,
                &recipe.salts.argon2id,
                password.octets(),
            )?),
            VerifierKind::ScramSha512 => scram(ScramHash::Sha512),
            VerifierKind::ScramSha256 => scram(ScramHash::Sha256),
            VerifierKind::ScramSha1 => scram(ScramHash::Sha1),
            VerifierKind::Foreign => return Ok(None),
            VerifierKind::CramMd5 => Self::CramMd5(CramMd5::derive(password.octets())),
            VerifierKind::DigestMd5 => Self::DigestMd5(DigestMd5::derive(identity, password.octets())),
            VerifierKind::Plain => Self::Plain(Plain::new(Secret::copy_of(password.octets()))),
        }))
    }

    /// Its kind.
    pub fn kind(&self) -> VerifierKind {
        match self {
            Self::Argon2id(_) => VerifierKind::Argon2id,
            Self::Scram(scram) => scram.hash().kind(),
            Self::Foreign(_) => VerifierKind::Foreign,
            Self::CramMd5(_) => VerifierKind::CramMd5,
            Self::DigestMd5(_) => VerifierKind::DigestMd5,
            Self::Plain(_) => VerifierKind::Plain,
        }
    }

    /// How much a thief would gain from it.
    pub fn strength(&self) -> Strength {
        match self {
            Self::Foreign(foreign) => foreign.scheme().strength(),
            Self::Scram(scram) if scram.iterations().get() < Iterations::FAIR => Strength::Fast,
            other => other.kind().strength(),
        }
    }

    /// Whether another password of the user may be derived with its salt and cost.
    pub(crate) fn is_fair(&self) -> bool {
        match self {
            Self::Argon2id(argon2id) => {
                argon2id.salt().is_fair() && argon2id.cost().work_kib() >= Argon2Cost::FAIR_WORK_KIB
            }
            Self::Scram(scram) => scram.salt().is_fair() && scram.iterations().get() >= Iterations::FAIR,
            Self::Foreign(_) | Self::CramMd5(_) | Self::DigestMd5(_) | Self::Plain(_) => true,
        }
    }

    /// Whether `candidate` is the password, octet by octet: preparing it is the matter of
    /// [`Record::check`](crate::Record::check). The comparison takes the same time either way.
    pub fn check(&self, identity: &Identity, candidate: &Secret) -> Result<bool, DeriveError> {
        Ok(self.matches(&self.answer(identity, candidate.expose())?))
    }

    /// What this verifier would hold if `candidate` were the password: the costly half of a check.
    pub(crate) fn answer(
        &self,
        identity: &Identity,
        candidate: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DeriveError> {
        Ok(match self {
            Self::Argon2id(argon2id) => argon2id.answer(candidate)?,
            Self::Scram(scram) => scram.answer(candidate),
            Self::Foreign(foreign) => foreign.answer(candidate),
            Self::CramMd5(_) => CramMd5::derive(candidate).to_answer(),
            Self::DigestMd5(_) => DigestMd5::derive(identity, candidate).to_answer(),
            Self::Plain(_) => Zeroizing::new(candidate.to_vec()),
        })
    }

    /// The cheap half: compares an answer, in constant time.
    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        match self {
            Self::Argon2id(argon2id) => argon2id.matches(answer),
            Self::Scram(scram) => scram.matches(answer),
            Self::Foreign(foreign) => foreign.matches(answer),
            Self::CramMd5(cram) => cram.matches(answer),
            Self::DigestMd5(digest) => digest.matches(answer),
            Self::Plain(plain) => plain.matches(answer),
        }
    }

    /// Whether one answer serves both: the same kind with the same salt and cost.
    pub(crate) fn shares_answer_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Argon2id(a), Self::Argon2id(b)) => a.cost() == b.cost() && a.salt() == b.salt(),
            (Self::Scram(a), Self::Scram(b)) => {
                a.hash() == b.hash() && a.iterations() == b.iterations() && a.salt() == b.salt()
            }
            (Self::CramMd5(_), Self::CramMd5(_))
            | (Self::DigestMd5(_), Self::DigestMd5(_))
            | (Self::Plain(_), Self::Plain(_)) => true,
            _ => false,
        }
    }
}

/// The verifiers of one password: at most one of each kind, strongest first.
#[derive(Debug, Default)]
pub struct Verifiers(Vec<Verifier>);

/// Two verifiers of one kind stand for one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two verifiers of one kind: {0}")]
pub struct DuplicateKind(
    /// The kind that is there twice.
    pub VerifierKind,
);

impl Verifiers {
    /// Puts verifiers in order.
    pub fn new(mut verifiers: Vec<Verifier>) -> Result<Self, DuplicateKind> {
        verifiers.sort_by_key(Verifier::kind);
        match verifiers.windows(2).find(|pair| pair[0].kind() == pair[1].kind()) {
            Some(pair) => Err(DuplicateKind(pair[0].kind())),
            None => Ok(Self(verifiers)),
        }
    }

    /// One verifier alone.
    pub fn one(verifier: Verifier) -> Self {
        Self(vec![verifier])
    }

    /// The verifiers, strongest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Verifier> {
        self.0.iter()
    }

    /// The verifier of a kind.
    pub fn get(&self, kind: VerifierKind) -> Option<&Verifier> {
        self.0.iter().find(|verifier| verifier.kind() == kind)
    }

    /// Which kinds there are.
    pub fn kinds(&self) -> KindSet {
        self.0.iter().map(Verifier::kind).collect()
    }

    /// What PLAIN and LOGIN are checked with.
    pub fn strongest(&self) -> Option<&Verifier> {
        self.0.first()
    }

    /// What a thief would choose; the credential is as strong as this one.
    pub fn weakest(&self) -> Option<&Verifier> {
        self.0.iter().min_by_key(|verifier| verifier.strength())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a verifier in, in the place of one of its kind.
    pub fn insert(&mut self, verifier: Verifier) {
        self.0.retain(|old| old.kind() != verifier.kind());
        self.0.push(verifier);
        self.0.sort_by_key(Verifier::kind);
    }

    /// Drops what is not in `kinds`, and says what was dropped.
    pub fn retain(&mut self, kinds: KindSet) -> KindSet {
        let dropped = self.kinds().minus(kinds);
        self.0.retain(|verifier| kinds.contains(verifier.kind()));
        dropped
    }
}

impl<'a> IntoIterator for &'a Verifiers {
    type Item = &'a Verifier;
    type IntoIter = std::slice::Iter<'a, Verifier>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Makes every verifier of `kinds` (`foreign` excepted) from one password.
pub fn derive(
    kinds: KindSet,
    identity: &Identity,
    password: &Password,
    recipe: &Recipe,
) -> Result<Verifiers, DeriveError> {
    let mut verifiers = Verifiers::default();
    for kind in kinds.iter() {
        if let Some(verifier) = Verifier::derive(kind, identity, password, recipe)? {
            verifiers.insert(verifier);
        }
    }
    Ok(verifiers)
}

/// What another program's file holds for a user: something to check with, or the password itself, from which
/// the policy's verifiers are derived.
#[derive(Debug)]
pub enum Imported {
    /// Kept as it is; the password is not known. Its credential is [raw](crate::Credential::raw): nobody can
    /// say that it was made from a prepared password.
    Verifier(Verifier),
    /// The password in clear text.
    Password(Secret),
}

#[cfg(test)]
mod tests;
