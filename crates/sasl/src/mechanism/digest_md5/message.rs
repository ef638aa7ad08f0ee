//! The three messages of DIGEST-MD5, read and written: lists of directives (RFC 2831, section 7.1), `name=value` with
//! commas between, in any order, with white space wherever it likes to stand; values are tokens or quoted. Directives that
//! nobody knows are passed over.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::layer::{Cipher, Layers, Protection};
use crate::mechanism::digest_md5::hash::qop_name;
use crate::{client, server};

/// The longest message that is read, in octets (RFC 2831, section 2.1.2; a challenge has 2048 at most, which nobody is the
/// better for insisting on).
pub(super) const MAX_MESSAGE: usize = 4096;

/// What does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str);

impl From<Fault> for server::Failure {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault.0)
    }
}

impl From<Fault> for client::Failure {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault.0)
    }
}

/// `digest-challenge` (section 2.1.1).
#[derive(Debug)]
pub(super) struct Challenge<'a> {
    pub(super) nonce: Cow<'a, [u8]>,
    pub(super) realms: Vec<Cow<'a, [u8]>>,
    pub(super) qops: Qops,
    pub(super) ciphers: Vec<Cipher>,
    pub(super) max_buffer: u32,
    pub(super) charset: Charset,
}

/// Of the protections that a server offers, those that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qops {
    pub(super) auth: bool,
    pub(super) integrity: bool,
    pub(super) confidentiality: bool,
}

/// `digest-response` (section 2.1.2).
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) username: Cow<'a, [u8]>,
    pub(super) realm: Option<Cow<'a, [u8]>>,
    pub(super) nonce: Cow<'a, [u8]>,
    pub(super) cnonce: Cow<'a, [u8]>,
    pub(super) count: Count,
    pub(super) protection: Option<Protection>,
    pub(super) max_buffer: u32,
    pub(super) charset: Charset,
    pub(super) uri: Cow<'a, [u8]>,
    /// The digits of `response`, in lower case.
    pub(super) proof: [u8; 32],
    pub(super) authorization: Option<Cow<'a, [u8]>>,
}

/// `nc`: how often this nonce was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// As it was sent, and is hashed.
    pub(super) digits: [u8; 8],
    pub(super) value: u32,
}

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// `charset=utf-8` is there.
    Utf8,
    /// It is not: ISO-8859-1, in the RFC's opinion.
    NotSaid,
}

/// Whether a challenge answers a nonce that is no longer good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    Yes,
    No,
}

impl<'a> Challenge<'a> {
    /// What may stand once is refused when it stands twice, as the RFC asks for each.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Fault> {
        let mut realms = Vec::new();
        let (mut nonce, mut qops, mut ciphers, mut stale) = (None, None, None, None);
        let (mut max_buffer, mut charset, mut algorithm) = (None, None, None);
        let mut directives = Directives { rest: text };
        while let Some((name, value)) = directives.next()? {
            match Name::of(name) {
                Name::Realm => realms.push(value),
                Name::Nonce => once(&mut nonce, value)?,
                Name::Qop => once(&mut qops, Qops::of(&value))?,
                Name::Cipher => once(&mut ciphers, items(&value).filter_map(Cipher::named).collect())?,
                Name::Stale => once(&mut stale, ())?,
                Name::MaxBuf => once(&mut max_buffer, size(&value)?)?,
                Name::Charset => once(&mut charset, Charset::of(&value)?)?,
                Name::Algorithm => once(&mut algorithm, value)?,
                _ => {}
            }
        }
        let algorithm = algorithm.ok_or(Fault("no algorithm"))?;
        if !algorithm.eq_ignore_ascii_case(b"md5-sess") {
            return Err(Fault("algorithm is not md5-sess"));
        }
        Ok(Self {
            nonce: nonce.filter(|nonce| !nonce.is_empty()).ok_or(Fault("no nonce"))?,
            realms,
            qops: qops.unwrap_or(Qops { auth: true, integrity: false, confidentiality: false }),
            ciphers: ciphers.unwrap_or_default(),
            max_buffer: max_buffer.unwrap_or(Layers::DEFAULT_BUFFER),
            charset: charset.unwrap_or(Charset::NotSaid),
        })
    }
}

