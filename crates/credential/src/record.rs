//! A user's record: identity, labelled credentials, and who changed it when.
//!
//! This is the model; its octets, version and checksum are the matter of `store`.

use std::cmp::Reverse;

use crate::identity::Identity;
use crate::policy::{Cost, KindSet, Policy, Recipe, Salts};
use crate::verifier::{Verifier, VerifierKind, Verifiers};

mod check;
mod credential;
mod network;
mod words;

pub use check::{Check, Verdict, check_user};
pub use credential::{Credential, Occasion, State};
pub use network::{Network, NetworkError};
pub use words::{ChangedBy, ChangedByError, Label, LabelError, PlainRule, Timestamp};

/// Everything that the store knows of one user.
#[derive(Debug)]
pub struct Record(RecordParts);

/// The parts of a record, before they have been found consistent.
#[derive(Debug)]
pub struct RecordParts {
    /// Whose record it is, with the realm in the spelling that H(A1) was made with.
    pub identity: Identity,
    /// The credentials, in the order in which they were added.
    pub credentials: Vec<Credential>,
    /// The user's own list of verifiers, stronger than the policy.
    pub keep: Option<KindSet>,
    /// Whether the policy may keep `plain` for this user (`-n`).
    pub plain: PlainRule,
    /// When the user was created.
    pub created: Timestamp,
    /// When anything was changed last.
    pub changed: Timestamp,
    /// Who changed it last, and with what.
    pub changed_by: ChangedBy,
}

/// Why parts are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More than [`Record::MAX_CREDENTIALS`].
    #[error("a user has at most {most} credentials: {0}", most = Record::MAX_CREDENTIALS)]
    TooManyCredentials(usize),
    /// Two credentials of one label.
    #[error("two credentials have one label: {0}")]
    DuplicateLabel(Label),
    /// Two credentials whose verifiers of one kind differ in salt or cost, so that one exchange could not
    /// serve both.
    #[error("the {kind} verifiers of two credentials differ in salt or cost: {label}")]
    UnevenRecipe {
        /// The kind.
        kind: VerifierKind,
        /// The later of the two.
        label: Label,
    },
    /// Another credential has a verifier of this kind that is too weak for a new password to be derived with its salt and
    /// cost; with others, one exchange could not serve both.
    #[error("the {kind} verifier of another credential is too weak to derive a password like it: {label}")]
    WeakRecipe {
        /// The kind.
        kind: VerifierKind,
        /// The credential that has it.
        label: Label,
    },
    /// No verifier would be left for a credential.
    #[error("no verifier would be left for the credential: {0}")]
    NothingLeft(Label),
    /// No credential has this label.
    #[error("no credential has this label: {0}")]
    NoSuchLabel(Label),
}

impl Record {
    /// The most credentials of one user.
    pub const MAX_CREDENTIALS: usize = 64;

    /// A new user without credentials.
    pub fn new(identity: Identity, now: Timestamp, changed_by: ChangedBy) -> Self {
        Self(RecordParts {
            identity,
            credentials: Vec::new(),
            keep: None,
            plain: PlainRule::ByPolicy,
            created: now,
            changed: now,
            changed_by,
        })
    }

    /// A user with one credential, which has no other to disagree with.
    pub(crate) fn of_one(
        identity: Identity,
        credential: Credential,
        now: Timestamp,
        changed_by: ChangedBy,
    ) -> Self {
        let mut record = Self::new(identity, now, changed_by);
        record.0.credentials.push(credential);
        record
    }

    /// A record of its parts, if they agree with each other.
    pub fn from_parts(parts: RecordParts) -> Result<Self, RecordError> {
        let credentials = &parts.credentials;
        if credentials.len() > Self::MAX_CREDENTIALS {
            return Err(RecordError::TooManyCredentials(credentials.len()));
        }
        for (index, credential) in credentials.iter().enumerate() {
            agree(&credentials[..index], credential)?;
        }
        Ok(Self(parts))
    }

    /// The parts.
    pub fn into_parts(self) -> RecordParts {
        self.0
    }

    /// Whose record it is.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The credentials.
    pub fn credentials(&self) -> &[Credential] {
        &self.0.credentials
    }

    /// The credential of a label.
    pub fn credential(&self, label: &Label) -> Option<&Credential> {
        self.0.credentials.iter().find(|credential| credential.label == *label)
    }

    /// The user's own list of verifiers.
    pub fn keep(&self) -> Option<KindSet> {
        self.0.keep
    }

    /// Whether `plain` may be kept.
    pub fn plain(&self) -> PlainRule {
        self.0.plain
    }

    /// When the user was created.
    pub fn created(&self) -> Timestamp {
        self.0.created
    }

    /// When anything was changed last.
    pub fn changed(&self) -> Timestamp {
        self.0.changed
    }

    /// Who changed it last.
    pub fn changed_by(&self) -> &ChangedBy {
        &self.0.changed_by
    }

    /// Notes a change.
    pub fn touch(&mut self, now: Timestamp, by: ChangedBy) {
        self.0.changed = now;
        self.0.changed_by = by;
    }

    /// Sets or lifts the user's own list.
    pub fn set_keep(&mut self, keep: Option<KindSet>) {
        self.0.keep = keep;
    }

    /// Sets whether `plain` may be kept.
    pub fn set_plain(&mut self, plain: PlainRule) {
        self.0.plain = plain;
    }

    /// The verifiers to make for a new password of this user: the user's own list, else the policy's; less
    /// `plain` where it is never to be kept.
    pub fn kinds_to_make(&self, policy: &Policy) -> KindSet {
        let kinds = self.0.keep.unwrap_or(policy.keep);
        match self.0.plain {
            PlainRule::ByPolicy => kinds,
            PlainRule::Never => kinds.without(VerifierKind::Plain),
        }
    }

