//! The data of a message: dots unstuffed, its end at CRLF.CRLF and nowhere else (RFC 5321 sections 4.1.1.4 and 4.5.2).
//!
//! Octets pass through; nothing is held but the place in the line. Not here: how large a message may be, and what it
//! says.

use crate::line::{Bare, LineEnds};

/// Reads the data of one message, in pieces of any size.
#[derive(Debug)]
pub(crate) struct DataReader {
    ends: LineEnds,
    place: Place,
}

/// What was read of the octets given.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Read {
    /// So many octets; what follows them is no data of this message.
    pub(crate) taken: usize,
    /// Whether it goes on.
    pub(crate) verdict: Verdict,
}

/// How the data goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// More is to come.
    More,
    /// CRLF.CRLF was read.
    End,
    /// A line end that is none, where line ends are strict.
    Refused(Bare),
}

impl DataReader {
    /// A reader behind the line end of DATA, which counts as that of an empty message's only line.
    pub(crate) fn new(ends: LineEnds) -> Self {
        Self { ends, place: Place::LineStart(Ended::Crlf) }
    }

    /// Appends to `message` what the octets mean.
    pub(crate) fn read(&mut self, octets: &[u8], message: &mut Vec<u8>) -> Read {
        let mut taken = 0;
        while taken < octets.len() {
            let plain = self.plain(&octets[taken..]);
            message.extend_from_slice(&octets[taken..taken + plain]);
            taken += plain;
            let Some(&octet) = octets.get(taken) else { break };
            taken += 1;
            match self.step(octet, message) {
                Verdict::More => {}
                verdict => return Read { taken, verdict },
            }
        }
        Read { taken, verdict: Verdict::More }
    }

    /// How many octets stand for themselves.
    fn plain(&self, octets: &[u8]) -> usize {
        match self.place {
            Place::Text => memchr::memchr2(b'\r', b'\n', octets).unwrap_or(octets.len()),
            _ => 0,
        }
    }

    fn step(&mut self, octet: u8, message: &mut Vec<u8>) -> Verdict {
        match (self.place, octet) {
            (Place::LineStart(ended), b'.') => self.go_on(Place::Dot(ended)),
            (Place::Dot(ended), b'\r') => self.go_on(Place::DotCr(ended)),
            (Place::DotCr(Ended::Crlf), b'\n') => Verdict::End,
            (Place::DotCr(Ended::Lf), b'\n') => self.lone_dot(Ended::Crlf, message),
            (Place::Dot(_), b'\n') if self.ends == LineEnds::Normalised => self.lone_dot(Ended::Lf, message),
            (Place::Cr, b'\n') => self.end_line(Ended::Crlf, message),
            (Place::Cr | Place::DotCr(_), _) => self.bare_cr(octet, message),
            (_, b'\r') => self.go_on(Place::Cr),
            (_, b'\n') => self.bare_lf(message),
            _ => {
                message.push(octet);
                self.go_on(Place::Text)
            }
        }
    }

    fn go_on(&mut self, place: Place) -> Verdict {
        self.place = place;
        Verdict::More
    }

    fn end_line(&mut self, ended: Ended, message: &mut Vec<u8>) -> Verdict {
        message.extend_from_slice(b"\r\n");
        self.go_on(Place::LineStart(ended))
    }

    /// A dot alone on a line of which one end is a bare LF: some servers would end the message here. It is a line of
    /// the message.
    fn lone_dot(&mut self, ended: Ended, message: &mut Vec<u8>) -> Verdict {
        message.push(b'.');
        self.end_line(ended, message)
    }

    fn bare_lf(&mut self, message: &mut Vec<u8>) -> Verdict {
        match self.ends {
            LineEnds::Strict => Verdict::Refused(Bare::Lf),
            LineEnds::Normalised => self.end_line(Ended::Lf, message),
        }
    }

    /// The octet behind a CR that does not end a line.
    fn bare_cr(&mut self, octet: u8, message: &mut Vec<u8>) -> Verdict {
        if self.ends == LineEnds::Strict {
            return Verdict::Refused(Bare::Cr);
        }
        message.push(b' ');
        self.place = Place::Text;
        self.step(octet, message)
    }
}

/// Where in a line the reader stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    LineStart(Ended),
    /// Behind a dot at the start of a line.
    Dot(Ended),
    /// Behind such a dot and CR.
    DotCr(Ended),
    Text,
    /// Behind a CR that is not yet part of the message.
    Cr,
}

