//! Commands and their arguments (RFC 5321 section 4.1; AUTH: RFC 4954; STARTTLS: RFC 3207; ETRN: RFC 1985; SIZE: RFC
//! 1870; BODY: RFC 6152).
//!
//! A verb is known before its argument is read: whether a command may come now is decided first, as sendmail does, and
//! a client learns nothing about an argument that nobody wanted. Not here: the order of commands, and the replies.

use crate::address::{AddressError, Domain, ForwardPath, ReversePath};
use crate::auth::{self, NotBase64};
use crate::xtext;
use credential::Secret;

/// What a command begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Ehlo,
    Helo,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    Etrn,
    StartTls,
    Auth,
    /// A word of HTTP, or USER of POP3 and FTP: what a page in a browser can be made to send to a mail server.
    Stray,
    Unknown,
}

/// How a client greeted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Greeting {
    /// With extensions.
    Ehlo,
    /// Without.
    Helo,
}

/// What MAIL says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// Who sends.
    pub from: ReversePath,
    /// SIZE=: how many octets the client thinks it will send.
    pub size: Option<u64>,
    /// BODY=.
    pub body: Body,
    /// AUTH=: who submitted the message first, if the client is to be believed (RFC 4954 section 5).
    pub submitter: Option<Submitter>,
}

/// What the body of a message may hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Body {
    /// BODY=7BIT, or nothing said.
    #[default]
    SevenBit,
    /// BODY=8BITMIME.
    EightBitMime,
}

/// The value of AUTH= on MAIL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Submitter {
    /// `<>`: not known, or not believed.
    Unknown,
    /// A name: printable ASCII, decoded from xtext. Often, but not always, a mailbox.
    Named(String),
}

/// What AUTH says.
pub(crate) struct Auth {
    /// In the client's spelling; perhaps no mechanism at all.
    pub(crate) mechanism: String,
    /// The initial response.
    pub(crate) initial: Result<Option<Secret>, NotBase64>,
}

/// What is wrong with an argument.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ArgumentFault {
    /// There is one where none may be.
    NotWanted,
    /// `FROM:` or `TO:` is missing.
    Keyword,
    /// See [`AddressError`].
    Address(AddressError),
    /// A parameter that is not known.
    Unrecognized(String),
    /// A parameter a second time.
    Duplicate(Parameter),
    /// A parameter without its value.
    NoValue(Parameter),
    /// A parameter with a value that is none.
    BadValue(Parameter),
}

/// A parameter of MAIL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parameter {
    Size,
    Body,
    Auth,
}

impl Parameter {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::Body => "BODY",
            Self::Auth => "AUTH",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        [Self::Size, Self::Body, Self::Auth]
            .into_iter()
            .find(|parameter| name.eq_ignore_ascii_case(parameter.name().as_bytes()))
    }
}

/// Parts a line into its verb and, without the blanks between, the rest.
pub(crate) fn split(line: &[u8]) -> (Verb, &[u8]) {
    let (word, rest) = word(line);
    let verb = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    (verb.map_or(Verb::Unknown, |&(_, verb)| verb), rest)
}

/// Whether a line, of which perhaps only the start is there, is AUTH: such a line may be long.
pub(crate) fn is_auth(start: &[u8]) -> bool {
    start.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH"))
        && start.get(4).copied().is_some_and(is_blank)
}

/// The argument of a command that has none.
pub(crate) fn nothing(argument: &[u8]) -> Result<(), ArgumentFault> {
    if argument.trim_ascii_end().is_empty() { Ok(()) } else { Err(ArgumentFault::NotWanted) }
}

