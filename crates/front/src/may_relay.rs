//! Who may do what: the client, the sender, each recipient. Pure: facts and an access map go in, a decision and the rule
//! that made it come out.
//!
//! The first decisive answer wins:
//!
//! 1. `Connect:` rejects the client, `From:` the sender, whoever has logged in.
//! 2. `To:` rejects the recipient, likewise.
//! 3. Who has logged in by a trusted mechanism may send anywhere.
//! 4. Mail for local domains and relay domains is taken from everybody.
//! 5. So is what `To:` or a bare domain of the map says RELAY of.
//! 6. A client that `Connect:` or a bare address or name says RELAY of may send anywhere.
//! 7. Everything else is refused.
//!
//! `From:` RELAY never relays, for anybody can write any sender; loopback is nothing special. Steps 4 and 5 look at the
//! domain alone, so an address whose local part might lead on at some relay (`user%domain`, a quoted `@`) does not
//! profit by them; a source route was dropped before. A name of the client counts only where it leads back to the
//! client's address.

use std::net::IpAddr;

use smtp::Refusal;
use smtp::address::{Domain, ForwardPath, LocalPart, Mailbox, ReversePath};
use smtp::server::Logins;

use crate::access::{
    Access, AccessTrouble, Found, Tag, Untagged, Word, address_keys, denied, domain_keys, search,
};

#[cfg(test)]
mod tests;

/// What is local, and who is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayRules {
    /// Our own name; `<Postmaster>` without a domain is somebody there.
    pub host: String,
    /// Domains whose mail is delivered here, each as it stands.
    pub local_domains: Vec<String>,
    /// Domains to which, and below which, mail is relayed for everybody: sendmail's class R.
    pub relay_domains: Vec<String>,
    /// Who has logged in by which mechanism may relay.
    pub trusted: TrustedMechanisms,
}

/// sendmail's TRUST_AUTH_MECH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedMechanisms {
    /// Everyone who has logged in as somebody.
    Offered,
    /// By one of these; none: logging in lets nobody relay.
    Named(Vec<String>),
}

/// The client, as far as the connection tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// Its address, if the transport has any.
    pub address: Option<IpAddr>,
    /// What is known of its name.
    pub name: Name<'a>,
}

/// What is known of the name of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Name<'a> {
    /// It has none, or one that does not lead back to its address.
    #[default]
    None,
    /// This one leads back to its address.
    Confirmed(&'a str),
    /// The resolver could not tell.
    Unknown,
}

/// Whoever has logged in.
#[derive(Debug, Clone, Copy)]
pub struct LoggedIn<'a> {
    /// By which mechanism.
    pub mechanism: &'a str,
    /// Whether as somebody: ANONYMOUS is nobody.
    pub is_somebody: bool,
}

/// What becomes of a client, sender or recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// Which rule says so.
    pub rule: Rule,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// A recipient here.
    Local,
    /// A recipient elsewhere.
    Relay,
    /// Taken and thrown away.
    Discard,
    /// In these words.
    Refuse(Refusal),
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A key of the access map.
    Key(String),
    /// The access map could not be read.
    Trouble(AccessTrouble),
    /// A trusted mechanism.
    TrustedMechanism,
    /// A local domain.
    LocalDomain,
    /// A relay domain.
    RelayDomain(String),
    /// An entry by name might have spoken for the client, and nobody knows its name now.
    NameUnknown,
    /// `submission.senders`, and by what: its word, or the key that its map has.
    Senders(String),
    /// None spoke for it.
    Nothing,
}

/// A step of the decision about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `To:` rejects.
    Rejection,
    /// Who has logged in by a trusted mechanism.
    Login,
    /// Local and relay domains.
    Domain,
    /// `To:` or a bare domain of the map.
    Map,
    /// `Connect:`, or a bare address or name, of the map.
    Client,
}

/// What the steps look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The client.
    pub client: Client<'a>,
    /// Who has logged in.
    pub login: Option<LoggedIn<'a>>,
    /// Whether anybody can.
    pub logins: Logins,
    /// What is local, and who is trusted.
    pub rules: &'a RelayRules,
    /// The map.
    pub access: &'a dyn Access,
}

/// Whether a client is let in. A name speaks before its address; a greeting asks for it only where the address is turned
/// away, MAIL always.
pub fn client(client: Client<'_>, access: &dyn Access) -> Decision {
    let keys = client_keys(client);
    let found = search(access, Tag::Connect, Untagged::Counts, &keys);
    rejection(found, || denied(550, (7, 1), "Access denied")).unwrap_or_else(accepted)
}

/// Whether mail from a sender is taken.
pub fn sender(sender: &ReversePath, access: &dyn Access) -> Decision {
    let ReversePath::Mailbox(path) = sender else { return accepted() };
    let found = search(access, Tag::From, Untagged::Counts, &mailbox_keys(&path.mailbox));
    rejection(found, || denied(550, (7, 1), "Access denied")).unwrap_or_else(accepted)
}

