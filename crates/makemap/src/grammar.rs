//! Source lines as sendmail's makemap reads them, octet for octet: pieces of at most 1023 octets, comments, keys,
//! separators, values.
//!
//! Pure: octets go in by [`Splitter::space`] and [`Splitter::filled`], numbered lines come out. Nothing here opens,
//! prints, or knows what a value means (that an `AuthInfo:` value has tags is `credential`'s business).

use memchr::memchr;
use zeroize::Zeroizing;

/// How a line is read: what the options say of separator, comments, empty values and case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    /// What ends a key (`-t`).
    pub separator: Separator,
    /// The octet that makes a comment of a line that begins with it (`-D`); none with an empty `-D`.
    pub comment: Option<u8>,
    /// Whether a key may stand alone (`-e`).
    pub empty_value: EmptyValue,
    /// Whether keys are stored in lower case (`-f` keeps them).
    pub case: Case,
}

/// What ends a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// Any run of space, tab, line feed, vertical tab, form feed and carriage return: C's isspace() in ASCII. Octets
    /// from 0x80 never separate.
    Blank,
    /// Any run of exactly this octet.
    Octet(u8),
}

/// What becomes of a key without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyValue {
    /// It is a fault: [`Fault::NoValue`].
    Refused,
    /// It is an entry with an empty value.
    Allowed,
}

/// The case of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// A-Z become a-z; octets from 0x80 stay as they are.
    Folded,
    /// Keys stay as written.
    Kept,
}

/// One entry: a key and its value, neither of which can hold a NUL or a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, folded if that was asked for.
    pub key: &'a [u8],
    /// The rest of the line: trailing blanks and a carriage return belong to it.
    pub value: &'a [u8],
}

/// Why a line is no entry. The line is dropped, the ones after it are read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No line feed within 1023 octets, or a NUL before it (which hides the line feed from a C program).
    #[error("line too long ({} bytes max)", LINE + 1)]
    TooLong,
    /// A line that begins with a blank, where blanks separate: there are no continuation lines.
    #[error("syntax error (leading space)")]
    LeadingSpace,
    /// A key, and nothing after it.
    #[error("no RHS for LHS {}", crate::entry::key(.0))]
    NoValue(Vec<u8>),
}

/// One piece of the source.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line, without its line feed.
    Line(&'a mut [u8]),
    /// A piece that is no line, and its octets; what follows it, even on the same physical line, is the next piece.
    TooLong(&'a [u8]),
}

impl Grammar {
    /// Reads one line: an entry, nothing (an empty line or a comment), or a fault.
    pub fn read(self, line: &mut [u8]) -> Result<Option<Entry<'_>>, Fault> {
        match line.first() {
            None => return Ok(None),
            first if first.copied() == self.comment => return Ok(None),
            Some(&first) if self.separator == Separator::Blank && is_blank(first) => {
                return Err(Fault::LeadingSpace);
            }
            Some(_) => {}
        }
        let end = line.iter().position(|&octet| self.separates(octet)).unwrap_or(line.len());
        let (key, rest) = line.split_at_mut(end);
        if self.case == Case::Folded {
            key.make_ascii_lowercase();
        }
        let blanks = rest.iter().take_while(|&&octet| self.separates(octet)).count();
        match &rest[blanks..] {
            [] if self.empty_value == EmptyValue::Refused => Err(Fault::NoValue(key.to_vec())),
            value => Ok(Some(Entry { key, value })),
        }
    }

    fn separates(self, octet: u8) -> bool {
        match self.separator {
            Separator::Blank => is_blank(octet),
            Separator::Octet(separator) => octet == separator,
        }
    }
}

/// C's isspace() in ASCII. Unlike [`u8::is_ascii_whitespace`] it counts the vertical tab.
fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t'..=b'\r')
}

/// Cuts the source into numbered pieces as `fgets` with a buffer of 1024 octets does.
///
/// The caller alternates: read into [`Splitter::space`], say how much with [`Splitter::filled`] (nothing = the end of
/// the source), take pieces until there are none. The text may hold passwords, so the buffer is wiped when dropped.
pub struct Splitter {
    block: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    source: Source,
    number: u64,
}

#[derive(PartialEq, Eq)]
enum Source {
    Flowing,
    Ended,
}

impl Splitter {
    /// A splitter at the start of a source.
    pub fn new() -> Self {
        Self { block: Zeroizing::new(vec![0; BLOCK]), start: 0, end: 0, source: Source::Flowing, number: 0 }
    }

    /// Room for the next octets of the source: never empty once all pieces have been taken.
    pub fn space(&mut self) -> &mut [u8] {
        self.block.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.block[self.end..]
    }

    /// Says how many octets were put at the start of the space; 0 ends the source.
    pub fn filled(&mut self, octets: usize) {
        if octets == 0 {
            self.source = Source::Ended;
        }
        self.end = (self.end + octets).min(self.block.len());
    }

    /// The next piece and its number, counted from 1; none when more octets are needed or the source has ended.
    pub fn next_piece(&mut self) -> Option<(u64, Piece<'_>)> {
        let rest = &self.block[self.start..self.end];
        let window = &rest[..rest.len().min(LINE)];
        let (taken, shown) = match memchr(b'\n', window) {
            // The line feed is looked for as the end of a C string is: a NUL before it hides it.
            Some(end) => (end + 1, (!window[..end].contains(&0)).then_some(end)),
            None if window.len() == LINE => (LINE, None),
            None if window.is_empty() || self.source == Source::Flowing => return None,
            // The last line needs no line feed, and a C string ends at its NUL.
            None => (window.len(), Some(memchr(0, window).unwrap_or(window.len()))),
        };
        let at = self.start;
        self.start += taken;
        self.number += 1;
        let piece = match shown {
            Some(length) => Piece::Line(&mut self.block[at..at + length]),
            None => Piece::TooLong(&self.block[at..at + taken]),
        };
        Some((self.number, piece))
    }
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

/// The longest piece: makemap's line buffer of 1024 octets less the NUL that ends it.
const LINE: usize = 1023;

/// What is read at once: large enough that system calls do not count.
const BLOCK: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Grammar = Grammar {
        separator: Separator::Blank,
        comment: Some(b'#'),
        empty_value: EmptyValue::Refused,
        case: Case::Folded,
    };

