//! What the front has to say: connections, TLS, refusals, mail. Logins are the keeper's to tell.

use front::event::{Event, Peer, Stat, TurnedAway};
use front::explain::rule_words;
use smtp::server::ClosedBy;

use crate::journal::{Line, Priority};

/// The level of what every session has to say, asked before a line is made of it; of whatever is rare, none.
pub(crate) fn level_of_front(event: &Event<'_>) -> u8 {
    match event {
        Event::Connected(_) | Event::Closed { .. } | Event::LoggedIn { .. } | Event::Offered { .. } => {
            SESSIONS
        }
        _ => 0,
    }
}

/// The line of an event.
pub(crate) fn of_front(event: &Event<'_>) -> Line {
    match event {
        Event::Connected(peer) => of_peer(line(Priority::Info, SESSIONS, "connect"), peer),
        Event::TurnedAway { peer, why } => of_peer(line(Priority::Warning, 6, turned_away(*why)), peer),
        Event::Closed { peer, by } => of_peer(line(Priority::Info, SESSIONS, closed(*by)), peer),
        Event::TlsBegun { peer, facts } => of_tls(peer, facts),
        Event::TlsFailed { peer, why } => {
            of_peer(line(Priority::Warning, 8, "").with("STARTTLS", "server"), peer).with("error", why)
        }
        Event::Offered { mechanisms, left_out } => of_offer(mechanisms, left_out),
        Event::LoggedIn { peer, authentication, authorization, mechanism, ssf } => {
            of_peer(line(Priority::Info, SESSIONS, "logged in"), peer)
                .with("authid", authentication)
                .with("author", authorization)
                .with("mech", mechanism)
                .with_number("bits", *ssf)
        }
        Event::NoKeeper(peer) => {
            of_peer(line(Priority::Error, 2, "nobody can log in: the keeper does not answer"), peer)
        }
        Event::LayerFailed { peer, why } => {
            of_peer(line(Priority::Warning, 8, "a security layer has failed"), peer).with("error", why)
        }
        Event::Refused { peer, ruleset, argument, reply, rule, authentication } => {
            let refused = line(Priority::Notice, 4, "").with("ruleset", ruleset).with("arg1", argument);
            of_peer(refused, peer)
                .with("reject", reply)
                .with_some("rule", rule.map(rule_words))
                .with_some("authid", authentication.as_ref())
        }
        Event::Accepted { peer, id, from, size, recipients, protocol, authentication } => {
            let accepted =
                line(Priority::Info, 5, "").with("id", id).with("from", from).with_number("size", *size);
            let accepted = accepted.with_number("nrcpts", *recipients).with("proto", protocol);
            of_peer(accepted, peer).with_some("authid", authentication.as_ref())
        }
        Event::Discarded { peer, from } => {
            of_peer(line(Priority::Notice, 5, "discarded, as the access map says").with("from", from), peer)
        }
        Event::NotQueued { peer, error } => {
            of_peer(line(Priority::Critical, 1, "a message cannot be queued"), peer).with("error", error)
        }
        Event::Delivery { id, to, stat } => of_delivery(id, to, stat),
        _ => of_itself(event),
    }
}

/// What concerns no client.
fn of_itself(event: &Event<'_>) -> Line {
    match event {
        Event::QueueDamaged { file, what } => line(Priority::Error, 1, "something in the queue is damaged")
            .with("file", file)
            .with("error", what),
        Event::QueueTakenUp { messages } => {
            line(Priority::Info, 9, "the queue is taken up again").with_number("messages", *messages)
        }
        Event::Reported { id, report, to } => line(Priority::Notice, 5, "the sender is told")
            .with("id", id)
            .with("dsn_id", report)
            .with("to", to),
        Event::Kept { id } => {
            let text = "undeliverable, and nobody can be told: there is no sender, and no Maildir of postmaster; it stays";
            line(Priority::Error, 2, text).with("id", id)
        }
        Event::KeeperConnected => line(Priority::Info, 10, "the keeper is there"),
        Event::KeeperGone => {
            line(Priority::Warning, 4, "the keeper is gone: nobody can log in until it is back")
        }
        Event::CannotAccept { listener, error } => {
            let text = "no connection can be accepted for a moment";
            line(Priority::Error, 1, text).with("daemon", listener).with("error", error)
        }
        Event::FileUnusable { words } => {
            line(Priority::Critical, 1, format!("a file cannot be used: {words}"))
        }
        Event::Configured { generation, .. } => {
            line(Priority::Info, 9, "configured").with_number("generation", generation.0)
        }
        Event::NotConfigured { generation, words } => {
            let text = format!("the configuration is refused, the one before stays: {words}");
            line(Priority::Error, 2, text).with_number("generation", generation.0)
        }
        // The others have a client, and were looked at before.
        _ => line(Priority::Info, 14, ""),
    }
}

