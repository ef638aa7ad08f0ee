//! From which addresses somebody who has logged in may send: `submission.senders` (RFC 6409, section 6.1). Pure: an address,
//! an identity and a map go in, a yes or no and what decided come out.
//!
//! The identity is the one that the session acts for (`authorization`). By `own` it may send from the address that is
//! spelled as itself, local part as it stands, domain in either case. By a map, which has the form of Postfix's
//! smtpd_sender_login_maps, from each address whose entry lists it; of these keys the first that the map has decides:
//!
//! 1. `user+detail@domain`
//! 2. `user@domain`
//! 3. `user+detail`, `user`: where the domain is a local one
//! 4. `@domain`
//!
//! The value is a list of identities with commas or blanks between; one without `@` is of the default realm. The null sender
//! is everybody's: reports are sent so.

use smtp::address::{Domain, Mailbox, ReversePath};
use smtp::mailbox::addresses;

use crate::access::{Access, AccessTrouble, denied};
use crate::header::{Claims, SenderField};
use crate::may_relay::{Decision, Rule, Verdict, accepted, troubled};

/// What holds for senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderRules {
    /// Every address is everybody's.
    Any,
    /// The address that is spelled as the identity.
    Own,
    /// What the map says.
    Map {
        /// Of identities without a realm.
        default_realm: String,
    },
}

/// Whether an address is an identity's, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// Whether.
    pub owner: Owner,
    /// `any`, `own`, the key that the map has, or that it has none.
    pub by: String,
}

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Who asks.
    Asker,
    /// Somebody else, or nobody.
    Other,
}

/// Who has logged in, as far as it counts here.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Whom he acts for; `None`: he has logged in as nobody (ANONYMOUS), and no address is nobody's.
    pub identity: Option<&'a str>,
    /// Domains whose addresses the map may name without their domain.
    pub local_domains: &'a [String],
}

impl SenderRules {
    /// Whether mail from a sender is taken from somebody.
    pub fn envelope(&self, from: &ReversePath, sender: Sender<'_>, map: &dyn Access) -> Decision {
        let ReversePath::Mailbox(path) = from else { return accepted() };
        let refusal = |who: &str| denied(553, (7, 1), &format!("{from}... Sender address rejected: {who}"));
        self.of(std::slice::from_ref(&path.mailbox), sender, map, |_, who| refusal(who))
    }

    /// Whether a message whose header names these senders is taken from somebody. Every address of From, Sender and their
    /// likes has to be his: programs differ in which of them they show. One From has to be there, since whoever takes the message
    /// further may put one in (RFC 5322, section 3.6).
    pub(crate) fn header(&self, claims: Claims<'_>, sender: Sender<'_>, map: &dyn Access) -> Decision {
        if *self == Self::Any {
            return accepted();
        }
        let Claims { fields, control } = claims;
        if let Some(octet) = control {
            let words = format!("Header rejected: it holds the control octet 0x{octet:02X}");
            let rule = Rule::Senders("control octet".to_owned());
            return Decision { verdict: Verdict::Refuse(denied(550, (7, 1), &words)), rule };
        }
        if !fields.iter().any(|field| field.name.eq_ignore_ascii_case("from")) {
            let refusal = denied(550, (7, 1), "From: rejected: the message has none");
            return Decision { verdict: Verdict::Refuse(refusal), rule: Rule::Senders("missing".to_owned()) };
        }
        for SenderField { name, body } in fields {
            let decision = match addresses(body) {
                Ok(found) => self.of(&found, sender, map, |address, who| {
                    denied(550, (7, 1), &format!("{name}: <{address}> rejected: {who}"))
                }),
                Err(error) => {
                    let refusal = denied(550, (7, 1), &format!("{name}: rejected: {error}"));
                    let rule = Rule::Senders("unreadable".to_owned());
                    Decision { verdict: Verdict::Refuse(refusal), rule }
                }
            };
            if decision.refusal().is_some() {
                return decision;
            }
        }
        accepted()
    }

