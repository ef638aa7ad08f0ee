//! Imports: from the files of other programs to users who can log in.

use std::num::NonZeroUsize;

use credential::policy::{Argon2Cost, Cost, Iterations};
use credential::{
    ChangedBy, Identity, Label, Occasion, Password, PlainRule, Policy, Realm, Record, Salts, Secret, State,
    Timestamp, Verdict, VerifierKind,
};
use store::StoreError;
use store::secrets::import::{
    self, Event, Existing, ImportFault, ImportedUser, Mode, Plan, Report, Skip, passwd_file, sasldb, text,
};
use store::secrets::{Access, SecretStore, Secrets};

use crate::sample::Fixture;

fn cheap() -> Policy {
    let few = Iterations::new(64).unwrap();
    let cost = Cost {
        argon2id: Argon2Cost::new(64, 1, 1).unwrap(),
        scram_sha_1: few,
        scram_sha_256: few,
        scram_sha_512: few,
    };
    Policy { cost, ..Policy::default() }
}

fn plan() -> Plan {
    Plan {
        policy: cheap(),
        threads: NonZeroUsize::new(3).unwrap(),
        batch: NonZeroUsize::new(7).unwrap(),
        existing: Existing::Keep,
        mode: Mode::Import,
        by: ChangedBy::new("root", "import of the test").unwrap(),
        now: Timestamp(1000),
    }
}

fn realm() -> Realm {
    Realm::prepare("r.example").unwrap()
}

/// Runs an import. The report, and one line for each event, sorted.
fn run(
    source: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
    store: &SecretStore,
    plan: &Plan,
) -> (Report, Vec<String>) {
    let mut events = Vec::new();
    let report = import::run(source, Some(store), plan, &mut |event| {
        events.push(match event {
            Event::Imported(identity) => format!("{identity} imported"),
            Event::Skipped(identity, skip) => format!("{identity} {skip}"),
            Event::Failed(fault) => format!("! {fault}"),
        });
    });
    events.sort();
    (report.unwrap(), events)
}

fn logs_in(store: &SecretStore, userid: &str, password: &[u8]) -> bool {
    let identity = credential::Identity::parse(userid, &realm()).unwrap();
    let record = store.get(&identity).unwrap().unwrap_or_else(|| panic!("{userid} is not there"));
    record.check(&Secret::copy_of(password), &Occasion::at(Timestamp(2000))).unwrap() != Verdict::Wrong
}

fn lines(users: std::ops::Range<u32>) -> String {
    users.fold(String::new(), |text, number| text + &format!("user{number}:password {number}\n"))
}

#[test]
fn clear_text_becomes_verifiers() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let source = lines(0..50);
    let (report, events) = run(text::read(source.as_bytes(), realm()), &store, &plan());
    assert_eq!((report.imported, report.failed, report.raw, report.hashed), (50, 0, 0, 0));
    assert_eq!(events.len(), 50);
    for number in 0..50 {
        assert!(logs_in(&store, &format!("user{number}"), format!("password {number}").as_bytes()));
        assert!(!logs_in(&store, &format!("user{number}"), format!("password {}", number + 1).as_bytes()));
    }
    let salts: std::collections::BTreeSet<_> = store
        .list()
        .map(|r| format!("{:?}", r.unwrap().credentials()[0].verifiers.strongest().map(phc)))
        .collect();
    assert_eq!(salts.len(), 50, "each user has a salt of their own");
    assert!(store.check_integrity().unwrap().is_sound());
}

