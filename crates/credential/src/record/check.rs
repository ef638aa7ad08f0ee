//! Checking a password against a record, for PLAIN and LOGIN and for `--verify`.

use crate::decoy::Decoy;
use crate::record::{Label, Record, Timestamp};
use crate::secret::Secret;
use crate::verifier::DeriveError;

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
    /// Checks a candidate against the strongest verifier of each usable credential; those that share salt and cost take
    /// one derivation together. The candidate is prepared where the credential was, and compared as sent where it is raw.
    pub fn check(&self, candidate: &Secret, now: Timestamp) -> Result<Verdict, DeriveError> {
        todo!()
    }
}

/// Checks a candidate for a user who may be absent, at a cost that does not tell: a failure costs a check of the
/// policy's verifier, by the decoy where the record has none of its kind (or there is no usable record).
pub fn check_user(
    record: Option<&Record>,
    decoy: &Decoy,
    candidate: &Secret,
    now: Timestamp,
) -> Result<Verdict, DeriveError> {
    todo!()
}
