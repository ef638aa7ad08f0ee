//! The stand-in for a user who is absent, disabled, expired or lacks the verifier.
//!
//! A decoy is made from a key that lives in the store and from the name that was asked for, so it is the same
//! each time and after a restart; it looks like one of the real records, in the share that they have, and no
//! password fits it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::identity::Identity;
use crate::policy::{Iterations, KindSet, Policy, Salt};
use crate::record::{ChangedBy, Credential, Label, Occasion, Record, Timestamp, Verdict};
use crate::secret::Secret;
use crate::verifier::{
    Argon2id, CramMd5, DeriveError, DigestMd5, Plain, Scram, ScramHash, Verifier, VerifierKind, Verifiers,
};

mod shape;

pub use shape::{Shape, ShapeCounts, ShapeError, Shapes};

/// The key of all decoys of one store: 32 random octets, made with the store and carried by its dump.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DecoyKey([u8; 32]);

/// A record that no password fits.
#[derive(Debug)]
pub struct Decoy {
    record: Record,
    by_plain: Vec<(ScramHash, Iterations, Salt)>,
}

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

    /// The decoy for a name, which is the same for every case of the realm: the policy's kinds, in
    /// shapes that real records have together, by their share; where none has a kind, that one in the policy's own.
    pub fn record_for(&self, identity: &Identity, counts: &ShapeCounts, policy: &Policy) -> Decoy {
        let name = Name::new(self, identity);
        let shapes = name.shapes(counts, policy.keep);
        let mut verifiers = Verifiers::default();
        for kind in policy.keep.iter() {
            let shape = shapes.iter().copied().find(|shape| shape.kind() == kind);
            let shape = shape.or_else(|| Shape::by_policy(kind, policy));
            if let Some(verifier) = name.verifier(kind, shape) {
                verifiers.insert(verifier);
            }
        }
        let credential = Credential::new(Label::main(), verifiers, false, Timestamp(0));
        let record = Record::of_one(identity.clone(), credential, Timestamp(0), ChangedBy::default());
        Decoy { record, by_plain: name.by_plain(policy) }
    }
}

impl fmt::Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoyKey(…)")
    }
}

impl Decoy {
    /// The record, for an exchange that needs its verifiers.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the policy keeps `plain` and no verifier for SCRAM with this hash: the iterations and the salt that every
    /// user of this name, real or not, has his keys derived with for one exchange.
    pub fn scram_by_plain(&self, hash: ScramHash) -> Option<(Iterations, &Salt)> {
        self.by_plain.iter().find(|(of, ..)| *of == hash).map(|(_, iterations, salt)| (*iterations, salt))
    }

    /// Does the work of a check of the policy's verifier, and finds the candidate wrong.
    pub fn check(&self, candidate: &Secret, occasion: &Occasion) -> Result<Verdict, DeriveError> {
        self.record.check(candidate, occasion)?;
        Ok(Verdict::Wrong)
    }
}

/// Where the octets of one decoy come from: HMAC-SHA-256 with the key over the name and a purpose.
struct Name<'a> {
    key: &'a DecoyKey,
    name: String,
}

impl<'a> Name<'a> {
    fn new(key: &'a DecoyKey, identity: &Identity) -> Self {
        // No prepared name holds a NUL.
        Self { key, name: format!("{}\0{}", identity.user, identity.realm.folded()) }
    }

    /// What one real record shows of the kinds in `keep`. What that one lacks, another one has, at a place of its own, and so
    /// on: a real user who lacks some kinds shows those of his own decoy, as any decoy has them. So all kinds together are
    /// shown in the same shares by those who exist and those who do not.
    fn shapes(&self, counts: &ShapeCounts, keep: KindSet) -> Vec<Shape> {
        let (mut found, mut lacking) = (Vec::new(), keep);
        for turn in 0_u32.. {
            let Some(shapes) = counts.pick(lacking, self.place(turn)) else { break };
            found.extend(shapes.iter().filter(|shape| lacking.contains(shape.kind())));
            lacking = lacking.minus(shapes.kinds());
        }
        found
    }

    fn place(&self, turn: u32) -> u64 {
        let purpose = if turn == 0 { "shape".to_owned() } else { format!("shape {turn}") };
        u64::from_be_bytes(self.array(&purpose))
    }

    fn verifier(&self, kind: VerifierKind, shape: Option<Shape>) -> Option<Verifier> {
        match (kind, shape) {
            (_, Some(shape)) => self.shaped(shape),
            (VerifierKind::CramMd5, None) => {
                Some(Verifier::CramMd5(CramMd5::from_octets(&self.array("cram-md5"))))
            }
            (VerifierKind::DigestMd5, None) => Some(Verifier::DigestMd5(self.digest_md5())),
            (VerifierKind::Plain, None) => {
                Some(Verifier::Plain(Plain::new(Secret::from(self.octets("plain", 32)))))
            }
            _ => None,
        }
    }

    /// Two hashes where a user of this name has two, whatever the password: each costs a comparison.
    fn digest_md5(&self) -> DigestMd5 {
        let (user, realm) = self.name.split_once('\0').unwrap_or_default();
        let two = DigestMd5::of_fields(user, realm, b"").utf8().is_some();
        DigestMd5::from_parts(self.array("digest-md5"), two.then(|| self.array("digest-md5 utf-8")))
    }

    /// A salt for each SCRAM that the policy serves from clear text.
    fn by_plain(&self, policy: &Policy) -> Vec<(ScramHash, Iterations, Salt)> {
        if !policy.keep.contains(VerifierKind::Plain) {
            return Vec::new();
        }
        let derived = ScramHash::ALL.into_iter().filter(|hash| !policy.keep.contains(hash.kind()));
        let salt = |hash: ScramHash| Salt::fresh(self.array(&format!("salt by plain {}", hash.kind())));
        derived.map(|hash| (hash, policy.cost.iterations(hash), salt(hash))).collect()
    }

    /// The salt depends on the shape too: where shares shift and the name gets another shape, it looks as if
    /// the password had been changed.
    fn shaped(&self, shape: Shape) -> Option<Verifier> {
        let part = |what: &str, length| self.octets(&format!("{what} {shape}"), length);
        let salt = Salt::new(&part("salt", shape.salt())).ok()?;
        match shape {
            Shape::Argon2id { cost, .. } => {
                let hash = part("hash", Argon2id::HASH);
                Argon2id::from_parts(cost, salt, &hash).ok().map(Verifier::Argon2id)
            }
            Shape::Scram { hash, iterations, .. } => {
                let (stored, server) = (part("stored", hash.octets()), part("server", hash.octets()));
                Scram::from_parts(hash, iterations, salt, &stored, &server).ok().map(Verifier::Scram)
            }
        }
    }

    fn array<const N: usize>(&self, purpose: &str) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.octets(purpose, N));
        array
    }

    fn octets(&self, purpose: &str, length: usize) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(32)));
        for counter in 0_u32.. {
            if octets.len() >= length {
                break;
            }
            octets.extend_from_slice(&self.block(purpose, counter));
        }
        octets.truncate(length);
        octets
    }

    #[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
    fn block(&self, purpose: &str, counter: u32) -> [u8; 32] {
        let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key.0).expect("a key of any length");
        for part in [purpose.as_bytes(), &[0], &counter.to_be_bytes(), self.name.as_bytes()] {
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests;
