use std::sync::Arc;

use credential::policy::{Cost, KindSet, Policy};
use credential::verifier::{DigestMd5, Plain};
use credential::{
    ChangedBy, Credential, DecoyKey, Identity, Label, Mechanism, MechanismSet, Occasion, PropertySet, Realm,
    Record, Secret, ShapeCounts, State, Timestamp, Verifier, VerifierKind, Verifiers,
};
use proptest::prelude::*;

use super::client::{AskedForPassword, Terms};
use super::message::{Charset, Stale};
use super::server::Host;
use crate::client::{self, Choice, ClearText, Login, Means, Supply};
use crate::layer::{Cipher, Layers, Protection, SecurityLayer};
use crate::server::{self, Answer, Failure, Realms};
use crate::{Channel, Entropy, Requirements};

/// A server with one user, and who logs in there. `secret` is the user's password.
struct World {
    server: server::Settings,
    client: client::Settings,
    record: Record,
    tickets: Vec<server::Ticket>,
    entropy: u8,
}

/// How an exchange ended, on both sides, and what was said.
struct Ended {
    server: Result<Box<server::Outcome>, Failure>,
    client: Result<Box<client::Outcome>, client::Failure>,
    said: Vec<String>,
}

fn realm(name: &str) -> Realm {
    Realm::prepare(name).unwrap()
}

fn record(userid: &str, verifiers: impl Fn(&Identity) -> Vec<Verifier>) -> Record {
    let identity = Identity::parse(userid, &realm("elwood.innosoft.com")).unwrap();
    let verifiers = Verifiers::new(verifiers(&identity)).unwrap();
    let mut record = Record::new(identity, Timestamp(0), ChangedBy::default());
    record.put(Credential::new(Label::main(), verifiers, false, Timestamp(0))).unwrap();
    record
}

fn digest(identity: &Identity, password: &str) -> Verifier {
    Verifier::DigestMd5(DigestMd5::derive(identity, password.as_bytes()))
}

fn plain(password: &str) -> Verifier {
    Verifier::Plain(Plain::new(Secret::copy_of(password.as_bytes())))
}

fn any_strength() -> Requirements {
    Requirements { properties: PropertySet::EMPTY, ..Requirements::default() }
}

fn all_layers() -> Layers {
    Layers { max_buffer: 4096, ciphers: Cipher::ALL.to_vec() }
}

impl World {
    fn new() -> Self {
        Self::of("chris", record("chris", |identity| vec![digest(identity, "secret")]))
    }

    fn of(login: &str, record: Record) -> Self {
        let server = server::Settings {
            host: "elwood.innosoft.com".to_owned(),
            service: "imap".to_owned(),
            realms: Realms::one(realm("elwood.innosoft.com")),
            mechanisms: MechanismSet::ALL,
            keep: KindSet::EMPTY.with(VerifierKind::DigestMd5),
            requirements: any_strength(),
            layers: Layers::none(),
        };
        let login = Login { authentication: login.as_bytes().to_vec(), authorization: None, realm: None };
        let client = client::Settings {
            login,
            means: Means::Password,
            service: "imap".to_owned(),
            host: "elwood.innosoft.com".to_owned(),
            port: None,
            mechanisms: MechanismSet::ALL,
            requirements: any_strength(),
            clear_text: ClearText::UnderLayer,
            iterations: client::Settings::ITERATIONS,
            layers: Layers::none(),
        };
        Self { server, client, record, tickets: Vec::new(), entropy: 0 }
    }

    fn with_layers(layers: &Layers) -> Self {
        let mut world = Self::new();
        world.server.layers = layers.clone();
        world.client.layers = layers.clone();
        world
    }

    fn entropy(&mut self) -> Entropy {
        self.entropy += 1;
        std::array::from_fn(|place| if place < 16 { self.entropy } else { 0x80 | self.entropy })
    }

    fn begin(&mut self, initial: Option<&[u8]>) -> server::Step {
        let entropy = self.entropy();
        let settings = Arc::new(self.server.clone());
        server::begin(Mechanism::DigestMd5, initial, &settings, &Channel::clear(), entropy)
    }

    /// The server as far as it needs nobody.
    fn settle(&mut self, mut step: server::Step) -> server::Step {
        loop {
            step = match step {
                server::Step::Lookup { identity, next } => self.answer(&identity, next),
                server::Step::Recall { nonce, next } => {
                    let place = self.tickets.iter().position(|ticket| ticket.nonce() == nonce);
                    next.answer(place.map(|place| self.tickets.remove(place)))
                }
                other => return other,
            }
        }
    }

    fn answer(&self, identity: &Identity, next: server::AwaitRecord) -> server::Step {
        let policy = Policy { keep: self.server.keep, cost: Cost::default() };
        let decoy = DecoyKey::new([1; 32]).record_for(identity, &ShapeCounts::default(), &policy);
        let record = Some(&self.record).filter(|record| record.identity().is_same(identity));
        next.answer(&Answer { record, decoy: &decoy, occasion: Occasion::at(Timestamp(1)) })
    }

    /// A server that was sent `initial`, or a challenge and then what `respond` makes of it.
    fn respond(&mut self, respond: impl FnOnce(&str) -> String) -> server::Step {
        let server::Step::Challenge { octets, next } = self.begin(None) else { panic!() };
        let response = respond(std::str::from_utf8(&octets).unwrap());
        let step = next.respond(response.as_bytes());
        self.settle(step)
    }

    fn log_in(&mut self, password: &str) -> Ended {
        let entropy = self.entropy();
        let settings = Arc::new(self.client.clone());
        let step = client::begin(Choice::of(Mechanism::DigestMd5), &settings, &Channel::clear(), entropy);
        self.drive(step, password)
    }

    fn log_in_again(&mut self, ticket: client::ClientTicket, password: &str) -> Ended {
        let entropy = self.entropy();
        let step = client::resume(ticket, &Arc::new(self.client.clone()), &Channel::clear(), entropy);
        self.drive(step, password)
    }

