//! Lines out of octets: only CRLF ends one, the length is bounded, and what was held is wiped.
//!
//! A CR or LF that stands alone is what smuggling is made of: one server takes it for a line end, the next one does
//! not. Not here: what a line says, and the lines of a message (`data.rs`).

use zeroize::Zeroizing;

/// What becomes of a CR or LF that stands alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineEnds {
    /// It is refused and the session ends.
    #[default]
    Strict,
    /// A bare LF becomes CRLF, a bare CR a blank. The data of a message still ends at CRLF.CRLF only.
    Normalised,
}

/// A line end that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bare {
    /// CR without LF behind it.
    Cr,
    /// LF without CR before it.
    Lf,
}

/// Why the octets held are no line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LineFault {
    /// See [`Bare`].
    Bare(Bare),
    /// Longer than was allowed. The octets are still held: see [`LineBuffer::skip_line`].
    TooLong,
}

/// How far [`LineBuffer::skip_line`] came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Skipped {
    /// Behind the end of the line.
    Whole,
    /// So many octets, and the line goes on.
    Part(usize),
}

/// Octets that came in and are not yet used.
///
/// They may be passwords, so every buffer is wiped when it is let go, also when a longer one takes its place. An empty
/// buffer holds no memory: there are many sessions, and most of them are idle.
pub(crate) struct LineBuffer {
    octets: Zeroizing<Vec<u8>>,
    start: usize,
    /// Up to here (counted from `start`) there is no line end.
    scanned: usize,
    capacity: usize,
}

impl LineBuffer {
    /// A buffer that never holds more than this.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { octets: Zeroizing::default(), start: 0, scanned: 0, capacity }
    }

    /// Takes what there is room for, and tells how much that was.
    pub(crate) fn fill(&mut self, octets: &[u8]) -> usize {
        let taken = octets.len().min(self.capacity - self.len());
        self.make_room(taken);
        self.octets.extend_from_slice(&octets[..taken]);
        taken
    }

    /// The next line, without its end: none if there is no whole line yet. `most` says for the octets before the
    /// limit how many a line may have, CRLF included.
    pub(crate) fn line(
        &mut self,
        ends: LineEnds,
        most: impl Fn(&[u8]) -> usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, LineFault> {
        let most = most(self.held());
        while let Some(&octet) = self.held().get(self.scanned) {
            match (octet, self.held().get(self.scanned + 1), ends) {
                (b'\r', None, _) => return Ok(None),
                (b'\r', Some(b'\n'), _) => return Ok(Some(self.take_line(2))),
                (b'\r', _, LineEnds::Strict) => return Err(LineFault::Bare(Bare::Cr)),
                (b'\n', _, LineEnds::Strict) => return Err(LineFault::Bare(Bare::Lf)),
                (b'\n', _, LineEnds::Normalised) => return Ok(Some(self.take_line(1))),
                _ if self.scanned + 3 > most => return Err(LineFault::TooLong),
                _ => self.scanned += 1,
            }
        }
        Ok(None)
    }

    /// Drops octets of a line that is too long, up to its end if that is here; `most` at the most.
    pub(crate) fn skip_line(&mut self, ends: LineEnds, most: usize) -> Result<Skipped, LineFault> {
        let held = self.held();
        if memchr::memchr2(b'\r', b'\n', held).unwrap_or(held.len()) > most {
            return Err(LineFault::TooLong);
        }
        let Some(at) = memchr::memchr2(b'\r', b'\n', held) else {
            let all = held.len();
            self.consume(all);
            return Ok(Skipped::Part(all));
        };
        let (end, skipped) = match (held[at], held.get(at + 1), ends) {
            (b'\r', None, _) => (at, Skipped::Part(at)),
            (b'\r', Some(b'\n'), _) => (at + 2, Skipped::Whole),
            (b'\r', _, LineEnds::Strict) => return Err(LineFault::Bare(Bare::Cr)),
            (b'\r', _, LineEnds::Normalised) => (at + 1, Skipped::Part(at + 1)),
            (_, _, LineEnds::Strict) => return Err(LineFault::Bare(Bare::Lf)),
            (_, _, LineEnds::Normalised) => (at + 1, Skipped::Whole),
        };
        self.consume(end);
        Ok(skipped)
    }

    /// What is held.
    pub(crate) fn held(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    /// Drops octets from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.octets.len());
        self.scanned = 0;
        if self.len() == 0 {
            self.clear();
        }
    }

    /// Drops everything and lets the memory go.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    fn take_line(&mut self, end: usize) -> Zeroizing<Vec<u8>> {
        let mut line = Zeroizing::new(self.held()[..self.scanned].to_vec());
        // Only where line ends are normalised one can be left.
        line.iter_mut().filter(|octet| **octet == b'\r').for_each(|octet| *octet = b' ');
        self.consume(self.scanned + end);
        line
    }

    /// By hand, since a vector that grows leaves its old octets behind unwiped.
    fn make_room(&mut self, more: usize) {
        if self.octets.len() + more <= self.octets.capacity() {
            return;
        }
        let wanted = (self.len() + more).next_power_of_two().max(SMALLEST).min(self.capacity);
        let mut roomy = Zeroizing::new(Vec::with_capacity(wanted));
        roomy.extend_from_slice(self.held());
        self.octets = roomy;
        self.start = 0;
    }
}

