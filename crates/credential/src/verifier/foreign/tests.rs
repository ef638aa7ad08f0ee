use super::*;

const LONG: &str = "we have a short salt string but not a short password";
const RAW: &str = "p\u{E4}ss\u{1F600}";

fn check(scheme: Scheme, text: &str, password: &str) {
    let foreign = Foreign::parse(scheme, text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(foreign.text(), text);
    assert!(foreign.matches(&foreign.answer(password.as_bytes())), "{scheme} {text}");
    for wrong in ["", "wrong", &password[1..], &format!("{password} ")] {
        // bcrypt and crypt(3) have an end to what they look at.
        if wrong.len() < 72 {
            assert!(!foreign.matches(&foreign.answer(wrong.as_bytes())), "{scheme} {text} {wrong:?}");
        }
    }
}

fn refuse(scheme: Scheme, text: &str) -> ForeignError {
    Foreign::parse(scheme, text).err().unwrap_or_else(|| panic!("{scheme} takes {text}"))
}

/// Made by crypt(3) of libxcrypt 4.4 and by Dovecot 2.3.
#[test]
fn bcrypt() {
    for (text, password) in [
        ("$2y$05$7x8sMRT1SROcP9/4udVNlOOEd2MvhrJK774Bxsq0KwANNHWLcKgYm", "secret"),
        ("$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "secret"),
        ("$2a$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "secret"),
        ("$2b$04$abcdefghijklmnopqrstuuCFaEytnzrfaPZJKbS76hh9vqd9r8v2S", "U*U"),
        (
            "$2b$04$abcdefghijklmnopqrstuuRAip/W0RPQX4QKkqYqXE3GIXWH518Sm",
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        ),
    ] {
        check(Scheme::Bcrypt, text, password);
    }
}

#[test]
fn bcrypt_that_is_refused() {
    const REST: &str = "abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    for (start, most) in [("$2b$17$", 16), ("$2b$31$", 16), ("$2y$99$", 16)] {
        let found = start[4..6].parse().unwrap();
        let expected = ForeignError::TooCostly { scheme: Scheme::Bcrypt, most, found };
        assert_eq!(refuse(Scheme::Bcrypt, &format!("{start}{REST}")), expected);
    }
    for start in ["$2x$05$", "$2$05$", "$2b$5$", "$2b$+5$", "$2b$03$", "$2b$005$", "$2b05$", "2b$05$", ""] {
        let error = refuse(Scheme::Bcrypt, &format!("{start}{REST}"));
        assert!(matches!(error, ForeignError::Malformed { .. }), "{start}");
    }
    for rest in ["", &REST[1..], &format!("{REST}x"), &REST.replace('O', "!"), &REST.replace('O', "\u{E4}")] {
        let error = refuse(Scheme::Bcrypt, &format!("$2b$05${rest}"));
        assert!(matches!(error, ForeignError::Malformed { .. }), "{rest}");
    }
}

/// Made by crypt(3) of libxcrypt 4.4 and by Dovecot 2.3.
#[test]
fn sha_crypt() {
    for (text, password) in [
        ("$5$3UZLIfHryfTyfY0l$eGHbgsxQORCOSSUZu.4ptNyk1nZYvrqSRYteuENshC4", "secret"),
        ("$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.", "secret"),
        ("$5$rounds=1000$saltstring$fed1lJ3lW2cumwmE7z56j2M9NKGJ/0cEPnUX6okL/JA", LONG),
        ("$5$rounds=1000$saltstring$TJgL61C2GbgdIJsSBaXwvfH2eS8LvN7/x/N/91mHPxA", RAW),
        ("$5$$o1w7HPzHt8gHmL5zUzDkRqt6Az.BjDfkvuDNNLWnXx5", "secret"),
    ] {
        check(Scheme::Sha256Crypt, text, password);
    }
    for (text, password) in [
        (
            "$6$V4.SbVdLSdPIBPXj$o6YdCkwJZIqryO/pnWYBEBRUp75mG7UUijTUKIzdq7w56Lg2jN0d2FSLXDzwYnyem3JmpoaugS5.mOgqFMH4x.",
            "secret",
        ),
        (
            "$6$rounds=1400$anotherlongsalts$AP.vbZcNbWD30OfPAcUJe702LINHtb7RqILoLW9vJ/DHPMJyr6a.5rQHcOzBXuDOEzAqm8/9xW6EF/z3vOBQp0",
            LONG,
        ),
        (
            "$6$rounds=1400$anotherlongsalts$42xGXKRRDU2oH2IKNteSekziXaC9DxgTzO2QW4hNXjy9tN9qTf9qlk.6gI.3Fd.e4L.t4Pu8Xln3tSbOyAFpu1",
            RAW,
        ),
        (
            "$6$$2M9DchxW4txWyTYoZrH9D3VvAAQxBpEezYsLY6Cao.jwzEXpyL9xwip9hiUZX7GqTqe/E/z6iKvZqXUuqniQH.",
            "secret",
        ),
    ] {
        check(Scheme::Sha512Crypt, text, password);
    }
}

#[test]
fn sha_crypt_that_is_refused() {
    const SCHEME: Scheme = Scheme::Sha256Crypt;
    const HASH: &str = "gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
    let costly = |found| ForeignError::TooCostly { scheme: SCHEME, most: 1_000_000, found };
    assert_eq!(refuse(SCHEME, &format!("$5$rounds=999999999$a${HASH}")), costly(999_999_999));
    assert_eq!(refuse(SCHEME, &format!("$5$rounds=1000001$a${HASH}")), costly(1_000_001));
    for text in [
        format!("$6$abcdefgh${HASH}"),
        format!("$5$rounds=999$a${HASH}"),
        format!("$5$rounds=01000$a${HASH}"),
        format!("$5$rounds=99999999999$a${HASH}"),
        format!("$5$rounds=$a${HASH}"),
        format!("$5$seventeen.letters${HASH}"),
        format!("$5$abcdefgh${HASH}."),
        format!("$5$abcdefgh${}!", &HASH[1..]),
        String::from("$5$abcdefgh"),
        String::from("$5$rounds=5000"),
    ] {
        assert!(matches!(refuse(SCHEME, &text), ForeignError::Malformed { .. }), "{text}");
    }
}

/// The time that it takes grows with the square of the length; crypt(3) answers `*0` from here on.
#[test]
fn sha_crypt_looks_at_no_longer_password_than_crypt_does() {
    let foreign =
        Foreign::parse(Scheme::Sha256Crypt, "$5$$o1w7HPzHt8gHmL5zUzDkRqt6Az.BjDfkvuDNNLWnXx5").unwrap();
    assert_eq!(foreign.answer(&[b'x'; 511]).len(), 43);
    assert!(foreign.answer(&[b'x'; 512]).is_empty());
    assert!(!foreign.matches(&foreign.answer(&[b'x'; 512])));
}

/// `SHA` and `SSHA` of Dovecot and of LDAP servers.
#[test]
fn salted_sha() {
    for (scheme, text) in [
        (Scheme::SaltedSha1, "5en6G6MezRroT3XKqkdPOmY/BfQ="),
        (Scheme::SaltedSha1, "BMqYeRqj9RMfSmPz5kU/cFZvA7J0Ww6C"),
        (Scheme::SaltedSha256, "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
        (Scheme::SaltedSha256, "NddOEgV+mn+yPpR0NjPiup358aMarxz5mLZu89d0FmtrLRB5"),
        (
            Scheme::SaltedSha512,
            "vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
        ),
        (
            Scheme::SaltedSha512,
            "C4HdKA+e2bnNGufLWkZ8oh4YiYiMmuNK8xITvRM5HArvWb3WYKMvspdeH8yh2sK/dHm1R3rz+a4hulQlzM0888emU4o=",
        ),
    ] {
        check(scheme, text, "secret");
    }
    for text in ["", "5en6", "5en6G6MezRroT3XKqkdPOmY!BfQ=", &"A".repeat(400), &"A".repeat(600)] {
        assert!(matches!(refuse(Scheme::SaltedSha1, text), ForeignError::Malformed { .. }), "{text}");
    }
}

#[test]
fn pbkdf2_of_dovecot() {
    const TEXT: &str = "$1$508LLwYIMDwMrv5c$5000$596cf612bb6ea47a5852f761ede1a6e91de0a1fd";
    const SCHEME: Scheme = Scheme::Pbkdf2Sha1;
    check(SCHEME, TEXT, "secret");
    let costly = ForeignError::TooCostly { scheme: SCHEME, most: 2_000_000, found: 2_000_001 };
    assert_eq!(refuse(SCHEME, &TEXT.replace("5000", "2000001")), costly);
    for text in [
        &TEXT[1..],
        &TEXT.replace("5000", "0"),
        &TEXT.replace("5000", "5e3"),
        &TEXT[..TEXT.len() - 2],
        &format!("{TEXT}$"),
        &format!("{TEXT}00"),
        &TEXT.replace("596c", "59xc"),
        "$1$508LLwYIMDwMrv5c$5000",
    ] {
        assert!(matches!(refuse(SCHEME, text), ForeignError::Malformed { .. }), "{text}");
    }
}

#[test]
fn plain_of_cyrus_sasl_1() {
    check(Scheme::CyrusPlain, "AAECAwQFBgcICQoLDA0OD+2EGmMCjjW5e+tM5d9tN/s=", "secret");
    for text in ["", "AAEC", "AAECAwQFBgcICQoLDA0OD+2EGmMCjjW5e+tM5d9tN/sA"] {
        assert!(matches!(refuse(Scheme::CyrusPlain, text), ForeignError::Malformed { .. }), "{text}");
    }
}

#[test]
fn schemes_are_named_and_judged() {
    for scheme in Scheme::ALL {
        assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
    }
    assert_eq!(Scheme::from_name("SSHA"), None);
    assert_eq!(Scheme::Bcrypt.strength(), Strength::Slow);
    assert_eq!(Scheme::SaltedSha512.strength(), Strength::Fast);
}