/// The name that EHLO or HELO gives: what sendmail lets pass, which is more than a domain or a literal. Hosts are
/// called as they are called.
pub(crate) fn host_name(argument: &[u8]) -> Result<String, HostFault> {
    let name = argument.trim_ascii_end();
    let is_good = name.iter().all(|&octet| octet.is_ascii_alphanumeric() || b"[].-_#:".contains(&octet));
    match (name.len(), is_good) {
        (0, _) => Err(HostFault::Missing),
        (1..=MAX_HOST, true) => Ok(name.iter().copied().map(char::from).collect()),
        _ => Err(HostFault::Invalid),
    }
}

/// What is wrong with the name in EHLO.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HostFault {
    Missing,
    Invalid,
}

/// The argument of MAIL.
pub(crate) fn mail(argument: &[u8]) -> Result<Mail, ArgumentFault> {
    let path = keyword(argument, b"FROM:")?;
    let (from, rest) = ReversePath::parse(path).map_err(ArgumentFault::Address)?;
    let mut mail = Mail { from, size: None, body: Body::default(), submitter: None };
    let mut seen = Vec::new();
    for written in parameters(rest)? {
        let (name, value) = name_and_value(written);
        let parameter = Parameter::named(name).ok_or_else(|| unrecognized(name))?;
        if seen.contains(&parameter) {
            return Err(ArgumentFault::Duplicate(parameter));
        }
        seen.push(parameter);
        let value = value.filter(|value| !value.is_empty()).ok_or(ArgumentFault::NoValue(parameter))?;
        // To sendmail a second = ends the value, and begins a parameter that nobody knows.
        if let Some(at) = memchr::memchr(b'=', value) {
            return Err(unrecognized(&value[at + 1..]));
        }
        mail.set(parameter, value)?;
    }
    Ok(mail)
}

/// The argument of RCPT. None of the extensions that are offered has a parameter for it.
pub(crate) fn rcpt(argument: &[u8]) -> Result<ForwardPath, ArgumentFault> {
    let path = keyword(argument, b"TO:")?;
    let (to, rest) = ForwardPath::parse(path).map_err(ArgumentFault::Address)?;
    match parameters(rest)?.next() {
        Some(written) => Err(unrecognized(name_and_value(written).0)),
        None => Ok(to),
    }
}

/// The argument of AUTH; none without a mechanism.
pub(crate) fn auth(argument: &[u8]) -> Option<Auth> {
    let (mechanism, rest) = word(argument);
    let mechanism = String::from_utf8_lossy(mechanism).into_owned();
    (!mechanism.is_empty()).then(|| Auth { mechanism, initial: auth::initial(rest) })
}

/// The argument of ETRN: a domain, or one with `@` (and all below it) or `#` (a queue) before it.
pub(crate) fn etrn(argument: &[u8]) -> Option<String> {
    let node = argument.trim_ascii_end();
    let name = node.strip_prefix(b"@").or_else(|| node.strip_prefix(b"#")).unwrap_or(node);
    let known = Domain::parse(name).is_ok();
    known.then(|| String::from_utf8_lossy(node).into_owned())
}

impl Mail {
    fn set(&mut self, parameter: Parameter, value: &[u8]) -> Result<(), ArgumentFault> {
        let bad = ArgumentFault::BadValue(parameter);
        match parameter {
            Parameter::Size => self.size = Some(number(value).ok_or(bad)?),
            Parameter::Body => self.body = body(value).ok_or(bad)?,
            Parameter::Auth => self.submitter = Some(submitter(value).ok_or(bad)?),
        }
        Ok(())
    }
}

/// RFC 1870 section 6: up to 20 digits.
fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().unwrap_or(u64::MAX))
}

fn body(value: &[u8]) -> Option<Body> {
    if value.eq_ignore_ascii_case(b"7BIT") {
        return Some(Body::SevenBit);
    }
    value.eq_ignore_ascii_case(b"8BITMIME").then_some(Body::EightBitMime)
}

