//! Addresses as fields of a header carry them (RFC 5322 section 3.4, with the obsolete forms of section 4.4): From, Sender
//! and their like. Display names, comments, folding and groups are read and dropped; what is left are mailboxes in the one
//! spelling of [`address`](crate::address).
//!
//! Whoever decides by these addresses must see those that every other reader sees. So nothing is guessed: what the grammar
//! has no place for refuses the whole field, and so does a comment with an address in it, which some programs show for the
//! sender. Not here: what a display name says. It may be anything.

use crate::address::{AddressError, Domain, LocalPart, Mailbox};

/// Why a field names no addresses. No octet of it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// An octet that may not stand in a header, or a line end that folds nothing.
    #[error("an octet that may not stand there")]
    Octet,
    /// What is no list of addresses.
    #[error("no list of addresses")]
    Syntax,
    /// A comment that holds what could be taken for an address.
    #[error("an address in a comment")]
    Comment,
    /// What stands where an address should is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No address at all.
    #[error("no address")]
    Empty,
    /// Longer than [`MAX_FIELD`], more than [`MAX_ADDRESSES`], or comments within comments without end.
    #[error("too long")]
    TooLong,
}

/// The longest body of a field that is read, in octets.
pub const MAX_FIELD: usize = 16 << 10;

/// The most addresses that a field may have.
pub const MAX_ADDRESSES: usize = 100;

const MAX_DEPTH: usize = 16;

/// Every address of the body of a field, that is, of what stands behind its colon; the line end at its end may be there.
///
/// # Errors
/// [`FieldError`]; an address that cannot be read refuses all of them.
pub fn addresses(body: &[u8]) -> Result<Vec<Mailbox>, FieldError> {
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    if body.len() > MAX_FIELD {
        return Err(FieldError::TooLong);
    }
    let unfolded = unfold(body)?;
    let mut reader = Reader { rest: &unfolded, found: Vec::new() };
    reader.list(Within::Field)?;
    if reader.found.is_empty() { Err(FieldError::Empty) } else { Ok(reader.found) }
}

/// RFC 5322 section 2.2.3: a line end before a blank is taken out; no other is there.
fn unfold(body: &[u8]) -> Result<Vec<u8>, FieldError> {
    let mut text = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&octet, behind)) = rest.split_first() {
        match (octet, behind) {
            (b'\r', [b'\n', b' ' | b'\t', ..]) => {
                rest = &behind[1..];
                continue;
            }
            (b'\t' | b' '..=b'~' | 0x80.., _) => text.push(octet),
            _ => return Err(FieldError::Octet),
        }
        rest = behind;
    }
    Ok(text)
}

/// Where a list of addresses stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Within {
    Field,
    Group,
}

/// What a display name and a local part are made of.
enum Token {
    Atom(Vec<u8>),
    Quoted(Vec<u8>),
    Dot,
}

struct Reader<'a> {
    rest: &'a [u8],
    found: Vec<Mailbox>,
}

