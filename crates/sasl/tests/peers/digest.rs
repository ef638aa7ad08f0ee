//! What only DIGEST-MD5 has: realms to choose from, packets of an agreed size, ciphers, logins by one message.

use std::sync::Arc;

use credential::policy::{Recipe, Salts};
use credential::{Mechanism, Secret};
use sasl::client::{self, Choice};
use sasl::layer::{Cipher, Layers};
use sasl::server::{Failure, Principal, Realms};
use sasl::{Channel, Requirements};
use tests::peer::sasl::cyrus::Cyrus;
use tests::peer::sasl::{Client, Conversation, Layer, Record, Server, Session, Turn};

use crate::cases::HOST;
use crate::drive::{AsServer, as_client, as_server};
use crate::layers::Talk;
use crate::row::{LAYERS, Pair, Peers};
use crate::world::{Site, cheap, client_settings, dice, everything, identity, kinds, realm};

const DIGEST: Mechanism = Mechanism::DigestMd5;

fn session(strength: u32, buffer: u32) -> Session {
    let layer = if strength == 0 { Layer::NONE } else { Layer { buffer, ..Layer::of(strength) } };
    Session { host: HOST.to_owned(), layer, ..Session::default() }
}

fn site(strength: u32, buffer: u32) -> Site {
    let mut site = Site::new().with_user("user", "pencil");
    site.change(|settings| {
        HOST.clone_into(&mut settings.host);
        settings.layers.max_buffer = buffer;
        set_strength(&mut settings.requirements, strength);
    });
    site
}

fn settings(strength: u32, buffer: u32) -> client::Settings {
    let mut settings = client_settings(DIGEST, "user", None);
    HOST.clone_into(&mut settings.host);
    settings.layers.max_buffer = buffer;
    set_strength(&mut settings.requirements, strength);
    settings
}

fn set_strength(requirements: &mut Requirements, strength: u32) {
    (requirements.min_ssf, requirements.max_ssf) = (strength, strength);
}

fn serve(site: &mut Site, client: &mut Conversation) -> AsServer {
    as_server(site, DIGEST, &Channel::clear(), client)
}

/// The smallest that either side asks for is kept to by the other.
#[test]
fn packets_are_no_larger_than_was_agreed() {
    let Ok(peers) = Peers::find() else { return };
    let message: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
    for (strength, layer) in LAYERS {
        for (ours, theirs) in [(1000, 65536), (65536, 1000), (300, 400)] {
            let client =
                Client { session: session(strength, theirs), ..Client::new("DIGEST-MD5", "user", "pencil") };
            let mut client = peers.cyrus.client(&client);
            let met = serve(&mut site(strength, ours), &mut client);
            let largest = met.theirs.done().largest as usize;
            let keys = met.ours.unwrap().layer.unwrap();
            assert_eq!((keys.max_sent(), keys.max_received()), (theirs, ours), "{layer}");
            let mut talk = Talk::new(keys, client, Pair::FromCyrus);
            talk.say(&message, layer);
            talk.hear(&message[..largest.min(5000)], layer);

            let server =
                Server { session: session(strength, theirs), ..Server::new("DIGEST-MD5", "user", "pencil") };
            let mut server = peers.cyrus.server(&server);
            let settings = settings(strength, ours);
            let choice = Choice::of(DIGEST);
            let met = as_client(choice, &settings, b"pencil", &Channel::clear(), &mut server);
            let largest = met.theirs.done().largest as usize;
            let mut talk = Talk::new(met.ours.unwrap().layer.unwrap(), server, Pair::ToCyrus);
            talk.say(&message, layer);
            talk.hear(&message[..largest.min(5000)], layer);
        }
    }
}

