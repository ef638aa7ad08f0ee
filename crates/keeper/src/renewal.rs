//! A record that is brought to the policy once its user's password is known to be right: missing verifiers are made, those
//! of outdated cost made anew, and another server's hash gives way to ours.
//!
//! It happens behind the login's back, for a credential that is still as it was when the password was checked, and not at
//! all where others hold the store. What the user's own list or `-n` rules out is not made.

use credential::policy::KindSet;
use credential::{
    ChangedBy, Label, Password, Policy, Recipe, Record, Salts, ScramHash, Secret, Timestamp, Verifier,
    VerifierKind,
};
use store::StoreError;
use store::secrets::{SecretStore, Stored};

/// A record that is to be brought to the policy. It holds a password, and wipes it.
pub struct Renewal {
    stored: Stored,
    label: Label,
    password: Secret,
    policy: Policy,
    now: Timestamp,
}

/// What became of it.
#[derive(Debug)]
pub enum Renewed {
    /// It is done, and these verifiers are new.
    Made(KindSet),
    /// There was nothing to do, or nothing that may be done beside the user's other credentials.
    AsItWas,
    /// Somebody else has changed the record meanwhile: his change stays.
    Overtaken,
}

impl Renewal {
    /// What is to be done for a credential whose password was right; `None`: nothing.
    pub(crate) fn of(
        stored: Stored,
        label: Label,
        password: impl FnOnce() -> Secret,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Self> {
        if wanted(&stored.record, &label, policy).is_empty() {
            return None;
        }
        Some(Self { stored, label, password: password(), policy: *policy, now })
    }

    /// Whose record it is.
    pub fn identity(&self) -> &credential::Identity {
        self.stored.record.identity()
    }

    /// Which of his credentials.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Derives what is missing, and puts it in its place. The store waits for others as long as it was opened to.
    pub fn carry_out(self, store: &SecretStore, salts: &Salts, by: ChangedBy) -> Result<Renewed, StoreError> {
        let seen = self.stored.revision;
        let Some((record, made)) = self.renewed(salts, by) else { return Ok(Renewed::AsItWas) };
        let put = store.write::<_, StoreError>(|edit| edit.put_if(&record, Some(seen)))?;
        Ok(put.map_or(Renewed::Overtaken, |_| Renewed::Made(made)))
    }

    fn renewed(self, salts: &Salts, by: ChangedBy) -> Option<(Record, KindSet)> {
        let Self { stored, label, password, policy, now } = self;
        let record = stored.record;
        let kinds = wanted(&record, &label, &policy);
        let password = fitting(&record, &label, &password)?;
        let recipe = record.recipe(&label, &policy.cost, salts.clone());
        let kinds = kinds.iter().filter(|kind| may_stand(*kind, &record, &label, &recipe, salts)).collect();
        let made = make(&record, kinds, &label, &password, &recipe)?;
        let new: KindSet = made.iter().map(Verifier::kind).collect();
        let mut parts = record.into_parts();
        let credential = parts.credentials.iter_mut().find(|credential| credential.label == label)?;
        for verifier in made {
            credential.verifiers.insert(verifier);
        }
        if !new.is_empty() {
            credential.raw = password.is_raw();
            credential.verifiers.retain(credential.verifiers.kinds().without(VerifierKind::Foreign));
        }
        let mut record = Record::from_parts(parts).ok()?;
        record.touch(now, by);
        (!new.is_empty()).then_some((record, new))
    }
}

/// The kinds that a credential should have and has not, or not at the policy's cost.
fn wanted(record: &Record, label: &Label, policy: &Policy) -> KindSet {
    let Some(credential) = record.credential(label) else { return KindSet::EMPTY };
    let kinds = record.kinds_to_make(policy).without(VerifierKind::Foreign);
    let has = |kind| credential.verifiers.get(kind).is_some_and(|verifier| !is_outdated(verifier, policy));
    kinds.iter().filter(|kind| !has(*kind)).collect()
}

fn is_outdated(verifier: &Verifier, policy: &Policy) -> bool {
    match verifier {
        Verifier::Argon2id(argon2id) => argon2id.cost().work_kib() < policy.cost.argon2id.work_kib(),
        Verifier::Scram(scram) => scram.iterations() < policy.cost.iterations(scram.hash()),
        Verifier::Foreign(_) | Verifier::CramMd5(_) | Verifier::DigestMd5(_) | Verifier::Plain(_) => false,
    }
}

/// The password in the form that all verifiers of the credential can have in common. Of one that was imported it is not known
/// whether its verifiers were made of prepared octets: where that makes a difference, it stays as it is.
fn fitting(record: &Record, label: &Label, sent: &Secret) -> Option<Password> {
    let credential = record.credential(label)?;
    let password = if credential.raw { Password::import(sent) } else { Password::prepare(sent) }.ok()?;
    let is_the_same = password.octets() == sent.expose();
    let is_foreign_alone = credential.verifiers.kinds() == KindSet::EMPTY.with(VerifierKind::Foreign);
    (!credential.raw || is_the_same || is_foreign_alone).then_some(password)
}

/// Whether a verifier of ours may stand beside those of the user's other credentials: where they have one of its kind, it
/// must share their salt, which the recipe has not taken over where it is too weak.
fn may_stand(kind: VerifierKind, record: &Record, label: &Label, recipe: &Recipe, fresh: &Salts) -> bool {
    let others = record.credentials().iter().filter(|credential| credential.label != *label);
    let is_alone = others.into_iter().all(|credential| credential.verifiers.get(kind).is_none());
    let hash = ScramHash::ALL.into_iter().find(|hash| hash.kind() == kind);
    let is_shared = match (kind, hash) {
        (VerifierKind::Argon2id, _) => recipe.salts.argon2id != fresh.argon2id,
        (_, Some(hash)) => recipe.salts.scram(hash) != fresh.scram(hash),
        (_, None) => true,
    };
    is_alone || is_shared
}

/// Makes what is missing; what the recipe, which the user's other credentials have a say in, cannot make better stays.
fn make(
    record: &Record,
    kinds: KindSet,
    label: &Label,
    password: &Password,
    recipe: &Recipe,
) -> Option<Vec<Verifier>> {
    let credential = record.credential(label)?;
    let at_best = Policy { keep: kinds, cost: recipe.cost };
    let is_better =
        |kind: &VerifierKind| credential.verifiers.get(*kind).is_none_or(|old| is_outdated(old, &at_best));
    let made = kinds.iter().filter(is_better);
    made.map(|kind| Verifier::derive(kind, record.identity(), password, recipe).ok().flatten()).collect()
}