    /// All pieces of `source` when it arrives in blocks of `step` octets, lines as text, `!` for what is too long.
    fn pieces(source: &[u8], step: usize) -> Vec<String> {
        let mut splitter = Splitter::new();
        let mut found = Vec::new();
        for block in source.chunks(step).chain([&[][..]]) {
            splitter.space()[..block.len()].copy_from_slice(block);
            splitter.filled(block.len());
            while let Some((number, piece)) = splitter.next_piece() {
                found.push(match piece {
                    Piece::Line(line) => format!("{number}:{}", line.escape_ascii()),
                    Piece::TooLong(_) => format!("{number}!"),
                });
            }
        }
        found
    }

    #[test]
    fn pieces_do_not_depend_on_how_the_octets_arrive() {
        let long = [b"k ".as_slice(), &[b'v'; 2498], b"\nx y\n\na\0b c\nlast \0hidden"].concat();
        let whole = pieces(&long, long.len());
        assert_eq!(whole[..2], ["1!", "2!"]);
        assert_eq!(whole[2], format!("3:{}", "v".repeat(454)));
        assert_eq!(whole[3..], ["4:x y", "5:", "6!", "7:last "]);
        for step in [1, 2, 1022, 1023, 1024, 1025] {
            assert_eq!(pieces(&long, step), whole, "in blocks of {step}");
        }
    }

    #[test]
    fn the_limit_is_1023_octets_with_the_line_feed() {
        let line = |length| [vec![b'a'; length], b"\n".to_vec()].concat();
        assert_eq!(pieces(&line(1022), 4096).len(), 1);
        assert_eq!(pieces(&line(1022), 4096)[0], format!("1:{}", "a".repeat(1022)));
        assert_eq!(pieces(&line(1023), 4096), ["1!", "2:"]);
        assert_eq!(pieces(&[b'a'; 1022], 4096)[0], format!("1:{}", "a".repeat(1022)), "without a line feed");
        assert_eq!(pieces(&[b'a'; 1023], 4096), ["1!"], "even as the last line");
    }

    #[test]
    fn a_source_larger_than_the_block_is_read_whole() {
        let source = b"key value\n".repeat(BLOCK / 5);
        assert_eq!(pieces(&source, BLOCK - 1023).len(), BLOCK / 5);
    }

    #[test]
    fn entries_are_cut_at_the_separator() {
        let check = |grammar: Grammar, line: &[u8], key: &[u8], value: &[u8]| {
            let mut line = line.to_vec();
            assert_eq!(grammar.read(&mut line), Ok(Some(Entry { key, value })));
        };
        check(PLAIN, b"Key \t  Value \t", b"key", b"Value \t");
        check(PLAIN, b"a\x0bb", b"a", b"b");
        check(PLAIN, b"\xc4\xd6\xa0X y\r", b"\xc4\xd6\xa0x", b"y\r");
        check(Grammar { case: Case::Kept, ..PLAIN }, b"KEY V", b"KEY", b"V");
        check(Grammar { empty_value: EmptyValue::Allowed, ..PLAIN }, b"a  ", b"a", b"");
        let colon = Grammar { separator: Separator::Octet(b':'), ..PLAIN };
        check(colon, b" A b:::c:d ", b" a b", b"c:d ");
        check(colon, b":b", b"", b"b");
        check(Grammar { separator: Separator::Octet(b'X'), ..PLAIN }, b"AXB", b"a", b"B");
    }

    #[test]
    fn comments_come_before_blanks() {
        let blank = Grammar { comment: Some(b' '), ..PLAIN };
        assert_eq!(blank.read(&mut b" x y".to_vec()), Ok(None));
        assert_eq!(PLAIN.read(&mut b" x y".to_vec()), Err(Fault::LeadingSpace));
        assert_eq!(PLAIN.read(&mut b"\r".to_vec()), Err(Fault::LeadingSpace));
        assert_eq!(PLAIN.read(&mut b"#x y".to_vec()), Ok(None));
        assert_eq!(PLAIN.read(&mut []), Ok(None));
        let none = Grammar { comment: None, ..PLAIN };
        assert_eq!(none.read(&mut b"#x y".to_vec()), Ok(Some(Entry { key: b"#x", value: b"y" })));
    }

    #[test]
    fn faults_speak_as_makemap_does() {
        assert_eq!(Fault::TooLong.to_string(), "line too long (1024 bytes max)");
        assert_eq!(Fault::LeadingSpace.to_string(), "syntax error (leading space)");
        assert_eq!(PLAIN.read(&mut b"A ".to_vec()).unwrap_err().to_string(), "no RHS for LHS a");
        let bar = Grammar { separator: Separator::Octet(b'|'), ..PLAIN };
        let fault = bar.read(&mut b"H \"U:a\" \"P:hunter2\"".to_vec()).unwrap_err();
        assert_eq!(fault.to_string(), "no RHS for LHS h \"u:a\" (secret)");
    }
}
