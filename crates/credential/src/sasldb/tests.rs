use proptest::prelude::*;

use super::*;
use crate::identity::{Identity, Realm};
use crate::verifier::VerifierKind;
use crate::verifier::octets::from_hex;

fn hex(digits: &str) -> Vec<u8> {
    from_hex(digits.as_bytes(), 64).unwrap().to_vec()
}

/// Reads a property whose password is `secret`, user alice, realm example.org.
fn check(name: &str, value: &[u8], kind: VerifierKind) {
    let alice = Identity::parse("alice@example.org", &Realm::prepare("").unwrap()).unwrap();
    let Ok(Imported::Verifier(verifier)) = property(name.as_bytes(), value) else { panic!("{name}") };
    assert_eq!(verifier.kind(), kind);
    assert!(verifier.check(&alice, &Secret::copy_of(b"secret")).unwrap(), "{name}");
    assert!(!verifier.check(&alice, &Secret::copy_of(b"Secret")).unwrap(), "{name}");
}

fn password(name: &str, value: &[u8]) -> Vec<u8> {
    match property(name.as_bytes(), value) {
        Ok(Imported::Password(password)) => password.expose().to_vec(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn secrets_of_version_1_and_of_its_converter() {
    let mut plain = (0..16).collect::<Vec<u8>>();
    plain.push(0);
    plain.extend(hex("ed841a63028e35b97beb4ce5df6d37fb"));
    let cram = hex("f1f7e0a98a0cc0fbc3aabb81561b7395dea73bcdcae5d6aaa48b44234797372e");
    let digest = hex("543e1aec5d3614f03141652d6ada51b2");
    for prefix in ["", "cmusaslsecret"] {
        check(&format!("{prefix}PLAIN"), &plain, VerifierKind::Foreign);
        check(&format!("{prefix}CRAM-MD5"), &cram, VerifierKind::CramMd5);
        check(&format!("{prefix}DIGEST-MD5"), &digest, VerifierKind::DigestMd5);
    }
    assert_eq!(password("PLAIN-APOP", b"0123456789abcdef\0secret"), b"secret");
}

#[test]
fn secrets_of_version_2() {
    assert_eq!(password("userPassword", b"p\xC3\xA4\xFF"), b"p\xC3\xA4\xFF");
    assert_eq!(password("userPassword", b""), b"", "what is no password is said by who prepares it");
    // What Dovecot keeps of the same password, in Cyrus' order.
    check(
        "authPassword",
        b"SCRAM-SHA-1$4096:gAKPd5b3q4FwUBMUaFN4dw==$iOrXOfUzYHjnsZzWuL1Esl7U0kA=:+8+/PEJ/2vqwPw4YALGL+W+1Xig=",
        VerifierKind::ScramSha1,
    );
    check(
        "authPassword",
        b"SCRAM-SHA-256$4096:lSEj5TgfdzVINsKUYwtFJA==$4/fE4ra4gR0EYdndkU1Zp+C1bmHQkipTSCXGs+Nr8/4=:C9L5z1ro+R7k29wS9L+OyVveXtstqxuCvtNxoQ8hbLY=",
        VerifierKind::ScramSha256,
    );
}

#[test]
fn what_is_not_taken_over() {
    for (name, value, shown) in [
        (&b"cmusaslsecretOTP"[..], &b"md5\t0499\tvm1234"[..], "cmusaslsecretOTP"),
        (b"cmusaslsecretSRP", b"x", "cmusaslsecretSRP"),
        (b"userpassword", b"x", "userpassword"),
        (b"cmusaslsecretuserPassword", b"x", "cmusaslsecretuserPassword"),
        (b"\x1B[31m\xFF", b"x", "\\x1b[31m\\xff"),
        (b"authPassword", b"SCRAM-SHA-384$4096:c2FsdA==$eA==:eA==", "authPassword of SCRAM-SHA-384"),
    ] {
        let expected = SasldbError::Unsupported(shown.to_owned());
        assert_eq!(property(name, value).err(), Some(expected));
    }
    let long = property(&[b'x'; 5000], b"").err();
    assert_eq!(long, Some(SasldbError::Unsupported("x".repeat(64))));
}

#[test]
fn what_is_malformed() {
    for (name, value) in [
        ("PLAIN", &b""[..]),
        ("PLAIN", &[0; 32]),
        ("PLAIN", &[0; 34]),
        ("PLAIN", &[1; 33]),
        ("PLAIN-APOP", b"0123456789abcdef"),
        ("PLAIN-APOP", b"0123456789abcdefgsecret"),
        ("CRAM-MD5", &[0; 31]),
        ("CRAM-MD5", &[0; 33]),
        ("DIGEST-MD5", &[0; 15]),
        ("authPassword", b""),
        ("authPassword", b"\xFF"),
        ("authPassword", b"SCRAM-SHA-1$4096:gAKPd5b3q4FwUBMUaFN4dw=="),
        ("authPassword", b"SCRAM-SHA-1$4096$c2FsdA==$eA==:eA=="),
    ] {
        assert!(
            matches!(property(name.as_bytes(), value), Err(SasldbError::Malformed { .. })),
            "{name} {value:?}"
        );
    }
    let hostile = property(b"authPassword", b"SCRAM-SHA-1$3000000:c2FsdA==$eA==:eA==");
    assert!(matches!(hostile, Err(SasldbError::Scram(ScramError::Cost(_)))));
}

#[test]
fn version_marks() {
    let mark = [0, 0, 0, 3];
    assert!(is_version_mark(b"", b"", b"CRAM-MD5", &mark));
    assert!(is_version_mark(b"", b"", b"DIGEST-MD5", &mark));
    assert!(!is_version_mark(b"", b"", b"userPassword", &mark), "a user without a name");
    assert!(!is_version_mark(b"", b"vm", b"CRAM-MD5", &mark));
    assert!(!is_version_mark(b"", b"", b"CRAM-MD5", &[0; 32]));
}

proptest! {
    #[test]
    fn no_property_upsets_the_reader(
        name in "(cmusaslsecret)?(PLAIN|PLAIN-APOP|CRAM-MD5|DIGEST-MD5)|authPassword",
        value in proptest::collection::vec(any::<u8>(), 0..60),
        texts in "SCRAM-SHA-(1|256|512)[$:0-9a-zA-Z+/=]{0,60}",
    ) {
        // What a secret of a version 1 file has in common is its length alone.
        let is_right_length = match name.trim_start_matches("cmusaslsecret") {
            "CRAM-MD5" => value.len() == 32,
            "DIGEST-MD5" => value.len() == 16,
            _ => property(name.as_bytes(), &value).is_ok(),
        };
        prop_assert_eq!(property(name.as_bytes(), &value).is_ok(), is_right_length);
        let _ = property(b"authPassword", texts.as_bytes());
    }
}
