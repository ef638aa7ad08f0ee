use super::*;
use crate::identity::Realm;
use crate::password::Password;
use crate::policy::{Argon2Cost, Iterations, Salt};
use crate::secret::Secret;
use crate::verifier::{Argon2id, CramMd5, Foreign, Plain, Scheme, Scram, ScramHash, Strength};

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn record() -> Record {
    let identity = Identity::parse("alice@example.org", &Realm::prepare("").unwrap()).unwrap();
    Record::new(identity, Timestamp(100), ChangedBy::new("root", "saslpasswd").unwrap())
}

fn credential(name: &str, verifiers: Vec<Verifier>) -> Credential {
    Credential::new(label(name), Verifiers::new(verifiers).unwrap(), false, Timestamp(100))
}

fn scram(iterations: u32, salt: &[u8]) -> Verifier {
    let (iterations, salt) = (Iterations::new(iterations).unwrap(), Salt::new(salt).unwrap());
    Verifier::Scram(Scram::derive(ScramHash::Sha256, iterations, &salt, b"secret"))
}

fn argon2id(m: u32, salt: &[u8]) -> Verifier {
    let (cost, salt) = (Argon2Cost::new(m, 1, 1).unwrap(), Salt::new(salt).unwrap());
    Verifier::Argon2id(Argon2id::derive(cost, &salt, b"secret").unwrap())
}

const SALT: &[u8] = b"saltsaltsaltsalt";

