//! Addresses as MAIL and RCPT carry them: paths, local parts, domains, address literals (RFC 5321 section 4.1.2).
//!
//! What parses is in one spelling: source routes are dropped (but it is told that there was one), quotation marks are
//! where they are needed and nowhere else. Octets beyond ASCII are refused, for SMTPUTF8 is not offered. Not here: what
//! a domain means. A local part that would be an address once more at some relay (`user%domain`, `"user@domain"`,
//! `host!user`) stays as it is and says so, so that a relay policy can refuse it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a path is none. No octet of it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// No angle brackets, or not in pairs.
    #[error("an address stands in angle brackets")]
    Brackets,
    /// An octet beyond ASCII.
    #[error("an octet beyond ASCII in an address")]
    NotAscii,
    /// No local part, or not one.
    #[error("not a local part")]
    LocalPart,
    /// A local part without a domain.
    #[error("a local part without a domain")]
    NoDomain,
    /// Not a domain and not an address literal.
    #[error("not a domain")]
    Domain,
    /// Not a source route.
    #[error("not a source route")]
    Route,
    /// Longer than RFC 5321 section 4.5.3.1 asks a server to take.
    #[error("an address, or a part of it, that is too long")]
    TooLong,
}

/// The sender's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReversePath {
    /// `<>`: nobody, as reports are sent.
    Null,
    /// A mailbox.
    Mailbox(Path),
}

/// A recipient's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every server accepts (RFC 5321 section 4.5.1).
    Postmaster,
    /// A mailbox.
    Mailbox(Path),
}

/// A mailbox, and whether a source route led to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// The mailbox behind the route, if there was one.
    pub mailbox: Mailbox,
    /// Whether there was a route.
    pub routing: Routing,
}

/// Whether a path had a source route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Routing {
    /// It had none.
    Direct,
    /// It had one. RFC 5321 appendix C: a server takes it and ignores it.
    Dropped,
}

/// `local-part@domain`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mailbox {
    /// The part before the last `@`.
    pub local: LocalPart,
    /// The part behind it.
    pub domain: Domain,
}

/// A local part, without quotation marks and backslashes: `"a\b"` and `ab` are one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LocalPart(String);

/// A domain. Two that differ in case only are equal.
#[derive(Clone, Debug)]
pub enum Domain {
    /// A name, in the spelling that was given.
    Name(String),
    /// An address literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
}

impl ReversePath {
    /// Reads a path from the start of the octets, and gives what is behind it.
    pub fn parse(octets: &[u8]) -> Result<(Self, &[u8]), AddressError> {
        let (path, rest) = read_path(octets)?;
        match path {
            Found::Nobody => Ok((Self::Null, rest)),
            Found::Local(_) => Err(AddressError::NoDomain),
            Found::Path(path) => Ok((Self::Mailbox(path), rest)),
        }
    }
}

impl ForwardPath {
    /// Reads a path from the start of the octets, and gives what is behind it.
    pub fn parse(octets: &[u8]) -> Result<(Self, &[u8]), AddressError> {
        let (path, rest) = read_path(octets)?;
        match path {
            Found::Nobody => Err(AddressError::LocalPart),
            Found::Local(local) if local.0.eq_ignore_ascii_case("postmaster") => Ok((Self::Postmaster, rest)),
            Found::Local(_) => Err(AddressError::NoDomain),
            Found::Path(path) => Ok((Self::Mailbox(path), rest)),
        }
    }
}

impl Mailbox {
    /// Reads a mailbox that is the whole of the octets.
    pub fn parse(octets: &[u8]) -> Result<Self, AddressError> {
        let mut cursor = Cursor { rest: octets };
        let local = cursor.local_part()?;
        if !cursor.take(b'@') {
            return Err(if cursor.rest.is_empty() {
                AddressError::NoDomain
            } else {
                AddressError::LocalPart
            });
        }
        let domain = cursor.domain()?;
        if cursor.rest.is_empty() { Ok(Self { local, domain }) } else { Err(AddressError::Domain) }
    }
}

