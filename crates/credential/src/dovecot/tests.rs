use proptest::prelude::*;

use super::*;
use crate::identity::{Identity, Realm};
use crate::verifier::VerifierKind;

fn read(field: &str) -> Result<Imported, DovecotError> {
    parse(field.as_bytes(), "CRYPT")
}

/// Reads a field whose password is `secret`, user alice@example.org.
fn check(field: &str, kind: VerifierKind) {
    let alice = Identity::parse("alice@example.org", &Realm::prepare("").unwrap()).unwrap();
    let Imported::Verifier(verifier) = read(field).unwrap_or_else(|e| panic!("{field}: {e}")) else {
        panic!("{field} is no verifier")
    };
    assert_eq!(verifier.kind(), kind, "{field}");
    assert!(verifier.check(&alice, &Secret::copy_of(b"secret")).unwrap(), "{field}");
    assert!(!verifier.check(&alice, &Secret::copy_of(b"Secret")).unwrap(), "{field}");
}

/// Made by doveadm pw of Dovecot 2.3, by crypt(3) or computed apart.
#[test]
fn schemes_that_are_taken_over() {
    for (field, kind) in [
        (
            "{SHA256-CRYPT}$5$3UZLIfHryfTyfY0l$eGHbgsxQORCOSSUZu.4ptNyk1nZYvrqSRYteuENshC4",
            VerifierKind::Foreign,
        ),
        (
            "{SHA512-CRYPT}$6$V4.SbVdLSdPIBPXj$o6YdCkwJZIqryO/pnWYBEBRUp75mG7UUijTUKIzdq7w56Lg2jN0d2FSLXDzwYnyem3JmpoaugS5.mOgqFMH4x.",
            VerifierKind::Foreign,
        ),
        ("{BLF-CRYPT}$2y$05$7x8sMRT1SROcP9/4udVNlOOEd2MvhrJK774Bxsq0KwANNHWLcKgYm", VerifierKind::Foreign),
        ("{CRYPT}$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", VerifierKind::Foreign),
        ("$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.", VerifierKind::Foreign),
        (
            "{crypt}$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
            VerifierKind::Foreign,
        ),
        ("{PBKDF2}$1$508LLwYIMDwMrv5c$5000$596cf612bb6ea47a5852f761ede1a6e91de0a1fd", VerifierKind::Foreign),
        ("{SSHA}BMqYeRqj9RMfSmPz5kU/cFZvA7J0Ww6C", VerifierKind::Foreign),
        ("{SSHA256}NddOEgV+mn+yPpR0NjPiup358aMarxz5mLZu89d0FmtrLRB5", VerifierKind::Foreign),
        (
            "{SSHA512}C4HdKA+e2bnNGufLWkZ8oh4YiYiMmuNK8xITvRM5HArvWb3WYKMvspdeH8yh2sK/dHm1R3rz+a4hulQlzM0888emU4o=",
            VerifierKind::Foreign,
        ),
        (
            "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$bldFB1BoabnFyyQxuQp2Xw$reSF9TZ8Bb+kj5tcDw4nsSJf80TTDmAcvhdi29On8Cs",
            VerifierKind::Argon2id,
        ),
        (
            "{ARGON2}$argon2id$v=19$m=65536,t=3,p=1$bldFB1BoabnFyyQxuQp2Xw$reSF9TZ8Bb+kj5tcDw4nsSJf80TTDmAcvhdi29On8Cs",
            VerifierKind::Argon2id,
        ),
        ("{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56", VerifierKind::CramMd5),
        ("{HMAC-MD5.b64}zTun3qrW5cojRIukLjeXR6ng9/H7wAyKgbuqw5VzG1Y=", VerifierKind::CramMd5),
        ("{DIGEST-MD5}543e1aec5d3614f03141652d6ada51b2", VerifierKind::DigestMd5),
        (
            "{SCRAM-SHA-1}4096,gAKPd5b3q4FwUBMUaFN4dw==,iOrXOfUzYHjnsZzWuL1Esl7U0kA=,+8+/PEJ/2vqwPw4YALGL+W+1Xig=",
            VerifierKind::ScramSha1,
        ),
        (
            "{SCRAM-SHA-256}4096,lSEj5TgfdzVINsKUYwtFJA==,4/fE4ra4gR0EYdndkU1Zp+C1bmHQkipTSCXGs+Nr8/4=,C9L5z1ro+R7k29wS9L+OyVveXtstqxuCvtNxoQ8hbLY=",
            VerifierKind::ScramSha256,
        ),
    ] {
        check(field, kind);
    }
}

