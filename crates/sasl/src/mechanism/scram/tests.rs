//! The examples of the RFCs, both sides, with the nonces that stand there.

use credential::policy::{Cost, Iterations, KindSet, Policy, Salt};
use credential::verifier::Scram;
use credential::{
    ChangedBy, Credential, DecoyKey, Label, MechanismSet, Occasion, PropertySet, Realm, Record, ShapeCounts,
    Timestamp, Verifier, Verifiers,
};

use super::*;
use crate::channel::Channel;
use crate::client::{ClearText, Login, Means};
use crate::layer::Layers;
use crate::requirement::Requirements;
use crate::server::Realms;

struct Example {
    hash: ScramHash,
    name: Name,
    channel: Channel,
    nonces: [&'static str; 2],
    salt: &'static str,
    first: &'static str,
    server_first: &'static str,
    last: &'static str,
    server_last: &'static str,
}

/// User `user`, password `pencil`, 4096 iterations, no authorization identity.
fn examples() -> [Example; 4] {
    let clear = Channel::clear;
    let exporter: Vec<u8> = (0..32).collect();
    let sha256 = ["rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"];
    let server_first =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    [
        // RFC 5802, section 5.
        Example {
            hash: ScramHash::Sha1,
            name: Name::Plain,
            channel: clear(),
            nonces: ["fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j"],
            salt: "QSXCR+Q6sek8bf92",
            first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            last: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            server_last: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        },
        // RFC 7677, section 3.
        Example {
            hash: ScramHash::Sha256,
            name: Name::Plain,
            channel: clear(),
            nonces: sha256,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first,
            last: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            server_last: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        },
        // The same with SHA-512, and bound to a channel: no RFC has these; they were computed apart.
        Example {
            hash: ScramHash::Sha512,
            name: Name::Plain,
            channel: clear(),
            nonces: sha256,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first,
            last: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
            server_last: "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
        },
        Example {
            hash: ScramHash::Sha256,
            name: Name::Plus,
            channel: clear().with_binding(BindingKind::TlsExporter, exporter),
            nonces: sha256,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            first: "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first,
            last: "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
            server_last: "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
        },
    ]
}

fn example_realm() -> Realm {
    Realm::prepare("example.org").unwrap()
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        host: String::new(),
        service: String::new(),
        realms: Realms::one(example_realm()),
        mechanisms: MechanismSet::ALL,
        keep: KindSet::ALL,
        requirements: Requirements { properties: PropertySet::EMPTY, ..Requirements::default() },
        layers: Layers { max_buffer: 0, ciphers: Vec::new() },
    })
}

/// The user of the examples, with nothing but the keys.
fn record(example: &Example) -> Record {
    let salt = crate::wire::from_base64(example.salt, 64).unwrap();
    let iterations = Iterations::new(4096).unwrap();
    let keys = Scram::derive(example.hash, iterations, &Salt::new(&salt).unwrap(), b"pencil");
    let identity = Identity::parse("user", &example_realm()).unwrap();
    let mut record = Record::new(identity, Timestamp(0), ChangedBy::default());
    let verifiers = Verifiers::one(Verifier::Scram(keys));
    record.put(Credential::new(Label::main(), verifiers, false, Timestamp(0))).unwrap();
    record
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn the_server_says_what_stands_in_the_rfc() {
    for example in examples() {
        let record = record(&example);
        let policy = Policy { keep: KindSet::EMPTY.with(example.hash.kind()), cost: Cost::default() };
        let decoy = DecoyKey::new([1; 32]).record_for(record.identity(), &ShapeCounts::default(), &policy);
        let begun = ExpectClientFirst {
            hash: example.hash,
            name: example.name,
            settings: settings(),
            channel: example.channel.clone(),
            nonce: example.nonces[1].to_owned(),
        };
        let Step::Lookup { identity, next } = Box::new(begun).respond(example.first.as_bytes()) else {
            panic!()
        };
        assert_eq!(identity, *record.identity());
        let occasion = Occasion::at(Timestamp(0));
        let step = next.answer(&Answer { record: Some(&record), decoy: &decoy, occasion });
        let Step::Challenge { octets, next } = step else { panic!() };
        assert_eq!(text(&octets), example.server_first);
        let Step::Challenge { octets, next } = next.respond(example.last.as_bytes()) else { panic!() };
        assert_eq!(text(&octets), example.server_last);
        assert!(matches!(next.respond(b""), Step::Done(_)));
    }
}

#[test]
fn the_client_says_what_stands_in_the_rfc() {
    for example in examples() {
        let settings = client::Settings {
            login: Login { authentication: b"user".to_vec(), authorization: None, realm: None },
            means: Means::Password,
            service: String::new(),
            host: String::new(),
            port: None,
            mechanisms: MechanismSet::ALL,
            requirements: Requirements::default(),
            clear_text: ClearText::UnderLayer,
            iterations: client::Settings::ITERATIONS,
            layers: Layers { max_buffer: 0, ciphers: Vec::new() },
        };
        let channel = example.channel.best_binding();
        let flag = channel.map_or(Flag::Unable, |channel| Flag::Bound(channel.kind.name()));
        let header = message::header(flag, None);
        let first_bare = message::client_first_bare("user", example.nonces[0]);
        assert_eq!(format!("{header}{first_bare}"), example.first);
        let begun = ExpectServerFirst {
            hash: example.hash,
            name: example.name,
            start: client::Start {
                settings: Arc::new(settings),
                channel: Channel::clear(),
                entropy: [0; 32],
            },
            nonce: example.nonces[0].to_owned(),
            first_bare,
            binding: message::binding(&header, channel),
        };
        let step = Box::new(begun).receive(example.server_first.as_bytes());
        let client::Step::Secret(asked) = step else { panic!() };
        let step = asked.supply(&Secret::copy_of(b"pencil"));
        let client::Step::Send { octets: Some(octets), next } = step else { panic!() };
        assert_eq!(text(&octets), example.last);
        let step = next.challenge(example.server_last.as_bytes());
        let client::Step::Send { octets: Some(octets), next } = step else { panic!() };
        assert!(octets.is_empty());
        assert!(matches!(next.success(None), client::Step::Done(_)));
    }
}