impl LocalPart {
    /// One of its characters, without quotation marks.
    pub(crate) fn of(octets: Vec<u8>) -> Result<Self, AddressError> {
        if octets.len() > MAX_LOCAL_PART {
            return Err(AddressError::TooLong);
        }
        let text = String::from_utf8(octets).map_err(|_| AddressError::LocalPart)?;
        let is_printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if is_printable { Ok(Self(text)) } else { Err(AddressError::LocalPart) }
    }

    /// Its characters, without quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some relay would read an address out of it: the percent hack, a bang path, an `@` that was quoted.
    pub fn may_lead_on(&self) -> bool {
        self.0.contains(['%', '!', '@'])
    }
}

impl Domain {
    /// Reads a domain or address literal that is the whole of the octets.
    pub fn parse(octets: &[u8]) -> Result<Self, AddressError> {
        let mut cursor = Cursor { rest: octets };
        let domain = cursor.domain()?;
        if cursor.rest.is_empty() { Ok(domain) } else { Err(AddressError::Domain) }
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Literal(one), Self::Literal(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Domain {}

impl fmt::Display for ReversePath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(path) => write!(f, "<{}>", path.mailbox),
        }
    }
}

impl fmt::Display for ForwardPath {
    /// With its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(path) => write!(f, "<{}>", path.mailbox),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Display for LocalPart {
    /// Quoted only where it has to be (RFC 5321 section 4.1.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        let quoted = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{quoted}\"")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// What can stand in angle brackets.
enum Found {
    Nobody,
    Local(LocalPart),
    Path(Path),
}

fn read_path(octets: &[u8]) -> Result<(Found, &[u8]), AddressError> {
    let mut cursor = Cursor { rest: octets };
    // No path ends at such an octet: if this is none, then because of it.
    let found =
        cursor.path().map_err(|fault| if octets.is_ascii() { fault } else { AddressError::NotAscii })?;
    let length = octets.len() - cursor.rest.len();
    if length > MAX_PATH { Err(AddressError::TooLong) } else { Ok((found, cursor.rest)) }
}

/// Reads from the front and cannot go past the end.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn path(&mut self) -> Result<Found, AddressError> {
        if !self.take(b'<') {
            return Err(AddressError::Brackets);
        }
        if self.take(b'>') {
            return Ok(Found::Nobody);
        }
        let routing = self.route()?;
        let local = self.local_part()?;
        if self.take(b'>') {
            return if routing == Routing::Direct {
                Ok(Found::Local(local))
            } else {
                Err(AddressError::Route)
            };
        }
        if !self.take(b'@') {
            return Err(AddressError::LocalPart);
        }
        let domain = self.domain()?;
        let path = Path { mailbox: Mailbox { local, domain }, routing };
        if self.take(b'>') { Ok(Found::Path(path)) } else { Err(self.no_bracket()) }
    }

    /// `@one,@two:`
    fn route(&mut self) -> Result<Routing, AddressError> {
        if !self.take(b'@') {
            return Ok(Routing::Direct);
        }
        loop {
            self.domain()?;
            match self.next() {
                Some(b':') => return Ok(Routing::Dropped),
                Some(b',') if self.take(b'@') => {}
                _ => return Err(AddressError::Route),
            }
        }
    }

    fn local_part(&mut self) -> Result<LocalPart, AddressError> {
        let local = if self.take(b'"') { self.quoted()? } else { self.dot_string()? };
        if local.len() > MAX_LOCAL_PART { Err(AddressError::TooLong) } else { Ok(LocalPart(local)) }
    }

    /// Behind the first quotation mark, up to and over the second.
    fn quoted(&mut self) -> Result<String, AddressError> {
        let mut text = String::new();
        loop {
            let octet = match self.next().ok_or(AddressError::LocalPart)? {
                b'"' => return Ok(text),
                b'\\' => self.next().ok_or(AddressError::LocalPart)?,
                octet => octet,
            };
            if !matches!(octet, b' '..=b'~') {
                return Err(AddressError::LocalPart);
            }
            text.push(char::from(octet));
        }
    }

    fn dot_string(&mut self) -> Result<String, AddressError> {
        let text = self.text(|octet| is_atom(octet) || octet == b'.');
        if is_dot_string(&text) { Ok(text) } else { Err(AddressError::LocalPart) }
    }

    fn domain(&mut self) -> Result<Domain, AddressError> {
        if self.take(b'[') {
            return self.literal().map(Domain::Literal);
        }
        let name = self.text(|octet| is_label(octet) || octet == b'.');
        if name.len() > MAX_DOMAIN {
            return Err(AddressError::TooLong);
        }
        if is_domain(&name) { Ok(Domain::Name(name)) } else { Err(AddressError::Domain) }
    }

    /// Behind the bracket, up to and over the second (RFC 5321 section 4.1.3; no other kind was ever registered).
    fn literal(&mut self) -> Result<IpAddr, AddressError> {
        let text = self.text(|octet| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b':');
        if !self.take(b']') {
            return Err(AddressError::Domain);
        }
        let address = match text.split_at_checked(IPV6_TAG.len()) {
            Some((tag, address)) if tag.eq_ignore_ascii_case(IPV6_TAG) => {
                address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
            }
            _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        address.ok_or(AddressError::Domain)
    }

    /// What is wrong where a bracket should be: the domain goes on, or everything is at its end.
    fn no_bracket(&self) -> AddressError {
        if self.rest.is_empty() { AddressError::Brackets } else { AddressError::Domain }
    }

    fn text(&mut self, belongs: impl Fn(u8) -> bool) -> String {
        let length = self.rest.iter().take_while(|&&octet| belongs(octet)).count();
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        text.iter().copied().map(char::from).collect()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let Some(rest) = self.rest.strip_prefix(&[wanted]) else { return false };
        self.rest = rest;
        true
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }
}