    /// The recipe for a credential that is to be added, or to take the place of the one labelled `label`: the
    /// salts and costs of the user's other credentials, and fresh ones where there is no other. One that is too weak is not
    /// taken over: what is then made beside it is refused ([`RecordError::WeakRecipe`]).
    pub fn recipe(&self, label: &Label, cost: &Cost, fresh: Salts) -> Recipe {
        let mut recipe = Recipe::new(*cost, fresh);
        let others = self.0.credentials.iter().filter(|credential| credential.label != *label);
        for verifier in others.flat_map(|credential| &credential.verifiers) {
            recipe.adopt(verifier);
        }
        recipe
    }

    /// Adds a credential, or replaces the one with its label.
    pub fn put(&mut self, credential: Credential) -> Result<(), RecordError> {
        let credentials = &mut self.0.credentials;
        let place = credentials.iter().position(|other| other.label == credential.label);
        let (before, after) = credentials.split_at(place.unwrap_or(credentials.len()));
        agree(before, &credential)?;
        agree(after.get(1..).unwrap_or_default(), &credential)?;
        match place {
            Some(index) => credentials[index] = credential,
            None if credentials.len() == Self::MAX_CREDENTIALS => {
                return Err(RecordError::TooManyCredentials(credentials.len() + 1));
            }
            None => credentials.push(credential),
        }
        Ok(())
    }

    /// Puts the verifiers of a new password in the place of those that the credential has; state, end, networks and the
    /// time of creation stay. Where no credential has the label, adds one.
    pub fn renew(
        &mut self,
        label: &Label,
        verifiers: Verifiers,
        raw: bool,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let mut credential = Credential::new(label.clone(), verifiers, raw, now);
        if let Some(before) = self.credential(label) {
            credential.created = before.created;
            credential.state = before.state;
            credential.expires = before.expires;
            credential.networks.clone_from(&before.networks);
        }
        self.put(credential)
    }

    /// Takes a credential out.
    pub fn remove(&mut self, label: &Label) -> Option<Credential> {
        let index = self.0.credentials.iter().position(|credential| credential.label == *label)?;
        Some(self.0.credentials.remove(index))
    }

    /// Sets the state of one credential, or of all.
    pub fn set_state(
        &mut self,
        label: Option<&Label>,
        state: State,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        self.change(label, |credential| {
            credential.state = state;
            credential.changed = now;
        })
    }

    /// Sets or lifts the end of one credential, or of all.
    pub fn set_expires(
        &mut self,
        label: Option<&Label>,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        self.change(label, |credential| {
            credential.expires = expires;
            credential.changed = now;
        })
    }

    /// Drops every verifier that is not in `kinds` from all credentials (`--keep`), and says what was
    /// dropped. `foreign`, which no list can name, stays where nothing else would be left. Changes nothing
    /// when a credential would be left without any verifier.
    pub fn retain(&mut self, kinds: KindSet) -> Result<KindSet, RecordError> {
        let kept = |credential: &Credential| {
            let (had, foreign) = (credential.verifiers.kinds(), KindSet::EMPTY.with(VerifierKind::Foreign));
            let left = had.minus(had.minus(kinds));
            if left.is_empty() { had.minus(had.minus(foreign)) } else { left }
        };
        if let Some(bare) = self.0.credentials.iter().find(|credential| kept(credential).is_empty()) {
            return Err(RecordError::NothingLeft(bare.label.clone()));
        }
        let mut dropped = KindSet::EMPTY;
        for credential in &mut self.0.credentials {
            let kept = kept(credential);
            dropped = credential.verifiers.retain(kept).iter().fold(dropped, KindSet::with);
        }
        Ok(dropped)
    }

    /// The kinds that any credential has.
    pub fn kinds(&self) -> KindSet {
        self.verifiers().map(Verifier::kind).collect()
    }

    /// The weakest verifier of all credentials: the record is as strong as that.
    pub fn weakest(&self) -> Option<&Verifier> {
        self.verifiers().min_by_key(|verifier| (verifier.strength(), Reverse(verifier.kind())))
    }

    /// Every verifier of every credential.
    pub fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        self.0.credentials.iter().flat_map(|credential| &credential.verifiers)
    }

    fn change(
        &mut self,
        label: Option<&Label>,
        mut change: impl FnMut(&mut Credential),
    ) -> Result<(), RecordError> {
        let Some(label) = label else {
            self.0.credentials.iter_mut().for_each(change);
            return Ok(());
        };
        let found = self.0.credentials.iter_mut().find(|credential| credential.label == *label);
        found.map(&mut change).ok_or_else(|| RecordError::NoSuchLabel(label.clone()))
    }
}

/// Whether a credential may stand beside others: a label of its own, and salt and cost in common.
fn agree(others: &[Credential], credential: &Credential) -> Result<(), RecordError> {
    if others.iter().any(|other| other.label == credential.label) {
        return Err(RecordError::DuplicateLabel(credential.label.clone()));
    }
    for verifier in &credential.verifiers {
        let kind = verifier.kind();
        let peers = others.iter().filter_map(|other| Some((other, other.verifiers.get(kind)?)));
        let mut uneven = peers.filter(|(_, peer)| !peer.shares_answer_with(verifier));
        if let Some((other, peer)) = uneven.next().filter(|_| kind != VerifierKind::Foreign) {
            return Err(if verifier.is_fair() && !peer.is_fair() {
                RecordError::WeakRecipe { kind, label: other.label.clone() }
            } else {
                RecordError::UnevenRecipe { kind, label: credential.label.clone() }
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
