//! What is said of users, row by row. Verifiers are put together from parts: none is checked here.

use credential::policy::{Iterations, Salt};
use credential::verifier::{Argon2id, CramMd5, Foreign, Plain, Scheme, Scram, ScramHash};
use credential::{ChangedBy, Identity, Realm, Secret, Username, Verifiers};

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000);
/// "secret", by libcrypt and by Dovecot.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const SSHA: &str = "BMqYeRqj9RMfSmPz5kU/cFZvA7J0Ww6C";

fn verifier(name: &str) -> Verifier {
    let salt = || Salt::new(&[1; 16]).unwrap();
    let scram = |iterations| {
        let iterations = Iterations::new(iterations).unwrap();
        Verifier::Scram(Scram::from_parts(ScramHash::Sha256, iterations, salt(), &[2; 32], &[3; 32]).unwrap())
    };
    match name {
        "argon2id" => Verifier::Argon2id(
            Argon2id::from_parts(Policy::default().cost.argon2id, salt(), &[4; 32]).unwrap(),
        ),
        "scram" => scram(65_536),
        "scram-4096" => scram(4096),
        "scram-1" => scram(1),
        "cram-md5" => Verifier::CramMd5(CramMd5::from_octets(&[5; 32])),
        "plain" => Verifier::Plain(Plain::new(Secret::new(b"secret".to_vec()))),
        "bcrypt" => Verifier::Foreign(Foreign::parse(Scheme::Bcrypt, BCRYPT).unwrap()),
        "ssha" => Verifier::Foreign(Foreign::parse(Scheme::SaltedSha1, SSHA).unwrap()),
        other => panic!("no verifier {other}"),
    }
}

fn credential(label: &str, verifiers: &str) -> Credential {
    let verifiers = verifiers.split_ascii_whitespace().map(verifier).collect();
    Credential::new(label.parse().unwrap(), Verifiers::new(verifiers).unwrap(), false, NOW)
}

fn user(name: &str, credentials: Vec<Credential>) -> Record {
    let (user, realm) = name.split_once('@').unwrap();
    let identity = Identity::new(Username::prepare(user).unwrap(), Realm::prepare(realm).unwrap());
    let mut record = Record::new(identity, NOW, ChangedBy::default());
    for credential in credentials {
        record.put(credential).unwrap();
    }
    record
}

fn survey(policy: &Policy) -> Survey<'_> {
    Survey::new(policy, NOW, "saslpasswd".to_owned())
}

fn remarks(record: &Record) -> Vec<(&'static str, String, Option<String>)> {
    let remarks = survey(&Policy::default()).add(record);
    remarks
        .into_iter()
        .map(|remark| {
            let command = remark.fix.map(|fix| fix.command().to_owned());
            (remark.rule, remark.why, command)
        })
        .collect()
}

#[test]
fn weak_verifiers_are_told_by_what_asks_for_them() {
    for (verifiers, keep, rule, why, fix) in [
        ("argon2id scram", None, "", "", ""),
        ("bcrypt", None, "", "", ""),
        (
            "argon2id plain",
            None,
            "weak-verifier",
            "plain (clear text), which nothing asks for",
            "saslpasswd --keep argon2id,scram-sha-256 -u b.example -- alice",
        ),
        (
            "argon2id cram-md5 plain",
            None,
            "weak-verifier",
            "cram-md5 (password-equivalent), plain (clear text), which nothing asks for",
            "saslpasswd --keep argon2id,scram-sha-256 -u b.example -- alice",
        ),
        (
            "argon2id scram-1",
            None,
            "weak-verifier",
            "scram-sha-256 (fast), which nothing asks for",
            "saslpasswd -u b.example -- alice",
        ),
        (
            "ssha",
            None,
            "weak-verifier",
            "foreign (fast), which nothing asks for",
            "saslpasswd -u b.example -- alice",
        ),
        (
            "plain",
            Some("plain"),
            "note-weak-verifier",
            "plain (clear text), which the user's own list asks for",
            "",
        ),
        (
            "argon2id cram-md5",
            Some("argon2id"),
            "weak-verifier",
            "cram-md5 (password-equivalent), which nothing asks for",
            "saslpasswd --keep argon2id -u b.example -- alice",
        ),
    ] {
        let mut record = user("alice@b.example", vec![credential("main", verifiers)]);
        record.set_keep(keep.map(|keep: &str| keep.parse().unwrap()));
        let expected: Vec<_> = (!rule.is_empty())
            .then(|| (rule, why.to_owned(), Some(fix.to_owned()).filter(|fix| !fix.is_empty())))
            .into_iter()
            .collect();
        assert_eq!(remarks(&record), expected, "{verifiers} {keep:?}");
    }
}