fn phc(verifier: &credential::Verifier) -> String {
    match verifier {
        credential::Verifier::Argon2id(argon2id) => argon2id.to_phc().to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_import_is_run_again() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let (half, whole) = (lines(0..23), lines(0..40));
    run(text::read(half.as_bytes(), realm()), &store, &plan());
    let again = Plan { now: Timestamp(1001), ..plan() };
    let (report, _) = run(text::read(whole.as_bytes(), realm()), &store, &again);
    assert_eq!((report.imported, report.already_imported), (17, 23));
    assert_eq!(store.counts().unwrap().users, 40);
}

#[test]
fn who_is_there_stays_unless_asked() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    run(text::read(&b"alice:old\n"[..], realm()), &store, &plan());
    let other = |existing| Plan {
        existing,
        by: ChangedBy::new("root", "another import").unwrap(),
        now: Timestamp(1001),
        ..plan()
    };
    let source = &b"alice:new\nbob:secret\n"[..];
    let (report, events) = run(text::read(source, realm()), &store, &other(Existing::Keep));
    assert_eq!((report.imported, report.existing), (1, 1));
    assert_eq!(events, ["alice@r.example in the store already", "bob@r.example imported"]);
    assert!(logs_in(&store, "alice", b"old"));
    let later = Plan { now: Timestamp(1002), ..other(Existing::Replace) };
    let (report, _) = run(text::read(source, realm()), &store, &later);
    assert_eq!((report.imported, report.replaced), (2, 2));
    assert!(logs_in(&store, "alice", b"new") && !logs_in(&store, "alice", b"old"));
}

fn again(existing: Existing) -> Plan {
    let by = ChangedBy::new("root", "another import").unwrap();
    Plan { existing, by, now: Timestamp(1001), ..plan() }
}

fn record_of(store: &SecretStore, userid: &str) -> Record {
    store.get(&Identity::parse(userid, &realm()).unwrap()).unwrap().unwrap()
}

/// Changes a record as a tool does.
fn change(store: &SecretStore, userid: &str, edit: impl FnOnce(&mut Record)) {
    let mut record = record_of(store, userid);
    edit(&mut record);
    record.touch(Timestamp(1000), ChangedBy::new("root", "saslpasswd").unwrap());
    store.write(|change| change.put(&record)).unwrap();
}

#[test]
fn who_is_replaced_keeps_their_own_rules() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let clear = Policy { keep: "argon2id,plain".parse().unwrap(), ..cheap() };
    let usual = Plan { policy: clear, ..plan() };
    run(text::read(&b"alice:old\nbob:old\ncarol:old\n"[..], realm()), &store, &usual);
    let phone: Label = "phone".parse().unwrap();
    change(&store, "alice", |record| {
        record.set_plain(PlainRule::Never);
        let salts = Salts::from_random([1; Salts::OCTETS]);
        let recipe = record.recipe(&phone, &clear.cost, salts);
        let password = Password::prepare(&Secret::copy_of(b"device")).unwrap();
        let kinds = record.kinds_to_make(&clear);
        let verifiers = credential::derive(kinds, record.identity(), &password, &recipe).unwrap();
        record.renew(&phone, verifiers, false, Timestamp(1000)).unwrap();
        record.set_expires(Some(&Label::main()), Some(Timestamp(3000)), Timestamp(1000)).unwrap();
    });
    change(&store, "bob", |record| {
        record.set_keep(Some("scram-sha-256".parse().unwrap()));
        record.set_state(None, State::Suspended, Timestamp(1000)).unwrap();
    });
    let source = &b"alice:new\nbob:new\ncarol:new\n"[..];
    let replacing = Plan { policy: clear, ..again(Existing::Replace) };
    let (report, _) = run(text::read(source, realm()), &store, &replacing);
    assert_eq!((report.imported, report.replaced), (3, 3));
    let alice = record_of(&store, "alice");
    let main = alice.credential(&Label::main()).unwrap();
    assert_eq!(main.verifiers.kinds().to_string(), "argon2id", "-n means: no clear text, whoever sets it");
    assert_eq!((alice.plain(), main.expires), (PlainRule::Never, Some(Timestamp(3000))));
    assert!(logs_in(&store, "alice", b"new") && logs_in(&store, "alice", b"device"));
    assert!(!logs_in(&store, "alice", b"old"));
    let bob = record_of(&store, "bob");
    assert_eq!(bob.kinds().to_string(), "scram-sha-256");
    assert!(!logs_in(&store, "bob", b"new"), "who was disabled stays so");
    assert_eq!(
        (bob.created(), bob.changed(), bob.changed_by()),
        (Timestamp(1000), Timestamp(1001), &replacing.by)
    );
    assert_eq!(record_of(&store, "carol").kinds().to_string(), "argon2id,plain");
}