/// The first buffer: a command of usual length.
const SMALLEST: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 12;

    /// All lines of the input, fed in pieces of this size, and the fault at which it ends.
    fn lines(input: &[u8], piece: usize, ends: LineEnds) -> (Vec<Vec<u8>>, Option<LineFault>) {
        let mut buffer = LineBuffer::new(32);
        let mut found = Vec::new();
        for octets in input.chunks(piece) {
            let mut rest = octets;
            while !rest.is_empty() {
                rest = &rest[buffer.fill(rest)..];
                loop {
                    match buffer.line(ends, |_| MOST) {
                        Ok(Some(line)) => found.push(line.to_vec()),
                        Ok(None) => break,
                        Err(fault) => return (found, Some(fault)),
                    }
                }
            }
        }
        (found, None)
    }

    #[test]
    fn only_crlf_ends_a_line() {
        for (input, expected, fault) in [
            (&b"NOOP\r\nQUIT\r\n"[..], &[&b"NOOP"[..], b"QUIT"][..], None),
            (b"\r\n\r\nx", &[b"", b""], None),
            (b"a\nb\r\n", &[], Some(LineFault::Bare(Bare::Lf))),
            (b"a\rb\r\n", &[], Some(LineFault::Bare(Bare::Cr))),
            (b"a\r\r\n", &[], Some(LineFault::Bare(Bare::Cr))),
            (b"a\r\n\nb\r\n", &[b"a"], Some(LineFault::Bare(Bare::Lf))),
            (b"1234567890\r\n", &[b"1234567890"], None),
            (b"12345678901\r\n", &[], Some(LineFault::TooLong)),
            (b"1234567890\n\r\n", &[], Some(LineFault::Bare(Bare::Lf))),
        ] {
            for piece in [1, 2, 100] {
                let (found, at_end) = lines(input, piece, LineEnds::Strict);
                assert_eq!(found, expected, "{}", input.escape_ascii());
                assert_eq!(at_end, fault, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn normalised_a_bare_lf_ends_a_line_and_a_bare_cr_is_a_blank() {
        let (found, fault) = lines(b"a\nb\rc\r\n\r\rd\n", 1, LineEnds::Normalised);
        assert_eq!(found, [&b"a"[..], b"b c", b"  d"]);
        assert_eq!(fault, None);
    }

    #[test]
    fn a_line_too_long_is_skipped_to_its_end() {
        let mut buffer = LineBuffer::new(100);
        buffer.fill(b"12345678901234\r");
        assert_eq!(buffer.line(LineEnds::Strict, |_| MOST), Err(LineFault::TooLong));
        assert_eq!(buffer.skip_line(LineEnds::Strict, 20), Ok(Skipped::Part(14)));
        assert_eq!(buffer.skip_line(LineEnds::Strict, 20), Ok(Skipped::Part(0)));
        buffer.fill(b"\nNOOP\r\n");
        assert_eq!(buffer.skip_line(LineEnds::Strict, 20), Ok(Skipped::Whole));
        assert_eq!(buffer.line(LineEnds::Strict, |_| MOST).unwrap().unwrap().as_slice(), b"NOOP");
        buffer.fill(b"x\rx");
        assert_eq!(buffer.skip_line(LineEnds::Strict, 20), Err(LineFault::Bare(Bare::Cr)));
        assert_eq!(buffer.skip_line(LineEnds::Normalised, 0), Err(LineFault::TooLong));
        assert_eq!(buffer.skip_line(LineEnds::Normalised, 1), Ok(Skipped::Part(2)));
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = LineBuffer::new(100);
        assert_eq!(buffer.fill(b"NOOP\r\n"), 6);
        assert!(buffer.octets.capacity() > 0);
        buffer.line(LineEnds::Strict, |_| MOST).unwrap();
        assert_eq!(buffer.octets.capacity(), 0);
    }

    proptest! {
        #[test]
        fn fragments_make_no_difference(
            input in prop::collection::vec(prop::sample::select(&b"ab\r\n\r\n"[..]), 0..60),
            piece in 1_usize..20,
        ) {
            for ends in [LineEnds::Strict, LineEnds::Normalised] {
                prop_assert_eq!(lines(&input, piece, ends), lines(&input, 1, ends));
            }
        }

        #[test]
        fn never_more_than_the_capacity_is_held(pieces in prop::collection::vec(0_usize..70, 0..20)) {
            let mut buffer = LineBuffer::new(50);
            for piece in pieces {
                let room = 50 - buffer.len();
                prop_assert_eq!(buffer.fill(&vec![b'x'; piece]), piece.min(room));
                prop_assert!(buffer.octets.capacity() <= 64);
                buffer.consume(piece / 2);
            }
        }
    }
}
