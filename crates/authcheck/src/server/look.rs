//! The look at a server by somebody whom it does not know: what it offers before and behind TLS, whether it relays for
//! anybody, whether it tells who is there. No message is ever sent: behind RCPT comes RSET.

use cli::Report;
use smtp::Reply;
use smtp::address::{ForwardPath, ReversePath};
use smtp::client::{ClosedBy, Command, Fault, Offer};
use smtp::command::{Body, Mail};
use tls::client::{ClientError, ServerFacts};

use super::link::{Link, Ways};
use super::place::Tls;
use super::teller::Teller;
use super::trouble::Trouble;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What is offered before TLS; none where TLS begins at once.
    pub(crate) clear: Option<Offer>,
    /// What is offered under TLS.
    pub(crate) under_tls: Option<Offer>,
    pub(crate) tls: TlsSeen,
    pub(crate) relay: Relay,
    /// The answer to VRFY.
    pub(crate) verify: Option<Reply>,
    /// The answer to EXPN.
    pub(crate) expand: Option<Reply>,
}

/// What came of TLS.
#[derive(Debug, Default)]
pub(crate) enum TlsSeen {
    /// It is not offered.
    #[default]
    NotOffered,
    /// It is, and then refused.
    Refused(Reply),
    /// The handshake did not succeed.
    Failed(ClientError),
    /// Somebody has put octets before the handshake.
    Injected,
    /// It is there.
    Up(Box<ServerFacts>),
}

/// Whether it takes mail for others from anybody.
#[derive(Debug, Default)]
pub(crate) enum Relay {
    /// Not asked.
    #[default]
    Unknown,
    /// It does not: by MAIL already, or by RCPT.
    Refused(Reply),
    /// Not now: greylisting, mostly.
    Later(Reply),
    /// It does.
    Open(Reply),
}

/// Whose mail for whom is tried.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: ReversePath,
    pub(crate) to: ForwardPath,
}

/// Looks. Where TLS cannot be had, a second connection looks at the rest without it.
pub(crate) fn look(ways: &Ways<'_>, letter: &Letter, teller: &mut Teller<'_>) -> Result<Seen, Trouble> {
    let mut seen = Seen::default();
    let mut link = match Link::open(ways, teller) {
        Ok(link) => link,
        // What is no TLS at all is no server for this URL, and nothing to be judged.
        Err(Trouble::Tls(error)) if ways.place.tls == Tls::AtOnce && error != ClientError::NotTls => {
            seen.tls = without_tls(Trouble::Tls(error), teller)?;
            return Ok(seen);
        }
        Err(trouble) => return Err(trouble),
    };
    if let Some(facts) = link.facts() {
        seen.tls = TlsSeen::Up(Box::new(facts.clone()));
        seen.under_tls = Some(link.offer().clone());
    } else {
        seen.clear = Some(link.offer().clone());
        if link.offer().has("STARTTLS") {
            link = start_tls(link, ways, &mut seen, teller)?;
        }
    }
    strangers(&mut link, letter, &mut seen, teller)?;
    link.quit(teller)?;
    Ok(seen)
}

fn start_tls<'a>(
    mut link: Link<'a>,
    ways: &'a Ways<'a>,
    seen: &mut Seen,
    teller: &mut Teller<'_>,
) -> Result<Link<'a>, Trouble> {
    match link.start_tls(teller) {
        Ok(Some(refusal)) => {
            seen.tls = TlsSeen::Refused(refusal);
            Ok(link)
        }
        Ok(None) => {
            seen.tls = link.facts().map_or(TlsSeen::NotOffered, |facts| TlsSeen::Up(Box::new(facts.clone())));
            seen.under_tls = Some(link.offer().clone());
            Ok(link)
        }
        Err(trouble) => {
            seen.tls = without_tls(trouble, teller)?;
            drop(link);
            Link::open(ways, teller)
        }
    }
}