#[test]
fn nobody_is_left_without_a_verifier() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    run(text::read(&b"alice:old\n"[..], realm()), &store, &plan());
    change(&store, "alice", |record| record.set_plain(PlainRule::Never));
    let policy = Policy { keep: "plain".parse().unwrap(), ..cheap() };
    for mode in [Mode::DryRun, Mode::Import] {
        let plan = Plan { policy, mode, ..again(Existing::Replace) };
        let (report, events) = run(text::read(&b"alice:new\n"[..], realm()), &store, &plan);
        assert_eq!((report.imported, report.failed), (0, 1));
        assert_eq!(events, ["! line 1: no verifier would be left of this password"]);
    }
    assert!(logs_in(&store, "alice", b"old"));
}

/// A record that changes between being read and being replaced: what was changed counts.
#[test]
fn who_is_changed_meanwhile_is_made_again() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let clear = Policy { keep: "argon2id,plain".parse().unwrap(), ..cheap() };
    let plan = Plan { policy: clear, ..plan() };
    run(text::read(&b"alice:old\nbob:old\n"[..], realm()), &store, &plan);
    let source = concat!(
        "alice:{PLAIN}new\nbob:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n",
        "carol:{PLAIN}new\n"
    );
    let mut meanwhile = Some(|| {
        for user in ["alice", "bob"] {
            change(&store, user, |record| {
                record.set_plain(PlainRule::Never);
                record.set_state(None, State::Suspended, Timestamp(1000)).unwrap();
            });
        }
    });
    let users = passwd_file::read(source.as_bytes(), realm(), "PLAIN").inspect(|user| {
        if user.as_ref().is_ok_and(|user| user.identity.user.as_str() == "carol") {
            meanwhile.take().unwrap()();
        }
    });
    let (report, _) = run(users, &store, &Plan { policy: clear, ..again(Existing::Replace) });
    assert_eq!((report.imported, report.replaced, report.hashed), (3, 2, 1));
    for (user, kinds, password) in [("alice", "argon2id", "new"), ("bob", "cram-md5", "secret")] {
        let record = record_of(&store, user);
        assert_eq!((record.kinds().to_string(), record.plain()), (kinds.to_owned(), PlainRule::Never));
        assert!(!logs_in(&store, user, password.as_bytes()), "disabled");
        change(&store, user, |record| record.set_state(None, State::Enabled, Timestamp(1000)).unwrap());
        assert!(logs_in(&store, user, password.as_bytes()), "{user}");
    }
}

#[test]
fn realms_that_differ_in_case_and_users_twice_overwrite_nothing() {
    for existing in [Existing::Keep, Existing::Replace] {
        let fixture = Fixture::new();
        let store = fixture.open(Access::Write);
        let source =
            &b"alice@Example.ORG:one\nbob@other:x\nalice@example.org:two\nalice@Example.ORG:three\n"[..];
        let plan = Plan { existing, ..plan() };
        let (report, events) = run(text::read(source, realm()), &store, &plan);
        assert_eq!((report.imported, report.realm_case, report.duplicates), (2, 1, 1));
        let spellings: Vec<_> = report.realms["example.org"].iter().map(String::as_str).collect();
        assert_eq!(spellings, ["Example.ORG", "example.org"]);
        assert_eq!(report.realms.len(), 1);
        assert!(events.contains(&format!("alice@example.org {}", Skip::RealmCase("Example.ORG".to_owned()))));
        assert!(logs_in(&store, "alice@example.org", b"one"));
    }
}

#[test]
fn faults_are_told_and_the_others_imported() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let source = &b"alice:secret\nno colon\nbob:\ncarol:p\xffq\ndave\x01:x\nerin:a\x07b\n"[..];
    let (report, events) = run(text::read(source, realm()), &store, &plan());
    assert_eq!((report.imported, report.failed, report.raw), (3, 3, 2));
    assert!(events[0].contains("line 2: there is no colon"), "{events:?}");
    assert!(events[1].contains("line 3: the password is empty"), "{events:?}");
    assert!(events[2].contains("line 5: name is refused"), "{events:?}");
    assert!(logs_in(&store, "carol", b"p\xffq") && logs_in(&store, "erin", b"a\x07b"));
}

#[test]
fn a_dry_run_changes_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let before = store.counts().unwrap();
    let source = lines(0..20) + "broken\n";
    let plan = Plan { mode: Mode::DryRun, ..plan() };
    let (report, events) = run(text::read(source.as_bytes(), realm()), &store, &plan);
    assert_eq!((report.imported, report.failed, events.len()), (20, 1, 21));
    assert_eq!(store.counts().unwrap(), before);
}