    fn drive(&mut self, mut client: client::Step, password: &str) -> Ended {
        let mut said = Vec::new();
        let mut server: Option<server::AwaitResponse> = None;
        loop {
            let (octets, waiting) = match client {
                client::Step::Secret(next) => {
                    client = next.supply(&Secret::copy_of(password.as_bytes()));
                    continue;
                }
                client::Step::Send { octets, next } => (octets, next),
                client::Step::Failed(failure) => {
                    return Ended { server: Err(Failure::Malformed("")), client: Err(failure), said };
                }
                client::Step::Done(_) => panic!("before the server"),
            };
            said.extend(octets.iter().map(|octets| String::from_utf8_lossy(octets).into_owned()));
            let step = match server.take() {
                None => self.begin(octets.as_deref().map(Vec::as_slice)),
                Some(next) => next.respond(octets.as_deref().unwrap()),
            };
            match self.settle(step) {
                server::Step::Challenge { octets, next } => {
                    said.push(String::from_utf8_lossy(&octets).into_owned());
                    server = Some(next);
                    client = waiting.challenge(&octets);
                }
                server::Step::Done(mut outcome) => {
                    self.tickets.extend(outcome.ticket.take());
                    let client::Step::Done(client) = waiting.success(None) else { panic!() };
                    return Ended { server: Ok(outcome), client: Ok(client), said };
                }
                server::Step::Failed(failure) => {
                    return Ended { server: Err(failure), client: Err(waiting.refused()), said };
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// RFC 2831, section 4: service, nonce, cnonce, response, rspauth.
const EXAMPLES: [(&str, &str, &str, &str, &str); 2] = [
    (
        "imap",
        "OA6MG9tEQGm2hh",
        "OA6MHXh6VqTrRk",
        "d388dad90d4bbd760a152321f2143af7",
        "ea40f60335c427b5527b84dbabcdfffd",
    ),
    (
        "acap",
        "OA9BSXrbuRhWay",
        "OA9BSuZWMSpW8m",
        "6084c6db3fede7352c551284490fd0fc",
        "2f0b3d7c3c2e486600ef710726aa2eae",
    ),
];

#[test]
fn the_server_takes_and_says_what_stands_in_the_rfc() {
    for (service, nonce, cnonce, response, rspauth) in EXAMPLES {
        let mut world = World::new();
        world.server.service = service.to_owned();
        let host = Host { settings: Arc::new(world.server.clone()), strengths: 0..=0 };
        let server::Step::Challenge { octets, next } = host.challenge(nonce.to_owned(), Stale::No) else {
            panic!()
        };
        let expected = format!(
            "nonce=\"{nonce}\",realm=\"elwood.innosoft.com\",qop=\"auth\",charset=utf-8,algorithm=md5-sess"
        );
        assert_eq!(std::str::from_utf8(&octets), Ok(expected.as_str()));
        // As it stands in the RFC, line breaks included.
        let said = format!(
            "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"{nonce}\",nc=00000001,\r\n \
             cnonce=\"{cnonce}\",digest-uri=\"{service}/elwood.innosoft.com\",response={response},qop=auth"
        );
        let step = next.respond(said.as_bytes());
        let server::Step::Challenge { octets, next } = world.settle(step) else { panic!() };
        assert_eq!(octets, format!("rspauth={rspauth}").as_bytes());
        assert!(next.is_last());
        let server::Step::Done(outcome) = next.respond(b"") else { panic!() };
        let server::Principal::User(identity) = outcome.principal else { panic!() };
        assert_eq!(identity.to_string(), "chris@elwood.innosoft.com");
        assert_eq!((outcome.credential, outcome.ssf), (Some(Label::main()), 0));
        assert!(outcome.layer.is_none() && outcome.authorization.is_none());
    }
}

#[test]
fn the_client_says_and_takes_what_stands_in_the_rfc() {
    for (service, nonce, cnonce, response, rspauth) in EXAMPLES {
        let mut settings = World::new().client;
        settings.service = service.to_owned();
        let start =
            client::Start { settings: Arc::new(settings), channel: Channel::clear(), entropy: [0; 32] };
        let terms = Terms {
            nonce: nonce.as_bytes().to_vec(),
            count: 1,
            realm: Some("elwood.innosoft.com".to_owned()),
            protection: None,
            charset: Charset::Utf8,
            max_sent: 65536,
        };
        let asked = Box::new(AskedForPassword { start, terms, cnonce: cnonce.to_owned() });
        let client::Step::Send { octets, next } = asked.supply(&Secret::copy_of(b"secret")) else { panic!() };
        let expected = format!(
            "username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"{nonce}\",cnonce=\"{cnonce}\",nc=00000001,\
             qop=auth,charset=utf-8,digest-uri=\"{service}/elwood.innosoft.com\",response={response}"
        );
        assert_eq!(std::str::from_utf8(&octets.unwrap()), Ok(expected.as_str()));
        let last = format!("rspauth={rspauth}");
        let client::Step::Send { octets, next } = next.challenge(last.as_bytes()) else { panic!() };
        assert!(octets.unwrap().is_empty());
        let client::Step::Done(outcome) = next.success(None) else { panic!() };
        assert!(outcome.is_mutual && outcome.layer.is_none() && outcome.ssf == 0);
    }
}

/// The keys of the layer vectors come from the IMAP example, whose qop is `auth`: a layer is not part of them.
#[test]
fn keys_of_a_layer_are_those_of_the_vectors() {
    let (_, nonce, cnonce, ..) = EXAMPLES[0];
    let transcript = super::hash::Transcript::new(&super::hash::Said {
        nonce: nonce.as_bytes(),
        cnonce: cnonce.as_bytes(),
        count: b"00000001",
        protection: None,
        uri: b"imap/elwood.innosoft.com",
        authorization: None,
    });
    let verifier = DigestMd5::of_fields("chris", "elwood.innosoft.com", b"secret");
    let session = transcript.session(verifier.h_a1());
    let hex = |octets: &[u8; 16]| String::from_utf8(crate::wire::hex(octets).to_vec()).unwrap();
    for (protection, kc) in [
        (Protection::Confidentiality(Cipher::Rc4With40), "8dc49491250e22722c7d2ea948c1240f"),
        (Protection::Confidentiality(Cipher::Rc4With56), "736fb3b8556ead6506622128d86afbe1"),
        (Protection::Confidentiality(Cipher::Rc4), "8df21180f2b8360bd1ed01f2ac38bf36"),
        (Protection::Confidentiality(Cipher::Des), "8df21180f2b8360bd1ed01f2ac38bf36"),
        (Protection::Confidentiality(Cipher::TripleDes), "8df21180f2b8360bd1ed01f2ac38bf36"),
    ] {
        let client = session.layer(protection, super::hash::Side::Client, (100, 200));
        assert_eq!(hex(&client.sending.confidentiality), kc, "{protection:?}");
        assert_eq!(hex(&client.sending.integrity), "167e83eb00efac5c44f84a956e32e9c9");
        assert_eq!(hex(&client.receiving.integrity), "3cd17b670169e97288080d4389652b16");
        assert_eq!((client.max_sent(), client.max_received()), (100, 200));
        let server = session.layer(protection, super::hash::Side::Server, (200, 100));
        assert_eq!(server.receiving.confidentiality, client.sending.confidentiality);
        assert_eq!(server.sending.confidentiality, client.receiving.confidentiality);
        assert_ne!(server.sending.confidentiality, client.sending.confidentiality);
    }
}

/// Text goes through the layer of both outcomes, in both directions.
fn talk(ended: &mut Ended) -> Protection {
    let layers = [
        ended.client.as_mut().unwrap().layer.take().unwrap(),
        ended.server.as_mut().unwrap().layer.take().unwrap(),
    ];
    let protection = layers[0].protection();
    let [mut client, mut server] = layers.map(SecurityLayer::new);
    for text in [&b"EHLO client.example.org\r\n"[..], &[b'x'; 9000]] {
        let mut packets = Vec::new();
        client.wrap.wrap(text, &mut packets).unwrap();
        assert_eq!(*server.unwrap.unwrap(&packets).unwrap(), text);
        packets.clear();
        server.wrap.wrap(text, &mut packets).unwrap();
        assert_eq!(*client.unwrap.unwrap(&packets).unwrap(), text);
    }
    protection
}

#[test]
fn each_layer_that_both_have_carries_text() {
    for cipher in Cipher::ALL {
        let mut ended =
            World::with_layers(&Layers { max_buffer: 4096, ciphers: vec![cipher] }).log_in("secret");
        assert_eq!(ended.server.as_ref().unwrap().ssf, cipher.ssf());
        assert_eq!(ended.client.as_ref().unwrap().ssf, cipher.ssf());
        assert_eq!(talk(&mut ended), Protection::Confidentiality(cipher));
    }
    let mut ended = World::with_layers(&Layers { max_buffer: 4096, ciphers: Vec::new() }).log_in("secret");
    assert_eq!((ended.server.as_ref().unwrap().ssf, ended.client.as_ref().unwrap().ssf), (1, 1));
    assert_eq!(talk(&mut ended), Protection::Integrity);
}

/// What is offered, and chosen, within these strengths of both sides.
#[test]
fn layers_are_as_strong_as_both_sides_ask_for() {
    let all = "auth,auth-int,auth-conf";
    for (server, client, offered, chosen) in [
        ((0, u32::MAX), (0, u32::MAX), (all, "rc4,3des,rc4-56,des,rc4-40"), Some(128)),
        ((0, u32::MAX), (0, 112), (all, "rc4,3des,rc4-56,des,rc4-40"), Some(112)),
        ((0, u32::MAX), (0, 39), (all, "rc4,3des,rc4-56,des,rc4-40"), Some(1)),
        ((0, u32::MAX), (0, 0), (all, "rc4,3des,rc4-56,des,rc4-40"), Some(0)),
        ((0, 55), (0, u32::MAX), (all, "des,rc4-40"), Some(55)),
        ((0, 1), (0, u32::MAX), ("auth,auth-int", ""), Some(1)),
        ((0, 1), (2, u32::MAX), ("auth,auth-int", ""), None),
        ((0, 0), (0, u32::MAX), ("auth", ""), Some(0)),
        ((0, 0), (1, u32::MAX), ("auth", ""), None),
        ((1, u32::MAX), (0, 1), ("auth-int,auth-conf", "rc4,3des,rc4-56,des,rc4-40"), Some(1)),
        ((1, u32::MAX), (0, 0), ("auth-int,auth-conf", "rc4,3des,rc4-56,des,rc4-40"), None),
        ((56, 100), (0, u32::MAX), ("auth-conf", "rc4-56"), Some(56)),
    ] {
        let mut world = World::with_layers(&all_layers());
        (world.server.requirements.min_ssf, world.server.requirements.max_ssf) = server;
        (world.client.requirements.min_ssf, world.client.requirements.max_ssf) = client;
        let ended = world.log_in("secret");
        assert!(ended.said[0].contains(&format!(",qop=\"{}\",", offered.0)), "{}", ended.said[0]);
        let ciphers = format!("cipher=\"{}\"", offered.1);
        assert_eq!(ended.said[0].contains(&ciphers), !offered.1.is_empty(), "{}", ended.said[0]);
        match chosen {
            Some(ssf) => assert_eq!(ended.client.unwrap().ssf, ssf, "{server:?}, {client:?}"),
            None => assert!(matches!(ended.client, Err(client::Failure::Unmet(_))), "{server:?}, {client:?}"),
        }
    }
}

#[test]
fn what_no_layer_of_ours_reaches_is_not_offered() {
    let mut world = World::with_layers(&Layers::default());
    world.server.requirements.min_ssf = 56;
    assert!(matches!(world.begin(None), server::Step::Failed(Failure::NotOffered(..))));
    assert!(!world.server.offer(&Channel::clear()).mechanisms.contains(Mechanism::DigestMd5));
    assert!(world.server.offer(&Channel::layered(256)).mechanisms.contains(Mechanism::DigestMd5));
    world.client.requirements.min_ssf = 56;
    assert!(world.client.choose(["DIGEST-MD5"], &Channel::clear()).is_err());
}

/// Cyrus SASL takes the strongest that it sees; by default it must see nothing that its own code fails with.
#[test]
fn by_default_a_challenge_names_des_alone() {
    let mut world = World::with_layers(&Layers::default());
    let server::Step::Challenge { octets, .. } = world.begin(None) else { panic!() };
    let challenge = String::from_utf8(octets).unwrap();
    let (nonce, rest) = challenge.split_once(',').unwrap();
    assert_eq!(nonce.len(), "nonce=\"\"".len() + 44);
    let expected = "realm=\"elwood.innosoft.com\",qop=\"auth,auth-int,auth-conf\",cipher=\"des\",maxbuf=65536,\
                    charset=utf-8,algorithm=md5-sess";
    assert_eq!(rest, expected);
}

#[test]
fn a_choice_that_was_not_offered_is_refused() {
    let mut world = World::with_layers(&Layers { max_buffer: 4096, ciphers: vec![Cipher::Des] });
    world.server.requirements.min_ssf = 1;
    for (more, expected) in [
        ("", "qop or cipher"),
        ("qop=auth,", "qop or cipher"),
        ("qop=auth-conf,cipher=rc4,", "qop or cipher"),
        ("qop=auth-int,maxbuf=83,", "maxbuf leaves no room for a message"),
        ("qop=auth-conf,cipher=des,maxbuf=92,", "maxbuf leaves no room for a message"),
    ] {
        let step = world.respond(|challenge| format!("{more}{}", response_to(challenge, "imap/x")));
        assert!(matches!(step, server::Step::Failed(Failure::Choice(what)) if what == expected), "{more}");
    }
    for more in ["qop=auth-int,maxbuf=84,", "qop=auth-conf,cipher=des,maxbuf=93,", "qop=auth-int,"] {
        let step = world.respond(|challenge| format!("{more}{}", response_to(challenge, "imap/x")));
        assert!(matches!(step, server::Step::Failed(Failure::WrongPassword)), "{more}: {step:?}");
    }
}

/// A response of which all but the proof is right.
fn response_to(challenge: &str, uri: &str) -> String {
    format!(
        "username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"{}\",cnonce=\"c\",nc=00000001,\
         digest-uri=\"{uri}\",response={}",
        nonce_of(challenge),
        "0".repeat(32)
    )
}

fn nonce_of(message: &str) -> &str {
    message.split_once("nonce=\"").unwrap().1.split_once('"').unwrap().0
}

#[test]
fn a_service_is_ours_whatever_host_was_connected_to() {
    for (uri, is_ours) in [
        ("imap/elwood.innosoft.com", true),
        ("IMAP/other.example.org", true),
        ("imap/elwood.innosoft.com/innosoft.com", true),
        ("imap/", true),
        ("imap", false),
        ("imaps/elwood.innosoft.com", false),
        ("smtp/elwood.innosoft.com", false),
        ("ima", false),
        ("", false),
    ] {
        let step = World::new().respond(|challenge| response_to(challenge, uri));
        match step {
            server::Step::Failed(Failure::WrongPassword) => assert!(is_ours, "{uri}"),
            server::Step::Failed(Failure::Choice(_)) => assert!(!is_ours, "{uri}"),
            other => panic!("{uri}: {other:?}"),
        }
    }
}

#[test]
fn a_nonce_that_is_not_ours_or_a_count_that_is_not_1_is_refused() {
    let mut world = World::new();
    for (what, with) in
        [("nonce=\"A", "nonce=\"B"), ("nc=00000001", "nc=00000002"), ("nc=00000001", "nc=00000000")]
    {
        let step = world.respond(|challenge| response_to(challenge, "imap/x").replacen(what, with, 1));
        assert!(matches!(step, server::Step::Failed(Failure::Nonce)), "{with}: {step:?}");
    }
}

#[test]
fn what_is_too_long_or_malformed_is_refused() {
    let mut world = World::new();
    let long = format!("x=\"{}\",", "x".repeat(4096));
    let step = world.respond(|challenge| long.clone() + &response_to(challenge, "imap/x"));
    assert!(matches!(step, server::Step::Failed(Failure::TooLong(_))));
    for wrong in ["", "x", "username=\"chris\""] {
        let step = world.respond(|_| wrong.to_owned());
        assert!(matches!(step, server::Step::Failed(Failure::Malformed(_))), "{wrong}: {step:?}");
        let step = world.begin(Some(wrong.as_bytes()));
        assert!(matches!(step, server::Step::Failed(Failure::Malformed(_))), "{wrong}: {step:?}");
    }
    let step = world.respond(|challenge| response_to(challenge, "imap/x") + ",authzid=\"@\"");
    assert!(matches!(step, server::Step::Failed(Failure::WrongPassword)), "{step:?}");
}

#[test]
fn who_does_not_know_the_password_learns_nothing_else() {
    let wrong = World::new().log_in("wrong");
    assert_eq!(wrong.server.unwrap_err(), Failure::WrongPassword);
    assert_eq!(wrong.client.unwrap_err(), client::Failure::Refused);

    let mut absent = World::new();
    absent.client.login.authentication = b"nobody".to_vec();
    let absent = absent.log_in("secret");
    assert_eq!(absent.server.unwrap_err(), Failure::NoSuchUser);
    assert_eq!(absent.said.len(), wrong.said.len());

    let mut suspended = World::new();
    let mut parts = suspended.record.into_parts();
    parts.credentials[0].state = State::Suspended;
    suspended.record = Record::from_parts(parts).unwrap();
    assert_eq!(suspended.log_in("secret").server.unwrap_err(), Failure::NotUsable);

    let scarce =
        record("chris", |_| vec![Verifier::CramMd5(credential::verifier::CramMd5::derive(b"secret"))]);
    assert_eq!(World::of("chris", scarce).log_in("secret").server.unwrap_err(), Failure::NoVerifier);
}

#[test]
fn any_usable_credential_will_do() {
    let mut world = World::new();
    let identity = world.record.identity().clone();
    for (label, password) in [("phone", "phone-secret"), ("tablet", "tablet-secret")] {
        let verifiers = Verifiers::one(digest(&identity, password));
        let credential = Credential::new(label.parse().unwrap(), verifiers, false, Timestamp(0));
        world.record.put(credential).unwrap();
    }
    for (label, password) in [("main", "secret"), ("phone", "phone-secret"), ("tablet", "tablet-secret")] {
        let outcome = world.log_in(password).server.unwrap();
        assert_eq!(outcome.credential.unwrap().as_str(), label);
    }
    assert_eq!(world.log_in("other").server.unwrap_err(), Failure::WrongPassword);
}

/// Names and passwords as the two sides spell them; what is kept; whether it works.
#[test]
fn names_are_hashed_as_they_are_sent() {
    let kept = |kind: VerifierKind, userid: &str, password: &str| {
        record(userid, |identity| match kind {
            VerifierKind::Plain => vec![plain(password)],
            _ => vec![digest(identity, password)],
        })
    };
    for kind in [VerifierKind::DigestMd5, VerifierKind::Plain] {
        for (name, password) in [
            ("chris", "secret"),
            ("J\u{fc}rgen", "secret"),
            ("chris", "stra\u{df}e"),
            ("\u{436}\u{436}", "secret"),
            ("J\u{fc}rgen", "\u{20ac}uro"),
            ("with \"quotes\", commas=equals \\ and backslashes", "\"\\,"),
        ] {
            let mut world = World::of(name, kept(kind, name, password));
            world.server.keep = KindSet::EMPTY.with(kind);
            let ended = world.log_in(password);
            assert!(ended.server.is_ok() && ended.client.is_ok(), "{kind}, {name}: {:?}", ended.said);
            let server::Principal::User(identity) = ended.server.unwrap().principal else { panic!() };
            assert_eq!(identity.user.as_str(), name);
        }
    }
}

/// What clients of each habit hash: the RFC has ISO-8859-1 where it fits, Cyrus SASL the octets that it sends.
#[test]
fn both_forms_of_characters_are_taken() {
    let name = "J\u{fc}rgen";
    let utf8 = name.as_bytes();
    let latin1 = b"J\xfcrgen";
    for (sent, hashed, charset, is_right) in [
        (utf8, &latin1[..], ",charset=utf-8", true),
        (utf8, utf8, ",charset=utf-8", true),
        (utf8, utf8, "", true),
        (utf8, latin1, "", true),
        (latin1, latin1, "", true),
        (latin1, b"Jorgen", "", false),
    ] {
        for kind in [VerifierKind::DigestMd5, VerifierKind::Plain] {
            let stored = record(name, |identity| match kind {
                VerifierKind::Plain => vec![plain("secret")],
                _ => vec![digest(identity, "secret")],
            });
            let mut world = World::of(name, stored);
            let server::Step::Challenge { octets, next } = world.begin(None) else { panic!() };
            let challenge = String::from_utf8(octets).unwrap();
            let response = made_by_hand(nonce_of(&challenge), sent, hashed, charset);
            let step = next.respond(&response);
            let step = world.settle(step);
            assert_eq!(
                matches!(step, server::Step::Challenge { .. }),
                is_right,
                "{kind}, {sent:?}, {hashed:?}: {step:?}"
            );
        }
    }
    let step = World::new().respond(|challenge| {
        response_to(challenge, "imap/x").replace("chris", "\u{fffd}") + ",charset=utf-8"
    });
    assert!(matches!(step, server::Step::Failed(Failure::Name(_) | Failure::NoSuchUser)), "{step:?}");
}

/// A response that hashes another form of the name than it sends.
fn made_by_hand(nonce: &str, sent: &[u8], hashed: &[u8], charset: &str) -> Vec<u8> {
    use md5::{Digest, Md5};
    let secret: [u8; 16] = Md5::digest([hashed, b":elwood.innosoft.com:secret"].concat()).into();
    let transcript = super::hash::Transcript::new(&super::hash::Said {
        nonce: nonce.as_bytes(),
        cnonce: b"c",
        count: b"00000001",
        protection: None,
        uri: b"imap/h",
        authorization: None,
    });
    let proof = transcript.proof(&transcript.session(&secret), super::hash::Side::Client);
    let proof = crate::wire::hex(&proof).to_ascii_uppercase();
    let parts = [
        b"username=\"",
        sent,
        b"\",realm=\"elwood.innosoft.com\",nonce=\"",
        nonce.as_bytes(),
        b"\",cnonce=\"c\",nc=00000001,digest-uri=\"imap/h\",response=",
        &proof,
        charset.as_bytes(),
    ];
    parts.concat()
}

#[test]
fn a_client_chooses_among_the_realms() {
    let check = |offered: &[&str], wanted: Option<&str>, expected: Result<&str, ()>| {
        let mut world =
            World::of("chris", record("chris@Second.example", |identity| vec![digest(identity, "secret")]));
        world.server.realms =
            Realms { default: realm(offered[0]), others: offered[1..].iter().map(|it| realm(it)).collect() };
        world.client.login.realm = wanted.map(|realm| realm.as_bytes().to_vec());
        let ended = world.log_in("secret");
        match (ended.client, expected) {
            (Err(client::Failure::Unmet("realm")), Err(())) => {}
            (_, Ok(realm)) => {
                assert!(ended.said[1].contains(&format!(",realm=\"{realm}\",")), "{}", ended.said[1]);
                let is_served = realm == "Second.example";
                assert_eq!(ended.server.is_ok(), is_served, "{realm}");
            }
            (other, _) => panic!("{offered:?}, {wanted:?}: {other:?}"),
        }
    };
    let offered = ["first.example", "Second.example"];
    check(&offered, None, Ok("first.example"));
    check(&offered, Some("Second.example"), Ok("Second.example"));
    check(&offered, Some("second.EXAMPLE"), Ok("Second.example"));
    check(&offered, Some("third.example"), Err(()));
    check(&offered[1..], None, Ok("Second.example"));
}

/// A realm that was not offered counts, as with Cyrus SASL; one within the name goes before it, and needs clear text.
#[test]
fn a_user_is_of_the_realm_that_the_client_gives() {
    let log_in = |sent: &str, given: &str, verifier: &dyn Fn(&Identity) -> Verifier, kept: &str| {
        let mut world = World::of(sent, record(kept, |identity| vec![verifier(identity)]));
        world.server.realms = Realms::one(realm(given));
        let ended = world.log_in("secret");
        ended.server.map(|outcome| match outcome.principal {
            server::Principal::User(identity) => identity.to_string(),
            server::Principal::Anonymous { .. } => String::new(),
        })
    };
    let digest = |identity: &Identity| digest(identity, "secret");
    let plain = |_: &Identity| plain("secret");
    let (host, other) = ("elwood.innosoft.com", "chris@example.org");
    assert_eq!(log_in("chris", "example.org", &digest, other), Ok(other.to_owned()));
    assert_eq!(log_in(other, host, &plain, other), Ok(other.to_owned()));
    assert_eq!(log_in(other, host, &digest, other), Err(Failure::NoVerifier));
    assert_eq!(log_in("nobody@example.org", host, &digest, other), Err(Failure::NoSuchUser));
    // The spelling of the realm is hashed, and looked up without regard to case.
    assert_eq!(log_in("chris", "Example.ORG", &digest, other), Err(Failure::WrongPassword));
    assert_eq!(log_in("chris", "Example.ORG", &plain, other), Ok(other.to_owned()), "as it is kept");
    // No realm at all: the default one is looked up, and the empty one hashed.
    assert_eq!(log_in("chris", "", &digest, "chris@"), Ok("chris@".to_owned()));
}

#[test]
fn a_response_without_realm_is_of_the_default_realm_and_hashes_none() {
    for (is_plain, expected) in [(true, true), (false, false)] {
        let kept = |identity: &Identity| if is_plain { plain("secret") } else { digest(identity, "secret") };
        let stored = record("chris", |identity| vec![kept(identity)]);
        let mut world = World::of("chris", stored);
        let server::Step::Challenge { octets, next } = world.begin(None) else { panic!() };
        let without = String::from_utf8(octets).unwrap().replace("realm=\"elwood.innosoft.com\",", "");
        let settings = Arc::new(world.client.clone());
        let step = client::begin(Choice::of(Mechanism::DigestMd5), &settings, &Channel::clear(), [9; 32]);
        let client::Step::Send { next: client, .. } = step else { panic!() };
        let client::Step::Secret(client) = client.challenge(without.as_bytes()) else { panic!() };
        let client::Step::Send { octets, .. } = client.supply(&Secret::copy_of(b"secret")) else { panic!() };
        let octets = octets.unwrap();
        assert!(!std::str::from_utf8(&octets).unwrap().contains("realm"));
        let step = next.respond(&octets);
        assert_eq!(matches!(world.settle(step), server::Step::Challenge { .. }), expected);
    }
}

#[test]
fn whom_to_act_for_is_hashed_even_if_it_is_nobody() {
    let mut world = World::new();
    world.client.login.authorization = Some(b"other@example.org".to_vec());
    let ended = world.log_in("secret");
    assert_eq!(ended.server.unwrap().authorization.unwrap().as_str(), "other@example.org");

    let said = |authorization| {
        super::hash::Transcript::new(&super::hash::Said {
            nonce: b"n",
            cnonce: b"c",
            count: b"00000001",
            protection: None,
            uri: b"imap/h",
            authorization,
        })
    };
    let proof = |authorization| {
        let transcript = said(authorization);
        transcript.proof(&transcript.session(&[1; 16]), super::hash::Side::Client)
    };
    assert_ne!(proof(None), proof(Some(b"")));
    assert_ne!(proof(Some(b"")), proof(Some(b"x")));
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let challenged = || {
        let mut world = World::new();
        let settings = Arc::new(world.client.clone());
        let step = client::begin(Choice::of(Mechanism::DigestMd5), &settings, &Channel::clear(), [9; 32]);
        let client::Step::Send { octets: None, next } = step else { panic!() };
        let server::Step::Challenge { octets, .. } = world.begin(None) else { panic!() };
        let client::Step::Secret(next) = next.challenge(&octets) else { panic!() };
        let client::Step::Send { next, .. } = next.supply(&Secret::copy_of(b"secret")) else { panic!() };
        next
    };
    for (last, expected) in [
        (format!("rspauth={}", "0".repeat(32)), client::Failure::WrongServer),
        ("rspauth=00".to_owned(), client::Failure::WrongServer),
        (String::new(), client::Failure::Malformed("no rspauth")),
        ("nonce=\"n\",algorithm=md5-sess".to_owned(), client::Failure::Malformed("no rspauth")),
    ] {
        let step = challenged().challenge(last.as_bytes());
        assert!(matches!(step, client::Step::Failed(failure) if failure == expected), "{last}");
        let step = challenged().success(Some(last.as_bytes()));
        assert!(matches!(step, client::Step::Failed(_)), "{last}");
    }
    assert!(matches!(challenged().success(None), client::Step::Failed(client::Failure::TooEarly)));
}

#[test]
fn a_challenge_that_says_too_much_or_nothing_is_refused() {
    let settings = Arc::new(World::new().client);
    let receive = |challenge: &str| {
        let step = client::begin(Choice::of(Mechanism::DigestMd5), &settings, &Channel::clear(), [9; 32]);
        let client::Step::Send { next, .. } = step else { panic!() };
        next.challenge(challenge.as_bytes())
    };
    let long = format!("x=\"{}\",nonce=n,algorithm=md5-sess", "x".repeat(4096));
    assert!(matches!(receive(&long), client::Step::Failed(client::Failure::TooLong(_))));
    assert!(matches!(receive("nonce=n"), client::Step::Failed(client::Failure::Malformed(_))));
    assert!(matches!(
        receive("nonce=n,algorithm=md5-sess,qop=x"),
        client::Step::Failed(client::Failure::Unmet(_))
    ));
    assert!(matches!(receive("nonce=n,algorithm=md5-sess"), client::Step::Secret(_)));
}

#[test]
fn a_name_beyond_latin1_needs_a_server_with_utf8() {
    for (name, sent) in [("J\u{fc}rgen", Some(&b"username=\"J\xfcrgen\""[..])), ("\u{436}", None)] {
        let settings = Arc::new(World::of(name, World::new().record).client);
        let step = client::begin(Choice::of(Mechanism::DigestMd5), &settings, &Channel::clear(), [9; 32]);
        let client::Step::Send { next, .. } = step else { panic!() };
        let client::Step::Secret(next) = next.challenge(b"nonce=n,algorithm=md5-sess") else { panic!() };
        match (next.supply(&Secret::copy_of(b"secret")), sent) {
            (client::Step::Send { octets: Some(octets), .. }, Some(sent)) => {
                assert!(octets.starts_with(sent));
            }
            (client::Step::Failed(client::Failure::Unsayable(_)), None) => {}
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

fn ticket(ended: Ended) -> client::ClientTicket {
    ended.client.unwrap().ticket.unwrap()
}

#[test]
fn who_was_there_logs_in_again_with_one_message() {
    let mut world = World::new();
    let mut ended = world.log_in("secret");
    assert_eq!(ended.said.len(), 4);
    for count in ["00000002", "00000003", "00000004"] {
        ended = world.log_in_again(ticket(ended), "secret");
        assert_eq!(ended.said.len(), 3, "response, rspauth, nothing");
        assert!(ended.said[0].contains(&format!(",nc={count},")), "{}", ended.said[0]);
        assert_eq!(world.tickets.len(), 1, "taken out, and put in anew");
    }
}

/// One layer more under the same nonce, and no further: the keys depend on the cnonces, of which one is remembered.
#[test]
fn a_layer_is_had_again_once() {
    let mut world = World::with_layers(&all_layers());
    let first = world.log_in("secret");
    let mut again = world.log_in_again(ticket(first), "secret");
    assert_eq!(again.said.len(), 3);
    assert_eq!((again.server.as_ref().unwrap().ssf, again.client.as_ref().unwrap().ssf), (128, 128));
    talk(&mut again);
    assert!(world.tickets.is_empty() && again.client.unwrap().ticket.is_none());
}

/// The keys of two sessions must differ: both count from 0.
#[test]
fn another_login_has_other_keys() {
    let mut world = World::with_layers(&all_layers());
    let first = world.log_in("secret");
    let before = first.client.as_ref().unwrap().layer.as_ref().unwrap().to_octets();
    let again = world.log_in_again(ticket(first), "secret");
    let after = again.client.as_ref().unwrap().layer.as_ref().unwrap().to_octets();
    assert!(before[9..].chunks(16).zip(after[9..].chunks(16)).all(|(before, after)| before != after));
}

#[test]
fn a_server_that_has_forgotten_sends_a_challenge_and_the_client_goes_on() {
    let mut world = World::new();
    let ended = world.log_in("secret");
    world.tickets.clear();
    let again = world.log_in_again(ticket(ended), "secret");
    assert_eq!(again.said.len(), 5);
    assert!(again.said[1].contains(",stale=true,"), "{}", again.said[1]);
    assert!(again.said[2].contains(",nc=00000001,"), "{}", again.said[2]);
    let cnonce =
        |message: &str| message.split_once("cnonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    assert_ne!(cnonce(&again.said[0]), cnonce(&again.said[2]));
    assert!(again.server.is_ok() && again.client.is_ok());
    assert!(!world.log_in("secret").said[0].contains("stale"));
}

#[test]
fn a_count_is_good_once() {
    let mut world = World::new();
    let ended = world.log_in("secret");
    let first = ended.said[1].clone();
    let again = world.log_in_again(ticket(ended), "secret").said[0].clone();
    let stale = |step: &server::Step| match step {
        server::Step::Challenge { octets, next } => {
            !next.is_last() && String::from_utf8_lossy(octets).contains("stale=true")
        }
        _ => false,
    };
    for replayed in [&again, &first] {
        let step = world.begin(Some(replayed.as_bytes()));
        let step = world.settle(step);
        assert!(stale(&step), "{replayed}: {step:?}");
    }
    // The first response asks for no ticket at all; the second has spent the one that there was.
    assert!(world.tickets.is_empty());

    let server::Step::Challenge { next, .. } = world.begin(None) else { panic!() };
    let step = next.respond(again.as_bytes());
    assert!(matches!(world.settle(step), server::Step::Failed(Failure::Nonce)));
}

#[test]
fn a_ticket_is_for_its_user_nonce_and_next_count() {
    for (what, with) in [
        ("username=\"chris\"", "username=\"other\""),
        ("realm=\"elwood.innosoft.com\"", "realm=\"example.org\""),
        ("nc=00000002", "nc=00000003"),
        ("qop=auth", "qop=auth-int"),
    ] {
        let mut world = World::new();
        let ended = world.log_in("secret");
        let settings = Arc::new(world.client.clone());
        let step = client::resume(ticket(ended), &settings, &Channel::clear(), [9; 32]);
        let client::Step::Secret(next) = step else { panic!() };
        let client::Step::Send { octets, .. } = next.supply(&Secret::copy_of(b"secret")) else { panic!() };
        let said = String::from_utf8(octets.unwrap().to_vec()).unwrap();
        assert!(said.contains(what), "{said}");
        let step = world.begin(Some(said.replace(what, with).as_bytes()));
        assert!(
            matches!(world.settle(step), server::Step::Challenge { next, .. } if !next.is_last()),
            "{with}"
        );
    }
}

/// A wrong password is told as such: what is left of the old login says nothing for it.
#[test]
fn a_ticket_is_no_password() {
    let mut world = World::new();
    let ended = world.log_in("secret");
    let again = world.log_in_again(ticket(ended), "wrong");
    assert_eq!(again.server.unwrap_err(), Failure::WrongPassword);
    assert!(world.tickets.is_empty());
}

/// With a layer, a cnonce that comes again would give the keys of the last session again.
#[test]
fn a_cnonce_that_comes_again_gets_a_new_challenge_where_there_is_a_layer() {
    for (layers, is_taken) in [(Layers::none(), true), (all_layers(), false)] {
        let mut world = World::with_layers(&layers);
        let settings = Arc::new(client::Settings { layers: layers.clone(), ..world.client.clone() });
        let ended = world.log_in("secret");
        let cnonce = ended.said[1].split_once("cnonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let nonce = nonce_of(&ended.said[0]).as_bytes().to_vec();
        let protection =
            ended.client.as_ref().unwrap().layer.as_ref().map(crate::layer::LayerKeys::protection);
        let terms = Terms {
            nonce,
            count: 2,
            realm: Some("elwood.innosoft.com".to_owned()),
            protection,
            charset: Charset::Utf8,
            max_sent: 4096,
        };
        let start = client::Start { settings, channel: Channel::clear(), entropy: [0; 32] };
        let asked = Box::new(AskedForPassword { start, terms, cnonce });
        let client::Step::Send { octets, .. } = asked.supply(&Secret::copy_of(b"secret")) else { panic!() };
        let step = world.begin(octets.as_deref().map(Vec::as_slice));
        assert!(
            matches!(world.settle(step), server::Step::Challenge { next, .. } if next.is_last() == is_taken)
        );
    }
}

#[test]
fn a_ticket_of_somebody_or_somewhere_else_is_of_no_use() {
    let changes: [fn(&mut client::Settings); 4] = [
        |settings| settings.host = "other.example.org".to_owned(),
        |settings| settings.service = "smtp".to_owned(),
        |settings| settings.login.authentication = b"other".to_vec(),
        |settings| settings.login.realm = Some(b"other.example.org".to_vec()),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut world = World::new();
        let ended = world.log_in("secret");
        change(&mut world.client);
        let settings = Arc::new(world.client.clone());
        let step = client::resume(ticket(ended), &settings, &Channel::clear(), [9; 32]);
        assert!(matches!(step, client::Step::Send { octets: None, .. }), "{index}");
    }
}

#[test]
fn a_ticket_does_not_get_round_the_settings() {
    let changes: [fn(&mut client::Settings); 2] = [
        |settings| settings.requirements.min_ssf = 1,
        |settings| settings.mechanisms = settings.mechanisms.without(Mechanism::DigestMd5),
    ];
    for change in changes {
        let mut world = World::new();
        let ended = world.log_in("secret");
        change(&mut world.client);
        let settings = Arc::new(world.client.clone());
        let step = client::resume(ticket(ended), &settings, &Channel::clear(), [9; 32]);
        assert!(matches!(step, client::Step::Failed(client::Failure::RuledOut(..))), "{step:?}");
    }
}

#[test]
fn a_client_does_not_take_its_old_nonce_for_a_new_one() {
    let mut world = World::new();
    let ended = world.log_in("secret");
    let challenge = ended.said[0].clone();
    let step = client::resume(ticket(ended), &Arc::new(world.client), &Channel::clear(), [9; 32]);
    let client::Step::Secret(next) = step else { panic!() };
    let client::Step::Send { next, .. } = next.supply(&Secret::copy_of(b"secret")) else { panic!() };
    let step = next.challenge(challenge.as_bytes());
    assert!(matches!(step, client::Step::Failed(client::Failure::Nonce)), "{step:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_name_and_password_log_in_and_no_other_password_does(
        name in "[a-zA-Z \"\\\\,=\u{e4}-\u{f6}\u{430}-\u{44f}]{1,12}",
        realm_name in "[a-z.\"\\\\,\u{e4}-\u{f6}]{1,12}",
        password in "[ -~\u{e4}-\u{f6}\u{430}-\u{44f}]{1,20}",
    ) {
        let default = realm(&realm_name);
        let identity = Identity::parse(&name, &default).unwrap();
        prop_assume!(!identity.user.as_str().is_empty());
        let mut stored = Record::new(identity.clone(), Timestamp(0), ChangedBy::default());
        let password = credential::Password::prepare(&Secret::copy_of(password.as_bytes())).unwrap();
        let password = std::str::from_utf8(password.octets()).unwrap();
        let verifiers = Verifiers::one(digest(&identity, password));
        stored.put(Credential::new(Label::main(), verifiers, false, Timestamp(0))).unwrap();
        let mut world = World::of(identity.user.as_str(), stored);
        world.server.realms = Realms::one(default);
        prop_assert!(world.log_in(password).server.is_ok());
        prop_assert_eq!(world.log_in(&format!("{password}x")).server.unwrap_err(), Failure::WrongPassword);
    }
}