fn line(priority: Priority, level: u8, text: impl Into<String>) -> Line {
    Line::new(priority, level, text)
}

fn of_peer(line: Line, peer: &Peer<'_>) -> Line {
    line.with("daemon", peer.listener).with("relay", peer.client).with("session", peer.session)
}

fn of_tls(peer: &Peer<'_>, facts: &tls::Facts) -> Line {
    of_peer(line(Priority::Info, 8, "").with("STARTTLS", "server"), peer)
        .with("version", facts.version.name())
        .with("verify", facts.client.verify_word())
        .with("cipher", facts.cipher)
        .with_number("bits", facts.bits)
        .with_some("subject", facts.client.identity().map(|identity| &identity.subject))
}

fn of_offer(mechanisms: &[String], left_out: &[(String, String)]) -> Line {
    let left_out: Vec<_> = left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    line(Priority::Info, SESSIONS, "AUTH: available")
        .with("mech", mechanisms.join(" "))
        .with("left_out", left_out.join("; "))
}

fn of_delivery(id: &str, to: &str, stat: &Stat<'_>) -> Line {
    let line = |priority| line(priority, 8, "").with("id", id).with("to", to);
    match stat {
        Stat::Sent => line(Priority::Info).with("stat", "Sent"),
        Stat::Deferred(why) => line(Priority::Notice).with("stat", format!("Deferred: {why}")),
        Stat::GivenUp { status, words } => {
            line(Priority::Warning).with("dsn", status).with("stat", format!("Undeliverable: {words}"))
        }
    }
}

const fn turned_away(why: TurnedAway) -> &'static str {
    match why {
        TurnedAway::ListenerIsFull => "turned away: as many connections as the listener may have",
        TurnedAway::TooManyFromThere => "turned away: as many connections as one address may have",
    }
}

const fn closed(by: Option<ClosedBy>) -> &'static str {
    match by {
        None => "closed: the connection broke",
        Some(ClosedBy::Quit) => "closed: quit",
        Some(ClosedBy::Peer) => "closed: the client has gone",
        Some(ClosedBy::Timeout) => "closed: the client took too long",
        Some(ClosedBy::Caller) => "closed: by us",
        Some(ClosedBy::BareLineEnd(_)) => "closed: CR or LF alone",
        Some(ClosedBy::LineTooLong) => "closed: a line was too long",
        Some(ClosedBy::TooMuch) => "closed: too many commands, octets or refusals",
        Some(ClosedBy::Stray) => "closed: the client speaks another protocol",
    }
}

/// Of what is told of every session.
const SESSIONS: u8 = 12;

#[cfg(test)]
mod tests {
    use front::may_relay::Rule;
    use wire::SessionId;

    use super::*;

    #[test]
    fn a_refusal_is_told_as_sendmail_tells_it() {
        let peer = Peer { session: SessionId(31), listener: "MSA", client: "[192.0.2.1]" };
        let event = Event::Refused {
            peer,
            ruleset: "check_rcpt",
            argument: "<u@remote.example>",
            reply: "550 5.7.1 Relaying denied",
            rule: Some(&Rule::Senders("own".to_owned())),
            authentication: Some("alice@gate.test"),
        };
        let expected = line(Priority::Notice, 4, "")
            .with("ruleset", "check_rcpt")
            .with("arg1", "<u@remote.example>")
            .with("daemon", "MSA")
            .with("relay", "[192.0.2.1]")
            .with("session", "1f")
            .with("reject", "550 5.7.1 Relaying denied")
            .with("rule", "submission.senders, own")
            .with("authid", "alice@gate.test");
        assert_eq!(of_front(&event), expected);
    }
}