fn foreign() -> Verifier {
    Verifier::Foreign(Foreign::parse(Scheme::SaltedSha1, "5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap())
}

fn plain() -> Verifier {
    Verifier::Plain(Plain::new(Secret::copy_of(b"secret")))
}

fn cram() -> Verifier {
    Verifier::CramMd5(CramMd5::derive(b"secret"))
}

#[test]
fn credentials_share_salt_and_cost() {
    let mut record = record();
    record.put(credential("main", vec![scram(10, b"salt"), argon2id(8, b"saltsalt")])).unwrap();
    for other in [scram(11, b"salt"), scram(10, b"tlas"), argon2id(9, b"saltsalt"), argon2id(8, b"tlastlas")]
    {
        let kind = other.kind();
        let expected = RecordError::UnevenRecipe { kind, label: label("phone") };
        assert_eq!(record.put(credential("phone", vec![other])), Err(expected));
    }
    record.put(credential("phone", vec![scram(10, b"salt"), cram(), foreign()])).unwrap();
    record.put(credential("tablet", vec![cram(), foreign()])).unwrap();
    let alone = RecordError::UnevenRecipe { kind: VerifierKind::ScramSha256, label: label("main") };
    assert_eq!(record.put(credential("main", vec![scram(11, b"salt")])), Err(alone), "phone has it too");
    assert!(record.put(credential("main", vec![argon2id(9, b"tlastlas")])).is_ok(), "nobody else has it");
    assert_eq!(record.credentials().len(), 3);
}

#[test]
fn only_the_others_hand_down_their_recipe() {
    let fresh = || Salts::from_random([9; Salts::OCTETS]);
    let cost = Cost::default();
    let mut record = record();
    assert_eq!(record.recipe(&Label::main(), &cost, fresh()), Recipe::new(cost, fresh()));

    record.put(credential("main", vec![scram(5000, SALT), argon2id(40_000, SALT)])).unwrap();
    let alone = record.recipe(&Label::main(), &cost, fresh());
    assert_eq!(alone, Recipe::new(cost, fresh()), "changing the only credential draws new salts");

    let shared = record.recipe(&label("phone"), &cost, fresh());
    let (iterations, salt) = shared.scram(ScramHash::Sha256);
    assert_eq!((iterations.get(), salt.octets()), (5000, SALT));
    assert_eq!((shared.cost.argon2id.m_kib(), shared.salts.argon2id.octets()), (40_000, SALT));
    assert_eq!(shared.scram(ScramHash::Sha512), Recipe::new(cost, fresh()).scram(ScramHash::Sha512));

    let password = Password::prepare(&Secret::copy_of(b"other")).unwrap();
    let verifiers =
        crate::verifier::derive(KindSet::default(), record.identity(), &password, &shared).unwrap();
    assert!(record.put(Credential::new(label("phone"), verifiers, false, Timestamp(101))).is_ok());
}

/// Other servers let their admins choose a single iteration, or a salt of one octet.
#[test]
fn no_password_is_derived_as_weakly_as_another_server_did_it() {
    let fresh = || Salts::from_random([9; Salts::OCTETS]);
    let policy = Policy::default();
    let password = Password::prepare(&Secret::copy_of(b"other")).unwrap();
    for (weak, refused) in [
        (scram(1, b"A"), true),
        (scram(4095, SALT), true),
        (scram(65_536, &SALT[1..]), true),
        (scram(4096, SALT), false),
        (argon2id(8, SALT), true),
        (argon2id(40_000, &SALT[1..]), true),
        (argon2id(40_000, SALT), false),
    ] {
        let kind = weak.kind();
        let said = format!("{weak:?}");
        let mut record = record();
        record.put(credential("main", vec![weak])).unwrap();
        let recipe = record.recipe(&label("phone"), &policy.cost, fresh());
        assert_eq!(recipe == Recipe::new(policy.cost, fresh()), refused, "{said}");
        let verifiers = crate::verifier::derive(policy.keep, record.identity(), &password, &recipe).unwrap();
        let put = record.put(Credential::new(label("phone"), verifiers, false, Timestamp(101)));
        let weak = RecordError::WeakRecipe { kind, label: Label::main() };
        assert_eq!(put, if refused { Err(weak) } else { Ok(()) }, "{said}");
    }
    // Where the policy is no dearer, nothing is lost.
    let cheap = Cost { argon2id: Argon2Cost::new(8, 1, 1).unwrap(), ..policy.cost };
    let mut record = record();
    record.put(credential("main", vec![argon2id(8, SALT)])).unwrap();
    assert_eq!(record.recipe(&label("phone"), &cheap, fresh()).salts.argon2id.octets(), SALT);
}

#[test]
fn parts_have_to_agree() {
    let with = |credentials: Vec<Credential>| {
        let parts = RecordParts { credentials, ..record().into_parts() };
        Record::from_parts(parts).map(|record| record.credentials().len())
    };
    assert_eq!(with(vec![]), Ok(0));
    assert_eq!(with(vec![credential("a", vec![cram()]), credential("b", vec![cram()])]), Ok(2));
    assert_eq!(
        with(vec![credential("a", vec![]), credential("b", vec![]), credential("a", vec![])]),
        Err(RecordError::DuplicateLabel(label("a")))
    );
    assert_eq!(
        with(vec![credential("a", vec![scram(1, b"a")]), credential("b", vec![scram(1, b"b")])]),
        Err(RecordError::UnevenRecipe { kind: VerifierKind::ScramSha256, label: label("b") })
    );
    let many = |count: usize| (0..count).map(|n| credential(&n.to_string(), vec![])).collect();
    assert_eq!(with(many(64)), Ok(64));
    assert_eq!(with(many(65)), Err(RecordError::TooManyCredentials(65)));
    let mut full =
        Record::from_parts(RecordParts { credentials: many(64), ..record().into_parts() }).unwrap();
    assert_eq!(full.put(credential("x", vec![])), Err(RecordError::TooManyCredentials(65)));
    assert_eq!(full.put(credential("7", vec![cram()])), Ok(()));
    assert_eq!(full.credential(&label("7")).unwrap().verifiers.kinds().to_string(), "cram-md5");
}

#[test]
fn what_to_make_of_a_new_password() {
    let policy = Policy { keep: "argon2id,plain".parse().unwrap(), cost: Cost::default() };
    let mut record = record();
    assert_eq!(record.kinds_to_make(&policy).to_string(), "argon2id,plain");
    record.set_plain(PlainRule::Never);
    assert_eq!(record.kinds_to_make(&policy).to_string(), "argon2id");
    record.set_keep(Some("scram-sha-1,plain".parse().unwrap()));
    assert_eq!(record.kinds_to_make(&policy).to_string(), "scram-sha-1", "-n is stronger than any list");
    record.set_plain(PlainRule::ByPolicy);
    assert_eq!(record.kinds_to_make(&policy).to_string(), "scram-sha-1,plain");
}

#[test]
fn dropping_verifiers() {
    let mut record = record();
    record.put(credential("main", vec![scram(10, b"salt"), argon2id(8, b"saltsalt"), plain()])).unwrap();
    record.put(credential("old", vec![foreign(), cram()])).unwrap();
    let kinds_of =
        |record: &Record, name: &str| record.credential(&label(name)).unwrap().verifiers.kinds().to_string();

    let dropped = record.retain("argon2id,scram-sha-256".parse().unwrap()).unwrap();
    assert_eq!(dropped.to_string(), "cram-md5,plain");
    assert_eq!(kinds_of(&record, "main"), "argon2id,scram-sha-256");
    assert_eq!(kinds_of(&record, "old"), "foreign", "nothing else would be left");

    let bare = record.retain("digest-md5".parse().unwrap());
    assert_eq!(bare, Err(RecordError::NothingLeft(label("main"))));
    assert_eq!(kinds_of(&record, "main"), "argon2id,scram-sha-256", "nothing was changed");
    assert_eq!(record.kinds().to_string(), "argon2id,scram-sha-256,foreign");
}

#[test]
fn foreign_is_dropped_where_something_else_serves() {
    let mut record = record();
    record.put(credential("old", vec![foreign(), cram()])).unwrap();
    assert_eq!(record.retain("cram-md5".parse().unwrap()).unwrap().to_string(), "foreign");
    assert_eq!(record.kinds().to_string(), "cram-md5");
}

#[test]
fn a_record_is_as_strong_as_its_weakest_verifier() {
    let mut record = record();
    assert!(record.weakest().is_none());
    record.put(credential("main", vec![argon2id(8, b"saltsalt"), scram(4096, b"salt")])).unwrap();
    assert_eq!(record.weakest().map(Verifier::kind), Some(VerifierKind::ScramSha256));
    assert_eq!(record.weakest().map(Verifier::strength), Some(Strength::Slow));
    record.put(credential("main", vec![argon2id(8, b"saltsalt"), scram(4095, SALT)])).unwrap();
    assert_eq!(record.weakest().map(Verifier::strength), Some(Strength::Fast), "whatever its kind is");
    record.put(credential("old", vec![foreign()])).unwrap();
    assert_eq!(record.weakest().map(Verifier::strength), Some(Strength::Fast));
    record.put(credential("new", vec![cram()])).unwrap();
    assert_eq!(record.weakest().map(Verifier::kind), Some(VerifierKind::CramMd5));
}

#[test]
fn states_and_ends_are_set_for_one_or_all() {
    let mut record = record();
    for name in ["a", "b"] {
        record.put(credential(name, vec![cram()])).unwrap();
    }
    let usable = |record: &Record, now| {
        record.credentials().iter().map(|credential| credential.is_usable(Timestamp(now))).collect::<Vec<_>>()
    };
    record.set_state(Some(&label("a")), State::Suspended, Timestamp(200)).unwrap();
    assert_eq!(usable(&record, 200), [false, true]);
    assert_eq!(record.credentials()[0].changed, Timestamp(200));
    assert_eq!(record.credentials()[1].changed, Timestamp(100));
    record.set_state(None, State::Enabled, Timestamp(201)).unwrap();
    record.set_expires(None, Some(Timestamp(300)), Timestamp(202)).unwrap();
    assert_eq!(usable(&record, 299), [true, true]);
    assert_eq!(usable(&record, 300), [false, false], "the end itself is outside");
    record.set_expires(Some(&label("b")), None, Timestamp(203)).unwrap();
    assert_eq!(usable(&record, 300), [false, true]);
    let missing = record.set_state(Some(&label("c")), State::Enabled, Timestamp(0));
    assert_eq!(missing, Err(RecordError::NoSuchLabel(label("c"))));

    assert!(record.remove(&label("c")).is_none());
    assert_eq!(record.remove(&label("a")).map(|credential| credential.label), Some(label("a")));
    assert_eq!(record.credentials().len(), 1);
}

#[test]
fn a_new_password_leaves_the_rest_of_its_credential() {
    let mut record = record();
    let mut main = credential("main", vec![plain()]);
    (main.state, main.expires) = (State::Suspended, Some(Timestamp(300)));
    main.networks = vec!["192.0.2.0/24".parse().unwrap()];
    record.put(main).unwrap();
    record.renew(&Label::main(), Verifiers::one(cram()), true, Timestamp(200)).unwrap();
    let after = record.credential(&Label::main()).unwrap();
    assert_eq!((after.state, after.expires), (State::Suspended, Some(Timestamp(300))));
    assert_eq!((after.created, after.changed, after.raw), (Timestamp(100), Timestamp(200), true));
    assert_eq!(after.networks.len(), 1);
    assert_eq!(record.kinds().to_string(), "cram-md5");
    record.renew(&label("phone"), Verifiers::one(cram()), false, Timestamp(200)).unwrap();
    assert!(record.credential(&label("phone")).unwrap().is_usable(Timestamp(200)));
}

#[test]
fn a_change_is_noted() {
    let mut record = record();
    record.touch(Timestamp(500), ChangedBy::new("1000", "import").unwrap());
    assert_eq!((record.created(), record.changed()), (Timestamp(100), Timestamp(500)));
    assert_eq!((record.changed_by().who(), record.changed_by().app()), ("1000", "import"));
}

#[test]
fn labels_and_names_are_fit_to_be_printed() {
    for good in ["main", "phone of Zo\u{EB}", "x", &"x".repeat(64)] {
        assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
    }
    assert_eq!("".parse::<Label>(), Err(LabelError::Length(0)));
    assert_eq!("x".repeat(65).parse::<Label>(), Err(LabelError::Length(65)));
    for bad in [" main", "main ", "ma\nin", "ma\u{1B}[31min", "\u{9B}31m"] {
        assert!(matches!(bad.parse::<Label>(), Err(LabelError::Unprintable(_))), "{bad:?}");
        assert!(!bad.parse::<Label>().unwrap_err().to_string().contains('\u{1B}'));
    }
    assert!(ChangedBy::new("root", &"x".repeat(255)).is_ok());
    assert_eq!(ChangedBy::new(&"x".repeat(256), "app"), Err(ChangedByError::TooLong(256)));
    assert!(matches!(ChangedBy::new("root", "a\u{1B}b"), Err(ChangedByError::Control(_))));
}

#[test]
fn networks() {
    let network = |text: &str| text.parse::<Network>().map(|network| network.to_string());
    for (given, read) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("::1", "::1/128"),
    ] {
        assert_eq!(network(given).as_deref(), Ok(read));
    }
    for bad in ["", "host", "192.0.2.0/", "192.0.2.0/+8", "192.0.2.0/a", "192.0.2", "1.2.3.4/8/8", "::/300"] {
        assert!(matches!(network(bad), Err(NetworkError::Malformed(_))), "{bad}");
    }
    assert!(matches!(network("192.0.2.0/33"), Err(NetworkError::Prefix(_))));
    let said = network("192.0.2.7/24").unwrap_err().to_string();
    assert!(said.ends_with("192.0.2.7/24 (the network is 192.0.2.0/24)"), "{said}");

    for (network, address, inside) in [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ("192.0.2.0/24", "2001:db8::1", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("::/0", "2001:db8::1", true),
        ("::/0", "192.0.2.1", false),
        ("2001:db8::/33", "2001:db8:8000::", false),
    ] {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
    }
}
