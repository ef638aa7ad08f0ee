use super::*;
use crate::decoy::{DecoyKey, ShapeCounts};
use crate::identity::{Identity, Realm};
use crate::policy::{Argon2Cost, Cost, Iterations, KindSet, Policy, Recipe, Salts};
use crate::record::{ChangedBy, State, Timestamp};
use crate::verifier::{CramMd5, Foreign, Scheme, Verifiers, derive};

const NOW: Timestamp = Timestamp(1000);
const TODAY: Occasion = Occasion { now: NOW, from: None };

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn alice() -> Identity {
    Identity::parse("alice@example.org", &Realm::prepare("").unwrap()).unwrap()
}

fn policy() -> Policy {
    let few = Iterations::new(10).unwrap();
    let argon2id = Argon2Cost::new(8, 1, 1).unwrap();
    let cost = Cost { argon2id, scram_sha_1: few, scram_sha_256: few, scram_sha_512: few };
    Policy { keep: KindSet::default(), cost }
}

fn recipe() -> Recipe {
    Recipe::new(policy().cost, Salts::from_random([5; Salts::OCTETS]))
}

fn credential(name: &str, kinds: &str, password: &[u8]) -> Credential {
    let password = Password::import(&Secret::copy_of(password)).unwrap();
    let verifiers = derive(kinds.parse().unwrap(), &alice(), &password, &recipe()).unwrap();
    Credential::new(label(name), verifiers, password.is_raw(), NOW)
}

fn foreign(name: &str, text: &str) -> Credential {
    let foreign = Foreign::parse(Scheme::SaltedSha1, text).unwrap();
    Credential::new(label(name), Verifiers::one(Verifier::Foreign(foreign)), true, NOW)
}

fn record(credentials: Vec<Credential>) -> Record {
    let mut record = Record::new(alice(), NOW, ChangedBy::default());
    for credential in credentials {
        record.put(credential).unwrap();
    }
    record
}

/// The label of the credential that fits, and what it took.
fn examine(record: &Record, candidate: &[u8]) -> (Option<String>, Vec<VerifierKind>) {
    let (verdict, spent) = record.examine(&Secret::copy_of(candidate), &TODAY).unwrap();
    assert_eq!(record.check(&Secret::copy_of(candidate), &TODAY).unwrap(), verdict);
    (fitting(verdict), spent)
}

fn fitting(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Right { label } => Some(label.to_string()),
        Verdict::Wrong => None,
    }
}

#[test]
fn one_derivation_checks_every_credential() {
    let record = record(vec![
        credential("main", "argon2id,scram-sha-256", b"secret"),
        credential("phone", "argon2id", b"telephone"),
        credential("tablet", "argon2id,plain", b"tablet"),
    ]);
    for (candidate, expected) in
        [("secret", Some("main")), ("telephone", Some("phone")), ("tablet", Some("tablet")), ("wrong", None)]
    {
        let (found, spent) = examine(&record, candidate.as_bytes());
        assert_eq!(found.as_deref(), expected, "{candidate}");
        assert_eq!(spent, [VerifierKind::Argon2id], "{candidate}");
    }
}

#[test]
fn the_strongest_verifier_of_each_credential_is_used() {
    let record = record(vec![
        credential("main", "scram-sha-256,digest-md5,plain", b"secret"),
        credential("phone", "cram-md5,plain", b"telephone"),
    ]);
    let (found, spent) = examine(&record, b"telephone");
    assert_eq!(found.as_deref(), Some("phone"));
    assert_eq!(spent, [VerifierKind::ScramSha256, VerifierKind::CramMd5]);
}

#[test]
fn suspended_and_expired_are_wrong() {
    let mut record = record(vec![credential("main", "argon2id", b"secret")]);
    assert_eq!(examine(&record, b"secret").0.as_deref(), Some("main"));
    record.set_expires(None, Some(NOW), NOW).unwrap();
    assert_eq!(examine(&record, b"secret"), (None, vec![]));
    record.set_expires(None, Some(Timestamp(NOW.0 + 1)), NOW).unwrap();
    assert_eq!(examine(&record, b"secret").0.as_deref(), Some("main"));
    record.set_state(None, State::Suspended, NOW).unwrap();
    assert_eq!(examine(&record, b"secret"), (None, vec![]));
}

