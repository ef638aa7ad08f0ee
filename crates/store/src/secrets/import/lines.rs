//! Lines of a text that may hold passwords: bounded, numbered, and wiped.

use std::io::{self, Read};

use zeroize::Zeroizing;

use crate::secrets::import::Reason;

/// The longest line, in octets. A password has at most 4,096, a user id half as much, and Dovecot's extra fields are
/// short.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Lines of `input`, without LF or CRLF. One that is longer than `longest` octets is an error and passed over.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    longest: usize,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    number: u64,
    ended: bool,
}

/// A line and its number, counted from 1.
pub(crate) type Numbered = (u64, Result<Zeroizing<Vec<u8>>, Reason>);

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R, longest: usize) -> Self {
        // Never grown: a buffer that moves leaves its octets behind.
        let buffer = Zeroizing::new(vec![0; longest + 2]);
        Self { input, longest, buffer, start: 0, end: 0, number: 0, ended: false }
    }

    fn line(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut searched = self.start;
        loop {
            if let Some(found) = self.buffer[searched..self.end].iter().position(|&octet| octet == b'\n') {
                return Ok(Some(self.take(searched + found, 1)));
            }
            searched = self.end;
            if self.end - self.start > self.longest + 1 {
                self.pass_over()?;
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            let before = self.start;
            if self.fill()? == 0 {
                let last = self.start != self.end;
                return Ok(last.then(|| self.take(self.end, 0)));
            }
            searched -= before - self.start;
        }
    }

    /// The line up to `end`, and on behind it and its terminator.
    fn take(&mut self, end: usize, terminator: usize) -> Zeroizing<Vec<u8>> {
        let line = &self.buffer[self.start..end];
        let line = Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        self.start = end + terminator;
        line
    }

    /// Reads more behind what is there, which moves to the front when it stands at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn too_long(&self) -> Reason {
        Reason::Malformed(format!("the line is longer than {} octets", self.longest))
    }

    /// Goes on to the next line without keeping this one.
    fn pass_over(&mut self) -> io::Result<()> {
        loop {
            if let Some(found) = self.buffer[self.start..self.end].iter().position(|&octet| octet == b'\n') {
                self.start += found + 1;
                return Ok(());
            }
            (self.start, self.end) = (0, 0);
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Numbered;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.number += 1;
        let line = match self.line() {
            Ok(Some(line)) if line.len() > self.longest => Err(self.too_long()),
            Ok(Some(line)) => Ok(line),
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(self.too_long()),
            Err(error) => {
                self.ended = true;
                Err(Reason::Unreadable(error.to_string()))
            }
        };
        Some((self.number, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives one octet at a time, so that every boundary is met.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            out[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    /// Lines by number, `None` for one that is too long.
    type Outcome = Vec<(u64, Option<Vec<u8>>)>;

    fn read(text: &[u8], longest: usize) -> Outcome {
        let whole: Outcome = Lines::new(text, longest)
            .map(|(number, line)| (number, line.ok().map(|line| line.to_vec())))
            .collect();
        let drip: Outcome = Lines::new(Drip(text), longest)
            .map(|(number, line)| (number, line.ok().map(|line| line.to_vec())))
            .collect();
        assert_eq!(whole, drip);
        whole
    }

    #[test]
    fn lines_as_they_come() {
        type Row<'a> = (&'a [u8], &'a [Option<&'a [u8]>]);
        let rows: [Row<'_>; 6] = [
            (b"", &[]),
            (b"a\nb\n", &[Some(b"a"), Some(b"b")]),
            (b"a\r\n\r\nb", &[Some(b"a"), Some(b""), Some(b"b")]),
            (b"12345678\n123456789\n1\n", &[Some(b"12345678"), None, Some(b"1")]),
            (b"123456789012345678901234567890\nx", &[None, Some(b"x")]),
            (b"123456789012345678901234567890", &[None]),
        ];
        for (text, lines) in rows {
            let found: Vec<_> = read(text, 8).into_iter().map(|(_, line)| line).collect();
            let wanted: Vec<_> = lines.iter().map(|line| line.map(<[u8]>::to_vec)).collect();
            assert_eq!(found, wanted, "{:?}", text.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_source_that_fails_ends() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut lines = Lines::new(Broken, 8);
        assert!(matches!(lines.next(), Some((1, Err(Reason::Unreadable(what)))) if what == "gone"));
        assert!(lines.next().is_none());
    }

    proptest! {
        #[test]
        fn same_as_splitting(text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 0..200)) {
            let mut wanted: Vec<_> = text.split(|&octet| octet == b'\n').collect();
            if wanted.last().is_some_and(|last| last.is_empty()) {
                wanted.pop();
            }
            let found: Vec<_> = read(&text, 12).into_iter().map(|(_, line)| line).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|l| (l.len() <= 12).then(|| l.to_vec())).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
