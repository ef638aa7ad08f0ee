//! What is wrong with a server, out of what was seen: pure. A danger is what lets somebody read, guess or misuse; a note is to
//! be known.

use std::time::{Duration, SystemTime};

use smtp::Reply;
use smtp::client::Offer;
use tls::client::{ClientError, Doubt, ServerFacts};

use super::look::{Relay, Seen, TlsSeen};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The exit tells of it.
    Danger,
    /// To be known.
    Note,
}

/// One thing to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    /// A stable word.
    pub(crate) word: &'static str,
    pub(crate) what: String,
    pub(crate) why: &'static str,
    pub(crate) fix: Option<&'static str>,
}

impl Finding {
    pub(crate) fn danger(word: &'static str, what: impl Into<String>, why: &'static str) -> Self {
        Self { weight: Weight::Danger, word, what: what.into(), why, fix: None }
    }

    fn note(word: &'static str, what: impl Into<String>, why: &'static str) -> Self {
        Self { weight: Weight::Note, ..Self::danger(word, what, why) }
    }

    fn fix(mut self, fix: &'static str) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// Everything, the gravest first. `is_local`: by a socket of this machine, where nobody reads along.
pub(crate) fn findings(seen: &Seen, is_local: bool, now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(relay(&seen.relay));
    found.extend(tls(&seen.tls, is_local));
    if let TlsSeen::Up(facts) = &seen.tls {
        found.extend(certificate(facts, now));
    }
    if let Some(clear) = seen.clear.as_ref().filter(|_| !is_local) {
        found.extend(in_clear(clear));
    }
    found.extend(mechanisms(seen));
    found.extend(tells("VRFY", seen.verify.as_ref()));
    found.extend(tells("EXPN", seen.expand.as_ref()));
    found.sort_by_key(|finding| finding.weight == Weight::Note);
    found
}

fn relay(relay: &Relay) -> Option<Finding> {
    match relay {
        Relay::Open(reply) => Some(
            Finding::danger(
                "open-relay",
                format!("it takes mail for another domain from somebody who has not logged in: {reply}"),
                "whoever reaches it from where we are sends mail to anybody through it; its address is soon on every block list",
            )
            .fix("gatepostd: gatepostd explain; Postfix: smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination, and a narrow mynetworks; sendmail: no RELAY for this client in access, no FEATURE(promiscuous_relay)"),
        ),
        Relay::Later(reply) => Some(Finding::note(
            "relay-undecided",
            format!("it does not say now whether it relays: {reply}"),
            "it may greylist; try again later",
        )),
        Relay::Refused(_) | Relay::Unknown => None,
    }
}

fn tls(tls: &TlsSeen, is_local: bool) -> Option<Finding> {
    const READ: &str = "whoever is on the way reads every mail, and every password that is sent itself";
    match tls {
        TlsSeen::Up(_) => None,
        TlsSeen::NotOffered if is_local => None,
        TlsSeen::NotOffered => Some(
            Finding::danger("no-tls", "it offers no TLS", READ)
                .fix("gatepostd: tls.certificate and tls.key; Postfix: smtpd_tls_chain_files and smtpd_tls_security_level = may; sendmail: confSERVER_CERT and confSERVER_KEY"),
        ),
        TlsSeen::Refused(reply) => {
            Some(Finding::danger("tls-refused", format!("it offers STARTTLS, and refuses it: {reply}"), READ))
        }
        TlsSeen::Failed(ClientError::NoCommonVersion) => Some(Finding::danger(
            "tls-too-old",
            "it has no TLS 1.2 or later",
            "older versions are broken (RFC 8996), and today's clients do not connect",
        )),
        TlsSeen::Failed(error) => Some(Finding::danger("tls-fails", error.to_string(), READ)),
        TlsSeen::Injected => Some(Finding::danger(
            "injection",
            "octets stand between its 220 to STARTTLS and the handshake",
            "somebody on the way, or the server itself, gives clients words in clear that they take for words under TLS",
        )),
    }
}

fn certificate(facts: &ServerFacts, now: SystemTime) -> Vec<Finding> {
    let doubt = |doubt: &Doubt| {
        let word = match doubt {
            Doubt::Expired => "certificate-expired",
            Doubt::NotYetValid => "certificate-not-yet-valid",
            Doubt::SelfSigned => "certificate-self-signed",
            Doubt::UnknownIssuer => "certificate-unknown-issuer",
            Doubt::WrongName => "certificate-wrong-name",
            Doubt::Unreadable | Doubt::Other(_) => "certificate",
        };
        let why = "a client cannot tell this server from somebody in between";
        let finding = Finding::danger(word, format!("the certificate is not believed: {doubt}"), why);
        match doubt {
            Doubt::SelfSigned | Doubt::UnknownIssuer => {
                finding.fix("where that is meant: --ca FILE, with the certificate or its CA")
            }
            Doubt::WrongName => finding.fix("where the server is known by another name: --name NAME"),
            _ => finding,
        }
    };
    let mut found: Vec<_> = facts.verdict.doubts().iter().map(doubt).collect();
    let left = facts.certificate.not_after.duration_since(now).unwrap_or_default();
    if !left.is_zero() && left < SOON {
        let days = left.as_secs() / DAY.as_secs();
        found.push(Finding::note(
            "certificate-expires-soon",
            format!("the certificate expires in {days} days"),
            "from then on clients refuse to connect",
        ));
    }
    found
}

fn in_clear(clear: &Offer) -> Option<Finding> {
    let names: Vec<_> = SENT_ITSELF.into_iter().filter(|name| clear.has_mechanism(name)).collect();
    (!names.is_empty()).then(|| {
        Finding::danger(
            "plain-in-clear",
            format!("{} in clear, before TLS", names.join(" ")),
            "a client that takes the offer sends its password, or what is as good, to whoever is on the way",
        )
        .fix("gatepostd: auth.options with p; Postfix: smtpd_tls_auth_only = yes; sendmail: p in confAUTH_OPTIONS; Dovecot: auth_allow_cleartext = no")
    })
}

fn mechanisms(seen: &Seen) -> Vec<Finding> {
    let offers = || seen.clear.iter().chain(&seen.under_tls);
    let has = |name: &str| offers().any(|offer| offer.has_mechanism(name));
    let has_any = |offer: &Offer| offer.mechanisms().next().is_some();
    let mut found = Vec::new();
    if has("ANONYMOUS") {
        let why = "whoever logs in so is as good as somebody with a password wherever only AUTH is asked for";
        found.push(Finding::danger("anonymous", "it lets anybody log in by ANONYMOUS", why));
    }
    if let (Some(clear), Some(under_tls)) = (&seen.clear, &seen.under_tls)
        && has_any(clear)
        && !has_any(under_tls)
    {
        let why = "who logs in must do so in clear";
        found.push(Finding::danger("auth-lost", "AUTH is offered in clear, and not under TLS", why));
    }
    if offers().next().is_some() && !offers().any(has_any) {
        let why = "nobody can log in here: right for a port between servers, wrong for one of users";
        found.push(Finding::note("no-auth", "it offers no AUTH", why));
    }
    let weak: Vec<_> = ["CRAM-MD5", "DIGEST-MD5", "NTLM"].into_iter().filter(|name| has(name)).collect();
    if !weak.is_empty() {
        let why = "the server keeps what is as good as the password, and who overhears a login can guess it fast; SCRAM-SHA-256 is the better one";
        found.push(Finding::note("weak-mechanisms", weak.join(" "), why));
    }
    found
}

/// RFC 5321, section 3.5.3: 252 tells nothing.
fn tells(command: &'static str, reply: Option<&Reply>) -> Option<Finding> {
    let (reply, word) = (reply?, if command == "VRFY" { "vrfy-tells" } else { "expn-tells" });
    matches!(reply.code().number(), 250 | 251).then(|| {
        Finding::danger(
            word,
            format!("{command} tells who is there: {reply}"),
            "whoever guesses passwords or sends spam learns which names are worth it",
        )
        .fix("Postfix: disable_vrfy_command = yes; sendmail: goaway in confPRIVACY_FLAGS")
    })
}

/// What sends the secret itself.
const SENT_ITSELF: [&str; 4] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];
const DAY: Duration = Duration::from_hours(24);
/// What renews certificates does it a month before; two weeks before it has failed.
const SOON: Duration = Duration::from_hours(14 * 24);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use smtp::client::{Command, Session, Settings};
    use tls::Version;
    use tls::client::{ServerCertificate, Verdict};