impl Qops {
    fn of(value: &[u8]) -> Self {
        let has =
            |protection| items(value).any(|item| item.eq_ignore_ascii_case(qop_name(protection).as_bytes()));
        Self {
            auth: has(None),
            integrity: has(Some(Protection::Integrity)),
            confidentiality: has(Some(Protection::Confidentiality(Cipher::Des))),
        }
    }
}

impl<'a> Response<'a> {
    /// Every directive may stand once. Of some Cyrus SASL takes the last where it stands twice; nobody has a reason to send
    /// them so, except to be read in two ways.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Fault> {
        let (mut username, mut realm, mut nonce, mut cnonce) = (None, None, None, None);
        let (mut count, mut qop, mut cipher, mut max_buffer) = (None, None, None, None);
        let (mut charset, mut uri, mut proof, mut authorization) = (None, None, None, None);
        let mut directives = Directives { rest: text };
        while let Some((name, value)) = directives.next()? {
            match Name::of(name) {
                Name::Username => once(&mut username, value)?,
                Name::Realm => once(&mut realm, value)?,
                Name::Nonce => once(&mut nonce, value)?,
                Name::CNonce => once(&mut cnonce, value)?,
                Name::Nc => once(&mut count, Count::of(&value)?)?,
                Name::Qop => once(&mut qop, value)?,
                Name::Cipher => once(&mut cipher, value)?,
                Name::MaxBuf => once(&mut max_buffer, size(&value)?)?,
                Name::Charset => once(&mut charset, Charset::of(&value)?)?,
                Name::DigestUri => once(&mut uri, value)?,
                Name::Response => once(&mut proof, digits(&value)?)?,
                Name::AuthzId => once(&mut authorization, value)?,
                _ => {}
            }
        }
        Ok(Self {
            username: username.filter(|name| !name.is_empty()).ok_or(Fault("no user name"))?,
            realm,
            nonce: nonce.ok_or(Fault("no nonce"))?,
            cnonce: cnonce.filter(|cnonce| !cnonce.is_empty()).ok_or(Fault("no cnonce"))?,
            count: count.ok_or(Fault("no nonce count"))?,
            protection: protection(qop.as_deref(), cipher.as_deref())?,
            max_buffer: max_buffer.unwrap_or(Layers::DEFAULT_BUFFER),
            charset: charset.unwrap_or(Charset::NotSaid),
            uri: uri.ok_or(Fault("no digest-uri"))?,
            proof: proof.ok_or(Fault("no response"))?,
            authorization,
        })
    }
}

/// The digits of `rspauth` (section 2.1.3), where it is there.
pub(super) fn rspauth(text: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Fault> {
    let mut found = None;
    let mut directives = Directives { rest: text };
    while let Some((name, value)) = directives.next()? {
        if name.eq_ignore_ascii_case(b"rspauth") {
            once(&mut found, value)?;
        }
    }
    Ok(found)
}

/// What is written of a server.
pub(super) struct Offer<'a> {
    pub(super) nonce: &'a str,
    pub(super) layers: &'a Layers,
    pub(super) strengths: &'a RangeInclusive<u32>,
}

