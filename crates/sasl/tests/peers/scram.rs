//! What only SCRAM has: flags that tell of a list made shorter, data of several sorts that bind, counts that are refused.

use credential::policy::{Cost, Iterations, Recipe, Salts};
use credential::{Mechanism, ScramHash};
use sasl::client::{self, Choice};
use sasl::server::Failure;
use sasl::{BindingKind, Channel};
use tests::peer::sasl::{Binding, Client, Record, Server, Session, Turn};

use crate::drive::{AsClient, AsServer, as_client, as_server};
use crate::row::{CHANNEL, Pair, Peers, Row};
use crate::world::{Site, cheap, client_settings, everything, identity};

const NAMES: [&str; 3] = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];

fn bound(name: &str, critical: bool) -> Session {
    let binding = Binding { name: name.to_owned(), data: CHANNEL.to_vec(), critical };
    Session { binding: Some(binding), ..Session::default() }
}

fn channel(kind: BindingKind) -> Channel {
    Channel::layered(256).with_binding(kind, CHANNEL.as_slice())
}

/// A client of Cyrus SASL that was offered these.
fn from_cyrus(peers: &Peers, offered: &str, session: Session, site: &mut Site) -> AsServer {
    let client = Client { session, ..Client::new(offered, "user", "pencil") };
    let mechanism = offered.split(' ').next().unwrap().parse().unwrap();
    as_server(site, mechanism, &channel(BindingKind::TlsExporter), &mut peers.cyrus.client(&client))
}

/// Our client that was offered these, at a server.
fn to(peers: &Peers, pair: Pair, offered: &str, server: Session) -> AsClient {
    let first: Mechanism = offered.split(' ').next().unwrap().parse().unwrap();
    let settings = client_settings(first, "user", None);
    let channel = channel(BindingKind::TlsExporter);
    let choice = settings.choose(offered.split(' '), &channel).unwrap();
    assert_eq!(choice.mechanism(), first);
    let server = Server { session: server, ..Server::new(first.name(), "user", "pencil") };
    as_client(choice, &settings, b"pencil", &channel, &mut peers.server(pair, &server))
}

#[test]
fn a_list_that_was_made_shorter_is_noticed_by_our_server() {
    let Ok(peers) = Peers::find() else { return };
    for name in NAMES {
        let mut site = Site::new().with_user("user", "pencil");
        let with_another = format!("{name} PLAIN");
        let session = bound("tls-exporter", false);
        let met = from_cyrus(&peers, &with_another, session.clone(), &mut site);
        assert_eq!(met.ours.unwrap_err(), Failure::Downgrade, "{name}");
        assert!(met.theirs.message().starts_with(b"y,,"));
        // One that sees a single name does not know of lists, and one that has no binding cannot bind.
        for (offered, session) in [(name, session.clone()), (with_another.as_str(), Session::default())] {
            let met = from_cyrus(&peers, offered, session, &mut site);
            assert!(met.ours.is_ok() && matches!(met.theirs, Turn::Done(_)), "{name}");
        }
        // Where there is no -PLUS form indeed, `y` is well.
        let is_bound = |mechanism: &Mechanism| matches!(mechanism, Mechanism::ScramPlus(_));
        site.change(|settings| {
            settings.mechanisms = settings.mechanisms.iter().filter(|it| !is_bound(it)).collect();
        });
        let met = from_cyrus(&peers, &with_another, session, &mut site);
        assert!(met.ours.is_ok() && matches!(met.theirs, Turn::Done(_)), "{name}");
    }
}

#[test]
fn a_list_that_was_made_shorter_is_noticed_by_theirs() {
    let Ok(peers) = Peers::find() else { return };
    for name in NAMES {
        let offered = format!("{name} PLAIN");
        for pair in [Pair::ToCyrus, Pair::ToGsasl] {
            if !pair.has(Row::of(name.parse().unwrap())) {
                continue;
            }
            let met = to(&peers, pair, &offered, bound("tls-exporter", false));
            assert!(matches!(met.theirs, Turn::Failed(_)), "{name} {pair:?}: {met:?}");
            assert!(met.ours.is_err(), "{name} {pair:?}");
            let met = to(&peers, pair, &offered, Session::default());
            assert!(met.ours.unwrap().is_mutual && matches!(met.theirs, Turn::Done(_)), "{name} {pair:?}");
        }
    }
}