/// What of a trouble is a finding; the others end the look.
fn without_tls(trouble: Trouble, teller: &mut Teller<'_>) -> Result<TlsSeen, Trouble> {
    let (seen, words) = match trouble {
        Trouble::Tls(error) if error != ClientError::BadName => {
            (TlsSeen::Failed(error.clone()), error.to_string())
        }
        Trouble::Ended(by @ ClosedBy::Fault { fault: Fault::Injected, .. }) => {
            (TlsSeen::Injected, by.to_string())
        }
        trouble => return Err(trouble),
    };
    teller.known(&format!("no TLS: {words}"))?;
    Ok(seen)
}

/// What it does for somebody whom it does not know. A server that has had enough of it has told what it told.
fn strangers(
    link: &mut Link<'_>,
    letter: &Letter,
    seen: &mut Seen,
    teller: &mut Teller<'_>,
) -> Result<(), Trouble> {
    match questions(link, letter, seen, teller) {
        Err(Trouble::Ended(by)) => Ok(teller.known(&format!("no more is asked: {by}"))?),
        asked => asked,
    }
}

fn questions(
    link: &mut Link<'_>,
    letter: &Letter,
    seen: &mut Seen,
    teller: &mut Teller<'_>,
) -> Result<(), Trouble> {
    seen.relay = relay(link, letter, teller)?;
    link.say(Command::Reset, teller)?;
    seen.verify = Some(link.say(Command::Verify("postmaster".to_owned()), teller)?);
    seen.expand = Some(link.say(Command::Expand("postmaster".to_owned()), teller)?);
    Ok(())
}

fn relay(link: &mut Link<'_>, letter: &Letter, teller: &mut Teller<'_>) -> Result<Relay, Trouble> {
    let mail = Mail { from: letter.from.clone(), size: None, body: Body::SevenBit, submitter: None };
    let mut reply = link.say(Command::Mail(mail), teller)?;
    let is_sender = !reply.code().is_refusal();
    if is_sender {
        reply = link.say(Command::Recipient(letter.to.clone()), teller)?;
    }
    Ok(match reply.code().number() {
        500.. => Relay::Refused(reply),
        400.. => Relay::Later(reply),
        _ => Relay::Open(reply),
    })
}

/// An address as it is typed, with or without its brackets.
pub(crate) fn sender(typed: &str) -> Result<ReversePath, String> {
    match ReversePath::parse(bracketed(typed).as_bytes()) {
        Ok((path, [])) => Ok(path),
        Ok(_) => Err("something behind the address".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The same of a recipient.
pub(crate) fn recipient(typed: &str) -> Result<ForwardPath, String> {
    match ForwardPath::parse(bracketed(typed).as_bytes()) {
        Ok((path, [])) => Ok(path),
        Ok(_) => Err("something behind the address".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn bracketed(typed: &str) -> String {
    if typed.starts_with('<') { typed.to_owned() } else { format!("<{typed}>") }
}

/// What was seen, in a few lines for who only reads the end.
pub(crate) fn offers(seen: &Seen, teller: &mut Teller<'_>) -> Result<(), Report> {
    let names = |offer: &Offer| {
        let names: Vec<_> = offer.mechanisms().collect();
        if names.is_empty() { "no AUTH".to_owned() } else { names.join(" ") }
    };
    let (clear, tls) = (seen.clear.as_ref().map(names), seen.under_tls.as_ref().map(names));
    for (way, names) in [("in clear", &clear), ("under TLS", &tls)] {
        if let Some(names) = names {
            let object = serde_json::json!({"step": "known", "text": format!("offered {way}: {names}")});
            teller.tell(&format!("offered {way}: {names}"), &object)?;
        }
    }
    let text = match &seen.relay {
        Relay::Unknown => return Ok(()),
        Relay::Refused(reply) => format!("relays for strangers: no ({reply})"),
        Relay::Later(reply) => format!("relays for strangers: not known ({reply})"),
        Relay::Open(reply) => format!("relays for strangers: YES ({reply})"),
    };
    teller.tell(&text, &serde_json::json!({"step": "known", "text": text}))
}
