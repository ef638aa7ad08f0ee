//! The text form of client-info entries, with the column in every error.
//!
//! The rules are those that sendmail 8.17 was seen to follow, except where it would silently log in with
//! another password than was meant, or not at all: those are errors here.

use zeroize::Zeroizing;

use crate::client_info::ClientInfo;
use crate::password::MAX_PASSWORD;
use crate::secret::Secret;
use crate::verifier::octets::{BASE64_PADDED, from_base64};

/// Why a value is no client-info entry, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of the value: {what}")]
pub struct ClientInfoError {
    /// Where in the value, in octets counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: Fault,
}

/// What can be wrong with a client-info entry. No octet of a value is ever shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The value is longer than [`ClientInfo::MAX_VALUE`].
    #[error("the value is longer than {most} octets", most = ClientInfo::MAX_VALUE)]
    TooLong,
    /// The list ends here, for no quotation mark begins a token, and something is missing still.
    #[error("a token has to begin with a quotation mark")]
    NotQuoted,
    /// No quotation mark ends the token.
    #[error("the token has no closing quotation mark")]
    NotClosed,
    /// Something follows the closing quotation mark without a blank.
    #[error(
        "a blank has to follow the closing quotation mark (a quotation mark inside needs the base64 form)"
    )]
    AfterQuote,
    /// A tag other than U, I, P, R, M.
    #[error("unknown tag (U, I, P, R and M are known)")]
    Tag,
    /// Neither `:` nor `=` behind the tag.
    #[error("a tag is followed by : for text or = for base64")]
    Delimiter,
    /// Not base64.
    #[error("not base64")]
    Base64,
    /// `%` and a digit, which sendmail replaces by a part of the key.
    #[error("% and a digit is replaced by sendmail; write %% for %")]
    Percent,
    /// NUL, CR or LF, which no mechanism and no line can carry.
    #[error("NUL, CR or LF in the text")]
    Control,
    /// More than seven tokens; sendmail reads no more.
    #[error("more than {MAX_TOKENS} tokens")]
    TooMany,
    /// No password.
    #[error("the password (P) is missing")]
    NoPassword,
    /// A password that is empty or over-long.
    #[error("the password (P) has not between 1 and {MAX_PASSWORD} octets")]
    PasswordLength,
    /// Neither user nor authentication id.
    #[error("both user (U) and authentication id (I) are missing")]
    NoName,
    /// Both ids are there, or serve for each other, and are empty.
    #[error("the authentication id is empty")]
    EmptyName,
}

/// See [`ClientInfo::parse`].
pub(super) fn parse(value: &[u8]) -> Result<ClientInfo, ClientInfoError> {
    if value.len() > ClientInfo::MAX_VALUE {
        return Err(at(ClientInfo::MAX_VALUE, Fault::TooLong));
    }
    // A text of CRLF lines leaves its CR in the map, where sendmail takes it for a blank.
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    let mut cursor = Cursor { value, next: 0 };
    let mut found = Found::default();
    let mut count = 0;
    while let Some(token) = cursor.token()? {
        count += 1;
        if count > MAX_TOKENS {
            return Err(at(token.start, Fault::TooMany));
        }
        let place = found.place(token.tag);
        *place = Some(token);
    }
    found.finish(&cursor)
}

/// One `"TDstring"`, decoded.
struct Token {
    start: usize,
    tag: Tag,
    text: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Tag {
    User,
    Authentication,
    Password,
    Realm,
    Mechanisms,
}

/// Where the next token begins. Places are counted from 0 here, columns from 1.
struct Cursor<'a> {
    value: &'a [u8],
    next: usize,
}

