//! Single messages, as the RFCs and other programs have them, and what is not taken.

use std::sync::Arc;

use credential::{Mechanism, Secret};
use sasl::client;
use sasl::server::{self, Class, Failure, Step};
use sasl::{BindingKind, Channel};

use crate::world::*;

/// Whom a first message asks for, or how it fails.
fn begun(mechanism: &str, initial: &[u8], channel: &Channel) -> Result<String, Failure> {
    match server::begin(mechanism.parse().unwrap(), Some(initial), &Site::new().settings, channel, dice(1)) {
        Step::Lookup { identity, .. } => Ok(identity.to_string()),
        Step::Challenge { octets, .. } => Ok(String::from_utf8(octets).unwrap()),
        Step::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn is_malformed(answer: &Result<String, Failure>) -> bool {
    answer.as_ref().is_err_and(|failure| failure.class() == Class::Malformed)
}

/// RFC 4616, section 4, and its grammar.
#[test]
fn plain_has_three_parts() {
    for (message, whom) in [
        (&b"\0tim\0tanstaaftanstaaf"[..], "tim@example.org"),
        (b"Ursel\0Kurt\0xipj3plmq", "Kurt@example.org"),
        (b"\0tim@other.example\0x", "tim@other.example"),
        (b"\0tim\0", "tim@example.org"),
    ] {
        assert_eq!(begun("PLAIN", message, &tls()).as_deref(), Ok(whom));
    }
    for message in [&b""[..], b"tim", b"\0tim", b"\0\0x", b"\0tim\0x\0", b"\0t\xe4m\0x", b"\xff\0tim\0x"] {
        assert!(is_malformed(&begun("PLAIN", message, &tls())), "{message:?}");
    }
    let long = [&b"\0tim\0"[..], &[b'x'; 4097]].concat();
    assert_eq!(begun("PLAIN", &long, &tls()), Err(Failure::TooLong("password")));
    let name = [&b"\0"[..], &[b'x'; 1025], b"\0x"].concat();
    assert!(matches!(begun("PLAIN", &name, &tls()), Err(Failure::Name(_))));
    assert!(
        matches!(begun("PLAIN", b"\0t\x07m\0x", &tls()), Err(Failure::Name(_))),
        "a bell is refused by SASLprep"
    );
}

/// Mail clients look at the prompts: these octets, with no blank behind them.
#[test]
fn login_asks_with_the_prompts_that_clients_know() {
    let site = Site::new();
    let step = server::begin(Mechanism::Login, None, &site.settings, &tls(), dice(1));
    let Step::Challenge { octets, next } = step else { panic!() };
    assert_eq!(octets, b"Username:");
    let Step::Challenge { octets, next } = next.respond(b"user") else { panic!() };
    assert_eq!(octets, b"Password:");
    assert!(matches!(next.respond(b"pencil"), Step::Lookup { .. }));
    assert_eq!(begun("LOGIN", b"user", &tls()).as_deref(), Ok("Password:"), "the name may come first");
    assert!(is_malformed(&begun("LOGIN", b"", &tls())));
    assert!(is_malformed(&begun("LOGIN", b"\xff", &tls())));
}

#[test]
fn cram_md5_has_no_initial_response() {
    assert!(is_malformed(&begun("CRAM-MD5", b"", &tls())));
}

#[test]
fn a_server_speaks_first_only_where_it_must() {
    let site = Site::new();
    for mechanism in Mechanism::ALL.into_iter().filter(|it| it.has_server()) {
        let Step::Challenge { octets, .. } = server::begin(mechanism, None, &site.settings, &tls(), dice(1))
        else {
            panic!("{mechanism}")
        };
        let speaks = matches!(mechanism, Mechanism::CramMd5 | Mechanism::DigestMd5 | Mechanism::Login);
        assert_eq!(!octets.is_empty(), speaks, "{mechanism}");
    }
}

/// What SCRAM clients get wrong, and what those get who stand in between.
#[test]
fn scram_first_messages() {
    for (name, message) in [
        ("SCRAM-SHA-1", "p=tls-exporter,,n=user,r=abc"),
        ("SCRAM-SHA-1-PLUS", "n,,n=user,r=abc"),
        ("SCRAM-SHA-1-PLUS", "y,,n=user,r=abc"),
        ("SCRAM-SHA-1", "n,,n=,r=abc"),
        ("SCRAM-SHA-1", "n,,m=ext,n=user,r=abc"),
        ("SCRAM-SHA-1", ""),
    ] {
        assert!(is_malformed(&begun(name, message.as_bytes(), &tls())), "{name} {message}");
    }
    for (message, failure) in [
        ("p=tls-server-end-point,,n=user,r=abc", Failure::Binding),
        ("p=tls-unique,,n=user,r=abc", Failure::Binding),
        ("p=TLS-EXPORTER,,n=user,r=abc", Failure::Binding),
    ] {
        assert_eq!(begun("SCRAM-SHA-1-PLUS", message.as_bytes(), &tls()), Err(failure), "{message}");
    }
    assert_eq!(begun("SCRAM-SHA-1", b"y,,n=user,r=abc", &tls()), Err(Failure::Downgrade));
    let whom = begun("SCRAM-SHA-1", "n,a=b=2Cc,n=u=3Ds=2Cer@Other,r=abc".as_bytes(), &tls());
    assert_eq!(whom.as_deref(), Ok("u=s,er@Other"));
}

/// RFC 5929: understood where the transport names it, with the flag and the data in their place; never offered for it.
#[test]
fn tls_unique_is_understood_and_never_offered() {
    let unique = Channel::layered(128).with_binding(BindingKind::TlsUnique, *b"finished");
    let both = unique.clone().with_binding(BindingKind::TlsServerEndPoint, [1; 32]);
    let site = Site::new();
    let mechanism: Mechanism = "SCRAM-SHA-1-PLUS".parse().unwrap();
    assert!(!site.settings.offer(&unique).mechanisms.contains(mechanism));
    assert!(site.settings.offer(&both).mechanisms.contains(mechanism));
    assert!(begun("SCRAM-SHA-1-PLUS", b"p=tls-unique,,n=user,r=abc", &both).is_ok());
    let settings = client_settings(mechanism, "user", None);
    assert!(settings.choose([mechanism.name()], &unique).is_err());
}

#[test]
fn a_client_says_only_what_a_mechanism_can_carry() {
    let settings = Arc::new(client_settings(Mechanism::Plain, "us\0er", None));
    let begin = |settings: &Arc<client::Settings>, name: &str| {
        client::begin(client::Choice::of(name.parse().unwrap()), settings, &tls(), dice(1))
    };
    let client::Step::Secret(asked) = begin(&settings, "PLAIN") else { panic!() };
    assert!(matches!(
        asked.supply(&Secret::copy_of(b"x")),
        client::Step::Failed(client::Failure::Unsayable(_))
    ));
    for name in ["", "us\0er"] {
        let settings = Arc::new(client_settings(Mechanism::Plain, name, None));
        let step = begin(&settings, "SCRAM-SHA-256");
        assert!(matches!(step, client::Step::Failed(client::Failure::Unsayable(_))), "{name:?}");
    }
}

/// A server that would have us compute for hours, that plays back, or that makes no sense.
#[test]
fn scram_servers_that_are_not_believed() {
    let settings = Arc::new(client::Settings {
        iterations: client::Settings::ITERATIONS,
        ..client_settings(Mechanism::Plain, "user", None)
    });
    let answer = |first: &dyn Fn(&str) -> String| {
        let choice = client::Choice::of("SCRAM-SHA-256".parse().unwrap());
        let client::Step::Send { octets, next } = client::begin(choice, &settings, &tls(), dice(1)) else {
            panic!()
        };
        let said = String::from_utf8(octets.unwrap().to_vec()).unwrap();
        let nonce = said.rsplit_once("r=").unwrap().1.to_owned();
        match next.challenge(first(&nonce).as_bytes()) {
            client::Step::Failed(failure) => Some(failure),
            client::Step::Secret(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answer(&|nonce| format!("r={nonce}x,s=QUI=,i=4096")), None);
    assert_eq!(answer(&|nonce| format!("r={nonce},s=QUI=,i=4096")), Some(client::Failure::Nonce));
    assert_eq!(answer(&|nonce| format!("r=x{nonce},s=QUI=,i=4096")), Some(client::Failure::Nonce));
    assert_eq!(answer(&|_| "r=abcdef,s=QUI=,i=4096".to_owned()), Some(client::Failure::Nonce));
    for found in [1, 4095, 2_000_001, u64::from(u32::MAX) + 4096] {
        let sane = client::Settings::ITERATIONS;
        let expected = client::Failure::Iterations { found, sane };
        assert_eq!(answer(&|nonce| format!("r={nonce}x,s=QUI=,i={found}")), Some(expected));
    }
    assert_eq!(
        answer(&|nonce| format!("m=x,r={nonce}x,s=QUI=,i=4096")),
        Some(client::Failure::UnsupportedExtension)
    );
    assert!(matches!(answer(&|_| "e=unknown-user".to_owned()), Some(client::Failure::Malformed(_))));
}

#[test]
fn a_message_is_bounded_before_it_is_read() {
    let long = |octets: usize| format!("n,,n=user,r=abc,x={}", "y".repeat(octets)).into_bytes();
    assert!(begun("SCRAM-SHA-256", &long(9000), &Channel::clear()).is_ok());
    let too_long = Err(Failure::TooLong("initial response"));
    assert_eq!(begun("SCRAM-SHA-256", &long(sasl::MAX_MESSAGE), &Channel::clear()), too_long);
    let site = Site::new();
    let begun = server::begin(Mechanism::Plain, None, &site.settings, &tls(), dice(1));
    let Step::Challenge { next, .. } = begun else { panic!() };
    let step = next.respond(&long(sasl::MAX_MESSAGE));
    assert!(matches!(step, Step::Failed(Failure::TooLong("response"))));
}
