use proptest::prelude::*;

use super::*;

/// User, authentication id, password, realm, mechanisms.
type Texts<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>);

fn good(value: &str, expected: Texts<'_>) {
    let info = ClientInfo::parse(value.as_bytes()).unwrap_or_else(|e| panic!("{value}: {e}"));
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let found = (
        text(&info.user),
        text(&info.authentication),
        text(info.password.expose()),
        info.realm.as_deref().map(text),
        info.mechanisms.as_deref().map(text),
    );
    let (user, authentication, password, realm, mechanisms) = expected;
    let expected = (
        user.to_owned(),
        authentication.to_owned(),
        password.to_owned(),
        realm.map(str::to_owned),
        mechanisms.map(str::to_owned),
    );
    assert_eq!(found, expected, "{value}");
}

fn bad(value: &str, column: usize, what: Fault) {
    let error = ClientInfo::parse(value.as_bytes()).err();
    assert_eq!(error, Some(ClientInfoError { column, what }), "{value}");
}

#[test]
fn the_five_tags() {
    good(
        r#""U:user" "I:ident" "P:secret" "R:realm.example" "M:DIGEST-MD5 CRAM-MD5""#,
        ("user", "ident", "secret", Some("realm.example"), Some("DIGEST-MD5 CRAM-MD5")),
    );
    good(
        r#""m:PLAIN" "r:" "p:secret" "i:ident" "u:user""#,
        ("user", "ident", "secret", Some(""), Some("PLAIN")),
    );
    good(r#""U=dXNlcg==" "P=c2VjcmV0" "R=cg==""#, ("user", "user", "secret", Some("r"), None));
}

#[test]
fn one_id_serves_for_the_other() {
    good(r#""U:user" "P:secret""#, ("user", "user", "secret", None, None));
    good(r#""I:ident" "P:secret""#, ("ident", "ident", "secret", None, None));
    good(r#""U:" "I:ident" "P:secret""#, ("", "ident", "secret", None, None));
}

#[test]
fn what_stands_between_the_quotes_is_literal() {
    good(r#""U:a b" "P:a:b <c> $d (e) \f = ,""#, ("a b", "a b", r"a:b <c> $d (e) \f = ,", None, None));
    good(r#""U:a" "P:100%%""#, ("a", "a", "100%", None, None));
    good(r#""U:a" "P:%%%%1%% %x %""#, ("a", "a", "%%1% %x %", None, None));
    good(r#""U:a" "P=cGEicyVzMQ==""#, ("a", "a", r#"pa"s%s1"#, None, None));
}

/// sendmail decodes with `sasl_decode64`: what that refuses is no password there, and the mail goes out without one.
#[test]
fn base64_is_what_sendmail_takes_for_it() {
    good(r#""U:a" "P=YQ==""#, ("a", "a", "a", None, None));
    good(r#""U:a" "P=YR==""#, ("a", "a", "a", None, None));
    good(r#""U:a" "P=YWI=""#, ("a", "a", "ab", None, None));
    for unpadded in ["YQ", "YQ=", "YWI", "YWJj=", "YQ==YQ==", "YQ== "] {
        bad(&format!(r#""U:a" "P={unpadded}""#), 10, Fault::Base64);
    }
}

#[test]
fn a_carriage_return_ends_the_line_and_no_more() {
    good("\"U:a\" \"P:b\"\r", ("a", "a", "b", None, None));
    good("\"U:a\" \"P:b\" \r", ("a", "a", "b", None, None));
    bad("\"U:a\"\r", 6, Fault::NoPassword);
    bad("\"U:a\" \"P:b\r\"\r", 10, Fault::Control);
    bad("\"U:a\"\r\"P:b\"", 6, Fault::AfterQuote);
    bad("\"U:a\" \"P:b\r", 7, Fault::NotClosed);
}

#[test]
fn the_last_of_a_tag_counts_and_the_rest_is_ignored() {
    good(r#""U:a" "P:first" "p:second""#, ("a", "a", "second", None, None));
    good("\t \"U:a\" \t\"P:b\"  ", ("a", "a", "b", None, None));
    good(r#""U:a" "P:b" junk "R:x""#, ("a", "a", "b", None, None));
    good(r#""U:1" "U:2" "U:3" "U:4" "U:5" "I:a" "P:b""#, ("5", "a", "b", None, None));
}

#[test]
fn faults_and_their_columns() {
    for (value, column, what) in [
        ("", 1, Fault::NoPassword),
        (r#""U:a""#, 6, Fault::NoPassword),
        (r#""P:b""#, 6, Fault::NoName),
        (r#""P:b" "R:c""#, 12, Fault::NoName),
        ("U:a P:b", 1, Fault::NotQuoted),
        (r#""U:a" P:b"#, 7, Fault::NotQuoted),
        (r#""U:a" , "P:b""#, 7, Fault::NotQuoted),
        (r#""U:a","P:b""#, 6, Fault::AfterQuote),
        (r#""U:a""P:b""#, 6, Fault::AfterQuote),
        (r#""U:a" "P:b"c""#, 12, Fault::AfterQuote),
        (r#""U:a" "P:b"#, 7, Fault::NotClosed),
        (r#"""#, 1, Fault::NotClosed),
        (r#""""#, 2, Fault::Tag),
        (r#""X:a" "P:b""#, 2, Fault::Tag),
        (r#""U:a" "Pb""#, 9, Fault::Delimiter),
        (r#""U""#, 3, Fault::Delimiter),
        (r#""U;a""#, 3, Fault::Delimiter),
        (r#""U:a" "P=c2Vj!""#, 10, Fault::Base64),
        (r#""U:a" "P=c2V""#, 10, Fault::Base64),
        (r#""U:a" "P:50%1""#, 12, Fault::Percent),
        ("\"U:a\" \"P:b\rc\"", 10, Fault::Control),
        (r#""U:a" "P=AGE=""#, 10, Fault::Control),
        (r#""U:a" "P:""#, 7, Fault::PasswordLength),
        (r#""U:a" "P=""#, 7, Fault::PasswordLength),
        (r#""I:" "P:b""#, 1, Fault::EmptyName),
        (r#""U:" "P:b""#, 1, Fault::EmptyName),
        (r#""U:1" "U:2" "U:3" "U:4" "U:5" "I:a" "P:b" "R:c""#, 43, Fault::TooMany),
    ] {
        bad(value, column, what);
    }
    bad(&format!(r#""U:a" "P:{}""#, "x".repeat(4097)), 7, Fault::PasswordLength);
    bad(&"x".repeat(8193), 8193, Fault::TooLong);
}

#[test]
fn no_error_shows_a_value() {
    for value in [r#""U:a" "P:hunter2"#, r#""P:hunter2""#, r#""X:hunter2""#, r#""P=hunter2!""#] {
        let error = ClientInfo::parse(value.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let info = ClientInfo::parse(br#""U:a" "P:hunter2""#).unwrap();
    assert!(!format!("{info:?}").contains("hunter2"));
}

#[test]
fn keys_and_values_that_hold_secrets() {
    for key in ["AuthInfo:mail.example.org", "authinfo:", "AUTHINFO:[192.0.2.1]"] {
        assert!(is_authinfo_key(key.as_bytes()) && holds_secret(key.as_bytes(), b""), "{key}");
    }
    for key in ["", "AuthInfo", "XAuthInfo:host", "Connect:host"] {
        assert!(!is_authinfo_key(key.as_bytes()), "{key}");
    }
    for (value, expected) in [
        (r#""U:a" "P:b""#, true),
        (r#""p=Yg==""#, true),
        ("\"P", false),
        ("P:b", false),
        ("RELAY", false),
        (r#"ERROR:"550 P: no""#, false),
    ] {
        assert_eq!(holds_secret(b"host.example", value.as_bytes()), expected, "{value}");
        assert_eq!(holds_secret(value.as_bytes(), b""), expected, "{value} as a key");
    }
    assert_eq!(password_token(br#"host "u:a" "p:b" "P=Yw==""#), Some(11));
}

proptest! {
    #[test]
    fn no_value_upsets_the_parser(value in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Err(error) = ClientInfo::parse(&value) {
            prop_assert!((1..=value.len() + 1).contains(&error.column));
        }
    }

    #[test]
    fn columns_stay_inside(value in "([\"UIPRMupx:=% a1]|\"[UIP]:|\"P=|\" ){0,20}") {
        match ClientInfo::parse(value.as_bytes()) {
            Err(error) => prop_assert!((1..=value.len() + 1).contains(&error.column)),
            Ok(info) => prop_assert!(!info.password.is_empty() && !info.authentication.is_empty()),
        }
    }

    #[test]
    fn what_was_written_is_read(user in "[^%\"\\pC]{1,20}", password in proptest::collection::vec(1_u8..=255, 1..40)) {
        prop_assume!(!password.contains(&b'\n') && !password.contains(&b'\r'));
        let encoded = crate::verifier::octets::to_base64(&crate::verifier::octets::BASE64, &password);
        let value = format!("\"U:{user}\" \"P={}\"", *encoded);
        let info = ClientInfo::parse(value.as_bytes()).unwrap();
        prop_assert_eq!(info.password.expose(), &password);
        prop_assert_eq!(info.user, user.into_bytes());
    }
}
