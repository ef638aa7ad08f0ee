//! What is to be said of each user, and the sums over all. Pure: records, the policy and the time come in.

use std::collections::BTreeMap;

use credential::{
    Credential, KindSet, Label, Policy, Record, Shape, State, Strength, Timestamp, Verifier, VerifierKind,
};
use serde::Serialize;

/// Goes over all users, one at a time.
pub(super) struct Survey<'a> {
    policy: &'a Policy,
    now: Timestamp,
    /// How saslpasswd is called for this store.
    saslpasswd: String,
    realm: Option<String>,
    sums: Sums,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sums {
    /// Users.
    pub(super) users: u64,
    /// Realms, without regard to case.
    pub(super) realms: u64,
    /// Credentials of all users.
    pub(super) credentials: u64,
    /// Users who have a verifier of this kind.
    pub(super) verifiers: BTreeMap<&'static str, u64>,
    /// Users with a verifier that is password-equivalent or fast.
    pub(super) weak: u64,
    /// Of these, users whose weak verifier neither the policy nor their own list asks for.
    pub(super) weak_unasked: u64,
    /// Users none of whose credentials may be used, because they are disabled.
    pub(super) disabled: u64,
    /// The same, because they have expired.
    pub(super) expired: u64,
    /// Users with another server's one-way hash.
    pub(super) foreign: u64,
    /// Users with a password that could not be prepared when it was imported.
    pub(super) raw: u64,
    /// Users who lack the verifier that PLAIN is checked with by the policy: their failures cost another check on top.
    pub(super) extra_check: u64,
    /// Users with a verifier that costs less than the policy's.
    pub(super) cheap: u64,
    /// Users with a list of their own of what is kept.
    pub(super) own_list: u64,
}

/// Something to be said of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// `user@realm`.
    pub(super) user: String,
    /// The stable word; one that begins with `note-` makes nothing unsafe.
    pub(super) rule: &'static str,
    /// One sentence.
    pub(super) why: String,
    /// What mends it.
    pub(super) fix: Option<Fix>,
}

/// A command that mends what is to be said of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fix {
    /// One that needs nobody.
    Runs(String),
    /// One that asks a person for the new password; of a script that it stands in it would read the next lines.
    Asks(String),
}

impl Fix {
    /// The command.
    pub(super) fn command(&self) -> &str {
        let (Self::Runs(command) | Self::Asks(command)) = self;
        command
    }
}

impl Remark {
    /// Whether it makes the store unsafe.
    pub(super) fn is_unsafe(&self) -> bool {
        !self.rule.starts_with("note-")
    }
}

impl<'a> Survey<'a> {
    /// Of this policy at this time; `saslpasswd` is how that program is called for the store.
    pub(super) fn new(policy: &'a Policy, now: Timestamp, saslpasswd: String) -> Self {
        Self { policy, now, saslpasswd, realm: None, sums: Sums::default() }
    }

    /// Counts one user, in the order of realms, and says what is to be said.
    pub(super) fn add(&mut self, record: &Record) -> Vec<Remark> {
        self.count(record);
        let user = record.identity().to_string();
        let weak = self.weak(record, &user);
        self.sums.weak += u64::from(!weak.is_empty());
        self.sums.weak_unasked += u64::from(weak.iter().any(Remark::is_unsafe));
        weak.into_iter().chain(self.unusable(record, &user)).collect()
    }

