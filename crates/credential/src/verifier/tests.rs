use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use proptest::prelude::*;

use super::octets::{BASE64, from_base64, from_hex, to_base64};
use super::*;
use crate::identity::{Realm, Username};
use crate::policy::{Argon2Cost, Cost, CostError, Iterations, Salt, SaltError, Salts};

fn identity(user: &str, realm: &str) -> Identity {
    Identity::new(Username::prepare(user).unwrap(), Realm::prepare(realm).unwrap())
}

fn alice() -> Identity {
    identity("alice", "example.org")
}

fn secret(text: &str) -> Secret {
    Secret::copy_of(text.as_bytes())
}

fn cheap() -> Recipe {
    let few = Iterations::new(10).unwrap();
    let cost = Cost {
        argon2id: Argon2Cost::new(8, 1, 1).unwrap(),
        scram_sha_1: few,
        scram_sha_256: few,
        scram_sha_512: few,
    };
    Recipe::new(cost, Salts::from_random(std::array::from_fn(|index| index as u8)))
}

fn derive_all(password: &str) -> Verifiers {
    let password = Password::prepare(&secret(password)).unwrap();
    derive(KindSet::ALL, &alice(), &password, &cheap()).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    from_hex(digits.as_bytes(), 1024).unwrap().to_vec()
}

fn base64(text: &str) -> Vec<u8> {
    from_base64(&BASE64, text.as_bytes(), 1024).unwrap().to_vec()
}

#[test]
fn kinds_are_named_and_ordered() {
    for kind in VerifierKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(kind.name().to_uppercase().parse(), Ok(kind));
    }
    assert!(VerifierKind::ALL.is_sorted(), "strongest first");
    assert!(VerifierKind::ALL.is_sorted_by_key(|kind| std::cmp::Reverse(kind.strength())));
    assert_eq!("scram-sha-384".parse::<VerifierKind>(), Err(UnknownKind(String::from("scram-sha-384"))));
    assert!(VerifierKind::CramMd5.is_password_equivalent() && VerifierKind::CramMd5.is_fast());
    assert!(!VerifierKind::Foreign.is_password_equivalent() && VerifierKind::Foreign.is_fast());
    assert!(!VerifierKind::ScramSha1.is_fast());
}

#[test]
fn every_kind_knows_the_password_and_no_other() {
    let verifiers = derive_all("secret");
    assert_eq!(verifiers.kinds(), KindSet::ALL);
    for verifier in &verifiers {
        for (candidate, expected) in [("secret", true), ("Secret", false), ("secret ", false), ("", false)] {
            let found = verifier.check(&alice(), &secret(candidate)).unwrap();
            assert_eq!(found, expected, "{:?} {candidate:?}", verifier.kind());
        }
    }
}

#[test]
fn only_digest_md5_is_bound_to_the_name() {
    for verifier in &derive_all("secret") {
        let elsewhere = verifier.check(&identity("alice", "EXAMPLE.org"), &secret("secret")).unwrap();
        assert_eq!(elsewhere, verifier.kind() != VerifierKind::DigestMd5, "{:?}", verifier.kind());
    }
}

#[test]
fn each_kind_uses_its_own_salt() {
    let [a, b] = [derive_all("secret"), derive_all("secret")];
    for (a, b) in a.iter().zip(&b) {
        assert!(a.shares_answer_with(b), "{:?}", a.kind());
    }
    let recipe = Recipe { salts: Salts::from_random([9; Salts::OCTETS]), ..cheap() };
    let password = Password::prepare(&secret("secret")).unwrap();
    let other = derive(KindSet::ALL, &alice(), &password, &recipe).unwrap();
    for (a, b) in a.iter().zip(&other) {
        let salted = matches!(a, Verifier::Argon2id(_) | Verifier::Scram(_));
        assert_eq!(a.shares_answer_with(b), !salted, "{:?}", a.kind());
    }
}

