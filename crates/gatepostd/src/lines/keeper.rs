//! What the keeper has to say. The line of a login is the one that fail2ban reads.
//!
//! `AUTH=server, relay=[192.0.2.1], authid=alice@example.org, mech=PLAIN, bits=0, outcome=ok, session=1f` is sendmail's line and
//! what is behind it. `outcome` is one of `ok`, `refused`, `not-permitted`, `malformed`, `not-offered`, `temporary`, `later`,
//! `cancelled`. Where it was not `ok`, `reason` may say more; `author` is whom the client wished to act for, and `nearest`
//! somebody who exists where the one named does not.

use std::net::IpAddr;

use credential::Identity;
use keeper::{AuthResult, Event, Outcome, Proof};

use crate::journal::{Line, Priority};

/// The line of an event.
pub(crate) fn of_keeper(event: &Event) -> Line {
    let identity = |line: Line, identity: &Identity| line.with("authid", identity);
    match event {
        Event::Auth(result) => of_login(result),
        Event::StoreUnusable { words, remedy } => {
            let remedy = remedy.as_ref().map(|remedy| format!("\nto mend it: {remedy}")).unwrap_or_default();
            let text = format!("the store cannot be used, nobody can log in: {words}{remedy}");
            Line::new(Priority::Critical, 1, text)
        }
        Event::StoreUsable => Line::new(Priority::Notice, 4, "the store is open"),
        Event::StoreReplaced => Line::new(Priority::Notice, 4, "another file is the store now, and is open"),
        Event::StoreTrouble { words } => {
            Line::new(Priority::Error, 2, format!("a look-up in the store has failed: {words}"))
        }
        Event::Renewed { identity: who, label, made } => {
            let line = Line::new(Priority::Info, 9, "a record was brought to the policy");
            identity(line, who).with("label", label).with("made", made)
        }
        Event::NotRenewed { identity: who, words } => {
            let text = format!("a record could not be brought to the policy: {words}");
            identity(Line::new(Priority::Warning, 8, text), who)
        }
        Event::PlacesUnusable { words } => {
            let text = format!("it is not known from where users have logged in before: {words}");
            Line::new(Priority::Warning, 4, text)
        }
        Event::Configured { generation, .. } => {
            Line::new(Priority::Info, 9, "configured").with_number("generation", generation.0)
        }
        Event::NotConfigured { generation, words } => {
            let text = format!("the configuration is refused, the one before stays: {words}");
            Line::new(Priority::Error, 2, text).with_number("generation", generation.0)
        }
        Event::FrontJoined => Line::new(Priority::Info, 10, "the front is there"),
        Event::FrontLeft { malformed: false } => Line::new(Priority::Info, 10, "the front is gone"),
        Event::FrontLeft { malformed: true } => {
            let text = "the front has said what it cannot say, and is not listened to any more";
            Line::new(Priority::Critical, 1, text)
        }
    }
}

fn of_login(result: &AuthResult) -> Line {
    let (priority, level) = match result.outcome {
        // Somebody knows a password and does not wish that it shows.
        Outcome::Cancelled if result.proof == Proof::Right => (Priority::Warning, 5),
        Outcome::Ok => (Priority::Info, 9),
        Outcome::Temporary => (Priority::Error, 2),
        Outcome::Cancelled => (Priority::Info, 10),
        // A fail2ban at the default level has to see them.
        _ => (Priority::Warning, 5),
    };
    let relay = match result.client {
        Some(IpAddr::V4(address)) => format!("[{address}]"),
        Some(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        None => "local".to_owned(),
    };
    let named = result.identity.as_ref().map(|identity| cut(identity.to_string(), LONGEST_NAME));
    Line::new(priority, level, "")
        .with("AUTH", "server")
        .with("relay", relay)
        .with("authid", named.unwrap_or_default())
        .with("mech", cut(result.mechanism.clone(), LONGEST_MECHANISM))
        .with_number("bits", result.ssf)
        .with("outcome", result.outcome.word())
        .with("session", result.session)
        .with_some("author", result.authorization.as_ref().map(|author| cut(author.clone(), LONGEST_NAME)))
        .with_some("reason", result.failure.as_ref())
        .with_some("reason", (result.proof == Proof::Right).then_some(GIVEN_UP))
        .with_some("nearest", result.nearest.as_ref())
}

/// As sendmail cuts them.
fn cut(mut text: String, characters: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
    }
    text
}

/// Why it is cancelled, where the client had what it takes.
const GIVEN_UP: &str = "the proof was right, the client gave up before it was let in";
const LONGEST_NAME: usize = 128;
/// RFC 4422, section 3.1; sendmail ends at 16, and SCRAM-SHA-256-PLUS would be no mechanism any more.
const LONGEST_MECHANISM: usize = 20;

#[cfg(test)]
mod tests {
    use credential::Realm;
    use sasl::server::Failure;
    use wire::SessionId;

    use super::*;

    fn result(outcome: Outcome, failure: Option<Failure>) -> AuthResult {
        AuthResult {
            session: SessionId(31),
            client: Some("192.0.2.1".parse().unwrap()),
            mechanism: "PLAIN".to_owned(),
            identity: Identity::parse("alice", &Realm::prepare("example.org").unwrap()).ok(),
            authorization: None,
            ssf: 0,
            nearest: None,
            outcome,
            failure,
            proof: Proof::None,
        }
    }

    #[test]
    fn the_line_of_a_login_is_sendmails_and_what_is_behind_it() {
        let expected = |line: &str| -> Line {
            let mut made = Line::new(Priority::Info, 9, "");
            for (key, value) in [
                ("AUTH", "server"),
                ("relay", "[192.0.2.1]"),
                ("authid", "alice@example.org"),
                ("mech", "PLAIN"),
            ] {
                made = made.with(key, value);
            }
            made.with_number("bits", 0).with("outcome", line).with("session", "1f")
        };
        assert_eq!(of_keeper(&Event::Auth(result(Outcome::Ok, None))), expected("ok"));
        let given_up = AuthResult { proof: Proof::Right, ..result(Outcome::Cancelled, None) };
        let said = format!("{:?}", of_keeper(&Event::Auth(given_up)));
        assert!(
            said.contains("Warning") && said.contains("\"cancelled\"") && said.contains("proof was right"),
            "{said}"
        );
    }

    #[test]
    fn names_are_cut_where_a_character_ends() {
        assert_eq!(cut("zoë".to_owned(), 2), "zo");
        assert_eq!(cut("zoë".to_owned(), 3), "zoë");
    }
}