impl Offer<'_> {
    /// Writes a `digest-challenge`, in the order that Cyrus SASL has. Of the realms, as many as fit into what a client has
    /// to read (section 2.1.1: less than 2048 octets).
    pub(super) fn write<'a>(&self, realms: impl Iterator<Item = &'a str>, stale: Stale) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        push_quoted(&mut text, "nonce", self.nonce.as_bytes());
        for realm in realms {
            let before = text.len();
            push_quoted(&mut text, "realm", realm.as_bytes());
            if text.len() > MOST_WITH_REALMS {
                text.truncate(before);
            }
        }
        self.push_layers(&mut text, stale);
        text.extend_from_slice(b",charset=utf-8,algorithm=md5-sess");
        text
    }

    fn push_layers(&self, text: &mut Vec<u8>, stale: Stale) {
        let mut ciphers = self.layers.ciphers_within(self.strengths).peekable();
        let conf = ciphers.peek().map(|cipher| Some(Protection::Confidentiality(*cipher)));
        let plain = [None, Some(Protection::Integrity)].into_iter();
        let plain = plain.filter(|protection| self.layers.allow(*protection, self.strengths));
        let mut lead = ",qop=\"";
        for protection in plain.chain(conf) {
            push(text, [lead, qop_name(protection)]);
            lead = ",";
        }
        text.push(b'"');
        let mut lead = ",cipher=\"";
        for cipher in ciphers {
            push(text, [lead, cipher.name()]);
            lead = ",";
        }
        if conf.is_some() {
            text.push(b'"');
        }
        if stale == Stale::Yes {
            push(text, [",stale=true"]);
        }
        let has_layer = conf.is_some() || self.layers.allow(Some(Protection::Integrity), self.strengths);
        if let Some(size) = self.layers.buffer().filter(|_| has_layer) {
            push(text, [",maxbuf=", &size.to_string()]);
        }
    }
}

/// What is written of a client. Names are in the octets of their charset.
pub(super) struct Reply<'a> {
    pub(super) username: &'a [u8],
    pub(super) realm: Option<Cow<'a, [u8]>>,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a str,
    pub(super) count: Count,
    pub(super) protection: Option<Protection>,
    /// The largest packet that we take, where there is a layer.
    pub(super) max_buffer: u32,
    pub(super) charset: Charset,
    pub(super) uri: &'a str,
    pub(super) proof: &'a [u8; 32],
}

impl Reply<'_> {
    /// Writes a `digest-response`, in the order that Cyrus SASL has.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(384);
        push_quoted(&mut text, "username", self.username);
        for (name, value) in [("realm", self.realm.as_deref()), ("authzid", self.authorization)] {
            if let Some(value) = value {
                push_quoted(&mut text, name, value);
            }
        }
        push_quoted(&mut text, "nonce", self.nonce);
        push_quoted(&mut text, "cnonce", self.cnonce.as_bytes());
        push(&mut text, [",nc="]);
        text.extend_from_slice(&self.count.digits);
        push(&mut text, [",qop=", qop_name(self.protection)]);
        if let Some(Protection::Confidentiality(cipher)) = self.protection {
            push(&mut text, [",cipher=", cipher.name()]);
        }
        if self.protection.is_some() {
            push(&mut text, [",maxbuf=", &self.max_buffer.to_string()]);
        }
        if self.charset == Charset::Utf8 {
            push(&mut text, [",charset=utf-8"]);
        }
        push_quoted(&mut text, "digest-uri", self.uri.as_bytes());
        push(&mut text, [",response="]);
        text.extend_from_slice(self.proof);
        text
    }
}

impl Count {
    pub(super) fn new(value: u32) -> Self {
        let mut digits = [0; 8];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(value >> (28 - 4 * place)) as usize & 15];
        }
        Self { digits, value }
    }

    /// `8LHEX`; digits in upper case count, and are hashed as they stand.
    fn of(value: &[u8]) -> Result<Self, Fault> {
        const WRONG: Fault = Fault("nonce count has not 8 digits");
        let digits: [u8; 8] = value.try_into().map_err(|_| WRONG)?;
        let text = std::str::from_utf8(&digits).ok().filter(|text| !text.starts_with('+')).ok_or(WRONG)?;
        let value = u32::from_str_radix(text, 16).map_err(|_| WRONG)?;
        Ok(Self { digits, value })
    }
}

impl Charset {
    fn of(value: &[u8]) -> Result<Self, Fault> {
        if value.eq_ignore_ascii_case(b"utf-8") { Ok(Self::Utf8) } else { Err(Fault("charset is not utf-8")) }
    }