/// A server that offers all, and a client that may take all: the strongest that both have.
#[test]
fn the_strongest_layer_is_agreed_on() {
    let Ok(peers) = Peers::find() else { return };
    let any = |buffer| Session {
        layer: Layer { min: 0, max: 256, buffer },
        host: HOST.to_owned(),
        ..Session::default()
    };
    for (ciphers, ssf) in [
        (vec![Cipher::Rc4, Cipher::Des], 128),
        (vec![Cipher::Des, Cipher::Rc4With40], 55),
        (vec![Cipher::Rc4With40], 40),
        (vec![], 1),
        (Layers::default().ciphers, 55),
    ] {
        let mut site = site(0, 65536);
        site.change(|settings| {
            settings.requirements.max_ssf = 256;
            settings.layers.ciphers.clone_from(&ciphers);
        });
        let client = Client { session: any(65536), ..Client::new("DIGEST-MD5", "user", "pencil") };
        let met = serve(&mut site, &mut peers.cyrus.client(&client));
        assert_eq!((met.ours.unwrap().ssf, met.theirs.done().ssf), (ssf, ssf), "{ciphers:?}");
        let mut settings = settings(0, 65536);
        settings.requirements.max_ssf = 256;
        settings.layers.ciphers.clone_from(&ciphers);
        let server = Server { session: any(65536), ..Server::new("DIGEST-MD5", "user", "pencil") };
        let mut server = peers.cyrus.server(&server);
        let met = as_client(Choice::of(DIGEST), &settings, b"pencil", &Channel::clear(), &mut server);
        assert_eq!((met.ours.unwrap().ssf, met.theirs.done().ssf), (ssf, ssf), "{ciphers:?}");
    }
}

/// Offered nothing else, Cyrus SASL fails at `3des`, which it offers itself.
#[test]
fn cyrus_has_no_3des() {
    let Ok(peers) = Peers::find() else { return };
    let client = Client { session: session(112, 65536), ..Client::new("DIGEST-MD5", "user", "pencil") };
    let met = serve(&mut site(112, 65536), &mut peers.cyrus.client(&client));
    assert!(met.theirs.failure().text.contains("3des"));
    let server = Server { session: session(112, 65536), ..Server::new("DIGEST-MD5", "user", "pencil") };
    let mut server = peers.cyrus.server(&server);
    let met = as_client(Choice::of(DIGEST), &settings(112, 65536), b"pencil", &Channel::clear(), &mut server);
    assert!(met.ours.is_err() && met.theirs.failure().text.contains("3des"));
}

/// One user name in several realms of one server, and one that it does not offer.
#[test]
fn clients_choose_among_our_realms() {
    let Ok(peers) = Peers::find() else { return };
    // Offered it, GNU SASL could not read the challenge.
    let quoted = "thr\"ee";
    for pair in [Pair::FromCyrus, Pair::FromGsasl] {
        let mut site = site_of_realms(&["two", quoted][..if pair.is_cyrus() { 2 } else { 1 }]);
        for (ordered, password, whose) in [
            (None, "pencil", Some("user@example.org")),
            (Some("two"), "of two", Some("user@two")),
            (Some(quoted), "of thr\"ee", pair.is_cyrus().then_some("user@thr\"ee")),
            (Some("hidden"), "of hidden", Some("user@hidden")),
            (Some("two"), "pencil", None),
            (Some("nowhere"), "pencil", None),
        ] {
            let client = Client {
                realm: ordered.map(Into::into),
                session: session(0, 0),
                ..Client::new("DIGEST-MD5", "user", password)
            };
            let met = serve(&mut site, &mut peers.client(pair, &client));
            let principal = met.ours.ok().map(|outcome| outcome.principal);
            let expected = whose.map(|userid| Principal::User(identity(userid)));
            assert_eq!(principal, expected, "{pair:?} {ordered:?} {password}");
        }
    }
}

/// A server that offers these realms besides its own, and has a user in each, and in one that it does not offer.
fn site_of_realms(offered: &[&str]) -> Site {
    let mut site = site(0, 0);
    let others = offered.iter().copied().map(realm).collect();
    site.change(|settings| settings.realms = Realms { default: realm("example.org"), others });
    for (number, name) in offered.iter().chain(&["hidden"]).enumerate() {
        let recipe = Recipe::new(cheap(), Salts::from_random([number as u8; Salts::OCTETS]));
        site.add(identity(&format!("user@{name}")), everything(), format!("of {name}"), &recipe);
    }
    site
}

/// A realm within the name is hashed with it: what was made of name and realm apart is of no use, and clear text is.
#[test]
fn a_realm_within_the_name_needs_clear_text() {
    let Ok(peers) = Peers::find() else { return };
    for (keep, failure) in [("plain", None), ("digest-md5", Some(Failure::NoVerifier))] {
        let mut site = Site::keeping(kinds(keep)).with_user("user@other.example", "pencil");
        for pair in [Pair::FromCyrus, Pair::FromGsasl] {
            for (password, failure) in
                [("pencil", failure.clone()), ("pen", failure.clone().or(Some(Failure::WrongPassword)))]
            {
                let client = Client {
                    session: session(0, 0),
                    ..Client::new("DIGEST-MD5", "user@other.example", password)
                };
                let met = serve(&mut site, &mut peers.client(pair, &client));
                assert_eq!(met.ours.err(), failure, "{pair:?} {keep} {password}");
            }
        }
    }
}