/// Control characters and octets beyond ASCII are no name: this goes into headers and logs.
fn submitter(value: &[u8]) -> Option<Submitter> {
    if value == b"<>" {
        return Some(Submitter::Unknown);
    }
    let octets = xtext::decode(value).ok().filter(|_| value.len() <= MAX_SUBMITTER)?;
    let is_printable = octets.iter().all(|octet| matches!(octet, b' '..=b'~'));
    let name = String::from_utf8(octets).ok()?;
    is_printable.then_some(Submitter::Named(name))
}

/// Blanks behind the colon are no part of the grammar, but many clients send them.
fn keyword<'a>(argument: &'a [u8], word: &[u8]) -> Result<&'a [u8], ArgumentFault> {
    match argument.split_at_checked(word.len()) {
        Some((found, rest)) if found.eq_ignore_ascii_case(word) => Ok(without_blanks(rest)),
        _ => Err(ArgumentFault::Keyword),
    }
}

/// What stands behind a path, which has to be parted from it by a blank.
fn parameters(rest: &[u8]) -> Result<impl Iterator<Item = &[u8]>, ArgumentFault> {
    match rest.first() {
        Some(&first) if !is_blank(first) => Err(ArgumentFault::Address(AddressError::Brackets)),
        _ => Ok(rest.split(|&octet| is_blank(octet)).filter(|word| !word.is_empty())),
    }
}

fn name_and_value(written: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', written) {
        Some(at) => (&written[..at], Some(&written[at + 1..])),
        None => (written, None),
    }
}

fn unrecognized(name: &[u8]) -> ArgumentFault {
    ArgumentFault::Unrecognized(String::from_utf8_lossy(&name[..name.len().min(MAX_ECHO)]).into_owned())
}

/// The first word, and what is behind it and the blanks.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&octet| is_blank(octet)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, without_blanks(rest))
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&octet| is_blank(octet)).count();
    &text[blanks..]
}

fn is_blank(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

const VERBS: &[(&str, Verb)] = &[
    ("EHLO", Verb::Ehlo),
    ("HELO", Verb::Helo),
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Data),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
    ("VRFY", Verb::Vrfy),
    ("EXPN", Verb::Expn),
    ("HELP", Verb::Help),
    ("ETRN", Verb::Etrn),
    ("STARTTLS", Verb::StartTls),
    ("AUTH", Verb::Auth),
    ("GET", Verb::Stray),
    ("POST", Verb::Stray),
    ("CONNECT", Verb::Stray),
    ("USER", Verb::Stray),
];