/// RFC 5321's Dot-string.
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

/// RFC 5322's atext.
fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

fn is_domain(name: &str) -> bool {
    name.split('.').all(|label| {
        (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// RFC 5321 has no underscore in a domain; hosts that send mail have.
fn is_label(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_'
}

const IPV6_TAG: &str = "IPv6:";
/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 section 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// RFC 1035 section 2.3.4.
const MAX_LABEL: usize = 63;
/// RFC 5321 section 4.5.3.1.3, with brackets and route.
const MAX_PATH: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(text: &str) -> Result<String, AddressError> {
        ForwardPath::parse(text.as_bytes()).map(|(path, rest)| {
            assert_eq!(rest, b"", "{text}");
            path.to_string()
        })
    }

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_a_path() {
        for (text, printed) in [
            ("<alice@example.com>", "<alice@example.com>"),
            ("<A.b+c{d}@Example.COM>", "<A.b+c{d}@Example.COM>"),
            ("<postMaster>", "<Postmaster>"),
            ("<\"alice\"@example.com>", "<alice@example.com>"),
            ("<\"a\\lice\"@example.com>", "<alice@example.com>"),
            ("<\"a b\"@example.com>", "<\"a b\"@example.com>"),
            ("<\"a\\\"\\\\>b\"@example.com>", "<\"a\\\"\\\\>b\"@example.com>"),
            ("<\"\"@example.com>", "<\"\"@example.com>"),
            ("<\".a\"@example.com>", "<\".a\"@example.com>"),
            ("<a@[192.0.2.1]>", "<a@[192.0.2.1]>"),
            ("<a@[ipv6:2001:DB8::1]>", "<a@[IPv6:2001:db8::1]>"),
            ("<a@mail_1.example>", "<a@mail_1.example>"),
            ("<@one.example,@[192.0.2.1]:a@two.example>", "<a@two.example>"),
            ("<u%remote@example.com>", "<u%remote@example.com>"),
            ("<\"u@remote\"@example.com>", "<\"u@remote\"@example.com>"),
        ] {
            assert_eq!(forward(text).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        use AddressError::{Brackets, Domain, LocalPart, NoDomain, NotAscii, Route, TooLong};
        let long = |count: usize| "x".repeat(count);
        for (text, error) in [
            ("", Brackets),
            ("a@b", Brackets),
            ("<a@b", Brackets),
            ("<", LocalPart),
            ("<>", LocalPart),
            ("<alice>", NoDomain),
            ("<@b>", Route),
            ("<@a:postmaster>", Route),
            ("<@a,b:c@d>", Route),
            ("<a@>", Domain),
            ("<.a@b>", LocalPart),
            ("<a.@b>", LocalPart),
            ("<a..b@c>", LocalPart),
            ("<a b@c>", LocalPart),
            ("<a\u{7}@c>", LocalPart),
            ("<\"a@c>", LocalPart),
            ("<\"a\tb\"@c>", LocalPart),
            ("<\"a\"b@c>", LocalPart),
            ("<a@b@c>", Domain),
            ("<a@b.>", Domain),
            ("<a@.b>", Domain),
            ("<a@b..c>", Domain),
            ("<a@-b>", Domain),
            ("<a@b->", Domain),
            ("<a@[192.0.2.256]>", Domain),
            ("<a@[192.0.2.01]>", Domain),
            ("<a@[IPv6:192.0.2.1]>", Domain),
            ("<a@[2001:db8::1]>", Domain),
            ("<a@[192.0.2.1>", Domain),
            ("<a@[192.0.2.1]x>", Domain),
            ("<\u{e4}@b>", NotAscii),
            ("<a@ex\u{430}mple.com>", NotAscii),
            (&format!("<{}@b>", long(65)), TooLong),
            (&format!("<a@{}>", long(64)), Domain),
            (&format!("<a@{}x>", "x.".repeat(128)), TooLong),
            (&format!("<{}@{}>", long(60), ["x"; 100].join(".")), TooLong),
        ] {
            assert_eq!(forward(text), Err(error), "{text}");
        }
        assert!(forward(&format!("<{}@b>", long(64))).is_ok());
        assert!(forward(&format!("<a@{}>", long(63))).is_ok());
    }

    #[test]
    fn the_null_path_is_a_sender_only() {
        assert_eq!(ReversePath::parse(b"<> SIZE=1"), Ok((ReversePath::Null, &b" SIZE=1"[..])));
        assert_eq!(ReversePath::parse(b"<postmaster>"), Err(AddressError::NoDomain));
        assert_eq!(ForwardPath::parse(b"<>"), Err(AddressError::LocalPart));
    }

    #[test]
    fn what_leads_on_is_seen() {
        for (text, leads) in [
            ("u%remote.example@mail.example", true),
            ("\"u@remote.example\"@mail.example", true),
            ("\"u\\@remote.example\"@mail.example", true),
            ("remote!u@mail.example", true),
            ("u+remote@mail.example", false),
        ] {
            assert_eq!(mailbox(text).local.may_lead_on(), leads, "{text}");
        }
        let (path, _) = ForwardPath::parse(b"<@a:b@c>").unwrap();
        assert!(matches!(path, ForwardPath::Mailbox(Path { routing: Routing::Dropped, .. })));
    }

    #[test]
    fn domains_are_equal_without_regard_to_case() {
        assert_eq!(mailbox("a@Example.COM"), mailbox("a@example.com"));
        assert_ne!(mailbox("A@example.com"), mailbox("a@example.com"));
        assert_ne!(mailbox("a@[192.0.2.1]"), mailbox("a@192.0.2.1"));
    }

    fn local() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z%!+]{1,8}(\\.[a-z]{1,4}){0,2}", "[ -~]{0,20}"]
    }

    proptest! {
        #[test]
        fn printed_and_parsed_again_it_is_the_same(
            local in local(),
            domain in "[a-zA-Z0-9]{1,8}(\\.[a-z0-9]{1,3}){0,3}",
            address in any::<u128>(),
            literal in any::<bool>(),
        ) {
            let literal = literal.then(|| Domain::Literal(Ipv6Addr::from(address).into()));
            let domain = literal.unwrap_or(Domain::Name(domain));
            let mailbox = Mailbox { local: LocalPart(local), domain };
            prop_assert_eq!(Mailbox::parse(mailbox.to_string().as_bytes()), Ok(mailbox.clone()));
            let path = format!("<@x.example:{mailbox}>");
            let (back, rest) = ForwardPath::parse(path.as_bytes()).unwrap();
            prop_assert_eq!(rest, b"");
            prop_assert_eq!(back.to_string(), format!("<{mailbox}>"));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"<<>>@@\"\\.,:[]a1"[..])], 0..40,
        )) {
            if let Ok((path, _)) = ForwardPath::parse(&octets) {
                let printed = path.to_string();
                prop_assert!(printed.bytes().all(|octet| matches!(octet, b' '..=b'~')));
                prop_assert_eq!(forward(&printed), Ok(printed));
            }
            let _ = ReversePath::parse(&octets);
        }
    }
}