    use super::*;

    /// What a server offers that says these lines to EHLO; of the reply to one more command, that.
    fn said(ehlo: &[&str], last: &str) -> (Offer, Reply) {
        let now = Instant::now();
        let mut session = Session::new(now, Arc::new(Settings::new("a").unwrap()));
        let lines: String = ehlo.iter().flat_map(|line| ["250-", line, "\r\n"]).collect();
        session.receive(now, b"220 a\r\n");
        session.poll_event().unwrap();
        session.send(now, Command::Hello).unwrap();
        session.receive(now, format!("250-a\r\n{lines}250 X\r\n").as_bytes());
        session.poll_event().unwrap();
        session.send(now, Command::Noop).unwrap();
        session.receive(now, format!("{last}\r\n").as_bytes());
        let Some(smtp::client::Event::Reply { reply, .. }) = session.poll_event() else { panic!("no reply") };
        (session.offer().clone(), reply)
    }

    fn offer(line: &str) -> Offer {
        said(&[line], "250 OK").0
    }

    fn reply(line: &str) -> Reply {
        said(&[], line).1
    }

    fn up(doubts: &[Doubt], days: u64) -> TlsSeen {
        let now = SystemTime::UNIX_EPOCH + DAY * 1000;
        let certificate = ServerCertificate {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            not_before: SystemTime::UNIX_EPOCH,
            not_after: now + DAY * u32::try_from(days).unwrap(),
            key: String::new(),
        };
        let verdict =
            if doubts.is_empty() { Verdict::Verified } else { Verdict::Unverified(doubts.to_vec()) };
        TlsSeen::Up(Box::new(ServerFacts {
            version: Version::Tls13,
            cipher: "",
            bits: 128,
            exporter: None,
            end_point: None,
            verdict,
            certificate,
        }))
    }