/// RFC 5321 section 4.5.3.1.2.
const MAX_HOST: usize = 255;
/// RFC 4954 section 3: AUTH= adds 500 octets to MAIL.
const MAX_SUBMITTER: usize = 500;
/// sendmail shows 32 characters of a mechanism; enough of a parameter, too.
const MAX_ECHO: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_words_in_any_case() {
        for (line, verb, rest) in [
            (&b"EHLO a"[..], Verb::Ehlo, &b"a"[..]),
            (b"mAiL \t FROM:<>", Verb::Mail, b"FROM:<>"),
            (b"MAILFROM:<>", Verb::Unknown, b""),
            (b"starttls", Verb::StartTls, b""),
            (b"", Verb::Unknown, b""),
            (b" QUIT", Verb::Unknown, b"QUIT"),
            (b"QUIT\x0b", Verb::Unknown, b""),
            (b"BDAT 1 LAST", Verb::Unknown, b"1 LAST"),
            (b"GET / HTTP/1.1", Verb::Stray, b"/ HTTP/1.1"),
        ] {
            assert_eq!(split(line), (verb, rest), "{}", line.escape_ascii());
        }
        for (start, is) in
            [(&b"AUTH "[..], true), (b"auth\tPLAIN", true), (b"AUTH", false), (b"AUTHX ", false)]
        {
            assert_eq!(is_auth(start), is);
        }
    }

    #[test]
    fn parameters_of_mail() {
        let read = |text: &str| mail(format!("FROM:<a@b>{text}").as_bytes()).unwrap();
        assert_eq!(read(" SIZE=10 body=8bitmime").size, Some(10));
        assert_eq!(read(" SIZE=10 body=8bitmime").body, Body::EightBitMime);
        assert_eq!(read("\tSIZE=99999999999999999999 ").size, Some(u64::MAX));
        assert_eq!(read(" AUTH=<>").submitter, Some(Submitter::Unknown));
        assert_eq!(read(" auth=e+3Dmc2@x").submitter, Some(Submitter::Named("e=mc2@x".to_owned())));
        assert_eq!(read(" AUTH=alice").submitter, Some(Submitter::Named("alice".to_owned())));
        assert!(mail(b"FROM: <a@b>").is_ok());
        let longest = format!(" AUTH={}", "x".repeat(500));
        assert!(matches!(read(&longest).submitter, Some(Submitter::Named(name)) if name.len() == 500));
    }

    #[test]
    fn what_is_wrong_with_mail() {
        use ArgumentFault::{Address, BadValue, Duplicate, Keyword, NoValue, Unrecognized};
        let unknown = |name: &str| Unrecognized(name.to_owned());
        for (text, fault) in [
            ("", Keyword),
            ("<a@b>", Keyword),
            ("TO:<a@b>", Keyword),
            ("FROM:a@b", Address(AddressError::Brackets)),
            ("FROM:<a@b>SIZE=1", Address(AddressError::Brackets)),
            ("FROM:<a@b>>", Address(AddressError::Brackets)),
            ("FROM:<a@b> SMTPUTF8", unknown("SMTPUTF8")),
            ("FROM:<a@b> RET=HDRS", unknown("RET")),
            ("FROM:<a@b> =", unknown("")),
            ("FROM:<a@b> SIZE", NoValue(Parameter::Size)),
            ("FROM:<a@b> SIZE=", NoValue(Parameter::Size)),
            ("FROM:<a@b> SIZE=1x", BadValue(Parameter::Size)),
            ("FROM:<a@b> SIZE=+1", BadValue(Parameter::Size)),
            ("FROM:<a@b> SIZE=1 SIZE=1", Duplicate(Parameter::Size)),
            ("FROM:<a@b> BODY=BINARYMIME", BadValue(Parameter::Body)),
            ("FROM:<a@b> AUTH", NoValue(Parameter::Auth)),
            ("FROM:<a@b> AUTH=a AUTH=b", Duplicate(Parameter::Auth)),
            ("FROM:<a@b> AUTH=a+0", BadValue(Parameter::Auth)),
            ("FROM:<a@b> AUTH=a+0D+0AX", BadValue(Parameter::Auth)),
            ("FROM:<a@b> AUTH=+C3+A4", BadValue(Parameter::Auth)),
            ("FROM:<a@b> AUTH=a=b", unknown("b")),
            (&format!("FROM:<a@b> AUTH={}", "x".repeat(501)), BadValue(Parameter::Auth)),
        ] {
            assert_eq!(mail(text.as_bytes()), Err(fault), "{text}");
        }
    }

    #[test]
    fn names_of_hosts() {
        for name in ["a", "[192.0.2.1]", "[IPv6:::1]", "pc_1.example", "localhost"] {
            assert_eq!(host_name(name.as_bytes()).as_deref(), Ok(name));
        }
        for name in ["a b", "a\u{e4}", "a\u{7}", "<a>", "a\"", &"x".repeat(256)] {
            assert_eq!(host_name(name.as_bytes()), Err(HostFault::Invalid), "{name}");
        }
        assert_eq!(host_name(b"  "), Err(HostFault::Missing));
    }

    #[test]
    fn nodes_of_etrn() {
        for good in ["a.example", "@a.example", "#queue"] {
            assert_eq!(etrn(good.as_bytes()).as_deref(), Some(good));
        }
        for bad in ["", "@", "a b", "../x", "\u{e4}"] {
            assert_eq!(etrn(bad.as_bytes()), None, "{bad}");
        }
    }
}
