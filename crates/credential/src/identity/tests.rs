use proptest::prelude::*;

use super::*;

fn parse(userid: &str) -> Identity {
    Identity::parse(userid, &Realm::prepare("vm").unwrap()).unwrap()
}

/// The rows of saslpasswd2 on user ids.
#[test]
fn a_user_id_is_split_at_the_first_at() {
    for (userid, user, realm) in [
        ("alice", "alice", "vm"),
        ("alice@a@b", "alice", "a@b"),
        ("alice@", "alice", ""),
        ("alice@r", "alice", "r"),
        ("@r", "", "r"),
        ("", "", "vm"),
        ("-alice", "-alice", "vm"),
        ("Alice@Example.ORG", "Alice", "Example.ORG"),
    ] {
        let identity = parse(userid);
        assert_eq!((identity.user.as_str(), identity.realm.as_str()), (user, realm), "{userid:?}");
        assert_eq!(identity.to_string(), format!("{user}@{realm}"));
    }
}

/// U+FF20 and U+FE6B are `@` once they are prepared, when the id has been split already.
#[test]
fn a_user_id_is_not_split_where_only_preparation_sees_an_at() {
    let realm = Realm::prepare("vm").unwrap();
    for userid in ["alice\u{FF20}x", "alice\u{FE6B}x@r", "\u{FF20}"] {
        assert_eq!(Identity::parse(userid, &realm), Err(NameError::HoldsAt), "{userid}");
    }
    assert_eq!(parse("alice@a\u{FF20}b").realm.as_str(), "a@b");
}

#[test]
fn the_realm_alone_is_looked_up_in_either_case() {
    let identity = parse("alice@Example.ORG");
    assert!(identity.is_same(&parse("alice@example.org")));
    assert!(!identity.is_same(&parse("Alice@Example.ORG")), "user names keep their case");
    assert!(!identity.is_same(&parse("alice@example.net")));
    assert_eq!(identity.realm.folded(), "example.org");
    let umlaut = Realm::prepare("\u{C4}.ORG").unwrap();
    assert_eq!(umlaut.folded(), "\u{C4}.org", "ASCII only");
}

#[test]
fn names_are_prepared() {
    assert_eq!(Username::prepare("I\u{AD}X").unwrap().as_str(), "IX");
    assert_eq!(Username::from_octets(b"p\xC3\xA4").unwrap().as_str(), "p\u{E4}");
    assert_eq!(Username::from_octets(b"p\xC3").err(), Some(NameError::NotUtf8 { position: 2 }));
    for bad in ["a\0b", "a\nb", "a\u{1F600}"] {
        assert!(matches!(Username::prepare(bad), Err(NameError::Refused(_))), "{bad:?}");
        assert!(matches!(Realm::prepare(bad), Err(NameError::Refused(_))), "{bad:?}");
    }
    assert!(Username::prepare(&"x".repeat(MAX_NAME)).is_ok());
    assert_eq!(Username::prepare(&"x".repeat(1025)).err(), Some(NameError::TooLong { octets: 1025 }));
    assert_eq!(Realm::prepare(&"\u{FDFA}".repeat(40)).err(), Some(NameError::TooLong { octets: 1320 }));
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(user in "[^@\\pC]{0,12}", realm in "\\PC{0,12}") {
        if let Ok(identity) = Identity::parse(&format!("{user}@{realm}"), &Realm::prepare("").unwrap())
            && !identity.user.as_str().contains('@')
        {
            prop_assert_eq!(parse(&identity.to_string()), identity);
        }
    }
}

#[test]
fn an_authorization_identity_may_be_oneself() {
    let alice = Identity::parse("alice@Example.org", &Realm::prepare("").unwrap()).unwrap();
    for (text, is_oneself) in [
        ("alice", true),
        ("alice@example.ORG", true),
        ("alice@", false),
        ("Alice", false),
        ("alice@example.com", false),
        ("alice@example.org@", false),
    ] {
        let id = AuthorizationId::prepare(text).unwrap().unwrap();
        assert_eq!(id.is_of(&alice), is_oneself, "{text}");
    }
    assert_eq!(AuthorizationId::prepare("\u{ad}"), Ok(None), "SASLprep maps it to nothing");
}

/// Seen of Cyrus SASL's clients, which repeat `user@realm` as the authorization identity: the user is let in, and so is to
/// be what he says of himself.
#[test]
fn an_authorization_identity_is_prepared_as_an_identity_is() {
    let realm = Realm::prepare("example.org").unwrap();
    for userid in ["\u{5d0}\u{5d1}@example.org", "\u{5d0}\u{5d1}@", "\u{2168}@\u{5d0}", "a@b@c"] {
        let identity = Identity::parse(userid, &realm).unwrap();
        let id = AuthorizationId::prepare(userid).unwrap().unwrap();
        assert!(id.is_of(&identity), "{userid} {id}");
    }
    assert_eq!(AuthorizationId::prepare("root\u{ff20}example.org"), Err(NameError::HoldsAt));
    let octets = MAX_NAME + 2;
    let long = format!("a@{}", "b".repeat(MAX_NAME));
    assert_eq!(AuthorizationId::prepare(&long), Err(NameError::TooLong { octets }));
}
