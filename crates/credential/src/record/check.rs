//! Checking a password against a record, for PLAIN and LOGIN and for `--verify`.

use zeroize::Zeroizing;

use crate::decoy::Decoy;
use crate::password::{MAX_PASSWORD, Password};
use crate::record::{Credential, Label, Occasion, Record};
use crate::secret::Secret;
use crate::verifier::{DeriveError, Verifier, VerifierKind};

/// The outcome of a check. Disabled, expired and wrong are one and the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password of this credential.
    Right {
        /// Which one.
        label: Label,
    },
    /// It is not, or may not be used.
    Wrong,
}

impl Record {
    /// Checks a candidate against the strongest verifier of each usable credential; those that share salt and
    /// cost take one derivation together. The candidate is prepared where the credential was, and compared as
    /// sent where it is [raw](Credential::raw).
    pub fn check(&self, candidate: &Secret, occasion: &Occasion) -> Result<Verdict, DeriveError> {
        Ok(self.examine(candidate, occasion)?.0)
    }

    /// The verdict, and the kinds of the derivations that it took.
    fn examine(
        &self,
        candidate: &Secret,
        occasion: &Occasion,
    ) -> Result<(Verdict, Vec<VerifierKind>), DeriveError> {
        let candidate = Candidate::new(candidate);
        let mut answers: Vec<Answer<'_>> = Vec::new();
        let mut verdict = Verdict::Wrong;
        for credential in self.credentials().iter().filter(|credential| credential.is_usable_on(occasion)) {
            let Some(verifier) = credential.verifiers.strongest() else { continue };
            let octets = candidate.for_credential(credential);
            let known = answers.iter().find(|answer| answer.serves(verifier, octets));
            let is_right = if let Some(answer) = known {
                verifier.matches(&answer.octets)
            } else {
                let answer = verifier.answer(self.identity(), octets)?;
                let is_right = verifier.matches(&answer);
                answers.push(Answer { verifier, candidate: octets, octets: answer });
                is_right
            };
            if is_right && candidate.may_be(credential) && verdict == Verdict::Wrong {
                verdict = Verdict::Right { label: credential.label.clone() };
            }
        }
        Ok((verdict, answers.iter().map(|answer| answer.verifier.kind()).collect()))
    }
}

/// What a check of a user came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it was the password.
    pub verdict: Verdict,
    /// The kinds of the verifiers that were derived for it, in order: what it cost.
    pub derivations: Vec<VerifierKind>,
}

/// Checks a candidate for a user who may be absent, at a cost that does not tell: a failure costs a check of
/// the policy's verifier, by the decoy where the record has none of its kind or may not be used.
pub fn check_user(
    record: Option<&Record>,
    decoy: &Decoy,
    candidate: &Secret,
    occasion: &Occasion,
) -> Result<Check, DeriveError> {
    let (verdict, mut derivations) = match record {
        Some(record) => record.examine(candidate, occasion)?,
        None => (Verdict::Wrong, Vec::new()),
    };
    let is_paid = decoy.record().kinds().strongest().is_none_or(|kind| derivations.contains(&kind));
    if verdict == Verdict::Wrong && !is_paid {
        derivations.extend(decoy.record().examine(candidate, occasion)?.1);
    }
    Ok(Check { verdict, derivations })
}

/// What somebody says the password is.
struct Candidate<'a> {
    as_sent: &'a [u8],
    prepared: Option<Password>,
    is_password: bool,
}

impl<'a> Candidate<'a> {
    fn new(candidate: &'a Secret) -> Self {
        let octets = candidate.expose();
        Self {
            as_sent: &octets[..octets.len().min(MAX_PASSWORD)],
            prepared: Password::prepare(candidate).ok(),
            is_password: Password::import(candidate).is_ok(),
        }
    }

    /// The octets to compare. What cannot be prepared is hashed as it was sent, to cost the same.
    fn for_credential(&self, credential: &Credential) -> &[u8] {
        match &self.prepared {
            Some(prepared) if !credential.raw => prepared.octets(),
            _ => self.as_sent,
        }
    }

    /// No password is empty, over-long, or has a NUL in it, whatever an imported hash was made from; none
    /// that was prepared is what cannot be prepared.
    fn may_be(&self, credential: &Credential) -> bool {
        if credential.raw { self.is_password } else { self.prepared.is_some() }
    }
}

/// A derivation that was paid for.
struct Answer<'a> {
    verifier: &'a Verifier,
    candidate: &'a [u8],
    octets: Zeroizing<Vec<u8>>,
}

impl Answer<'_> {
    /// Both candidates come from one sender, so there is nothing to hide in this comparison.
    fn serves(&self, verifier: &Verifier, candidate: &[u8]) -> bool {
        self.candidate == candidate && self.verifier.shares_answer_with(verifier)
    }
}

#[cfg(test)]
mod tests;
