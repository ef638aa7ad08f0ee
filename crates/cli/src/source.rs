//! Text to work through line by line, numbered, from a file or from standard input. Lines are octets: what they mean,
//! and in which character set, is the reader's business. They may hold secrets, so every buffer is wiped.

use std::fmt;
use std::io::Read;

use zeroize::Zeroizing;

use crate::{Exit, Io, Report, printable};

/// Numbered lines, one at a time, in memory bounded by the longest line that is allowed.
pub struct Source {
    name: String,
    from: Box<dyn Read>,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    line: Zeroizing<Vec<u8>>,
    number: u64,
    taken: u64,
    limit: usize,
}

/// One line, without its LF.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its octets.
    pub octets: &'a [u8],
    /// How it ended.
    pub end: End,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a line feed.
    Lf,
    /// With the end of the source.
    Eof,
}

impl Source {
    /// Lines of what `from` reads; `name` stands in complaints (a path, or `standard input`).
    pub fn new(name: impl fmt::Display, from: impl Read + 'static) -> Self {
        Self {
            name: name.to_string(),
            from: Box::new(from),
            buffer: Zeroizing::new(vec![0; BUFFER]),
            start: 0,
            end: 0,
            line: Zeroizing::new(Vec::new()),
            number: 0,
            taken: 0,
            limit: LINE_LIMIT,
        }
    }

    /// Lines of standard input.
    ///
    /// # Errors
    /// When standard input was taken before.
    pub fn stdin(io: &mut Io) -> Result<Self, Report> {
        Ok(Self::new("standard input", io.take_stdin()?))
    }

    /// Allows lines of up to `limit` octets; by default 1 MiB.
    #[must_use]
    pub fn with_line_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The next line; `None` at the end. A last line without LF counts when it holds anything.
    ///
    /// # Errors
    /// `EX_IOERR` when reading fails, `EX_DATAERR` when the line is longer than allowed.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, Report> {
        self.line.clear();
        self.number += 1;
        let end = loop {
            if self.start == self.end && !self.fill()? {
                break End::Eof;
            }
            if self.take_up_to_line_end()? {
                break End::Lf;
            }
        };
        let nothing = end == End::Eof && self.line.is_empty();
        Ok((!nothing).then_some(Line { number: self.number, octets: &self.line, end }))
    }

    /// The name that stands in complaints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many octets have been handed out, for a progress bar.
    pub fn position(&self) -> u64 {
        self.taken
    }

    /// A complaint about a line: its subject is `NAME:NUMBER`.
    pub fn complaint(&self, exit: Exit, number: u64, cause: impl fmt::Display) -> Report {
        Report::new(exit, format_args!("{}:{number}", self.name), cause)
    }

    fn fill(&mut self) -> Result<bool, Report> {
        let count = self.from.read(&mut self.buffer).map_err(|error| {
            Report::new(
                Exit::IOERR,
                &self.name,
                format_args!("reading after line {}: {error}", self.number - 1),
            )
        })?;
        (self.start, self.end) = (0, count);
        Ok(count > 0)
    }

    fn take_up_to_line_end(&mut self) -> Result<bool, Report> {
        let waiting = &self.buffer[self.start..self.end];
        let found = waiting.iter().position(|&octet| octet == b'\n');
        let piece = &waiting[..found.unwrap_or(waiting.len())];
        if self.line.len() + piece.len() > self.limit {
            let cause = format_args!("line is longer than {} octets", self.limit);
            return Err(self.complaint(Exit::DATAERR, self.number, cause));
        }
        append(&mut self.line, piece);
        let taken = piece.len() + usize::from(found.is_some());
        self.start += taken;
        self.taken += taken as u64;
        Ok(found.is_some())
    }
}

impl fmt::Debug for Line<'_> {
    /// The number alone: the octets may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.number)
    }
}

/// Appends without leaving an unwiped copy behind when the memory has to grow.
fn append(line: &mut Zeroizing<Vec<u8>>, piece: &[u8]) {
    let wanted = line.len() + piece.len();
    if wanted > line.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(wanted.next_power_of_two().max(FIRST_LINE)));
        larger.extend_from_slice(line);
        *line = larger;
    }
    line.extend_from_slice(piece);
}

/// A path for [`Source::new`], as it may be shown.
pub fn name_of<P: AsRef<std::path::Path> + ?Sized>(path: &P) -> String {
    printable::path(path).to_string()
}

const BUFFER: usize = 64 * 1024;
const LINE_LIMIT: usize = 1024 * 1024;
const FIRST_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{End, Source};
    use crate::{Exit, Io};

    /// Gives its octets in pieces of this size.
    struct Pieces(io::Cursor<Vec<u8>>, usize);

    impl Read for Pieces {
        fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
            let count = octets.len().min(self.1);
            self.0.read(&mut octets[..count])
        }
    }

    fn check(text: &[u8], piece: usize) -> Vec<(u64, Vec<u8>, End)> {
        let mut source = Source::new("t", Pieces(io::Cursor::new(text.to_vec()), piece));
        let mut lines = Vec::new();
        while let Some(line) = source.next_line().unwrap() {
            lines.push((line.number, line.octets.to_vec(), line.end));
        }
        assert_eq!(source.position(), text.len() as u64);
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let long = vec![b'x'; 70_000];
        let text = [b"one\n\nthree\r\n\0\xff\n".as_slice(), &long, b"\nlast"].concat();
        let expected = vec![
            (1, b"one".to_vec(), End::Lf),
            (2, Vec::new(), End::Lf),
            (3, b"three\r".to_vec(), End::Lf),
            (4, b"\0\xff".to_vec(), End::Lf),
            (5, long, End::Lf),
            (6, b"last".to_vec(), End::Eof),
        ];
        for piece in [1, 2, 3, 1000, 1 << 20] {
            assert_eq!(check(&text, piece), expected, "in pieces of {piece}");
        }
        assert_eq!(check(b"", 1), Vec::new());
        assert_eq!(check(b"\n", 1), vec![(1, Vec::new(), End::Lf)]);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut source = Source::new("map.txt", io::repeat(b'x')).with_line_limit(100_000);
        let report = source.next_line().unwrap_err();
        assert_eq!((report.exit(), report.subject()), (Exit::DATAERR, "map.txt:1"));
    }

    #[test]
    fn standard_input_is_a_source_once() {
        let (mut io, _) = Io::rehearse("p", "a\n");
        let mut source = Source::stdin(&mut io).unwrap();
        assert_eq!(source.next_line().unwrap().unwrap().octets, b"a");
        assert_eq!(Source::stdin(&mut io).err().unwrap().exit(), Exit::USAGE);
    }
}