/// A client of Cyrus SASL remembers, and begins its next login with a response.
#[test]
fn their_client_logs_in_again_by_one_message() {
    let Ok(cyrus) = Cyrus::start() else { return };
    let mut site = site(0, 0);
    let mut log_in = |password: &str, forget: bool| {
        if forget {
            site.tickets.clear();
        }
        let client =
            Client { again: true, session: session(0, 0), ..Client::new("DIGEST-MD5", "user", password) };
        let lookups = site.lookups;
        let mut met = serve(&mut site, &mut cyrus.client(&client));
        let ticket = met.ours.as_mut().ok().and_then(|outcome| outcome.ticket.take());
        site.tickets.extend(ticket);
        (met.ours.map(|_| site.lookups - lookups), matches!(met.theirs, Turn::Done(_)))
    };
    for forget in [true, false, false, true, false] {
        assert_eq!(log_in("pencil", forget), (Ok(1), true), "forgotten: {forget}");
    }
    assert_eq!(log_in("pen", false), (Err(Failure::WrongPassword), false));
    assert_eq!(log_in("pencil", false), (Ok(1), true));
}

/// Our client does, at a server that remembers, and at one that does not.
#[test]
fn our_client_logs_in_again_by_one_message() {
    for (options, messages) in [(&[("reauth_timeout", "10")][..], 2), (&[], 3)] {
        let Ok(cyrus) = Cyrus::with_options(options) else { return };
        let server = Server { session: session(0, 0), ..Server::new("DIGEST-MD5", "user", "pencil") };
        let settings = settings(0, 0);
        let choice = Choice::of(DIGEST);
        let met = as_client(choice, &settings, b"pencil", &Channel::clear(), &mut cyrus.server(&server));
        let mut ticket = met.ours.unwrap().ticket.unwrap();
        for number in 3..6 {
            let (outcome, said) = resume(ticket, &settings, &mut cyrus.server(&server), number);
            assert_eq!(said, messages, "{options:?}");
            ticket = outcome.ticket.unwrap();
        }
    }
}

/// How it ends, and after how many messages of ours.
fn resume(
    ticket: client::ClientTicket,
    settings: &client::Settings,
    server: &mut Conversation,
    number: u8,
) -> (Box<client::Outcome>, usize) {
    let mut step = client::resume(ticket, &Arc::new(settings.clone()), &Channel::clear(), dice(number));
    let mut said = 0;
    loop {
        let (octets, next) = match step {
            client::Step::Secret(next) => {
                step = next.supply(&Secret::copy_of(b"pencil"));
                continue;
            }
            client::Step::Send { octets, next } => (octets.unwrap(), next),
            other => panic!("{other:?}"),
        };
        said += 1;
        step = match server.step(Some(&octets)) {
            Turn::Message(message) => next.challenge(&message),
            Turn::Done(_) => match next.success(None) {
                client::Step::Done(outcome) => return (outcome, said),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
    }
}

/// The realm that a server of Cyrus SASL offers is the one that its users are hashed with, whatever its name is.
#[test]
fn our_client_takes_the_realm_that_is_offered() {
    let Ok(peers) = Peers::find() else { return };
    for offered in ["example.org", "a \"realm\" \\ of, = its own", "r\u{e9}alm", "\u{3b2}"] {
        let server = Server {
            realm: Some(offered.into()),
            users: vec![Record::password("user", Some(offered.as_bytes()), "pencil")],
            session: session(0, 0),
            ..Server::new("DIGEST-MD5", "", "")
        };
        for wanted in [None, Some(offered)] {
            let mut settings = settings(0, 0);
            settings.login.realm = wanted.map(Into::into);
            let mut server = peers.cyrus.server(&server);
            let met = as_client(Choice::of(DIGEST), &settings, b"pencil", &Channel::clear(), &mut server);
            assert!(met.ours.is_ok(), "{offered} {met:?}");
            let user = format!("user@{offered}").into_bytes();
            assert_eq!(met.theirs.done().authentication_id, Some(user), "{offered}");
        }
    }
}
