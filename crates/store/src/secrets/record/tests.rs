use credential::VerifierKind;
use proptest::prelude::*;

use super::*;
use crate::secrets::sample;

proptest! {
    #[test]
    fn there_and_back(record in sample::record()) {
        let octets = encode(&record).unwrap();
        let back = decode(&octets).unwrap();
        // Every field is visible in Debug but the secrets, and those are in the octets.
        prop_assert_eq!(format!("{:?}", record), format!("{:?}", back));
        prop_assert_eq!(&*encode(&back).unwrap(), &*octets);
    }

    #[test]
    fn what_is_cut_off_or_longer_is_refused(record in sample::record(), at in any::<prop::sample::Index>()) {
        let octets = encode(&record).unwrap();
        prop_assert!(decode(&octets[..at.index(octets.len())]).is_err());
        let longer = [&octets[..], &[0]].concat();
        prop_assert!(decode(&longer).is_err());
    }

    /// Whatever is read without an error is written the same way: no two forms of one record, nothing passed over.
    #[test]
    fn what_is_read_is_what_would_be_written(
        record in sample::record(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
    ) {
        let mut octets = encode(&record).unwrap().to_vec();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(read) = decode(&octets) {
            prop_assert_eq!(encode(&read).unwrap().to_vec(), octets);
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(mut octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&octets);
        octets.insert(0, VERSION);
        let _ = decode(&octets);
    }
}

#[test]
fn a_version_from_another_time_says_so() {
    assert_eq!(decode(&[2, 0, 0]).unwrap_err(), DecodeError::Version(2));
}

/// These numbers are in files: the test is to be mended by nobody.
#[test]
fn codes_are_promised() {
    let codes = [
        (VerifierKind::Argon2id, 1),
        (VerifierKind::ScramSha512, 2),
        (VerifierKind::ScramSha256, 3),
        (VerifierKind::ScramSha1, 4),
        (VerifierKind::Foreign, 5),
        (VerifierKind::CramMd5, 6),
        (VerifierKind::DigestMd5, 7),
        (VerifierKind::Plain, 8),
    ];
    for (kind, number) in codes {
        assert_eq!(code(kind), number);
        assert_eq!(super::kind(number), Some(kind));
    }
    assert_eq!(super::kind(0), None);
    assert_eq!(super::kind(9), None);
}

/// A record of version 1 as it stands in files.
#[test]
fn the_form_is_promised() {
    let octets = [
        &b"\x01\x00\x05alice\x00\x0bExample.ORG"[..],
        b"\x01\x82\x01",
        b"\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x08",
        b"\0\x04root\0\x03app",
        b"\x01\0\x04main\x01\x01\0\0\0\0\0\0\0\x09\x01\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x0b",
        b"\0\x02\x04\xc0\0\x02\0\x18\x06\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0\x20",
        b"\x02\x07\0\x11",
        &[0x11; 16],
        b"\0",
        b"\x08\0\x06secret",
    ]
    .concat();
    let record = decode(&octets).unwrap();
    assert_eq!(record.identity().to_string(), "alice@Example.ORG");
    assert_eq!(record.keep().unwrap().to_string(), "scram-sha-512,plain");
    assert_eq!(record.plain(), PlainRule::Never);
    assert_eq!((record.created(), record.changed()), (Timestamp(7), Timestamp(8)));
    assert_eq!((record.changed_by().who(), record.changed_by().app()), ("root", "app"));
    let credential = &record.credentials()[0];
    assert_eq!(
        (credential.state, credential.expires, credential.raw),
        (State::Suspended, Some(Timestamp(9)), true)
    );
    let networks: Vec<_> = credential.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["192.0.2.0/24", "2001:db8::/32"]);
    assert!(matches!(credential.verifiers.get(VerifierKind::Plain),
        Some(Verifier::Plain(plain)) if plain.secret().expose() == b"secret"));
    assert_eq!(&*encode(&record).unwrap(), &octets);
}

#[test]
fn lists_have_ends() {
    let networks =
        (0..=MAX_NETWORKS as u32).map(|n| Network::new(IpAddr::from(n.to_be_bytes()), 32).unwrap());
    let mut credential = Credential::new(Label::main(), Verifiers::default(), false, Timestamp(0));
    credential.networks = networks.collect();
    let by = ChangedBy::new("", "").unwrap();
    let mut record = Record::new(prepared("a", "b").unwrap(), Timestamp(0), by);
    record.put(credential).unwrap();
    assert!(matches!(encode(&record), Err(EncodeError::TooLong { found: 257, .. })));
}