    /// Reads a name. Without a charset the RFC has it in ISO-8859-1, and Cyrus SASL sends UTF-8 all the same: what is
    /// UTF-8 is taken for it, since hardly any name in ISO-8859-1 happens to be.
    pub(super) fn read(self, octets: &[u8]) -> Result<Cow<'_, str>, Fault> {
        match (std::str::from_utf8(octets), self) {
            (Ok(text), _) => Ok(Cow::Borrowed(text)),
            (Err(_), Self::NotSaid) => Ok(Cow::Owned(octets.iter().copied().map(char::from).collect())),
            (Err(_), Self::Utf8) => Err(Fault("not UTF-8")),
        }
    }

    /// Writes a name; `None` if it cannot be written so.
    pub(super) fn write(self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::NotSaid if !name.is_ascii() => name
                .chars()
                .map(|character| u8::try_from(character).ok())
                .collect::<Option<_>>()
                .map(Cow::Owned),
            _ => Some(Cow::Borrowed(name.as_bytes())),
        }
    }
}

/// The directives that are known.
enum Name {
    Username,
    Realm,
    Nonce,
    CNonce,
    Nc,
    Qop,
    Cipher,
    Stale,
    MaxBuf,
    Charset,
    Algorithm,
    DigestUri,
    Response,
    AuthzId,
    Other,
}

impl Name {
    /// In either case, as all literals of the RFC.
    fn of(name: &[u8]) -> Self {
        let mut lower = [0; 10];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::Other };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"username" => Self::Username,
            b"realm" => Self::Realm,
            b"nonce" => Self::Nonce,
            b"cnonce" => Self::CNonce,
            b"nc" => Self::Nc,
            b"qop" => Self::Qop,
            b"cipher" => Self::Cipher,
            b"stale" => Self::Stale,
            b"maxbuf" => Self::MaxBuf,
            b"charset" => Self::Charset,
            b"algorithm" => Self::Algorithm,
            b"digest-uri" => Self::DigestUri,
            b"response" => Self::Response,
            b"authzid" => Self::AuthzId,
            _ => Self::Other,
        }
    }
}

/// Name and value.
type Directive<'a> = (&'a [u8], Cow<'a, [u8]>);

/// A message, directive by directive. Empty elements of the list count for nothing.
struct Directives<'a> {
    rest: &'a [u8],
}

impl<'a> Directives<'a> {
    fn next(&mut self) -> Result<Option<Directive<'a>>, Fault> {
        while let [b',' | b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (name, rest) = token(self.rest)?;
        let rest = skip_space(rest).strip_prefix(b"=").ok_or(Fault("no = behind a name"))?;
        let rest = skip_space(rest);
        let (value, rest) = match rest.strip_prefix(b"\"") {
            Some(rest) => quoted(rest)?,
            None => token(rest).map(|(value, rest)| (Cow::Borrowed(value), rest))?,
        };
        self.rest = skip_space(rest);
        match self.rest {
            [] | [b',', ..] => Ok(Some((name, value))),
            _ => Err(Fault("no comma behind a value")),
        }
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|octet| !is_space(*octet)).unwrap_or(text.len());
    &text[end..]
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn token(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (token, rest) = split_while(text, TOKEN);
    if token.is_empty() { Err(Fault("neither a token nor quoted")) } else { Ok((token, rest)) }
}

/// What stands up to the closing quote, without escapes, and what stands behind.
fn quoted(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Fault> {
    let (plain, mut rest) = split_while(text, TEXT);
    let mut value = Cow::Borrowed(plain);
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Ok((value, behind)),
            [b'\\', octet @ (b'"' | b'\\'), behind @ ..] => {
                value.to_mut().push(*octet);
                behind
            }
            [b'\\', behind @ ..] | behind => {
                let (octet, behind) = behind.split_first().ok_or(Fault("quote is not closed"))?;
                if SORTS[usize::from(*octet)] & TEXT == 0 {
                    return Err(Fault("control character in quotes"));
                }
                value.to_mut().push(*octet);
                behind
            }
        }
    }
}