/// Where mail for a recipient goes, if anywhere. Client and sender have been let in.
pub fn recipient(recipient: &ForwardPath, facts: Facts<'_>) -> Decision {
    recipient_by_steps(recipient, facts, &mut |_, _| {})
}

/// The same, and who is curious hears of each step that was taken and what it said.
pub fn recipient_by_steps(
    recipient: &ForwardPath,
    facts: Facts<'_>,
    hear: &mut dyn FnMut(Step, Option<&Decision>),
) -> Decision {
    // RFC 5321, section 4.5.1: every server takes it, whatever the map says.
    let ForwardPath::Mailbox(path) = recipient else {
        return Decision { verdict: Verdict::Local, rule: Rule::LocalDomain };
    };
    let place = Place { mailbox: &path.mailbox, shown: recipient.to_string() };
    for step in Step::ALL {
        let decision = place.step(step, facts);
        hear(step, decision.as_ref());
        if let Some(decision) = decision {
            return decision;
        }
    }
    place.refused(facts)
}

impl Step {
    /// In their order.
    pub const ALL: [Self; 5] = [Self::Rejection, Self::Login, Self::Domain, Self::Map, Self::Client];
}

struct Place<'a> {
    mailbox: &'a Mailbox,
    shown: String,
}

impl Place<'_> {
    fn step(&self, step: Step, facts: Facts<'_>) -> Option<Decision> {
        let Facts { client, login, rules, access, .. } = facts;
        match step {
            Step::Rejection => self.rejected(access),
            Step::Login => self.by_login(login, rules),
            Step::Domain => self.by_domain(rules),
            Step::Map => self.by_map(access),
            Step::Client => by_client(client, access),
        }
    }

    fn rejected(&self, access: &dyn Access) -> Option<Decision> {
        let found = search(access, Tag::To, Untagged::Counts, &mailbox_keys(self.mailbox));
        let words = || format!("{}... Mailbox disabled for this recipient", self.shown);
        rejection(found, || denied(550, (2, 1), &words()))
    }

    fn by_login(&self, login: Option<LoggedIn<'_>>, rules: &RelayRules) -> Option<Decision> {
        let is_trusted = login.is_some_and(|login| rules.trusted.trusts(login));
        let verdict = if self.is_local(rules) { Verdict::Local } else { Verdict::Relay };
        is_trusted.then_some(Decision { verdict, rule: Rule::TrustedMechanism })
    }

    fn by_domain(&self, rules: &RelayRules) -> Option<Decision> {
        if self.mailbox.local.may_lead_on() {
            return None;
        }
        if self.is_local(rules) {
            return Some(Decision { verdict: Verdict::Local, rule: Rule::LocalDomain });
        }
        let Domain::Name(name) = &self.mailbox.domain else { return None };
        let mut above = rules.relay_domains.iter().filter(|domain| is_at_or_below(name, domain));
        let rule = above.next().map(|domain| Rule::RelayDomain(domain.clone()))?;
        Some(Decision { verdict: Verdict::Relay, rule })
    }

    /// A bare address in the map is meant for clients, so of address literals only what is tagged counts; and of a name
    /// whose last label is a number, which is an address that somebody has written without its brackets.
    fn by_map(&self, access: &dyn Access) -> Option<Decision> {
        if self.mailbox.local.may_lead_on() {
            return None;
        }
        let (keys, untagged) = match &self.mailbox.domain {
            Domain::Name(name) if looks_like_address(name) => (domain_keys(name), Untagged::Ignored),
            Domain::Name(name) => (domain_keys(name), Untagged::Counts),
            Domain::Literal(address) => (address_keys(*address), Untagged::Ignored),
        };
        relayed(search(access, Tag::To, untagged, &keys))
    }

    fn refused(&self, facts: Facts<'_>) -> Decision {
        let is_of_use = !facts.rules.trusted.is_none();
        if is_of_use && facts.login.is_none() && facts.logins == Logins::NotNow {
            // Who would log in if he could must not take it for the last word.
            let words = format!("{}... Relaying temporarily denied. Nobody can log in now.", self.shown);
            return Decision { verdict: Verdict::Refuse(denied(451, (3, 0), &words)), rule: Rule::Nothing };
        }
        let hint = if is_of_use { ". Proper authentication required." } else { "" };
        let words = format!("{}... Relaying denied{hint}", self.shown);
        Decision { verdict: Verdict::Refuse(denied(550, (7, 1), &words)), rule: Rule::Nothing }
    }

    fn is_local(&self, rules: &RelayRules) -> bool {
        let domain = self.mailbox.domain.to_string();
        rules.local_domains.iter().any(|local| local.eq_ignore_ascii_case(&domain))
    }
}

