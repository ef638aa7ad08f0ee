//! The same exchange in the other forms that a protocol gives it.

use credential::Mechanism;
use sasl::client::{Choice, Means};
use tests::peer::sasl::{Client, Server, Turn};

use crate::cases::Case;
use crate::drive::{as_client, as_server};
use crate::row::{CHANNEL, Pair, Peers, Row};
use crate::world::{Site, client_settings};

fn with_password() -> impl Iterator<Item = Row> {
    Row::all().into_iter().filter(|row| Means::of(row.mechanism) == Means::Password)
}

/// A client may keep its first message until it was asked for it with nothing.
#[test]
fn an_initial_response_may_come_later() {
    let Ok(peers) = Peers::find() else { return };
    let case = Case::of("somebody", 0, true);
    for row in with_password() {
        for pair in [Pair::FromCyrus, Pair::FromGsasl] {
            if !pair.has(row) {
                continue;
            }
            let client = Client {
                held_back: true,
                session: row.session(&case),
                ..Client::new(row.mechanism.name(), "user", "pencil")
            };
            let mut client = peers.client(pair, &client);
            let mut site = Site::new().with_user("user", "pencil");
            let met = as_server(&mut site, row.mechanism, &row.channel(&case, CHANNEL), &mut client);
            assert!(met.ours.is_ok() && matches!(met.theirs, Turn::Done(_)), "{} {met:?}", row.title());
        }
    }
}

/// Where a protocol has a place for data with success (RFC 4422, section 3.6), the proof of the server stands there.
#[test]
fn the_last_word_of_a_server_may_come_with_success() {
    let Ok(peers) = Peers::find() else { return };
    let case = Case::of("somebody", 0, true);
    for row in with_password().filter(|row| row.is_mutual()) {
        let server = Server {
            success_data: true,
            session: row.session(&case),
            ..Server::new(row.mechanism.name(), "user", "pencil")
        };
        let settings = client_settings(row.mechanism, "user", None);
        for (password, is_right) in [("pencil", true), ("pen", false)] {
            let mut server = peers.cyrus.server(&server);
            let channel = row.channel(&case, CHANNEL);
            let choice = Choice::of(row.mechanism);
            let met = as_client(choice, &settings, password.as_bytes(), &channel, &mut server);
            assert_eq!(met.ours.is_ok(), is_right, "{}", row.title());
            if is_right {
                assert!(!met.theirs.message().is_empty(), "{}", row.title());
            }
        }
    }
}

/// GNU SASL and Cyrus SASL do have passwords of nothing for PLAIN and LOGIN; no user of ours does.
#[test]
fn nobody_of_ours_has_an_empty_password() {
    let Ok(peers) = Peers::find() else { return };
    let case = Case::of("somebody", 0, true);
    for row in with_password() {
        for pair in [Pair::FromCyrus, Pair::FromGsasl] {
            if !pair.has(row) {
                continue;
            }
            let client =
                Client { session: row.session(&case), ..Client::new(row.mechanism.name(), "user", "") };
            let mut client = peers.client(pair, &client);
            let mut site = Site::new().with_user("user", "pencil");
            let met = as_server(&mut site, row.mechanism, &row.channel(&case, CHANNEL), &mut client);
            assert!(met.ours.is_err(), "{} {pair:?}", row.title());
        }
        let is_clear = matches!(row.mechanism, Mechanism::Plain | Mechanism::Login);
        let server = Server { session: row.session(&case), ..Server::new(row.mechanism.name(), "user", "") };
        let settings = client_settings(row.mechanism, "user", None);
        let mut server = peers.cyrus.server(&server);
        let met =
            as_client(Choice::of(row.mechanism), &settings, b"", &row.channel(&case, CHANNEL), &mut server);
        assert_eq!(met.ours.is_ok(), is_clear, "{}", row.title());
    }
}

/// What we believe of a peer in the table of what is tested.
#[test]
fn what_gsasl_lacks_it_says_to_lack() {
    let Ok(peers) = Peers::find() else { return };
    for row in Row::all() {
        for pair in [Pair::ToGsasl, Pair::FromGsasl] {
            if pair.has(row) || row.strength > 0 {
                continue;
            }
            let name = row.mechanism.name();
            let turn = if pair == Pair::ToGsasl {
                let mut server = peers.gsasl.server(&Server::new(name, "user", "pencil"));
                match server.step(None) {
                    // Of EXTERNAL and ANONYMOUS it has the name, and lets nobody in.
                    Turn::Message(_) => server.step(Some(b"user")),
                    turn => turn,
                }
            } else {
                peers.gsasl.client(&Client::new(name, "user", "pencil")).step(None)
            };
            assert!(matches!(turn, Turn::Failed(_)), "{name} {pair:?}: {turn:?}");
        }
    }
}