/// What ended the line before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    Crlf,
    Lf,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The message, how it ended, and what is left behind its end.
    fn read(input: &[u8], piece: usize, ends: LineEnds) -> (Vec<u8>, Verdict, Vec<u8>) {
        let mut reader = DataReader::new(ends);
        let mut message = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let octets = &input[at..(at + piece).min(input.len())];
            let read = reader.read(octets, &mut message);
            at += read.taken;
            if read.verdict != Verdict::More {
                return (message, read.verdict, input[at..].to_vec());
            }
        }
        (message, Verdict::More, Vec::new())
    }

    fn check(input: &[u8], ends: LineEnds, message: &[u8], verdict: Verdict, left: &[u8]) {
        for piece in [1, 2, 3, 1000] {
            let found = read(input, piece, ends);
            assert_eq!(
                found,
                (message.to_vec(), verdict, left.to_vec()),
                "{} by {piece}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn dots_are_unstuffed_and_crlf_dot_crlf_ends() {
        for (input, message, left) in [
            (&b".\r\nQUIT\r\n"[..], &b""[..], &b"QUIT\r\n"[..]),
            (b"a\r\n.\r\n", b"a\r\n", b""),
            (b"a\r\n..\r\n...b\r\n.c\r\n.\r\n.\r\n", b"a\r\n.\r\n..b\r\nc\r\n", b".\r\n"),
            (b"a.\r\n.\r\n", b"a.\r\n", b""),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
        ] {
            check(input, LineEnds::Strict, message, Verdict::End, left);
            check(input, LineEnds::Normalised, message, Verdict::End, left);
        }
        check(b"a\r\n.", LineEnds::Strict, b"a\r\n", Verdict::More, b"");
        check(b"a\r\n.\r", LineEnds::Strict, b"a\r\n", Verdict::More, b"");
    }

    #[test]
    fn what_smuggles_is_refused() {
        for (input, message, bare) in [
            (&b"a\n.\nM"[..], &b"a"[..], Bare::Lf),
            (b"a\n.\r\nM", b"a", Bare::Lf),
            (b"a\r\n.\nM", b"a\r\n", Bare::Lf),
            (b"a\r.\rM", b"a", Bare::Cr),
            (b"a\r.\r\nM", b"a", Bare::Cr),
            (b"a\r\n.\rM", b"a\r\n", Bare::Cr),
            (b"a\r\n.\r\r\n", b"a\r\n", Bare::Cr),
            (b"a\r\r\n.\r\n", b"a", Bare::Cr),
            (b"a\n\r\n.\r\n", b"a", Bare::Lf),
        ] {
            let found = read(input, 1, LineEnds::Strict);
            assert_eq!(
                (&found.0[..], found.1),
                (message, Verdict::Refused(bare)),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn normalised_it_is_part_of_the_message() {
        for (input, message) in [
            (&b"a\n.\nM\r\n.\r\n"[..], &b"a\r\n.\r\nM\r\n"[..]),
            (b"a\n.\r\nM\r\n.\r\n", b"a\r\n.\r\nM\r\n"),
            (b"a\r\n.\nM\r\n.\r\n", b"a\r\n.\r\nM\r\n"),
            (b"a\n..\nM\r\n.\r\n", b"a\r\n.\r\nM\r\n"),
            (b"a\r.\rM\r\n.\r\n", b"a . M\r\n"),
            (b"a\r\n.\rM\r\n.\r\n", b"a\r\n M\r\n"),
            (b"a\r\n.\r\r\n.\r\n", b"a\r\n \r\n"),
            (b"a\r\r\n.\r\n", b"a \r\n"),
            (b"a\n.\r\n.\r\n", b"a\r\n.\r\n"),
        ] {
            check(input, LineEnds::Normalised, message, Verdict::End, b"");
        }
    }

    /// Stuffs as a client does.
    fn stuffed(message: &[u8]) -> Vec<u8> {
        let text = String::from_utf8(message.to_vec()).unwrap();
        let mut sent: Vec<u8> = text
            .split_inclusive("\r\n")
            .flat_map(|line| [if line.starts_with('.') { "." } else { "" }, line])
            .flat_map(str::bytes)
            .collect();
        sent.extend_from_slice(b".\r\n");
        sent
    }

    proptest! {
        #[test]
        fn there_and_back(lines in prop::collection::vec("[.a]{0,4}", 0..8), piece in 1_usize..9) {
            let message: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
            let sent = stuffed(message.as_bytes());
            prop_assert_eq!(
                read(&sent, piece, LineEnds::Strict),
                (message.into_bytes(), Verdict::End, Vec::new())
            );
        }

        #[test]
        fn fragments_make_no_difference(
            input in prop::collection::vec(prop::sample::select(&b"a..\r\n\r\n"[..]), 0..40),
            piece in 1_usize..9,
        ) {
            for ends in [LineEnds::Strict, LineEnds::Normalised] {
                prop_assert_eq!(read(&input, piece, ends), read(&input, 1, ends));
            }
        }

        /// Whatever comes in: no CR or LF that stands alone goes on, and the end is where CRLF.CRLF is.
        #[test]
        fn what_goes_on_has_only_crlf(
            input in prop::collection::vec(prop::sample::select(&b"a..\r\n\r\n"[..]), 0..60),
        ) {
            for ends in [LineEnds::Strict, LineEnds::Normalised] {
                let (message, verdict, left) = read(&input, 7, ends);
                let text = String::from_utf8(message).unwrap().replace("\r\n", "");
                prop_assert!(!text.contains(['\r', '\n']));
                if verdict == Verdict::End {
                    let read = [&b"\r\n"[..], &input[..input.len() - left.len()]].concat();
                    prop_assert!(read.ends_with(b"\r\n.\r\n"));
                }
            }
        }
    }
}