    fn of(
        &self,
        addresses: &[Mailbox],
        sender: Sender<'_>,
        map: &dyn Access,
        refuse: impl Fn(&Mailbox, &str) -> smtp::Refusal,
    ) -> Decision {
        let who = sender.identity.unwrap_or("nobody");
        for address in addresses {
            match self.owner(address, sender, map) {
                Ok(Ownership { owner: Owner::Asker, .. }) => {}
                Ok(Ownership { owner: Owner::Other, by }) => {
                    let refusal = refuse(address, &format!("not owned by user {who}"));
                    return Decision { verdict: Verdict::Refuse(refusal), rule: Rule::Senders(by) };
                }
                Err(trouble) => return troubled(trouble),
            }
        }
        accepted()
    }

    /// Whose an address is, seen from somebody.
    ///
    /// # Errors
    /// The map cannot be read now.
    pub fn owner(
        &self,
        address: &Mailbox,
        sender: Sender<'_>,
        map: &dyn Access,
    ) -> Result<Ownership, AccessTrouble> {
        let Sender { identity, local_domains } = sender;
        match self {
            Self::Any => Ok(Ownership { owner: Owner::Asker, by: "any".to_owned() }),
            Self::Own => {
                let is_own = identity.is_some_and(|identity| is_spelled_as(address, identity));
                Ok(Ownership { owner: Owner::of(is_own), by: "own".to_owned() })
            }
            Self::Map { default_realm } => {
                for key in keys(address, local_domains) {
                    let Some(value) = map.look_up(&key)? else { continue };
                    let mut logins = value.split([',', ' ', '\t']).filter(|login| !login.is_empty());
                    let is_listed = identity.is_some_and(|identity| {
                        logins.any(|login| is_same_identity(login, identity, default_realm))
                    });
                    return Ok(Ownership { owner: Owner::of(is_listed), by: key });
                }
                Ok(Ownership { owner: Owner::Other, by: "no entry".to_owned() })
            }
        }
    }
}

impl Owner {
    fn of(is_own: bool) -> Self {
        if is_own { Self::Asker } else { Self::Other }
    }
}

/// No detail is taken off: who else is `user+detail` here only the store knows.
fn is_spelled_as(address: &Mailbox, identity: &str) -> bool {
    let (Some((user, realm)), Domain::Name(domain)) = (identity.rsplit_once('@'), &address.domain) else {
        return false;
    };
    address.local.as_str() == user && domain.eq_ignore_ascii_case(realm)
}

pub(crate) fn is_same_identity(login: &str, identity: &str, default_realm: &str) -> bool {
    let (user, realm) = login.rsplit_once('@').unwrap_or((login, default_realm));
    let known = identity.rsplit_once('@');
    known.is_some_and(|(known, of)| known == user && of.eq_ignore_ascii_case(realm))
}