#[test]
fn a_store_that_fails_ends_the_import_with_what_was_done() {
    let fixture = Fixture::new();
    let wait = store::Wait::up_to(std::time::Duration::from_millis(50));
    let store = SecretStore::open(&fixture.path, &crate::sample::trust(), Access::Write, wait).unwrap();
    let other = fixture.open(Access::Write);
    let source = lines(0..30);
    other
        .write(|_held| {
            let error =
                import::run(text::read(source.as_bytes(), realm()), Some(&store), &plan(), &mut |_| {});
            let error = error.unwrap_err();
            assert!(matches!(error.source, StoreError::Busy { .. }), "{error:?}");
            assert_eq!(error.report.imported, 0);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn passwd_files() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let source = concat!(
        "# Dovecot\n\n",
        "alice@example.org:{PLAIN}secret\n",
        "bob:{SHA512-CRYPT}$6$V4.SbVdLSdPIBPXj$o6YdCkwJZIqryO/pnWYBEBRUp75mG7UUijTUKIzdq7w56Lg2jN0d2FSLXDzwYnyem3Jmpo",
        "augS5.mOgqFMH4x.:1000:1000::/home/bob:/bin/sh:userdb_quota=1\n",
        "carol:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.::::::\n",
        "dave:{SCRAM-SHA-256}4096,lSEj5TgfdzVINsKUYwtFJA==,4/fE4ra4gR0EYdndkU1Zp+C1bmHQkipTSCXGs+Nr8/4=,",
        "C9L5z1ro+R7k29wS9L+OyVveXtstqxuCvtNxoQ8hbLY=\n",
        "erin:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n",
        "frank:{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69\n",
        "grace:{SMD5}1vcZOi1RbF7gGwOYdqHvNhpJm3M=\n",
        "heidi:{SMD5}1vcZOi1RbF7gGwOYdqHvNhpJm3M=\n",
        "ivan\n",
    );
    assert_eq!(import::Format::of(source.as_bytes()), import::Found::Readable(import::Format::PasswdFile));
    let source = passwd_file::read(source.as_bytes(), realm(), passwd_file::DEFAULT_SCHEME);
    let (report, events) = run(source, &store, &plan());
    assert_eq!((report.imported, report.hashed, report.failed), (5, 4, 4), "{events:?}");
    assert_eq!(report.unsupported.values().sum::<u64>(), 3, "{:?}", report.unsupported);
    assert_eq!(report.unsupported.len(), 2);
    for user in ["alice@example.org", "bob", "carol", "dave", "erin"] {
        assert!(logs_in(&store, user, b"secret"), "{user}");
        assert!(!logs_in(&store, user, b"Secret"), "{user}");
    }
    // The policy keeps scram-sha-256, so that is what stays; of cram-md5 it keeps nothing, so it stays as it is.
    for (user, kind) in [("dave", VerifierKind::ScramSha256), ("erin", VerifierKind::CramMd5)] {
        let identity = credential::Identity::parse(user, &realm()).unwrap();
        assert!(store.get(&identity).unwrap().unwrap().kinds().contains(kind));
    }
}

/// The database that the real saslpasswd2 made, against the passwords that were given to it.
#[test]
fn a_real_sasldb() {
    let fixture = Fixture::new();
    let store = fixture.open(Access::Write);
    let octets: &[u8] = include_bytes!("../../../../tests/fixtures/maps/sasldb2.db");
    let map = mapfile::open(octets, mapfile::Limits::default()).unwrap();
    let (report, events) = run(sasldb::read(&*map), &store, &plan());
    assert_eq!((report.imported, report.failed), (20, 0), "{events:?}");
    let mut checked = 0;
    for record in map.records() {
        let record = record.unwrap();
        let mut parts = record.key.split(|&octet| octet == 0).map(|part| std::str::from_utf8(part).unwrap());
        let userid = format!("{}@{}", parts.next().unwrap(), parts.next().unwrap());
        assert!(logs_in(&store, &userid, &record.value), "{userid}");
        assert!(!logs_in(&store, &userid, b"wrong"), "{userid}");
        checked += 1;
    }
    assert_eq!(checked, 20);
}