impl TrustedMechanisms {
    fn trusts(&self, login: LoggedIn<'_>) -> bool {
        match self {
            Self::Offered => login.is_somebody,
            Self::Named(names) => {
                login.is_somebody && names.iter().any(|name| name.eq_ignore_ascii_case(login.mechanism))
            }
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::Named(names) if names.is_empty())
    }
}

impl Decision {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.verdict {
            Verdict::Refuse(refusal) => Some(refusal),
            _ => None,
        }
    }
}

pub(crate) fn accepted() -> Decision {
    Decision { verdict: Verdict::Accept, rule: Rule::Nothing }
}

/// RFC 3696, section 2: no top-level domain is all digits.
fn looks_like_address(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    !last.is_empty() && last.bytes().all(|octet| octet.is_ascii_digit())
}

/// What the map has against somebody; what it has for him counts elsewhere.
fn rejection(
    found: Result<Option<Found>, AccessTrouble>,
    reject: impl FnOnce() -> Refusal,
) -> Option<Decision> {
    let Found { key, word } = match found {
        Ok(found) => found?,
        Err(trouble) => return Some(troubled(trouble)),
    };
    let verdict = match word {
        Word::Relay | Word::Ok | Word::Skip => return None,
        Word::Discard => Verdict::Discard,
        Word::Reject => Verdict::Refuse(reject()),
        Word::Refuse(refusal) => Verdict::Refuse(refusal),
    };
    Some(Decision { verdict, rule: Rule::Key(key) })
}

/// RELAY, and nothing else, relays.
fn relayed(found: Result<Option<Found>, AccessTrouble>) -> Option<Decision> {
    match found {
        Ok(Some(Found { key, word: Word::Relay })) => {
            Some(Decision { verdict: Verdict::Relay, rule: Rule::Key(key) })
        }
        Ok(_) => None,
        Err(trouble) => Some(troubled(trouble)),
    }
}

pub(crate) fn troubled(trouble: AccessTrouble) -> Decision {
    let words = "Temporary system failure. Please try again later.";
    Decision { verdict: Verdict::Refuse(denied(451, (3, 0), words)), rule: Rule::Trouble(trouble) }
}

fn by_client(from: Client<'_>, access: &dyn Access) -> Option<Decision> {
    let address = from.address.map(address_keys).unwrap_or_default();
    let by = |keys: &[String]| relayed(search(access, Tag::Connect, Untagged::Counts, keys));
    by(&address).or_else(|| by(&from.name.keys())).or_else(|| by_unknown_name(from, access))
}

/// sendmail's answer where {client_resolve} is TEMP.
fn by_unknown_name(from: Client<'_>, access: &dyn Access) -> Option<Decision> {
    let address = from.address.filter(|_| from.name == Name::Unknown && access.names_clients())?;
    let words = format!("Relaying temporarily denied. Cannot resolve PTR record for {address}");
    Some(Decision { verdict: Verdict::Refuse(denied(450, (4, 0), &words)), rule: Rule::NameUnknown })
}

impl Name<'_> {
    fn keys(self) -> Vec<String> {
        match self {
            Self::Confirmed(name) => domain_keys(name),
            Self::None | Self::Unknown => Vec::new(),
        }
    }
}

/// The name first, as sendmail does.
fn client_keys(client: Client<'_>) -> Vec<String> {
    let address = client.address.map(address_keys).unwrap_or_default();
    [client.name.keys(), address].concat()
}

/// `user@host`, `user@`, then the host.
fn mailbox_keys(mailbox: &Mailbox) -> Vec<String> {
    let user = mailbox.local.as_str().to_ascii_lowercase();
    let domain = mailbox.domain.to_string().to_ascii_lowercase();
    let hosts = match &mailbox.domain {
        Domain::Name(name) => domain_keys(name),
        Domain::Literal(address) => address_keys(*address),
    };
    let mut keys = vec![format!("{user}@{domain}"), format!("{user}@")];
    keys.extend(hosts);
    keys.extend(inner_hosts(&mailbox.local));
    keys
}

/// Where a local part that leads on would lead: what is rejected there is rejected here, too.
fn inner_hosts(local: &LocalPart) -> Vec<String> {
    let parts = local.as_str().split(['%', '@', '!']).collect::<Vec<_>>();
    if parts.len() < 2 {
        return Vec::new();
    }
    parts.into_iter().filter(|part| part.contains('.')).flat_map(domain_keys).collect()
}

fn is_at_or_below(name: &str, domain: &str) -> bool {
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(start);
    !domain.is_empty()
        && end.eq_ignore_ascii_case(domain.as_bytes())
        && (before.is_empty() || before.ends_with(b"."))
}