#[test]
fn clear_text() {
    for (field, expected) in [
        ("{PLAIN}secret", &b"secret"[..]),
        ("{CLEAR}secret", b"secret"),
        ("{cleartext}{braces}", b"{braces}"),
        ("{PLAIN.b64}c2VjcmV0", b"secret"),
        ("{PLAIN.BASE64}c2VjcmV0", b"secret"),
        ("{PLAIN.hex}736563ff", b"sec\xFF"),
        ("{PLAIN}", b""),
    ] {
        let Ok(Imported::Password(password)) = read(field) else { panic!("{field}") };
        assert_eq!(password.expose(), expected, "{field}");
    }
    for field in ["secret", "{no brace", "{\u{E4}\u{F6}"] {
        let Ok(Imported::Password(password)) = parse(field.as_bytes(), "plain") else { panic!("{field}") };
        assert_eq!(password.expose(), field.as_bytes(), "the default scheme");
    }
}

#[test]
fn schemes_that_are_refused_by_name() {
    for (field, name) in [
        ("{MD5}$1$.p7rW1WA$SAMcuJhlSj5ptdmU073gg/", "MD5"),
        ("{MD5-CRYPT}$1$.p7rW1WA$SAMcuJhlSj5ptdmU073gg/", "MD5-CRYPT"),
        ("$1$.p7rW1WA$SAMcuJhlSj5ptdmU073gg/", "CRYPT $1$ (MD5)"),
        ("{CRYPT}$y$j9T$abcdefgh$IUWJt2doU4Kf6E/JP1UkAT3S5O3Q7SSA8SJirXIlEu9", "CRYPT $y$ (yescrypt)"),
        ("{CRYPT}abNANd1rDfiNc", "CRYPT (DES or unknown)"),
        ("{CRYPT}secret", "CRYPT (DES or unknown)"),
        (
            "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$F2KdCj6EFM/DBIYpNhh2cQ$62wTrqcFnG3Me1gp/5k87DUC9j8RSWLdaOUhl71je4Q",
            "ARGON2I",
        ),
        ("{plain-md5}5ebe2294ecd0e0f08eab7690d2a6ee69", "PLAIN-MD5"),
        ("{SMD5}1vcZOi1RbF7gGwOYdqHvNhpJm3M=", "SMD5"),
        ("{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", "LDAP-MD5"),
        ("{PLAIN-MD4}67d3dafef63ff00603aeef3769cfbf0d", "PLAIN-MD4"),
        ("{PLAIN-TRUNC}6-secret", "PLAIN-TRUNC"),
        ("{DES-CRYPT}zwU8eQnKWKLzg", "DES-CRYPT"),
        ("{OTP}sha1 1024 de9362c1264418a1 b38b95249047b3ca", "OTP"),
        ("{NTLM}878d8014606cda29677a44efa1353fc7", "NTLM"),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA"),
        ("{sha1.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "SHA1"),
        ("{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "SHA256"),
        ("{SHA512.HEX}bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68", "SHA512"),
        ("{}secret", "(unknown)"),
        ("{hunter2}x", "(unknown)"),
        ("{\u{1B}[31m}x", "(unknown)"),
    ] {
        let error = read(field).err().unwrap_or_else(|| panic!("{field} is taken"));
        let DovecotError::Unsupported(found) = error else { panic!("{field}: {error}") };
        assert!(found.eq_ignore_ascii_case(name), "{field}: {found}");
    }
}

#[test]
fn data_that_is_refused() {
    for field in [
        "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
        "{SSHA}%%%%",
        "{CRAM-MD5}cd3ba7",
        "{CRAM-MD5}xd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56",
        "{DIGEST-MD5}",
        "{SCRAM-SHA-1}4096,gAKPd5b3q4FwUBMUaFN4dw==,iOrXOfUzYHjnsZzWuL1Esl7U0kA=",
        "{PLAIN.b64}c2Vj!",
        "{PLAIN.hex}7365F",
        "{BLF-CRYPT.b64}/w==",
    ] {
        assert!(matches!(read(field), Err(DovecotError::Malformed { .. })), "{field}");
    }
    assert!(matches!(read("{SSHA}AAAA"), Err(DovecotError::Foreign(_))), "shorter than its digest");
    assert!(matches!(read("{SHA256-CRYPT}$6$a$b"), Err(DovecotError::Foreign(_))));
    let hostile = "{ARGON2ID}$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA";
    assert!(matches!(read(hostile), Err(DovecotError::Argon2id(Argon2idError::Cost(_)))));
    let hostile = "{SCRAM-SHA-1}4000000000,QSXC,iOrXOfUzYHjnsZzWuL1Esl7U0kA=,+8+/PEJ/2vqwPw4YALGL+W+1Xig=";
    assert!(matches!(read(hostile), Err(DovecotError::Scram(ScramError::Cost(_)))));
    assert_eq!(read("").err(), Some(DovecotError::Empty));
    assert_eq!(read(&"x".repeat(8193)).err(), Some(DovecotError::TooLong(8193)));
    assert_eq!(read("{SSHA.b32}x").err(), Some(DovecotError::Encoding));
}

#[test]
fn no_error_shows_data() {
    for field in [
        "{SSHA}hunter2",
        "hunter2",
        "{CRAM-MD5}hunter2",
        "{SCRAM-SHA-1}hunter2,a,b,c",
        "{PLAIN.hex}hunter2",
        "{hunter2}x",
        "{PLAIN.hunter2}x",
    ] {
        let error = read(field).unwrap_err();
        assert!(!format!("{error} {error:?}").to_lowercase().contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_field_that_names_its_scheme() {
    for field in ["{PLAIN}x", "{ssha.b64}x", "{MD5-CRYPT}$1$", "$6$salt$hash", "$2y$05$x", "$md5,rounds=9$x"]
    {
        assert!(is_named(field.as_bytes()), "{field}");
    }
    for field in
        ["x", "{hunter2}x", "{PLAIN.hunter2}x", "{PLAIN x", "$hunter2$x", "$6x", "{}x", "\u{ff}{PLAIN}"]
    {
        assert!(!is_named(field.as_bytes()), "{field}");
    }
}

proptest! {
    /// Whatever is read as a verifier is one that the store can keep: its text reads again as the same scheme.
    #[test]
    fn no_field_upsets_the_parser(
        scheme in "PLAIN|CRYPT|SSHA512|SHA|PBKDF2|CRAM-MD5|DIGEST-MD5|SCRAM-SHA-1|ARGON2ID|BLF-CRYPT|[A-Z0-9.-]{0,6}",
        encoding in "(\\.(b64|hex|x))?",
        data in "[$,=+/0-9a-zA-Z]{0,90}|\\PC{0,20}",
    ) {
        if let Ok(Imported::Verifier(Verifier::Foreign(foreign))) = read(&format!("{{{scheme}{encoding}}}{data}")) {
            let again = Foreign::parse(foreign.scheme(), foreign.text());
            prop_assert_eq!(again.map(|foreign| foreign.scheme()), Ok(foreign.scheme()));
        }
    }
}