impl Reader<'_> {
    /// Empty places between commas are obsolete, and are none.
    fn list(&mut self, within: Within) -> Result<(), FieldError> {
        loop {
            self.skip()?;
            match (self.rest.first(), within) {
                (None, Within::Field) => return Ok(()),
                (Some(b';'), Within::Group) => {
                    self.next();
                    return Ok(());
                }
                (None, Within::Group) => return Err(FieldError::Syntax),
                (Some(b','), _) => self.next(),
                _ => {
                    self.address(within)?;
                    self.skip()?;
                    if !matches!(self.rest.first(), None | Some(b',')) && !self.ends_group(within) {
                        return Err(FieldError::Syntax);
                    }
                }
            }
        }
    }

    fn ends_group(&self, within: Within) -> bool {
        within == Within::Group && self.rest.first() == Some(&b';')
    }

    fn address(&mut self, within: Within) -> Result<(), FieldError> {
        let words = self.words()?;
        match self.rest.first() {
            Some(b'<') => {
                self.next();
                self.angle()
            }
            Some(b'@') => self.behind_at(local(&words)?),
            Some(b':') if within == Within::Field && !words.is_empty() => {
                self.next();
                self.list(Within::Group)
            }
            _ => Err(FieldError::Syntax),
        }
    }

    /// Behind the bracket. A source route says nothing and is dropped, as in MAIL.
    fn angle(&mut self) -> Result<(), FieldError> {
        self.skip()?;
        if matches!(self.rest.first(), Some(b'@' | b',')) {
            self.route()?;
        }
        let words = self.words()?;
        if self.rest.first() != Some(&b'@') {
            return Err(FieldError::Syntax);
        }
        self.behind_at(local(&words)?)?;
        self.skip()?;
        if self.rest.first() != Some(&b'>') {
            return Err(FieldError::Syntax);
        }
        self.next();
        Ok(())
    }

    fn route(&mut self) -> Result<(), FieldError> {
        loop {
            self.skip()?;
            match self.rest.first() {
                Some(b',') => self.next(),
                Some(b'@') => {
                    self.next();
                    self.domain()?;
                }
                Some(b':') => {
                    self.next();
                    return Ok(());
                }
                _ => return Err(FieldError::Syntax),
            }
        }
    }

    fn behind_at(&mut self, local: LocalPart) -> Result<(), FieldError> {
        self.next();
        let domain = self.domain()?;
        if self.found.len() >= MAX_ADDRESSES {
            return Err(FieldError::TooLong);
        }
        self.found.push(Mailbox { local, domain });
        Ok(())
    }

    fn domain(&mut self) -> Result<Domain, FieldError> {
        self.skip()?;
        if self.rest.first() == Some(&b'[') {
            let end = self.rest.iter().position(|&octet| octet == b']').ok_or(FieldError::Syntax)?;
            let (literal, rest) = self.rest.split_at(end + 1);
            self.rest = rest;
            return Ok(Domain::parse(literal)?);
        }
        Ok(Domain::parse(&joined(&self.words()?, Quotes::Refused)?)?)
    }

    /// Words and dots, up to whatever else comes.
    fn words(&mut self) -> Result<Vec<Token>, FieldError> {
        let mut words = Vec::new();
        loop {
            self.skip()?;
            match self.rest.first() {
                Some(b'"') => words.push(Token::Quoted(self.quoted()?)),
                Some(b'.') => {
                    self.next();
                    words.push(Token::Dot);
                }
                Some(&octet) if is_text(octet) => {
                    let length = self.rest.iter().take_while(|&&octet| is_text(octet)).count();
                    let (atom, rest) = self.rest.split_at(length);
                    words.push(Token::Atom(atom.to_vec()));
                    self.rest = rest;
                }
                _ => return Ok(words),
            }
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, FieldError> {
        let mut text = Vec::new();
        self.next();
        loop {
            let octet = self.taken()?;
            match octet {
                b'"' => return Ok(text),
                b'\\' => text.push(self.taken()?),
                octet => text.push(octet),
            }
        }
    }

    /// Blanks and comments.
    fn skip(&mut self) -> Result<(), FieldError> {
        while let Some(&octet) = self.rest.first() {
            match octet {
                b' ' | b'\t' => self.next(),
                b'(' => self.comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), FieldError> {
        let mut depth = 0;
        loop {
            match self.taken()? {
                b'(' if depth == MAX_DEPTH => return Err(FieldError::TooLong),
                b'(' => depth += 1,
                b')' if depth == 1 => return Ok(()),
                b')' => depth -= 1,
                b'<' | b'>' | b'@' => return Err(FieldError::Comment),
                b'\\' if matches!(self.taken()?, b'<' | b'>' | b'@') => return Err(FieldError::Comment),
                _ => {}
            }
        }
    }

    fn taken(&mut self) -> Result<u8, FieldError> {
        let (&first, rest) = self.rest.split_first().ok_or(FieldError::Syntax)?;
        self.rest = rest;
        Ok(first)
    }

    fn next(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Quotes {
    Allowed,
    Refused,
}

fn local(words: &[Token]) -> Result<LocalPart, FieldError> {
    let text = joined(words, Quotes::Allowed)?;
    Ok(LocalPart::of(text)?)
}

/// Words with a dot between each two of them.
fn joined(words: &[Token], quotes: Quotes) -> Result<Vec<u8>, FieldError> {
    let mut text = Vec::new();
    for (place, word) in words.iter().enumerate() {
        match (word, place % 2) {
            (Token::Atom(atom), 0) => text.extend_from_slice(atom),
            (Token::Quoted(quoted), 0) if quotes == Quotes::Allowed => text.extend_from_slice(quoted),
            (Token::Dot, 1) => text.push(b'.'),
            _ => return Err(FieldError::Syntax),
        }
    }
    if words.len() % 2 == 1 { Ok(text) } else { Err(FieldError::Syntax) }
}

/// RFC 5322's atext, and octets beyond ASCII, which stand in display names; no address has them.
fn is_text(octet: u8) -> bool {
    octet >= 0x80 || octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<String, FieldError> {
        addresses(body.as_bytes())
            .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_form_of_rfc_5322() {
        for (body, expected) in [
            ("alice@gate.test", "alice@gate.test"),
            (" alice@gate.test\r\n", "alice@gate.test"),
            ("Alice <alice@gate.test>", "alice@gate.test"),
            ("<alice@gate.test>", "alice@gate.test"),
            ("Alice Q. Public <alice@gate.test>", "alice@gate.test"),
            ("\"ceo@bank.test\" <alice@gate.test>", "alice@gate.test"),
            ("\"a \\\"b\\\" <x@y>,\" <alice@gate.test>", "alice@gate.test"),
            ("=?utf-8?q?ceo=40bank.test?= <alice@gate.test>", "alice@gate.test"),
            ("J\u{fc}rgen <alice@gate.test>", "alice@gate.test"),
            ("alice@gate.test (Alice (at home))", "alice@gate.test"),
            ("(a) alice (b) @ (c) gate (d) . test (e)", "alice@gate.test"),
            ("alice . b@gate.test", "alice.b@gate.test"),
            ("Alice\r\n <alice@gate.test>,\r\n\tbob@gate.test", "alice@gate.test bob@gate.test"),
            ("\"al\r\n ice\"@gate.test", "\"al ice\"@gate.test"),
            ("\"alice\"@gate.test", "alice@gate.test"),
            ("\"al\\ice\".b@gate.test", "alice.b@gate.test"),
            ("a@b.test, , c@d.test,", "a@b.test c@d.test"),
            ("Us: alice@gate.test, Bob <bob@gate.test>;", "alice@gate.test bob@gate.test"),
            ("Us:a@b.test;, them:c@d.test;", "a@b.test c@d.test"),
            ("<@one.test,@two.test:alice@gate.test>", "alice@gate.test"),
            ("alice@[192.0.2.1]", "alice@[192.0.2.1]"),
            ("=?utf-8?q?a?=@gate.test", "=?utf-8?q?a?=@gate.test"),
        ] {
            assert_eq!(read(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_another_reader_might_see_otherwise_is_refused() {
        use FieldError::{Comment, Empty, Octet, Syntax, TooLong};
        let domain = FieldError::Address(AddressError::Domain);
        for (body, error) in [
            ("", Empty),
            (" ,, ", Empty),
            ("nobody:;", Empty),
            ("Alice", Syntax),
            ("Alice <alice>", Syntax),
            ("ceo@bank.test <alice@gate.test>", Syntax),
            ("<ceo@bank.test> <alice@gate.test>", Syntax),
            ("alice@gate.test <ceo@bank.test>", Syntax),
            ("alice@gate.test ceo@bank.test", Syntax),
            ("alice@gate.test; ceo@bank.test", Syntax),
            ("alice@gate.test (<ceo@bank.test>)", Comment),
            ("alice@gate.test (ceo\\@bank.test)", Comment),
            ("alice@gate.test(", Syntax),
            ("alice@gate.test)", Syntax),
            ("alice@gate.test>", Syntax),
            ("<alice@gate.test", Syntax),
            ("\"alice@gate.test", Syntax),
            ("alice smith@gate.test", Syntax),
            (".alice@gate.test", Syntax),
            ("alice..b@gate.test", Syntax),
            ("alice@gate..test", Syntax),
            ("alice@gate.test.", Syntax),
            ("alice@", Syntax),
            ("@gate.test", Syntax),
            ("a@b@c.test", Syntax),
            ("alice@\"gate.test\"", Syntax),
            ("alice@g\u{e4}te.test", domain),
            ("alice@gate\u{ff0e}test", domain),
            ("\u{430}lice@gate.test", FieldError::Address(AddressError::LocalPart)),
            ("one: two: a@b.test;;", Syntax),
            ("one: a@b.test", Syntax),
            (": a@b.test;", Syntax),
            ("alice@gate.test\0", Octet),
            ("alice@gate.test\n", Octet),
            ("alice@gate.test\r <ceo@bank.test>", Octet),
            ("alice@gate.test\r\nFrom: ceo@bank.test", Octet),
            (&"(".repeat(40), TooLong),
            (&"a@b.test,".repeat(MAX_ADDRESSES + 1), TooLong),
            (&" ".repeat(MAX_FIELD + 1), TooLong),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(body in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"<<>>@@\"\\.,:;()[] \r\n\tab1"[..])], 0..60,
        )) {
            if let Ok(found) = addresses(&body) {
                for mailbox in found {
                    let printed = mailbox.to_string();
                    prop_assert_eq!(addresses(printed.as_bytes()), Ok(vec![mailbox.clone()]));
                    prop_assert_eq!(Mailbox::parse(printed.as_bytes()), Ok(mailbox));
                }
            }
        }

        #[test]
        fn a_name_and_a_comment_change_nothing(name in "[ -~\u{e4}]{0,20}", comment in "[a-z ]{0,9}") {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            let body = format!("\"{quoted}\" ({comment})\r\n <alice@gate.test>");
            prop_assert_eq!(read(&body), Ok("alice@gate.test".to_owned()));
        }
    }
}
