//! Clients of others at our server, where they have nothing to hope for: nobody by that name, somebody who is locked out,
//! somebody without what the mechanism needs. Nobody of them is told apart, and none crashes of a decoy.

use credential::Mechanism;
use credential::policy::KindSet;
use credential::record::State;
use sasl::client::Means;
use sasl::server::{Class, Failure};
use tests::peer::sasl::{Client, Turn};

use crate::drive::as_server;
use crate::row::{CHANNEL, Pair, Peers, Row};
use crate::world::{NOW, Site, everything};
use crate::{cases::Case, cases::HOST};

#[test]
fn whoever_cannot_log_in_is_refused_alike() {
    let Ok(peers) = Peers::find() else { return };
    for pair in [Pair::FromCyrus, Pair::FromGsasl] {
        for row in Row::all() {
            if !pair.has(row) || Means::of(row.mechanism) != Means::Password {
                continue;
            }
            let refused = |site, name| refusal(&peers, pair, row, site, name);
            assert_eq!(refused(site(), "nobody"), Failure::NoSuchUser, "{} {pair:?}", row.title());
            assert_eq!(refused(site(), "").class(), Class::Malformed, "{} {pair:?}", row.title());
            assert_eq!(refused(suspended(), "user"), Failure::NotUsable, "{} {pair:?}", row.title());
            assert_eq!(refused(expired(), "user"), Failure::NotUsable, "{} {pair:?}", row.title());
            if let Some(kind) = row.mechanism.verifier() {
                let without = retaining(everything().without(kind));
                assert_eq!(refused(without, "user"), Failure::NoVerifier, "{} {pair:?}", row.title());
            }
        }
    }
}

fn site() -> Site {
    let mut site = Site::new().with_user("user", "pencil");
    site.change(|settings| HOST.clone_into(&mut settings.host));
    site
}

fn suspended() -> Site {
    let mut site = site();
    site.user("user").set_state(None, State::Suspended, NOW).unwrap();
    site
}

fn expired() -> Site {
    let mut site = site();
    site.user("user").set_expires(None, Some(NOW), NOW).unwrap();
    site
}

fn retaining(kinds: KindSet) -> Site {
    let mut site = site();
    site.user("user").retain(kinds).unwrap();
    site
}

/// Why the right password is refused, after as many look-ups as ever.
fn refusal(peers: &Peers, pair: Pair, row: Row, mut site: Site, name: &str) -> Failure {
    let case = Case::of("somebody", 0, true);
    let client = Client { session: row.session(&case), ..Client::new(row.mechanism.name(), name, "pencil") };
    let mut client = peers.client(pair, &client);
    let met = as_server(&mut site, row.mechanism, &row.channel(&case, CHANNEL), &mut client);
    let is_deceived = row.is_mutual() && matches!(met.theirs, Turn::Done(_));
    assert!(!is_deceived, "{} {pair:?} {name}: {met:?}", row.title());
    let failure = met.ours.unwrap_err();
    if !name.is_empty() {
        assert_eq!(failure.class(), Class::Refused, "{} {pair:?} {name}", row.title());
        assert_eq!(site.lookups, 1, "{} {pair:?} {name}", row.title());
    }
    failure
}

/// EXTERNAL asks for no password, and lets in nobody who was locked out all the same.
#[test]
fn a_certificate_does_not_help_who_is_locked_out() {
    let Ok(peers) = Peers::find() else { return };
    let row = Row::of(Mechanism::External);
    for pair in [Pair::FromCyrus, Pair::FromGsasl] {
        for (mut site, attested, failure) in [
            (site(), "stranger", Failure::NoSuchUser),
            (suspended(), "user", Failure::NotUsable),
            (expired(), "user", Failure::NotUsable),
        ] {
            let mut session = row.session(&Case::of("somebody", 0, true));
            session.external = Some(attested.to_owned());
            let mut client = peers.client(pair, &Client { session, ..Client::new("EXTERNAL", attested, "") });
            let channel = sasl::Channel::layered(256).with_identity(attested);
            let met = as_server(&mut site, row.mechanism, &channel, &mut client);
            assert_eq!(met.ours.unwrap_err(), failure, "{pair:?} {attested}");
        }
    }
}
