//! Logging in, by one mechanism on one connection: what an admin did with telnet and base64, and with its secrets hidden.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use cli::{Exit, Report};
use credential::{Mechanism, MechanismSet, Property, Secret};
use sasl::channel::{BindingKind, Channel};
use sasl::client::{self, AwaitChallenge, Choice, ClearText, Failure, Login, Means, Settings, Step};
use sasl::layer::Layers;
use sasl::requirement::{LeftOut, Requirements};
use smtp::Reply;
use smtp::client::Command;
use tls::client::ServerFacts;

use super::link::{Answer, Link, Ways};
use super::teller::Teller;
use super::trouble::Trouble;

/// Who logs in, and how.
pub(crate) struct Person<'a> {
    pub(crate) user: &'a str,
    pub(crate) authorize: Option<&'a str>,
    pub(crate) secret: &'a Secret,
    /// Whether the secret may be sent itself where anybody may be at the other end.
    pub(crate) clear_text: ClearText,
    /// Whether STARTTLS leads anywhere: where it does not, the login goes on in clear.
    pub(crate) starts_tls: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The server has let us in; whether it has proven to know the password, too.
    LetIn { is_mutual: bool },
    /// It has not.
    Refused(Reply),
    /// We did not try.
    NotTried(LeftOut),
    /// We gave up: whoever is there is not who knows the password, or does not speak the mechanism.
    Failed(Failure),
    /// The connection did not last.
    Broken(String),
}

/// One login. What happens to its connection is its own matter.
pub(crate) fn log_in(
    ways: &Ways<'_>,
    mechanism: Mechanism,
    person: &Person<'_>,
    teller: &mut Teller<'_>,
) -> Result<Outcome, Report> {
    let done = try_to(ways, mechanism, person, teller);
    teller.show_all();
    match done {
        Ok(outcome) => Ok(outcome),
        Err(Trouble::Ours(report)) => Err(report),
        Err(trouble) => Ok(Outcome::Broken(trouble.report(ways.place).cause().to_owned())),
    }
}

fn try_to(
    ways: &Ways<'_>,
    mechanism: Mechanism,
    person: &Person<'_>,
    teller: &mut Teller<'_>,
) -> Result<Outcome, Trouble> {
    // Up to AUTH it is what was shown before.
    teller.be_brief();
    let mut link = Link::open(ways, teller)?;
    if person.starts_tls && link.facts().is_none() && link.start_tls(teller)?.is_some() {
        teller.known("no TLS: the login goes on in clear")?;
    }
    let channel = channel(ways, link.facts());
    let settings = Arc::new(settings(ways, mechanism, person));
    let offered: Vec<String> = link.offer().mechanisms().map(str::to_owned).collect();
    let outcome = match settings.choose(offered.iter().map(String::as_str), &channel) {
        Ok(choice) => {
            teller.show_all();
            exchange(&mut link, choice, &settings, &channel, person.secret, teller)?
        }
        Err(client::NoneFits(why)) => {
            let why = why.into_iter().find(|(one, _)| *one == mechanism);
            Outcome::NotTried(why.map_or(LeftOut::NotOffered, |(_, why)| why))
        }
    };
    teller.be_brief();
    link.quit(teller)?;
    Ok(outcome)
}

/// The strength counts only where it is known who is at the other end; a binding is good in any case: it is how a mechanism
/// finds somebody in between.
fn channel(ways: &Ways<'_>, facts: Option<&ServerFacts>) -> Channel {
    let Some(facts) = facts else {
        // Nobody reads along on a socket of this machine.
        return if ways.place.is_of_this_machine() { Channel::layered(LOCAL_BITS) } else { Channel::clear() };
    };
    let is_verified = facts.verdict.is_verified();
    let mut channel = Channel::layered(if is_verified { facts.bits } else { 0 });
    if let Some(exporter) = facts.exporter {
        channel = channel.with_binding(BindingKind::TlsExporter, exporter);
    }
    if let Some(end_point) = &facts.end_point {
        channel = channel.with_binding(BindingKind::TlsServerEndPoint, end_point.clone());
    }
    channel
}

fn settings(ways: &Ways<'_>, mechanism: Mechanism, person: &Person<'_>) -> Settings {
    let requirements = Requirements::default();
    let mut properties = requirements.properties.without(Property::NoAnonymous);
    if person.clear_text == ClearText::Anywhere {
        properties = properties.without(Property::NoPlaintext);
    }
    Settings {
        login: Login {
            authentication: person.user.as_bytes().to_vec(),
            authorization: person.authorize.map(|name| name.as_bytes().to_vec()),
            realm: None,
        },
        means: Means::of(mechanism),
        service: "smtp".to_owned(),
        host: ways.name.to_owned(),
        port: None,
        mechanisms: MechanismSet::default().with(mechanism),
        requirements: Requirements { properties, ..requirements },
        clear_text: person.clear_text,
        iterations: Settings::ITERATIONS,
        // No security layer: behind the login there is nothing more to be said.
        layers: Layers { max_buffer: 0, ciphers: Vec::new() },
    }
}