    /// The words of what is found; a note in brackets.
    fn words(seen: &Seen, is_local: bool) -> String {
        let now = SystemTime::UNIX_EPOCH + DAY * 1000;
        let found = findings(seen, is_local, now);
        let word = |one: &Finding| match one.weight {
            Weight::Danger => one.word.to_owned(),
            Weight::Note => format!("({})", one.word),
        };
        found.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn fine() -> Seen {
        Seen {
            clear: Some(offer("AUTH SCRAM-SHA-256")),
            under_tls: Some(offer("AUTH SCRAM-SHA-256 PLAIN")),
            tls: up(&[], 90),
            relay: Relay::Refused(reply("550 5.7.1 no")),
            verify: Some(reply("252 maybe")),
            expand: Some(reply("502 no")),
        }
    }

    #[test]
    fn each_danger_has_its_word() {
        for (seen, expected) in [
            (fine(), ""),
            (Seen { clear: None, ..fine() }, ""),
            (Seen { clear: Some(offer("AUTH=LOGIN")), ..fine() }, "plain-in-clear"),
            (
                Seen {
                    clear: Some(offer("AUTH PLAIN")),
                    under_tls: None,
                    tls: TlsSeen::NotOffered,
                    ..fine()
                },
                "no-tls plain-in-clear",
            ),
            (Seen { under_tls: Some(offer("X")), ..fine() }, "auth-lost"),
            (Seen { clear: Some(offer("X")), under_tls: Some(offer("X")), ..fine() }, "(no-auth)"),
            (Seen { under_tls: Some(offer("AUTH ANONYMOUS")), ..fine() }, "anonymous"),
            (Seen { under_tls: Some(offer("AUTH CRAM-MD5")), ..fine() }, "(weak-mechanisms)"),
            (Seen { relay: Relay::Open(reply("250 ok")), ..fine() }, "open-relay"),
            (Seen { relay: Relay::Later(reply("450 wait")), ..fine() }, "(relay-undecided)"),
            (Seen { verify: Some(reply("250 <p@a>")), ..fine() }, "vrfy-tells"),
            (Seen { expand: Some(reply("250 <p@a>")), ..fine() }, "expn-tells"),
            (Seen { tls: TlsSeen::Failed(ClientError::NoCommonVersion), ..fine() }, "tls-too-old"),
            (Seen { tls: TlsSeen::Failed(ClientError::NotTls), ..fine() }, "tls-fails"),
            (Seen { tls: TlsSeen::Refused(reply("454 no")), ..fine() }, "tls-refused"),
            (Seen { tls: TlsSeen::Injected, ..fine() }, "injection"),
            (Seen { tls: up(&[Doubt::SelfSigned], 90), ..fine() }, "certificate-self-signed"),
            (
                Seen { tls: up(&[Doubt::UnknownIssuer, Doubt::WrongName], 13), ..fine() },
                "certificate-unknown-issuer certificate-wrong-name (certificate-expires-soon)",
            ),
            (Seen { tls: up(&[Doubt::Expired], 0), ..fine() }, "certificate-expired"),
            (Seen { tls: up(&[], 14), ..fine() }, ""),
        ] {
            assert_eq!(words(&seen, false), expected, "{seen:?}");
        }
    }

    #[test]
    fn nobody_reads_along_on_a_socket_of_this_machine() {
        let seen =
            Seen { clear: Some(offer("AUTH PLAIN")), under_tls: None, tls: TlsSeen::NotOffered, ..fine() };
        assert_eq!(words(&seen, true), "");
    }
}