    pub(super) fn policy(&self) -> &'a Policy {
        self.policy
    }

    pub(super) fn sums(self) -> Sums {
        self.sums
    }

    fn count(&mut self, record: &Record) {
        let realm = record.identity().realm.folded();
        let sums = &mut self.sums;
        sums.users += 1;
        sums.realms += u64::from(self.realm.as_ref() != Some(&realm));
        self.realm = Some(realm);
        sums.credentials += record.credentials().len() as u64;
        let kinds = record.kinds();
        for kind in kinds.iter() {
            *sums.verifiers.entry(kind.name()).or_default() += 1;
        }
        let any = |has: &dyn Fn(&Credential) -> bool| u64::from(record.credentials().iter().any(has));
        sums.foreign += u64::from(kinds.contains(VerifierKind::Foreign));
        sums.raw += any(&|credential| credential.raw);
        sums.own_list += u64::from(record.keep().is_some());
        sums.extra_check += u64::from(self.policy.keep.strongest().is_some_and(|kind| !kinds.contains(kind)));
        sums.cheap +=
            any(&|credential| credential.verifiers.iter().any(|verifier| is_cheap(verifier, self.policy)));
    }

    /// One remark for what is asked for, one for what is not.
    fn weak(&self, record: &Record, user: &str) -> Vec<Remark> {
        let asked = record.kinds_to_make(self.policy);
        let weak: BTreeMap<VerifierKind, Strength> = verifiers(record)
            .filter(|verifier| verifier.strength() <= Strength::Fast)
            .map(|verifier| (verifier.kind(), verifier.strength()))
            .collect();
        let as_asked = |(kind, strength): &(VerifierKind, Strength)| {
            asked.contains(*kind) && *strength >= kind.strength()
        };
        let (kept, left): (Vec<_>, Vec<_>) = weak.into_iter().partition(as_asked);
        let by = if record.keep().is_some() { "the user's own list" } else { "secrets.keep" };
        let remarks = [
            (left, "weak-verifier", "which nothing asks for".to_owned(), Some(self.mend(record, asked))),
            (kept, "note-weak-verifier", format!("which {by} asks for"), None),
        ];
        let remarks = remarks.into_iter().filter(|(weak, ..)| !weak.is_empty());
        remarks
            .map(|(weak, rule, reason, fix)| Remark {
                user: user.to_owned(),
                rule,
                why: format!("{}, {reason}", named(&weak)),
                fix,
            })
            .collect()
    }

    /// Credentials that may not be used, each by its label; a user who has no other is counted.
    fn unusable(&mut self, record: &Record, user: &str) -> Vec<Remark> {
        let now = self.now;
        let credentials = record.credentials();
        if credentials.iter().all(|credential| !credential.is_usable(now)) {
            let disabled = credentials.iter().any(|credential| credential.state == State::Suspended);
            *(if disabled { &mut self.sums.disabled } else { &mut self.sums.expired }) += 1;
        }
        let remark = |(rule, why)| Remark { user: user.to_owned(), rule, why, fix: None };
        credentials.iter().filter_map(|credential| unusable(credential, now)).map(remark).collect()
    }

    /// What drops the verifiers that nothing asks for; where one of them is all that a credential has, or is asked for and
    /// weaker than its kind, only setting the password anew does.
    fn mend(&self, record: &Record, asked: KindSet) -> Fix {
        let (identity, saslpasswd) = (record.identity(), &self.saslpasswd);
        let user = safefile::shell_quote(identity.user.as_str());
        let who = format!("-u {} -- {user}", safefile::shell_quote(identity.realm.as_str()));
        let anew = record.credentials().iter().filter(|credential| is_to_be_set_anew(credential, asked));
        let anew: Vec<_> =
            anew.map(|credential| format!("{saslpasswd} {}{who}", label_option(credential))).collect();
        if anew.is_empty() {
            Fix::Runs(format!("{saslpasswd} --keep {asked} {who}"))
        } else {
            Fix::Asks(anew.join("; "))
        }
    }
}

/// Whether nothing asks for any of its verifiers, or one that is asked for is weaker than its kind.
fn is_to_be_set_anew(credential: &Credential, asked: KindSet) -> bool {
    let nothing_left = credential.verifiers.kinds().minus(asked) == credential.verifiers.kinds();
    let is_too_weak = |verifier: &Verifier| {
        asked.contains(verifier.kind()) && verifier.strength() < verifier.kind().strength()
    };
    nothing_left || credential.verifiers.iter().any(is_too_weak)
}

/// The option that names a credential, with a blank behind it; the main one needs none.
fn label_option(credential: &Credential) -> String {
    if credential.label == Label::main() {
        return String::new();
    }
    format!("--label {} ", safefile::shell_quote(credential.label.as_str()))
}

fn unusable(credential: &Credential, now: Timestamp) -> Option<(&'static str, String)> {
    let label =
        if credential.label == Label::main() { String::new() } else { format!("{}: ", credential.label) };
    match credential.expires {
        _ if credential.state == State::Suspended => Some(("note-disabled", format!("{label}disabled"))),
        Some(end) if end <= now => Some(("note-expired", format!("{label}expired {}", date(end)))),
        _ => None,
    }
}

fn named(weak: &[(VerifierKind, Strength)]) -> String {
    weak.iter().map(|(kind, strength)| format!("{kind} ({strength})")).collect::<Vec<_>>().join(", ")
}

fn verifiers(record: &Record) -> impl Iterator<Item = &Verifier> {
    record.credentials().iter().flat_map(|credential| credential.verifiers.iter())
}

/// Whether a guess at it costs less than at one that the policy makes: an import keeps other servers' costs.
fn is_cheap(verifier: &Verifier, policy: &Policy) -> bool {
    match (Shape::of(verifier), verifier) {
        (Some(Shape::Argon2id { cost, .. }), _) => cost.work_kib() < policy.cost.argon2id.work_kib(),
        (Some(Shape::Scram { hash, iterations, .. }), _) => iterations < policy.cost.iterations(hash),
        (None, _) => false,
    }
}

/// The day, as RFC 3339 writes it; the seconds where they are no date.
pub(super) fn date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.seconds()).ok();
    let moment = seconds.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.map_or_else(|| time.seconds().to_string(), |moment| moment.date().to_string())
}

#[cfg(test)]
mod tests;