/// Setting one password anew mends no other.
#[test]
fn each_credential_that_is_to_be_set_anew_is_named() {
    let record = user(
        "alice@b.example",
        vec![
            credential("main", "cram-md5"),
            credential("my phone", "cram-md5"),
            credential("pad", "argon2id"),
        ],
    );
    let [(_, _, Some(fix))] = &remarks(&record)[..] else { panic!("one remark") };
    let expected = "saslpasswd -u b.example -- alice; saslpasswd --label 'my phone' -u b.example -- alice";
    assert_eq!(fix, expected);
}

#[test]
fn the_policy_asks_for_what_it_keeps() {
    let policy = Policy { keep: "argon2id,cram-md5".parse().unwrap(), ..Policy::default() };
    let mut survey = survey(&policy);
    let said = survey.add(&user("a@b", vec![credential("main", "argon2id cram-md5")]));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].why, "cram-md5 (password-equivalent), which secrets.keep asks for");
    assert!(!said[0].is_unsafe());
    let sums = survey.sums();
    assert_eq!((sums.weak, sums.weak_unasked), (1, 0));
}

#[test]
fn names_are_quoted_for_the_shell() {
    let record = user("a b$c@b.example", vec![credential("main", "ssha")]);
    assert_eq!(remarks(&record)[0].2.as_deref(), Some("saslpasswd -u b.example -- 'a b$c'"));
}

#[test]
fn a_name_is_no_option() {
    let record = user("--help@b.example", vec![credential("main", "argon2id plain")]);
    let command = "saslpasswd --keep argon2id,scram-sha-256 -u b.example -- --help";
    assert_eq!(remarks(&record)[0].2.as_deref(), Some(command));
}

#[test]
fn who_cannot_log_in_is_said_by_label() {
    let mut phone = credential("phone", "argon2id");
    phone.expires = Some(Timestamp(NOW.seconds()));
    let mut main = credential("main", "argon2id");
    main.state = State::Suspended;
    let record = user("alice@b.example", vec![main, phone]);
    let said: Vec<_> = remarks(&record).into_iter().map(|(rule, why, _)| (rule, why)).collect();
    assert_eq!(
        said,
        [("note-disabled", "disabled".to_owned()), ("note-expired", "phone: expired 2023-11-14".to_owned())]
    );
}

#[test]
fn sums_count_users_and_not_their_parts() {
    let expired = |label| {
        let mut credential = credential(label, "argon2id scram");
        credential.expires = Some(Timestamp(1));
        credential
    };
    let mut suspended = credential("main", "argon2id scram");
    suspended.state = State::Suspended;
    let mut raw = credential("main", "ssha");
    raw.raw = true;
    let mut own = user("own@z", vec![credential("main", "argon2id plain")]);
    own.set_keep(Some("argon2id,plain".parse().unwrap()));
    let (policy, mut said) = (Policy::default(), Vec::new());
    let mut sums = survey(&policy);
    for record in [
        user(
            "a@B.example",
            vec![credential("main", "argon2id scram"), credential("phone", "argon2id scram")],
        ),
        user("b@b.example", vec![expired("main"), expired("phone")]),
        user("c@b.example", vec![suspended]),
        user("d@b.example", vec![credential("main", "argon2id scram"), expired("phone")]),
        user("e@y", vec![raw]),
        user("f@y", vec![credential("main", "scram-4096")]),
        own,
    ] {
        said.extend(sums.add(&record));
    }
    let verifiers = [("argon2id", 5), ("foreign", 1), ("plain", 1), ("scram-sha-256", 5)];
    assert_eq!(
        sums.sums(),
        Sums {
            users: 7,
            realms: 3,
            credentials: 10,
            verifiers: verifiers.into_iter().collect(),
            weak: 2,
            weak_unasked: 1,
            disabled: 1,
            expired: 1,
            foreign: 1,
            raw: 1,
            extra_check: 2,
            cheap: 1,
            own_list: 1,
        }
    );
    assert_eq!(said.iter().filter(|remark| remark.is_unsafe()).count(), 1);
}
