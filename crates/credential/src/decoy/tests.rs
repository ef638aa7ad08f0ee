use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::identity::Realm;
use crate::policy::{Argon2Cost, Cost, Iterations, KindSet};
use crate::verifier::ScramHash;
use crate::verifier::octets::from_hex;

static KEY: DecoyKey = DecoyKey([7; 32]);

fn identity(text: &str) -> Identity {
    Identity::parse(text, &Realm::prepare("").unwrap()).unwrap()
}

fn sha256() -> KindSet {
    KindSet::EMPTY.with(VerifierKind::ScramSha256)
}

fn policy(keep: &str) -> Policy {
    Policy { keep: keep.parse().unwrap(), cost: Cost::default() }
}

fn scram(iterations: u32, salt: u8) -> Shape {
    Shape::Scram { hash: ScramHash::Sha256, iterations: Iterations::new(iterations).unwrap(), salt }
}

/// Of records that show one shape each.
fn counts(shapes: &[(Shape, u64)]) -> ShapeCounts {
    combined(shapes.iter().map(|(shape, count)| (shape.to_string(), *count)))
}

fn combined<T: AsRef<str>>(counts_of: impl IntoIterator<Item = (T, u64)>) -> ShapeCounts {
    let mut counts = ShapeCounts::default();
    for (shapes, count) in counts_of {
        counts.set(shapes.as_ref().parse().unwrap(), count);
    }
    counts
}

/// What the decoys of 4000 names show.
fn shown(counts: &ShapeCounts, keep: &str) -> HashMap<String, u64> {
    let mut found = HashMap::new();
    for number in 0..4000 {
        let decoy = KEY.record_for(&identity(&format!("user{number}@vm")), counts, &policy(keep));
        *found.entry(Shapes::of(decoy.record()).unwrap().to_string()).or_default() += 1;
    }
    found
}

fn assert_shares<T: AsRef<str>>(found: &HashMap<String, u64>, expected: impl IntoIterator<Item = (T, u64)>) {
    let mut all = 0;
    for (shapes, expected) in expected {
        let found = found.get(shapes.as_ref()).copied().unwrap_or_default();
        assert!(found.abs_diff(expected) < 30 + expected / 10, "{}: {found} of {expected}", shapes.as_ref());
        all += found;
    }
    assert_eq!(all, found.values().sum::<u64>(), "nothing else: {found:?}");
}

fn shape_of(name: &str, counts: &ShapeCounts) -> Shape {
    let decoy = KEY.record_for(&identity(name), counts, &policy("scram-sha-256"));
    Shape::of(decoy.record().verifiers().next().unwrap()).unwrap()
}