fn exchange(
    link: &mut Link<'_>,
    choice: Choice,
    settings: &Arc<Settings>,
    channel: &Channel,
    secret: &Secret,
    teller: &mut Teller<'_>,
) -> Result<Outcome, Trouble> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|error| Report::plain(Exit::OSERR, format_args!("random numbers: {error}")))?;
    let mut step = client::begin(choice, settings, channel, entropy);
    let mut exchange = Exchange { name: choice.mechanism().name(), has_begun: false, is_over: false };
    loop {
        step = match step {
            Step::Secret(next) => next.supply(secret),
            Step::Send { octets, next } => {
                let octets = octets.map(Secret::from);
                match exchange.go_on(link, octets, next, teller)? {
                    Ok(step) => step,
                    Err(refused) => return Ok(Outcome::Refused(refused)),
                }
            }
            Step::Done(outcome) => return Ok(Outcome::LetIn { is_mutual: outcome.is_mutual }),
            Step::Failed(failure) => {
                exchange.give_up(link, teller)?;
                return Ok(Outcome::Failed(failure));
            }
        };
    }
}

/// AUTH, as far as it has come.
struct Exchange {
    name: &'static str,
    has_begun: bool,
    /// Whether the server has said its last word.
    is_over: bool,
}

impl Exchange {
    fn go_on(
        &mut self,
        link: &mut Link<'_>,
        octets: Option<Secret>,
        next: AwaitChallenge,
        teller: &mut Teller<'_>,
    ) -> Result<Result<Step, Reply>, Trouble> {
        let now = Instant::now();
        match octets {
            octets if !self.has_begun => {
                let command = Command::Auth { mechanism: self.name.to_owned(), initial: octets };
                teller.sent(&command.to_string())?;
                link.session().send(now, command)?;
                self.has_begun = true;
            }
            // Not even its length: that may be the password's.
            octets => {
                let octets = octets.unwrap_or_else(|| Secret::new(Vec::new()));
                teller.sent(if octets.is_empty() { "(an empty response)" } else { "(a response)" })?;
                link.session().respond(now, &octets)?;
            }
        }
        Ok(match link.answer(teller)? {
            Answer::Challenge(octets) => Ok(next.challenge(&octets)),
            Answer::Reply(reply) => {
                self.is_over = true;
                if reply.code().is_refusal() {
                    if let Failure::RefusedByServer(words) = next.refused() {
                        teller.known(&format!("within the exchange: {words}"))?;
                    }
                    Err(reply)
                } else {
                    Ok(next.success(None))
                }
            }
        })
    }

    /// `*`, where the server still waits.
    fn give_up(&mut self, link: &mut Link<'_>, teller: &mut Teller<'_>) -> Result<(), Trouble> {
        if self.has_begun && !self.is_over {
            teller.sent("*")?;
            link.session().cancel(Instant::now())?;
            while let Answer::Challenge(_) = link.answer(teller)? {
                link.session().cancel(Instant::now())?;
            }
        }
        Ok(())
    }
}

impl Outcome {
    /// A stable word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::LetIn { .. } => "let in",
            Self::Refused(reply) if reply.code().number() < 500 => "later",
            Self::Refused(_) => "refused",
            Self::NotTried(_) => "not tried",
            Self::Failed(_) | Self::Broken(_) => "failed",
        }
    }

    /// What it means, and what to do next.
    pub(crate) fn meaning(&self) -> String {
        match self {
            Self::LetIn { is_mutual: true } => {
                "and the server has proven to know the password, too".to_owned()
            }
            Self::LetIn { is_mutual: false } => String::new(),
            Self::Refused(reply) => meaning(reply.code().number()).to_owned(),
            Self::NotTried(LeftOut::ClearText | LeftOut::Lacks(Property::NoPlaintext)) => {
                "it would send the secret itself, without TLS or to a server that is not verified; \
                 --ca FILE verifies it, --send-password-unprotected sends it all the same"
                    .to_owned()
            }
            Self::NotTried(why) => why.to_string(),
            Self::Failed(failure) => format!("given up: {failure}"),
            Self::Broken(words) => words.clone(),
        }
    }
}

/// RFC 4954, section 6, in words for who sees it.
fn meaning(code: u16) -> &'static str {
    match code {
        421 => "the server closes: shutting down, or it has had enough of us",
        432 => "the user has to change to this mechanism first: log in once by PLAIN under TLS",
        454 => {
            "trouble of the server's own, not a wrong password: its log says what; or too many tries, to be made later"
        }
        500 => "the server does not know AUTH, or the line was too long",
        501 => "the server could not read the message: another idea of the mechanism",
        503 => "AUTH is not possible at this point: not offered here, or only behind EHLO",
        504 => "the server does not have this mechanism, though it may list it",
        530 => "it wants TLS first",
        534 => "the mechanism is too weak for this user, by the server's policy: take a stronger one",
        535 => {
            "name or password is wrong, or this user may not log in (disabled, expired, from here); the server says the same \
             for all of them, and its log says which. Is the name right with and without its @domain?"
        }
        538 => "the mechanism wants TLS first",
        _ => "refused, for a reason that RFC 4954 does not know",
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reply) => write!(f, "{} ({reply})", self.word()),
            _ => f.write_str(self.word()),
        }
    }
}

/// As Cyrus SASL counts it, but not less than what TLS has.
const LOCAL_BITS: u32 = 128;