#[test]
fn debug_tells_nothing() {
    let shown = format!("{:?}", derive_all("hunter2"));
    for part in ["hunter2", "stored_key", "h_a1", "inner: "] {
        assert!(!shown.contains(part), "{shown}");
    }
    let foreign = Foreign::parse(Scheme::SaltedSha1, "5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap();
    assert_eq!(format!("{foreign:?}"), "Foreign { scheme: SaltedSha1, .. }");
}

#[test]
fn at_most_one_of_each_kind_strongest_first() {
    let cram = |password: &[u8]| Verifier::CramMd5(CramMd5::derive(password));
    let plain = || Verifier::Plain(Plain::new(secret("secret")));
    let twice = Verifiers::new(vec![cram(b"a"), plain(), cram(b"b")]).unwrap_err();
    assert_eq!(twice, DuplicateKind(VerifierKind::CramMd5));

    let mut verifiers = Verifiers::new(vec![plain(), cram(b"a")]).unwrap();
    assert_eq!(verifiers.strongest().map(Verifier::kind), Some(VerifierKind::CramMd5));
    assert_eq!(verifiers.weakest().map(Verifier::kind), Some(VerifierKind::Plain));
    verifiers.insert(cram(b"b"));
    assert_eq!(verifiers.iter().count(), 2);
    let replaced = verifiers.get(VerifierKind::CramMd5).unwrap();
    assert!(replaced.check(&alice(), &secret("b")).unwrap());

    let dropped = verifiers.retain("cram-md5,argon2id".parse().unwrap());
    assert_eq!(dropped, KindSet::EMPTY.with(VerifierKind::Plain));
    assert_eq!(verifiers.kinds(), KindSet::EMPTY.with(VerifierKind::CramMd5));
}

/// The strings of the reference implementation's own tests, and one that Dovecot made.
#[test]
fn argon2id_of_other_programs() {
    for (phc, password) in [
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "password",
        ),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
        ("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"),
        (
            "$argon2id$v=19$m=65536,t=3,p=1$bldFB1BoabnFyyQxuQp2Xw$reSF9TZ8Bb+kj5tcDw4nsSJf80TTDmAcvhdi29On8Cs",
            "secret",
        ),
    ] {
        let argon2id = Argon2id::parse(phc).unwrap();
        assert_eq!(*argon2id.to_phc(), phc);
        assert!(argon2id.matches(&argon2id.answer(password.as_bytes()).unwrap()), "{phc}");
        assert!(!argon2id.matches(&argon2id.answer(b"wrong").unwrap()), "{phc}");
    }
}