#[test]
fn both_sides_bind_to_the_same_sort_of_data() {
    let Ok(peers) = Peers::find() else { return };
    let end_point = channel(BindingKind::TlsServerEndPoint);
    for name in NAMES.map(|name| format!("{name}-PLUS")) {
        let mechanism: Mechanism = name.parse().unwrap();
        for (kind, is_right) in [("tls-server-end-point", true), ("tls-exporter", false)] {
            let client = Client { session: bound(kind, true), ..Client::new(&name, "user", "pencil") };
            let mut site = Site::new().with_user("user", "pencil");
            let met = as_server(&mut site, mechanism, &end_point, &mut peers.cyrus.client(&client));
            assert_eq!(met.ours.err(), (!is_right).then_some(Failure::Binding), "{name} {kind}");
            let server = Server { session: bound(kind, true), ..Server::new(&name, "user", "pencil") };
            let settings = client_settings(mechanism, "user", None);
            let mut server = peers.cyrus.server(&server);
            let met = as_client(Choice::of(mechanism), &settings, b"pencil", &end_point, &mut server);
            assert_eq!(met.ours.is_ok(), is_right, "{name} {kind}");
            assert_eq!(matches!(met.theirs, Turn::Done(_)), is_right, "{name} {kind}");
        }
    }
}

/// Between too few to keep a secret and too many to bear; those of a ready-made record cost the peer nothing.
#[test]
fn our_client_takes_a_sane_count_of_a_server() {
    let Ok(peers) = Peers::find() else { return };
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    let mut settings = client_settings(mechanism, "user", None);
    settings.iterations = client::Settings::ITERATIONS;
    let go = |mut server| {
        as_client(Choice::of(mechanism), &settings, b"pencil", &Channel::clear(), &mut server).ours
    };
    let refused = |found| Some(client::Failure::Iterations { found, sane: client::Settings::ITERATIONS });
    for pair in [Pair::ToCyrus, Pair::ToGsasl] {
        for (count, failure) in [(1000, refused(1000)), (4095, refused(4095)), (4096, None), (10_000, None)] {
            let server = Server { iterations: Some(count), ..Server::new("SCRAM-SHA-256", "user", "pencil") };
            assert_eq!(go(peers.server(pair, &server)).err(), failure, "{pair:?} {count}");
        }
    }
    let many = "SCRAM-SHA-256$2000001:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let record = Record { property: "authPassword".to_owned(), ..Record::password("user", None, many) };
    let server = Server { users: vec![record], ..Server::new("SCRAM-SHA-256", "", "") };
    assert_eq!(go(peers.cyrus.server(&server)).err(), refused(2_000_001));
}

/// More than 65536 are too many for a client of Cyrus SASL: who has such users keeps them from it.
#[test]
fn their_clients_have_a_bound_too() {
    let Ok(peers) = Peers::find() else { return };
    for (count, is_taken) in [(65_536, true), (65_537, false)] {
        let count = Iterations::new(count).unwrap();
        let cost = Cost { scram_sha_1: count, ..cheap() };
        let mut site = Site::new();
        let recipe = Recipe::new(cost, Salts::from_random([3; Salts::OCTETS]));
        site.add(identity("user"), everything(), "pencil", &recipe);
        for (pair, is_taken) in [(Pair::FromCyrus, is_taken), (Pair::FromGsasl, true)] {
            let mut client = peers.client(pair, &Client::new("SCRAM-SHA-1", "user", "pencil"));
            let mechanism = Mechanism::Scram(ScramHash::Sha1);
            let met = as_server(&mut site, mechanism, &Channel::layered(256), &mut client);
            assert_eq!(
                (met.ours.is_ok(), matches!(met.theirs, Turn::Done(_))),
                (is_taken, is_taken),
                "{pair:?}"
            );
        }
    }
}

/// What our importer reads of a Cyrus database is what its own server would have sent: salts of any length.
#[test]
fn secrets_of_a_server_are_taken_by_our_client() {
    let Ok(peers) = Peers::find() else { return };
    // RFC 7677, section 3.
    let secret = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                  wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let record = Record { property: "authPassword".to_owned(), ..Record::password("user", None, secret) };
    let server = Server { users: vec![record], ..Server::new("SCRAM-SHA-256", "", "") };
    let mechanism: Mechanism = "SCRAM-SHA-256".parse().unwrap();
    let settings = client_settings(mechanism, "user", None);
    for (password, is_right) in [("pencil", true), ("Pencil", false)] {
        let mut server = peers.cyrus.server(&server);
        let met =
            as_client(Choice::of(mechanism), &settings, password.as_bytes(), &Channel::clear(), &mut server);
        assert_eq!(met.ours.is_ok(), is_right);
    }
}
