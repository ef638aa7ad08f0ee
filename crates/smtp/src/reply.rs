//! Replies: a code, an enhanced code, and words on one or more lines (RFC 5321 section 4.2, RFC 2034).
//!
//! A reply that exists can be sent: its words are printable ASCII, its lines are short enough. What is said when is
//! not here but in `server/words.rs`.

use std::fmt;
use std::io::Write as _;

/// A reply code of RFC 5321 section 4.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(u16);

impl Code {
    /// The code that three digits at the start of a line are.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let digits = octets.first_chunk::<3>()?;
        let is_digit = digits.iter().all(u8::is_ascii_digit);
        let number = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
        is_digit.then(|| Self::new(number))?
    }

    /// The code with this number, if its digits are those of a reply code: 2 to 5, 0 to 5, 0 to 9.
    pub const fn new(number: u16) -> Option<Self> {
        match (number / 100, number / 10 % 10) {
            (2..=5, 0..=5) => Some(Self(number)),
            _ => None,
        }
    }

    /// The three digits as a number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether something is refused, for now (4yz) or for good (5yz).
    pub const fn is_refusal(self) -> bool {
        self.0 >= 400
    }

    /// The first digit, which is the class of the enhanced code too.
    const fn class(self) -> u16 {
        self.0 / 100
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Subject and detail of an enhanced code (RFC 3463). The class is always that of the [`Code`], as RFC 2034 section 4
/// requires, so it is not kept a second time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EnhancedCode {
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// Subject and detail; both have at most three digits.
    pub const fn new(subject: u16, detail: u16) -> Option<Self> {
        match (subject, detail) {
            (0..=999, 0..=999) => Some(Self { subject, detail }),
            _ => None,
        }
    }
}