/// RFC 9106, section 5.3. Its secret and associated data are nothing that a PHC string of ours has, so the
/// library that does the arithmetic is asked directly.
#[test]
fn argon2id_of_rfc_9106() {
    let data = argon2::AssociatedData::new(&[4; 12]).unwrap();
    let params = argon2::ParamsBuilder::new().m_cost(32).t_cost(3).p_cost(4).data(data).build().unwrap();
    let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
    let argon2 = argon2::Argon2::new_with_secret(&[3; 8], algorithm, version, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(tag.to_vec(), hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
}

#[test]
fn argon2id_strings_that_are_refused() {
    use Argon2idError as E;
    const SALT: &str = "c29tZXNhbHQ";
    const HASH: &str = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let memory = |least, found| E::Cost(CostError::Memory { least, found });
    let malformed = |cost: &str| Argon2id::parse(&format!("$argon2id$v=19${cost}${SALT}${HASH}")).err();
    for (cost, expected) in [
        ("m=4194304,t=1,p=1", Some(memory(8, 4_194_304))),
        ("m=7,t=1,p=1", Some(memory(8, 7))),
        ("m=1048576,t=64,p=1", Some(E::Cost(CostError::Work(64 << 20)))),
        ("m=256,t=4000000000,p=1", Some(E::Cost(CostError::Passes(4_000_000_000)))),
        ("m=256,t=1,p=16777215", Some(E::Cost(CostError::Lanes(16_777_215)))),
        ("m=256,t=1,p=1", None),
    ] {
        assert_eq!(malformed(cost), expected, "{cost}");
    }
    for cost in [
        "",
        "m=256",
        "m=256,t=1",
        "m=256,t=1,p=",
        "m=0256,t=1,p=1",
        "m=+256,t=1,p=1",
        "t=1,m=256,p=1",
        "m=256,t=1,p=1,data=",
        "m=99999999999,t=1,p=1",
        "m=256,t=1,p=1,keyid=AAAA",
    ] {
        assert!(matches!(malformed(cost), Some(E::Malformed(_))), "{cost}");
    }
    let cost = "m=256,t=2,p=1";
    for (text, expected) in [
        (format!("$argon2i$v=19${cost}${SALT}${HASH}"), E::OtherFunction(String::from("argon2i"))),
        (format!("$argon2d$v=19${cost}${SALT}${HASH}"), E::OtherFunction(String::from("argon2d"))),
        (format!("$argon2id$v=16${cost}${SALT}${HASH}"), E::OtherVersion(String::from("v=16"))),
        (format!("$argon2id$v=19${cost}$c29tZQ${HASH}"), E::Salt(SaltError { octets: 4 })),
        (format!("$argon2id$v=19${cost}${SALT}$c29tZQ"), E::HashLength(4)),
        (format!("$argon2id$v=19${cost}${SALT}${}", "A".repeat(88)), E::HashLength(66)),
    ] {
        assert_eq!(Argon2id::parse(&text).err(), Some(expected), "{text}");
    }
    for text in [
        String::new(),
        String::from("argon2id"),
        format!("$argon2id$v=19${cost}${SALT}"),
        format!("$argon2id$v=19${cost}${SALT}${HASH}$"),
        format!("$argon2id$v=19${cost}${SALT}${HASH}="),
        format!("$argon2id$v=19${cost}${SALT}=${HASH}"),
        format!("$argon2id$v=19${cost}${SALT}$!{HASH}"),
        format!("$argon2id$v=19${cost}${SALT}${}", "A".repeat(4000)),
    ] {
        assert!(matches!(Argon2id::parse(&text), Err(E::Malformed(_))), "{text}");
    }
}

/// RFC 5802 and RFC 7677, section 3; the same inputs with SHA-512.
#[test]
fn scram_of_the_standards() {
    for (hash, salt, stored, server) in [
        (ScramHash::Sha1, "QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "D+CSWLOshSulAsxiupA+qs2/fTE="),
        (
            ScramHash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ),
        (
            ScramHash::Sha512,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
            "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
        ),
    ] {
        let scram = Scram::from_texts(hash, ["4096", salt, stored, server]).unwrap();
        let derived = Scram::derive(hash, scram.iterations(), scram.salt(), b"pencil");
        assert_eq!(derived.stored_key().octets(), base64(stored), "{hash:?}");
        assert_eq!(derived.server_key().octets(), base64(server), "{hash:?}");
        assert!(scram.matches(&scram.answer(b"pencil")) && !scram.matches(&scram.answer(b"Pencil")));
    }
}

#[test]
fn scram_texts_that_are_refused() {
    use ScramError as E;
    const KEY: &str = "6dlGYMOdZcOPutkcNY8U2g7vK9Y=";
    let length = |name, found| E::KeyLength { name, hash: ScramHash::Sha1, found };
    let read = |texts| Scram::from_texts(ScramHash::Sha1, texts).err();
    assert_eq!(read(["4096", "QSXCR+Q6sek8bf92", KEY, KEY]), None);
    for (texts, expected) in [
        (["4294967295", "QSXC", KEY, KEY], E::Cost(CostError::Iterations(u32::MAX))),
        (["0", "QSXC", KEY, KEY], E::Cost(CostError::Iterations(0))),
        (["4294967296", "QSXC", KEY, KEY], E::NotANumber),
        (["+1", "QSXC", KEY, KEY], E::NotANumber),
        (["", "QSXC", KEY, KEY], E::NotANumber),
        (["1", "", KEY, KEY], E::Salt(SaltError { octets: 0 })),
        (["1", "Q!", KEY, KEY], E::NotBase64("salt")),
        (["1", "QSXC", "QSXC", KEY], length("StoredKey", 3)),
        (["1", "QSXC", KEY, ""], length("ServerKey", 0)),
        (["1", "QSXC", KEY, "====="], E::NotBase64("ServerKey")),
    ] {
        assert_eq!(read(texts), Some(expected), "{texts:?}");
    }
    let huge = "A".repeat(1000);
    assert_eq!(read(["1", &huge, KEY, KEY]), Some(E::NotBase64("salt")));
}

#[test]
fn cram_md5_states_in_either_layout() {
    let cyrus = "f1f7e0a98a0cc0fbc3aabb81561b7395dea73bcdcae5d6aaa48b44234797372e";
    let dovecot = "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56";
    let derived = CramMd5::derive(b"secret");
    assert_eq!(derived.to_octets().to_vec(), hex(cyrus));
    let [ours, theirs] = [cyrus, dovecot].map(|digits| <[u8; 32]>::try_from(hex(digits)).unwrap());
    assert_eq!(*CramMd5::from_octets(&ours).to_octets(), ours);
    assert_eq!(*CramMd5::from_dovecot(&theirs).to_octets(), ours);
}

/// RFC 2195, section 2.
#[test]
fn cram_md5_of_the_standard() {
    let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
    let digest = CramMd5::derive(b"tanstaaftanstaaf").digest(challenge);
    assert_eq!(digest.to_vec(), hex("b913a602c7eda7a495b4e6e7334d3890"));
}

/// RFC 2831, section 4, and what Dovecot keeps.
#[test]
fn digest_md5_of_the_standard() {
    for (user, realm, password, expected) in [
        ("chris", "elwood.innosoft.com", "secret", "eb5a750053e4d2c34aa84bbc9b0b6ee7"),
        ("alice", "example.org", "secret", "543e1aec5d3614f03141652d6ada51b2"),
    ] {
        let digest = DigestMd5::derive(&identity(user, realm), password.as_bytes());
        assert_eq!(digest.h_a1().to_vec(), hex(expected));
        assert_eq!(digest.utf8(), None, "both forms are the same");
    }
}

/// RFC 2831, section 2.1.2.1: each field by itself.
#[test]
fn digest_md5_of_characters_beyond_ascii() {
    for (realm, password, latin1, utf8) in [
        (
            "ex\u{E4}mple.org",
            "p\u{E4}sswort",
            "796e08d9f39e1c628339ecfbcdc8645d",
            "7a89ffde5ae9a9bad259166ed24d0280",
        ),
        ("example.org", "pa\u{20AC}", "b5c19ee19e0f4ecf81d9aea2c3d42c1c", "1f76e01a2b9d252121d0516a085cc576"),
    ] {
        let identity = identity("j\u{FC}rgen", realm);
        let digest = DigestMd5::derive(&identity, password.as_bytes());
        assert_eq!(digest.h_a1().to_vec(), hex(latin1));
        assert_eq!(digest.utf8().map(|hash| hash.to_vec()), Some(hex(utf8)));
        for imported in [latin1, utf8].map(|digits| <[u8; 16]>::try_from(hex(digits)).unwrap()) {
            let imported = Verifier::DigestMd5(DigestMd5::from_parts(imported, None));
            assert!(imported.check(&identity, &secret(password)).unwrap(), "either form counts");
            assert!(!imported.check(&identity, &secret("wrong")).unwrap());
        }
    }
}

proptest! {
    #[test]
    fn cram_md5_is_hmac_md5(
        password in proptest::collection::vec(any::<u8>(), 0..150),
        challenge in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut hmac = <Hmac<Md5> as KeyInit>::new_from_slice(&password).unwrap();
        hmac.update(&challenge);
        prop_assert_eq!(CramMd5::derive(&password).digest(&challenge).to_vec(), hmac.finalize().into_bytes().to_vec());
    }

    #[test]
    fn parts_and_texts_come_back(
        m in 8_u32..100_000, t in 1_u32..10, p in 1_u32..2,
        salt in proptest::collection::vec(any::<u8>(), 8..64),
        hash in proptest::collection::vec(any::<u8>(), 12..65),
    ) {
        let cost = Argon2Cost::new(m, t, p).unwrap();
        let argon2id = Argon2id::from_parts(cost, Salt::new(&salt).unwrap(), &hash).unwrap();
        let read = Argon2id::parse(&argon2id.to_phc()).unwrap();
        prop_assert_eq!(read.cost(), cost);
        prop_assert_eq!(read.salt().octets(), &salt);
        prop_assert_eq!(read.hash(), &hash);
    }

    #[test]
    fn base64_is_bounded_and_strict(octets in proptest::collection::vec(any::<u8>(), 0..80), most in 0_usize..90) {
        let text = to_base64(&BASE64, &octets);
        let decoded = from_base64(&BASE64, text.as_bytes(), most).map(|decoded| decoded.to_vec());
        prop_assert_eq!(decoded, (octets.len() <= most).then_some(octets));
    }

    #[test]
    fn no_text_upsets_a_parser(text in "\\$?(argon2id|1|5|6|2b)?\\$?(v=19)?[ -~]{0,80}") {
        let _ = Argon2id::parse(&text);
        for scheme in Scheme::ALL {
            if let Ok(foreign) = Foreign::parse(scheme, &text) {
                prop_assert_eq!(foreign.text(), &text);
            }
        }
    }
}