fn salt_of(decoy: &Decoy) -> Vec<u8> {
    match decoy.record().verifiers().next() {
        Some(Verifier::Scram(scram)) => scram.salt().octets().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn hex(digits: &str) -> Vec<u8> {
    from_hex(digits.as_bytes(), 64).unwrap().to_vec()
}

/// Computed apart, in Python: a decoy that changed with a new release would tell decoys from users.
#[test]
fn the_octets_are_fixed_for_good() {
    let decoy = KEY.record_for(
        &identity("alice@Example.ORG"),
        &ShapeCounts::default(),
        &policy("scram-sha-512,scram-sha-256,cram-md5"),
    );
    let mut verifiers = decoy.record().verifiers();
    let [Some(Verifier::Scram(sha512)), Some(Verifier::Scram(sha256)), Some(Verifier::CramMd5(cram))] =
        [verifiers.next(), verifiers.next(), verifiers.next()]
    else {
        panic!("{:?}", decoy.record())
    };
    assert_eq!(sha256.salt().octets(), hex("8f3b48486e81774015a022c8acacf024"));
    let stored = "fe6badb3e06ce56c2648666d89f966d43499108823cb5c804edd30f1965d0aa5\
                  65baf6383805f2151ccbcd630a32e59bfc6372f4b97269aa5329937dd657bf80";
    assert_eq!(sha512.stored_key().octets(), hex(stored));
    let states = "c8a2c9ee6c0d0093adae08256ff7b18eb73adc09544a71a64c762661477a70bc";
    assert_eq!(cram.to_octets().to_vec(), hex(states));
    let name = Name::new(&KEY, &identity("alice@example.org"));
    assert_eq!(name.array::<8>("shape").to_vec(), hex("51640a9cbde9f75a"));
}

#[test]
fn it_looks_as_the_policy_makes_records() {
    for keep in ["argon2id,scram-sha-256", "scram-sha-1", "plain,digest-md5,cram-md5", "argon2id"] {
        let decoy = KEY.record_for(&identity("nobody@vm"), &ShapeCounts::default(), &policy(keep));
        assert_eq!(decoy.record().kinds(), keep.parse().unwrap());
    }
    let all = Policy { keep: KindSet::ALL, cost: Cost::default() };
    let decoy = KEY.record_for(&identity("nobody@vm"), &ShapeCounts::default(), &all);
    for verifier in decoy.record().verifiers() {
        assert_eq!(Shape::of(verifier), Shape::by_policy(verifier.kind(), &all));
    }
}

#[test]
fn another_name_or_key_is_another_decoy() {
    let counts = counts(&[(scram(10, 16), 1)]);
    let salt = |key: &DecoyKey, name: &str| {
        salt_of(&key.record_for(&identity(name), &counts, &policy("scram-sha-256")))
    };
    let alice = salt(&KEY, "alice@vm");
    assert_eq!(alice, salt(&DecoyKey::new([7; 32]), "alice@VM"), "a realm has no case");
    for (key, name) in
        [([7; 32], "alice@vn"), ([7; 32], "Alice@vm"), ([8; 32], "alice@vm"), ([7; 32], "@alicevm")]
    {
        assert_ne!(alice, salt(&DecoyKey::new(key), name), "{name}");
    }
}

#[test]
fn a_shifted_share_looks_like_a_changed_password() {
    let salt = |shape| {
        salt_of(&KEY.record_for(&identity("alice@vm"), &counts(&[(shape, 1)]), &policy("scram-sha-256")))
    };
    assert_ne!(salt(scram(10, 16)), salt(scram(11, 16)));
    assert_eq!(salt(scram(10, 12)).len(), 12);
    assert_ne!(salt(scram(10, 12)), salt(scram(10, 16))[..12]);
}

#[test]
fn shapes_come_by_their_share() {
    let counts = counts(&[(scram(4096, 12), 700), (scram(4096, 16), 250), (scram(65_536, 16), 50)]);
    let expected = counts.iter().map(|(shapes, share)| (shapes.to_string(), share * 4));
    assert_shares(&shown(&counts, "scram-sha-256"), expected);
}

/// Where a policy raised one cost and lowered another, no decoy has a pair that no user has.
#[test]
fn kinds_come_together_as_users_have_them() {
    let (old, new) = (
        "scram-sha-1 i=10 salt=16, scram-sha-256 i=4 salt=16",
        "scram-sha-1 i=5 salt=16, scram-sha-256 i=64 salt=16",
    );
    let found = shown(&combined([(old, 50), (new, 50)]), "scram-sha-1,scram-sha-256");
    assert_shares(&found, [(old, 2000), (new, 2000)]);
    // What the policy keeps no more, decoys do not have, whatever else they are picked by.
    let argon2id = format!("argon2id m=8 t=1 p=1 salt=16, {new}");
    let found = shown(&combined([(old, 25), (new, 25), (&argon2id, 50)]), "scram-sha-1,scram-sha-256");
    assert_shares(&found, [(old, 1000), (new, 3000)]);
}

/// A user who lacks a kind shows that of his own decoy: the decoys of both are the same in all that anybody sees of them.
#[test]
fn what_a_record_lacks_comes_from_others_by_their_share() {
    let sha1 = "scram-sha-1 i=10 salt=16";
    let (old, new) =
        (format!("{sha1}, scram-sha-256 i=4 salt=16"), format!("{sha1}, scram-sha-256 i=64 salt=16"));
    let both = "scram-sha-1,scram-sha-256";
    let counts = combined([(sha1, 40), (&old, 45), (&new, 15)]);
    let found = shown(&counts, both);
    assert_shares(&found, [(&old, 3000), (&new, 1000)]);
    // Two kinds that one lacks come from one other.
    let (rising, falling) = (
        "scram-sha-1 i=10 salt=16, scram-sha-256 i=4 salt=16",
        "scram-sha-1 i=5 salt=16, scram-sha-256 i=64 salt=16",
    );
    let argon2id = "argon2id m=8 t=1 p=1 salt=16";
    let found =
        shown(&combined([(argon2id, 60), (rising, 30), (falling, 10)]), "argon2id,scram-sha-1,scram-sha-256");
    let whole = |rest: &str| format!("{argon2id}, {rest}");
    assert_shares(&found, [(whole(rising), 3000), (whole(falling), 1000)]);
    // What no record has is as the policy makes it.
    let found = shown(&combined([(sha1, 1)]), both);
    assert_shares(&found, [(format!("{sha1}, scram-sha-256 i=65536 salt=16"), 4000)]);
}

/// A user whose name has another form in ISO-8859-1 has two hashes, whatever the password.
#[test]
fn digest_md5_has_as_many_hashes_as_a_users() {
    for (name, two) in [
        ("user@vm", false),
        ("us\u{e9}r@vm", true),
        ("user@v\u{fc}m", true),
        ("\u{17c}\u{f3}\u{142}w@vm", false),
    ] {
        let identity = identity(name);
        let decoy = KEY.record_for(&identity, &ShapeCounts::default(), &policy("digest-md5"));
        let Some(Verifier::DigestMd5(digest)) = decoy.record().verifiers().next() else { panic!() };
        assert_eq!(digest.utf8().is_some(), two, "{name}");
        assert_ne!(digest.utf8(), Some(digest.h_a1()));
        assert_eq!(DigestMd5::derive(&identity, b"password").utf8().is_some(), two, "{name}");
    }
}

#[test]
fn no_candidate_is_right() {
    let cheap = Iterations::new(1).unwrap();
    let argon2id = Argon2Cost::new(8, 1, 1).unwrap();
    let cost = Cost { argon2id, scram_sha_1: cheap, scram_sha_256: cheap, scram_sha_512: cheap };
    for kind in KindSet::ALL.iter() {
        let policy = Policy { keep: KindSet::EMPTY.with(kind), cost };
        let decoy = KEY.record_for(&identity("nobody@vm"), &ShapeCounts::default(), &policy);
        for candidate in [&b"secret"[..], b"", &[b'x'; 5000]] {
            let verdict = decoy.check(&Secret::copy_of(candidate), &Occasion::at(Timestamp(1))).unwrap();
            assert_eq!(verdict, Verdict::Wrong, "{kind}");
        }
    }
}

/// Whoever could guess a decoy of kind `plain` would be told so by nothing.
#[test]
fn not_even_its_own_secret_is_right() {
    let key = DecoyKey::new([1; 32]);
    let found = (0..2000).any(|number| {
        let decoy =
            key.record_for(&identity(&format!("user{number}@vm")), &ShapeCounts::default(), &policy("plain"));
        let Some(Verifier::Plain(plain)) = decoy.record().verifiers().next() else { panic!() };
        let own = Secret::copy_of(plain.secret().expose());
        assert_eq!(decoy.check(&own, &Occasion::at(Timestamp(1))).unwrap(), Verdict::Wrong);
        decoy.record().check(&own, &Occasion::at(Timestamp(1))).unwrap() != Verdict::Wrong
    });
    assert!(!found, "octets that could be typed");
}

#[test]
fn records_are_counted_and_uncounted() {
    let decoy =
        KEY.record_for(&identity("a@vm"), &ShapeCounts::default(), &policy("argon2id,plain,scram-sha-1"));
    let mut counts = ShapeCounts::default();
    counts.add(decoy.record());
    counts.add(decoy.record());
    let one = KEY.record_for(&identity("a@vm"), &ShapeCounts::default(), &policy("scram-sha-1"));
    counts.add(one.record());
    let nothing = KEY.record_for(&identity("a@vm"), &ShapeCounts::default(), &policy("plain,cram-md5"));
    counts.add(nothing.record());
    let shown: Vec<String> = counts.iter().map(|(shapes, count)| format!("{count} {shapes}")).collect();
    let both = "2 argon2id m=19456 t=2 p=1 salt=16, scram-sha-1 i=65536 salt=16";
    assert_eq!(shown, [both, "1 scram-sha-1 i=65536 salt=16"]);
    counts.remove(one.record());
    counts.remove(decoy.record());
    counts.remove(decoy.record());
    counts.remove(decoy.record());
    assert_eq!(counts, ShapeCounts::default(), "never under zero");
}

#[test]
fn shapes_as_text() {
    for text in
        ["argon2id m=19456 t=2 p=1 salt=16", "scram-sha-512 i=1 salt=255", "scram-sha-1 i=4096 salt=1"]
    {
        assert_eq!(text.parse::<Shape>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "argon2id",
        "argon2id m=19456 t=2 p=1",
        "argon2id m=4194304 t=2 p=1 salt=16",
        "argon2id m=19456 t=2 p=1 salt=16 ",
        "scram-sha-256 i=0 salt=16",
        "scram-sha-256 i=1 salt=0",
        "scram-sha-256 i=1 salt=256",
        "scram-sha-256 salt=16 i=1",
        "cram-md5",
        "plain i=1 salt=1",
    ] {
        assert_eq!(text.parse::<Shape>(), Err(ShapeError(text.to_owned())));
    }
}

#[test]
fn combinations_as_text() {
    let all = Policy { keep: KindSet::ALL, cost: Cost::default() };
    let decoy = KEY.record_for(&identity("nobody@vm"), &ShapeCounts::default(), &all);
    let shapes = Shapes::of(decoy.record()).unwrap();
    assert_eq!(shapes.kinds().iter().count(), 4);
    let text = shapes.to_string();
    assert_eq!(text.parse::<Shapes>().unwrap(), shapes);
    let one = "scram-sha-1 i=4096 salt=1";
    assert_eq!(one.parse::<Shapes>().unwrap().to_string(), one);
    let reversed: Vec<&str> = text.rsplit(", ").collect();
    for text in [
        String::new(),
        format!("{one}, "),
        format!("{one}, {one}"),
        format!("{one}, scram-sha-1 i=4097 salt=1"),
        format!("{text}, {one}"),
        text.replace(", ", ","),
        reversed.join(", "),
    ] {
        let start = text.chars().take(80).collect();
        assert_eq!(text.parse::<Shapes>(), Err(ShapeError(start)), "{text}");
    }
}

#[test]
fn debug_tells_nothing() {
    assert_eq!(format!("{KEY:?}"), "DecoyKey(…)");
}

proptest! {
    /// The same name and counts give the same decoy, whatever else is asked in between; and with the shares
    /// as they are, more records change nothing.
    #[test]
    fn a_decoy_stays_as_it_is(
        name in "[a-z]{1,8}@[a-z]{1,8}",
        shares in proptest::collection::btree_map((1_u32..100_000, 1_u8..64), 1_u64..1_000_000, 1..6),
        times in 1_u64..1000,
    ) {
        let shapes: Vec<(Shape, u64)> = shares.into_iter().map(|((i, salt), count)| (scram(i, salt), count)).collect();
        let grown: Vec<(Shape, u64)> = shapes.iter().map(|&(shape, count)| (shape, count * times)).collect();
        let shape = shape_of(&name, &counts(&shapes));
        prop_assert_eq!(shape, shape_of(&name, &counts(&shapes)));
        prop_assert!(shapes.iter().any(|&(each, _)| each == shape));
        let place = u64::from_be_bytes(Name::new(&KEY, &identity(&name)).array("shape"));
        let picked = counts(&grown).pick(sha256(), place).and_then(|shapes| shapes.iter().next());
        // A place within rounding of a border may fall to its other side.
        let total: u64 = grown.iter().map(|&(_, count)| count).sum();
        let mut border = 0_u64;
        let near = grown.iter().any(|&(_, count)| {
            border += count;
            ((u128::from(place) * u128::from(total)) >> 64).abs_diff(border.into()) <= u128::from(times)
        });
        prop_assert!(near || picked == Some(shape));
    }

    #[test]
    fn every_place_finds_a_shape(place: u64, counts_of in proptest::collection::vec(1_u64..=u64::MAX, 1..5)) {
        let shapes: Vec<(Shape, u64)> = (1..).map(|i| scram(i, 16)).zip(counts_of).collect();
        for place in [0, place, u64::MAX] {
            prop_assert!(counts(&shapes).pick(sha256(), place).is_some());
        }
        prop_assert!(counts(&shapes).pick(KindSet::EMPTY.with(VerifierKind::ScramSha1), place).is_none());
    }
}
