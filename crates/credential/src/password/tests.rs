use proptest::prelude::*;

use super::*;

fn prepare(text: &str) -> Result<String, PasswordError> {
    Password::prepare(&Secret::copy_of(text.as_bytes()))
        .map(|password| String::from_utf8(password.octets().to_vec()).unwrap())
}

fn refused_at(text: &str, position: usize, why: Prohibited) {
    let character = text.chars().nth(position - 1).unwrap();
    let expected = SaslprepError::Character { character, position, why };
    assert_eq!(prepare(text), Err(PasswordError::Refused(expected)), "{text:?}");
}

/// RFC 4013, section 3.
#[test]
fn examples_of_the_standard() {
    for (given, prepared) in
        [("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX")]
    {
        assert_eq!(prepare(given).as_deref(), Ok(prepared));
    }
    refused_at("\u{7}", 1, Prohibited::Control);
    let direction = SaslprepError::Direction { character: '1', position: 2 };
    assert_eq!(prepare("\u{627}1"), Err(direction.into()));
}

#[test]
fn spaces_and_forms_become_one() {
    for (given, prepared) in [
        ("a\u{A0}b", "a b"),
        ("a\u{3000}b", "a b"),
        (" a b ", " a b "),
        ("pa\u{308}ss", "p\u{E4}ss"),
        ("\u{FB01}x", "fix"),
        ("a\u{340}", "\u{E0}"),
    ] {
        assert_eq!(prepare(given).as_deref(), Ok(prepared), "{given:?}");
    }
}

#[test]
fn a_refusal_names_the_character_and_its_place() {
    refused_at("pa\u{7}ss", 3, Prohibited::Control);
    refused_at("secret\r", 7, Prohibited::Control);
    refused_at("tab\there", 4, Prohibited::Control);
    refused_at("\u{7F}", 1, Prohibited::Control);
    refused_at("p\u{E4}\u{85}", 3, Prohibited::Control);
    refused_at("pass\u{1F600}", 5, Prohibited::Unassigned);
    refused_at("\u{E000}x", 1, Prohibited::PrivateUse);
    refused_at("x\u{FDD0}", 2, Prohibited::NonCharacter);
    refused_at("x\u{FFFD}", 2, Prohibited::NotPlainText);
    refused_at("x\u{2FF0}", 2, Prohibited::NotCanonical);
    refused_at("x\u{200E}", 2, Prohibited::DisplayProperty);
    refused_at("x\u{E0041}", 2, Prohibited::Tagging);
    let said = prepare("pa\u{7}ss").unwrap_err().to_string();
    assert_eq!(said, "the password is refused by SASLprep: character 3 is U+0007, a control character");
}

/// U+0340 is harmless once it is normalised; it must not be blamed for what comes behind.
#[test]
fn only_the_character_at_fault_is_named() {
    refused_at("a\u{340}\u{200B}b\u{7}", 5, Prohibited::Control);
}

#[test]
fn directions_may_not_be_mixed() {
    for (text, character, position) in [
        ("\u{627}a\u{628}", 'a', 2),
        ("a\u{627}", '\u{627}', 2),
        ("1\u{627}", '\u{627}', 2),
        ("\u{627}\u{628}!", '!', 3),
    ] {
        let expected = SaslprepError::Direction { character, position };
        assert_eq!(prepare(text), Err(expected.into()), "{text:?}");
    }
    assert!(prepare("\u{627}1\u{628}").is_ok());
}

#[test]
fn what_is_no_password_at_all() {
    let prepare = |octets: &[u8]| Password::prepare(&Secret::copy_of(octets)).err();
    assert_eq!(prepare(b""), Some(PasswordError::Empty));
    assert_eq!(prepare("\u{AD}".as_bytes()), Some(PasswordError::Empty), "nothing is left");
    assert_eq!(prepare(b"ab\0cd"), Some(PasswordError::Nul { position: 3 }));
    assert_eq!(prepare(b"p\xC3\xA4\xFF"), Some(PasswordError::NotUtf8 { position: 4 }));
    assert_eq!(prepare(&[b'x'; MAX_PASSWORD]), None);
    assert_eq!(prepare(&[b'x'; 4097]), Some(PasswordError::TooLong { octets: 4097 }));
}

/// One character of 3 octets that is prepared to 33.
#[test]
fn preparation_may_not_outgrow_the_limit() {
    let text = "\u{FDFA}".repeat(200);
    let too_long = PasswordError::TooLong { octets: 6600 };
    assert_eq!(prepare(&text), Err(too_long.clone()));
    assert_eq!(Password::import(&Secret::copy_of(text.as_bytes())).err(), Some(too_long));
}

#[test]
fn import_takes_the_octets_that_saslprep_refuses() {
    let import = |octets: &[u8]| {
        Password::import(&Secret::copy_of(octets))
            .map(|password| (password.octets().to_vec(), password.is_raw()))
    };
    for octets in [&b"p\xC3\xA4\xFF"[..], b"secret\r", "pass\u{1F600}".as_bytes(), "\u{627}1".as_bytes()] {
        assert_eq!(import(octets), Ok((octets.to_vec(), true)));
    }
    assert_eq!(import("a\u{A0}b".as_bytes()), Ok((b"a b".to_vec(), false)));
    assert_eq!(import(b""), Err(PasswordError::Empty));
    assert_eq!(import(b"\xFF\0"), Err(PasswordError::Nul { position: 2 }));
    assert_eq!(import(&[0xFF; 4097]), Err(PasswordError::TooLong { octets: 4097 }));
}

#[test]
fn debug_tells_nothing() {
    let password = Password::prepare(&Secret::copy_of(b"hunter2")).unwrap();
    assert_eq!(format!("{password:?}"), "Password { octets: Secret(…), raw: false }");
}

proptest! {
    #[test]
    fn what_is_prepared_stays_as_it_is(text in "\\PC{1,40}") {
        if let Ok(prepared) = prepare(&text) {
            prop_assert_eq!(prepare(&prepared), Ok(prepared));
        }
    }

    /// The character that is named is there, and without those that are named a string is let in (or is
    /// empty).
    #[test]
    fn removing_what_is_named_helps(text in proptest::collection::vec(any::<char>(), 1..12)) {
        let mut text: Vec<char> = text.into_iter().filter(|&c| c != '\0').collect();
        for _ in 0..24 {
            match prepare(&text.iter().collect::<String>()) {
                Err(PasswordError::Refused(
                    SaslprepError::Character { character, position, .. }
                    | SaslprepError::Direction { character, position },
                )) => prop_assert_eq!(text.remove(position - 1), character),
                outcome => {
                    prop_assert!(matches!(outcome, Ok(_) | Err(PasswordError::Empty)));
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "still refused");
    }
}