/// One reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    code: Code,
    enhanced: Option<EnhancedCode>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one line. Octets of the words that are not printable ASCII become `?`: they could end the line, or
    /// do something to the terminal of whoever reads it.
    pub fn new(code: Code, enhanced: impl Into<Option<EnhancedCode>>, words: &str) -> Self {
        Self { code, enhanced: enhanced.into(), lines: vec![printable(words)] }
    }

    /// A reply of our own: the numbers stand in the source.
    pub(crate) fn ours(code: u16, (subject, detail): (u16, u16), words: &str) -> Self {
        Self::new(Code(code), EnhancedCode { subject, detail }, words)
    }

    /// A reply of our own without an enhanced code: greetings, HELO, EHLO and 3yz have none (RFC 2034 section 4).
    pub(crate) fn bare(code: u16, words: &str) -> Self {
        Self::new(Code(code), None, words)
    }

    /// One more line.
    pub(crate) fn and(mut self, words: &str) -> Self {
        self.lines.push(printable(words));
        self
    }

    /// A reply that somebody else wrote, line by line. An enhanced code counts where its class is that of the code (RFC
    /// 2034 section 4); where it is not, or where none may be, it is words like others.
    pub(crate) fn heard(code: Code, lines: &[String], may_be_enhanced: bool) -> Self {
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let enhanced = enhanced(code, first).filter(|_| may_be_enhanced);
        let words = |line: &String| match (enhanced, self::enhanced(code, line)) {
            (Some(one), Some(other)) if one == other => printable(line.split_once(' ').unwrap_or_default().1),
            _ => printable(line),
        };
        Self { code, enhanced, lines: lines.iter().map(words).collect() }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its enhanced code, whose class is that of the code.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// Its words, line by line: at least one, perhaps an empty one.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Appends the octets as they are sent.
    pub(crate) fn write_to(&self, output: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (number, line) in self.lines.iter().enumerate() {
            let more = if number == last { ' ' } else { '-' };
            let start = output.len();
            output.reserve(line.len() + NUMBERS);
            // Writing to memory does not fail.
            let _ = write!(output, "{}{more}", self.code);
            if let Some(EnhancedCode { subject, detail }) = self.enhanced {
                let _ = write!(output, "{}.{subject}.{detail} ", self.code.class());
            }
            output.extend_from_slice(line.as_bytes());
            output.truncate(start + MAX_LINE - 2);
            output.extend_from_slice(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    /// As it is sent, without the last line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = Vec::new();
        self.write_to(&mut octets);
        f.write_str(String::from_utf8_lossy(&octets).trim_end())
    }
}

/// A reply that refuses: 4yz or 5yz. With code 421 the session ends after it (RFC 5321 section 3.8).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal(Reply);

impl Refusal {
    /// The reply as a refusal; none if it grants something.
    pub fn new(reply: Reply) -> Option<Self> {
        reply.code.is_refusal().then_some(Self(reply))
    }

    /// The reply.
    pub fn reply(&self) -> &Reply {
        &self.0
    }

    /// Whether the session ends with it.
    pub(crate) fn closes(&self) -> bool {
        self.0.code == Code(421)
    }
}

/// The enhanced code at the start of a line, if its class fits and words or nothing stand behind it.
fn enhanced(code: Code, line: &str) -> Option<EnhancedCode> {
    let word = line.split(' ').next()?;
    let mut parts = word.split('.').map(|part| match part.len() {
        1..=3 if part.bytes().all(|octet| octet.is_ascii_digit()) => part.parse::<u16>().ok(),
        _ => None,
    });
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    (class == code.class() && parts.next().is_none()).then(|| EnhancedCode::new(subject, detail))?
}

/// Printable ASCII, in the place of every other character a question mark.
pub(crate) fn printable(words: &str) -> String {
    if words.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return words.to_owned();
    }
    words.chars().map(|each| if matches!(each, ' '..='~') { each } else { '?' }).collect()
}

/// RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets with its CRLF.
const MAX_LINE: usize = 512;
/// Room for code, enhanced code and line end.
const NUMBERS: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(reply: &Reply) -> String {
        let mut octets = Vec::new();
        reply.write_to(&mut octets);
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn the_class_of_the_enhanced_code_is_that_of_the_code() {
        assert_eq!(
            sent(&Reply::ours(535, (7, 0), "authentication failed")),
            "535 5.7.0 authentication failed\r\n"
        );
        assert_eq!(sent(&Reply::ours(250, (0, 0), "OK")), "250 2.0.0 OK\r\n");
        assert_eq!(sent(&Reply::bare(354, "Go")), "354 Go\r\n");
    }

    #[test]
    fn every_line_but_the_last_has_a_hyphen() {
        assert_eq!(sent(&Reply::bare(250, "a").and("b").and("c")), "250-a\r\n250-b\r\n250 c\r\n");
    }

    #[test]
    fn words_cannot_make_a_second_line() {
        let reply = Reply::ours(550, (1, 1), "no\r\n250 yes\u{1b}[2J \u{e9}\0");
        assert_eq!(sent(&reply), "550 5.1.1 no??250 yes?[2J ??\r\n");
    }

    #[test]
    fn a_line_is_cut_at_512_octets() {
        let line = sent(&Reply::ours(550, (7, 1), &"x".repeat(1000)));
        assert_eq!(line.len(), 512);
        assert!(line.ends_with("x\r\n"));
    }

    #[test]
    fn what_others_wrote_is_read_as_it_was_meant() {
        let heard = |code, lines: &[&str], may| {
            let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let reply = Reply::heard(Code(code), &lines, may);
            let enhanced = reply.enhanced.map(|EnhancedCode { subject, detail }| (subject, detail));
            (enhanced, reply.lines.join("|"))
        };
        let said = |enhanced, words: &str| (enhanced, words.to_owned());
        assert_eq!(heard(535, &["5.7.8 no"], true), said(Some((7, 8)), "no"));
        assert_eq!(heard(550, &["5.1.1 a", "5.1.1 b", "c"], true), said(Some((1, 1)), "a|b|c"));
        assert_eq!(heard(250, &["2.0.0"], true), said(Some((0, 0)), ""));
        for odd in ["4.7.8 no", "5.7 no", "5.7.8.9 no", "5.7.1234 no", "5.+1.0 no", "no", ""] {
            assert_eq!(heard(535, &[odd], true), said(None, odd));
        }
        assert_eq!(heard(250, &["2.0.0.example"], false), said(None, "2.0.0.example"));
        assert_eq!(heard(250, &["2.0.0 example"], false), said(None, "2.0.0 example"));
        assert_eq!(heard(550, &["n\u{f6}\u{1b}[2J"], true), said(None, "n??[2J"));
    }

    #[test]
    fn codes_are_three_digits() {
        for (octets, code) in
            [(&b"250"[..], Some(250)), (b"250-x", Some(250)), (b"25", None), (b"2 5", None), (b"650", None)]
        {
            assert_eq!(Code::read(octets).map(Code::number), code, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn only_a_reply_that_refuses_is_a_refusal() {
        for (code, refuses) in [(250, false), (354, false), (421, true), (450, true), (550, true)] {
            assert_eq!(Refusal::new(Reply::bare(code, "x")).is_some(), refuses, "{code}");
        }
        for (number, known) in
            [(199, false), (200, true), (260, false), (559, true), (600, false), (0, false)]
        {
            assert_eq!(Code::new(number).is_some(), known, "{number}");
        }
    }
}