/// The octets of one sort that a text begins with, and the rest.
fn split_while(text: &[u8], sort: u8) -> (&[u8], &[u8]) {
    let end = text.iter().position(|octet| SORTS[usize::from(*octet)] & sort == 0);
    text.split_at(end.unwrap_or(text.len()))
}

/// The tokens of a list within a value.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b',' || is_space(*octet)).filter(|item| !item.is_empty())
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault("a directive stands twice")),
    }
}

/// `qop` and `cipher` of a response. Without `qop` it is `auth` (section 2.1.2).
fn protection(qop: Option<&[u8]>, cipher: Option<&[u8]>) -> Result<Option<Protection>, Fault> {
    let is = |name: &str| qop.is_some_and(|qop| qop.eq_ignore_ascii_case(name.as_bytes()));
    if qop.is_none() || is("auth") {
        return Ok(None);
    }
    if is("auth-int") {
        return Ok(Some(Protection::Integrity));
    }
    if !is("auth-conf") {
        return Err(Fault("qop is none that there is"));
    }
    let cipher = cipher.and_then(Cipher::named).ok_or(Fault("auth-conf, and no cipher that there is"))?;
    Ok(Some(Protection::Confidentiality(cipher)))
}

/// `maxbuf`: more than 16, and at most what has 24 bits (section 2.1.1).
fn size(value: &[u8]) -> Result<u32, Fault> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
    let size = digits.and_then(|digits| digits.parse().ok());
    size.filter(|size| (17..=Layers::MOST_BUFFER).contains(size)).ok_or(Fault("maxbuf is no size"))
}

/// 32 hexadecimal digits, in either case.
fn digits(value: &[u8]) -> Result<[u8; 32], Fault> {
    let digits: Result<[u8; 32], _> = value.try_into();
    let mut digits = digits.map_err(|_| Fault("response has not 32 digits"))?;
    digits.make_ascii_lowercase();
    Ok(digits)
}

fn push<const N: usize>(text: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        text.extend_from_slice(part.as_bytes());
    }
}

/// Writes a directive with a quoted value, and a comma in front of it unless it is the first.
fn push_quoted(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !text.is_empty() {
        text.push(b',');
    }
    push(text, [name, "=\""]);
    let mut rest = value;
    while let Some(place) = rest.iter().position(|octet| matches!(octet, b'"' | b'\\')) {
        text.extend_from_slice(&rest[..place]);
        text.extend_from_slice(&[b'\\', rest[place]]);
        rest = &rest[place + 1..];
    }
    text.extend_from_slice(rest);
    text.push(b'"');
}

/// The octets of tokens.
const TOKEN: u8 = 1;
/// The octets that stand for themselves in quotes: neither quote, backslash nor control character.
const TEXT: u8 = 2;

/// Of which sorts each octet is. A response is read for every login, whoever sends it.
static SORTS: [u8; 256] = {
    let mut sorts = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        sorts[octet] = match octet as u8 {
            b'"' | b'\\' | 0..=8 | 11 | 12 | 14..=31 | 127 => 0,
            b'('
            | b')'
            | b'<'
            | b'>'
            | b'@'
            | b','
            | b';'
            | b':'
            | b'/'
            | b'['
            | b']'
            | b'?'
            | b'='
            | b'{'
            | b'}'
            | b'\t'
            | b'\n'
            | b'\r'
            | b' '
            | 128.. => TEXT,
            _ => TOKEN | TEXT,
        };
        octet += 1;
    }
    sorts
};

/// What the last message begins with (section 2.1.3).
pub(super) const RSPAUTH: &[u8] = b"rspauth=";

/// Behind nonce and realms come 200 octets at most.
const MOST_WITH_REALMS: usize = 2047 - 200;

#[cfg(test)]
mod tests;