impl Cursor<'_> {
    /// The next token; `None` at the end of the value, or where the list ends because something else begins.
    fn token(&mut self) -> Result<Option<Token>, ClientInfoError> {
        self.next += self.value[self.next..].iter().take_while(|octet| is_blank(**octet)).count();
        let start = self.next;
        let Some(inside) = self.value[start..].strip_prefix(b"\"") else { return Ok(None) };
        let length = inside.iter().position(|&octet| octet == b'"').ok_or(at(start, Fault::NotClosed))?;
        let end = start + 1 + length + 1;
        if self.value.get(end).is_some_and(|octet| !is_blank(*octet)) {
            return Err(at(end, Fault::AfterQuote));
        }
        self.next = end;
        decode(start, &inside[..length]).map(Some)
    }
}

/// What stands between the quotation marks of the token that starts at `start`.
fn decode(start: usize, inside: &[u8]) -> Result<Token, ClientInfoError> {
    let tag = match inside.first().map(u8::to_ascii_uppercase) {
        Some(b'U') => Tag::User,
        Some(b'I') => Tag::Authentication,
        Some(b'P') => Tag::Password,
        Some(b'R') => Tag::Realm,
        Some(b'M') => Tag::Mechanisms,
        _ => return Err(at(start + 1, Fault::Tag)),
    };
    let (text_start, text) = (start + 3, inside.get(2..).unwrap_or_default());
    let text = match inside.get(1) {
        Some(b':') => literal(text_start, text)?,
        Some(b'=') => {
            from_base64(&BASE64_PADDED, text, ClientInfo::MAX_VALUE).ok_or(at(text_start, Fault::Base64))?
        }
        _ => return Err(at(start + 2, Fault::Delimiter)),
    };
    if text.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        return Err(at(text_start, Fault::Control));
    }
    Ok(Token { start, tag, text })
}

/// sendmail looks values up with `%0` to `%9` standing for parts of the key, and `%%` for one `%`.
fn literal(start: usize, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientInfoError> {
    let mut literal = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut octets = text.iter().copied().enumerate().peekable();
    while let Some((index, octet)) = octets.next() {
        if octet == b'%' {
            match octets.peek() {
                Some((_, b'0'..=b'9')) => return Err(at(start + index, Fault::Percent)),
                Some((_, b'%')) => _ = octets.next(),
                _ => {}
            }
        }
        literal.push(octet);
    }
    Ok(literal)
}

/// The last token of each tag.
#[derive(Default)]
struct Found {
    user: Option<Token>,
    authentication: Option<Token>,
    password: Option<Token>,
    realm: Option<Token>,
    mechanisms: Option<Token>,
}

impl Found {
    fn place(&mut self, tag: Tag) -> &mut Option<Token> {
        match tag {
            Tag::User => &mut self.user,
            Tag::Authentication => &mut self.authentication,
            Tag::Password => &mut self.password,
            Tag::Realm => &mut self.realm,
            Tag::Mechanisms => &mut self.mechanisms,
        }
    }

    fn finish(self, cursor: &Cursor<'_>) -> Result<ClientInfo, ClientInfoError> {
        // Where the list broke off early, that is why something is missing.
        let missing = |what| {
            let broke_off = cursor.next < cursor.value.len();
            at(cursor.next, if broke_off { Fault::NotQuoted } else { what })
        };
        let password = self.password.ok_or_else(|| missing(Fault::NoPassword))?;
        if !(1..=MAX_PASSWORD).contains(&password.text.len()) {
            return Err(at(password.start, Fault::PasswordLength));
        }
        let name = self.authentication.as_ref().or(self.user.as_ref());
        let name = name.ok_or_else(|| missing(Fault::NoName))?;
        if name.text.is_empty() {
            return Err(at(name.start, Fault::EmptyName));
        }
        Ok(ClientInfo {
            authentication: name.text.to_vec(),
            user: self.user.as_ref().unwrap_or(name).text.to_vec(),
            password: Secret::from(password.text),
            realm: self.realm.map(|token| token.text.to_vec()),
            mechanisms: self.mechanisms.map(|token| token.text.to_vec()),
        })
    }
}

fn at(place: usize, what: Fault) -> ClientInfoError {
    ClientInfoError { column: place + 1, what }
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// As many as sendmail reads.
const MAX_TOKENS: usize = 7;