#[test]
fn a_candidate_is_prepared_as_the_password_was() {
    let record = record(vec![
        credential("main", "argon2id", "p\u{E4}ss word".as_bytes()),
        credential("raw", "argon2id", b"p\xE4ss"),
    ]);
    for (candidate, expected) in [
        ("p\u{E4}ss word".as_bytes(), Some("main")),
        ("pa\u{308}ss\u{A0}word".as_bytes(), Some("main")),
        (b"p\xE4ss", Some("raw")),
        (b"p\xE4ss word", None),
        ("p\u{E4}ss".as_bytes(), None),
    ] {
        let (found, spent) = examine(&record, candidate);
        assert_eq!(found.as_deref(), expected, "{candidate:?}");
        assert!(spent.iter().all(|kind| *kind == VerifierKind::Argon2id) && !spent.is_empty());
    }
}

/// A raw credential is compared as sent: preparing would make another password of the candidate.
#[test]
fn a_raw_credential_sees_the_octets() {
    let text = "a\u{A0}b".as_bytes();
    let mut credential = credential("main", "cram-md5", b"unused");
    credential.verifiers = Verifiers::one(Verifier::CramMd5(CramMd5::derive(text)));
    credential.raw = true;
    let record = record(vec![credential]);
    assert_eq!(examine(&record, text).0.as_deref(), Some("main"));
    assert_eq!(examine(&record, b"a b").0, None);
}

/// SHA-1 of nothing and of "ab\0cd": other servers' files may hold such hashes, and nobody may log in with
/// them.
#[test]
fn no_password_is_empty_over_long_or_has_a_nul() {
    let record = record(vec![
        foreign("empty", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        foreign("nul", "z3a/ge2/BncxqYxrfS6yiCTTgCc="),
    ]);
    for candidate in [&b""[..], b"ab\0cd", &[b'x'; MAX_PASSWORD + 1]] {
        let (found, spent) = examine(&record, candidate);
        assert_eq!((found, spent.len()), (None, 2), "{candidate:?}");
    }
    let Some(Verifier::Foreign(empty)) = record.credentials()[0].verifiers.strongest() else { panic!() };
    assert!(empty.matches(&empty.answer(b"")), "the hash itself would fit");
}

#[test]
fn a_failure_costs_the_policys_verifier() {
    let decoy = DecoyKey::new([7; 32]).record_for(&alice(), &ShapeCounts::default(), &policy());
    let examine = |record: Option<&Record>, candidate: &str| {
        let check = check_user(record, &decoy, &Secret::copy_of(candidate.as_bytes()), &TODAY).unwrap();
        (fitting(check.verdict), check.derivations)
    };
    let argon2id = vec![VerifierKind::Argon2id];
    let foreign_alone = vec![VerifierKind::Foreign];
    let both = vec![VerifierKind::Foreign, VerifierKind::Argon2id];

    assert_eq!(examine(None, "secret"), (None, argon2id.clone()));

    let ours = record(vec![credential("main", "argon2id,scram-sha-256", b"secret")]);
    assert_eq!(examine(Some(&ours), "secret"), (Some(String::from("main")), argon2id.clone()));
    assert_eq!(examine(Some(&ours), "wrong"), (None, argon2id.clone()));

    let mut suspended = record(vec![credential("main", "argon2id", b"secret")]);
    suspended.set_state(None, State::Suspended, NOW).unwrap();
    assert_eq!(examine(Some(&suspended), "secret"), (None, argon2id.clone()));
    assert_eq!(examine(Some(&record(vec![])), "secret"), (None, argon2id));

    let theirs = record(vec![foreign("main", "5en6G6MezRroT3XKqkdPOmY/BfQ=")]);
    assert_eq!(examine(Some(&theirs), "secret"), (Some(String::from("main")), foreign_alone));
    assert_eq!(examine(Some(&theirs), "wrong"), (None, both));
}

#[test]
fn a_credential_counts_only_from_its_networks() {
    let mut phone = credential("phone", "argon2id", b"secret");
    phone.networks = vec!["192.0.2.0/24".parse().unwrap()];
    let record = record(vec![phone]);
    for (from, is_right) in [(None, true), (Some("192.0.2.7"), true), (Some("198.51.100.7"), false)] {
        let occasion = Occasion { from: from.map(|address| address.parse().unwrap()), ..TODAY };
        let verdict = record.check(&Secret::copy_of(b"secret"), &occasion).unwrap();
        assert_eq!(verdict != Verdict::Wrong, is_right, "{from:?}");
    }
}