fn keys(address: &Mailbox, local_domains: &[String]) -> Vec<String> {
    let domain = address.domain.to_string();
    let whole = address.local.to_string();
    // What needs quotation marks may hold an `@`, and be another address without them.
    let is_plain = whole == address.local.as_str() && !address.local.may_lead_on();
    let base = whole.split_once('+').map(|(base, _)| base).filter(|base| is_plain && !base.is_empty());
    let locals = || std::iter::once(whole.as_str()).chain(base);
    let mut keys: Vec<_> = locals().map(|local| format!("{local}@{domain}")).collect();
    if is_plain && local_domains.iter().any(|local| local.eq_ignore_ascii_case(&domain)) {
        keys.extend(locals().map(str::to_owned));
    }
    // And it might be somebody of another domain to who reads it so.
    keys.extend(is_plain.then(|| format!("@{domain}")));
    keys
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Table(BTreeMap<String, String>);

    impl Access for Table {
        fn look_up(&self, key: &str) -> Result<Option<String>, AccessTrouble> {
            Ok(self.0.get(&key.to_ascii_lowercase()).cloned())
        }
    }

    struct Broken;

    impl Access for Broken {
        fn look_up(&self, _key: &str) -> Result<Option<String>, AccessTrouble> {
            Err(AccessTrouble("damaged".to_owned()))
        }
    }

    fn check(rules: &SenderRules, map: &[(&str, &str)], rows: &[(&str, &str, Owner, &str)]) {
        let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let map = Table(map.iter().map(entry).collect());
        for (address, identity, owner, by) in rows {
            let mailbox = Mailbox::parse(address.as_bytes()).unwrap();
            let identity = Some(*identity).filter(|identity| !identity.is_empty());
            let sender = Sender { identity, local_domains: &["gate.test".to_owned()] };
            let found = rules.owner(&mailbox, sender, &map).unwrap();
            let expected = Ownership { owner: *owner, by: (*by).to_owned() };
            assert_eq!(found, expected, "{address} {identity:?}");
        }
    }

    #[test]
    fn own_is_what_is_spelled_as_the_identity() {
        use Owner::{Asker, Other};
        check(
            &SenderRules::Own,
            &[],
            &[
                ("alice@gate.test", "alice@gate.test", Asker, "own"),
                ("alice@Gate.TEST", "alice@gate.test", Asker, "own"),
                ("\"alice\"@gate.test", "alice@gate.test", Asker, "own"),
                ("\"al ice\"@gate.test", "al ice@gate.test", Asker, "own"),
                ("Alice@gate.test", "alice@gate.test", Other, "own"),
                ("alice+x@gate.test", "alice@gate.test", Other, "own"),
                ("alice@sub.gate.test", "alice@gate.test", Other, "own"),
                ("alice@gate.test.evil", "alice@gate.test", Other, "own"),
                ("bob@gate.test", "alice@gate.test", Other, "own"),
                ("alice%gate.test@gate.test", "alice@gate.test", Other, "own"),
                ("\"alice@gate.test\"@gate.test", "alice@gate.test", Other, "own"),
                ("\"alice@gate.test\"@gate.test", "alice@gate.test@gate.test", Asker, "own"),
                ("alice@[192.0.2.1]", "alice@192.0.2.1", Other, "own"),
                ("alice@gate.test", "anonymous", Other, "own"),
                ("alice@gate.test", "", Other, "own"),
            ],
        );
        check(&SenderRules::Any, &[], &[("bob@far.test", "", Asker, "any")]);
    }

    #[test]
    fn a_map_is_read_as_postfix_reads_it() {
        use Owner::{Asker, Other};
        let map = [
            ("info@gate.test", "alice@gate.test, bob@gate.test"),
            ("alice@gate.test", "alice"),
            ("alice+list@gate.test", "bob"),
            ("postmaster", "carol\tdave@other.test"),
            ("@club.test", "alice bob"),
            ("ceo@club.test", "ceo"),
            ("ceo@bank.test", "alice"),
        ];
        let rules = SenderRules::Map { default_realm: "gate.test".to_owned() };
        check(
            &rules,
            &map,
            &[
                ("info@gate.test", "alice@gate.test", Asker, "info@gate.test"),
                ("Info@Gate.test", "bob@Gate.test", Asker, "Info@Gate.test"),
                ("info@gate.test", "carol@gate.test", Other, "info@gate.test"),
                ("info@gate.test", "alice@other.test", Other, "info@gate.test"),
                ("alice@gate.test", "alice@gate.test", Asker, "alice@gate.test"),
                ("alice@gate.test", "Alice@gate.test", Other, "alice@gate.test"),
                ("alice+shop@gate.test", "alice@gate.test", Asker, "alice@gate.test"),
                ("alice+list@gate.test", "alice@gate.test", Other, "alice+list@gate.test"),
                ("alice+list@gate.test", "bob@gate.test", Asker, "alice+list@gate.test"),
                ("+x@gate.test", "alice@gate.test", Other, "no entry"),
                ("postmaster@gate.test", "carol@gate.test", Asker, "postmaster"),
                ("postmaster+x@gate.test", "dave@other.test", Asker, "postmaster"),
                ("postmaster@far.test", "carol@gate.test", Other, "no entry"),
                ("any@club.test", "bob@gate.test", Asker, "@club.test"),
                ("ceo@club.test", "bob@gate.test", Other, "ceo@club.test"),
                ("any@sub.club.test", "bob@gate.test", Other, "no entry"),
                ("\"ceo@bank.test\"@gate.test", "alice@gate.test", Other, "no entry"),
                ("alice@gate.test", "", Other, "alice@gate.test"),
            ],
        );
        let address = Mailbox::parse(b"a@b.test").unwrap();
        let sender = Sender { identity: Some("a@b.test"), local_domains: &[] };
        assert!(rules.owner(&address, sender, &Broken).is_err());
    }

    #[test]
    fn each_address_of_each_field_has_to_be_his() {
        let said = |fields: &[(&'static str, &str)],
                    identity: Option<&str>,
                    map: &dyn Access,
                    rules: &SenderRules| {
            let field =
                |(name, body): &(&'static str, &str)| SenderField { name, body: body.as_bytes().to_vec() };
            let fields: Vec<_> = fields.iter().map(field).collect();
            let claims = Claims { fields: &fields, control: None };
            let decision = rules.header(claims, Sender { identity, local_domains: &[] }, map);
            decision.refusal().map_or("taken".to_owned(), |refusal| refusal.reply().to_string())
        };
        let none = Table(BTreeMap::new());
        let own =
            |fields: &[(&'static str, &str)]| said(fields, Some("alice@gate.test"), &none, &SenderRules::Own);
        let has_none = "550 5.7.1 From: rejected: the message has none";
        assert_eq!(own(&[]), has_none);
        assert_eq!(own(&[("Sender", "alice@gate.test")]), has_none);
        assert_eq!(own(&[("From", " Alice <alice@gate.test>\r\n"), ("Sender", "alice@Gate.test")]), "taken");
        let bob = "550 5.7.1 From: <bob@gate.test> rejected: not owned by user alice@gate.test";
        assert_eq!(own(&[("From", "alice@gate.test, bob@gate.test")]), bob);
        assert_eq!(own(&[("From", "alice@gate.test"), ("From", "Us: bob@gate.test;")]), bob);
        assert_eq!(
            own(&[("From", "alice@gate.test"), ("Sender", "bob@gate.test")]),
            bob.replace("From", "Sender")
        );
        assert_eq!(
            own(&[("From", "ceo@bank.test <alice@gate.test>")]),
            "550 5.7.1 From: rejected: no list of addresses"
        );
        assert_eq!(own(&[("From", "")]), "550 5.7.1 From: rejected: no address");
        let nobody = said(&[("From", "alice@gate.test")], None, &none, &SenderRules::Own);
        assert_eq!(nobody, "550 5.7.1 From: <alice@gate.test> rejected: not owned by user nobody");
        assert_eq!(said(&[("From", "(")], None, &none, &SenderRules::Any), "taken");
        let map = SenderRules::Map { default_realm: "gate.test".to_owned() };
        let later = said(&[("From", "alice@gate.test")], Some("alice@gate.test"), &Broken, &map);
        assert!(later.starts_with("451 4.3.0 "), "{later}");
    }

    #[test]
    fn a_header_that_programs_read_differently_is_nobodys() {
        let fields = [SenderField { name: "From", body: b" alice@gate.test\r\n".to_vec() }];
        let alice = Sender { identity: Some("alice@gate.test"), local_domains: &[] };
        let said = |rules: &SenderRules, control| {
            let decision = rules.header(Claims { fields: &fields, control }, alice, &Broken);
            decision.refusal().map(|refusal| refusal.reply().to_string())
        };
        let words = "550 5.7.1 Header rejected: it holds the control octet 0x00";
        assert_eq!(said(&SenderRules::Own, Some(0)).as_deref(), Some(words));
        assert_eq!(said(&SenderRules::Own, None), None);
        assert_eq!(said(&SenderRules::Any, Some(0)), None);
    }

    #[test]
    fn the_null_sender_is_everybodys() {
        let from = |path: &str| ReversePath::parse(path.as_bytes()).unwrap().0;
        let alice = Sender { identity: Some("alice@gate.test"), local_domains: &[] };
        let said = |path: &str, sender| SenderRules::Own.envelope(&from(path), sender, &Broken);
        assert_eq!(said("<>", alice), accepted());
        assert_eq!(said("<alice@gate.test>", alice), accepted());
        let refused = said("<bob@gate.test>", alice);
        assert_eq!(
            refused.refusal().unwrap().reply().to_string(),
            "553 5.7.1 <bob@gate.test>... Sender address rejected: not owned by user alice@gate.test"
        );
        assert_eq!(refused.rule, Rule::Senders("own".to_owned()));
    }
}
