//! The data of a message on their way out: dots stuffed, CRLF at the end of each line, and CRLF.CRLF at the end of all
//! (RFC 5321 sections 4.1.1.4 and 4.5.2).

/// Writes the data of one message, in pieces of any size. A bare LF becomes CRLF and a bare CR a blank, so that no
/// server, however it reads line ends, finds the end of the message where it is not.
#[derive(Debug)]
pub(super) struct DataWriter {
    place: Place,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Start,
    Text,
    /// Behind a CR that has not been written.
    Cr,
}

impl DataWriter {
    pub(super) fn new() -> Self {
        Self { place: Place::Start }
    }

    /// Appends to `output` what these octets are on the wire.
    pub(super) fn write(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some((&octet, behind)) = rest.split_first() {
            match (self.place, octet) {
                (_, b'\n') => {
                    output.extend_from_slice(b"\r\n");
                    self.place = Place::Start;
                    rest = behind;
                }
                (Place::Cr, _) => {
                    output.push(b' ');
                    self.place = Place::Text;
                }
                (_, b'\r') => {
                    self.place = Place::Cr;
                    rest = behind;
                }
                _ => rest = self.text(rest, output),
            }
        }
    }

    /// Appends what ends the message. A last line without its end gets one.
    pub(super) fn end(self, output: &mut Vec<u8>) {
        if self.place != Place::Start {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }

    fn text<'o>(&mut self, octets: &'o [u8], output: &mut Vec<u8>) -> &'o [u8] {
        if self.place == Place::Start && octets.starts_with(b".") {
            output.push(b'.');
        }
        let end = memchr::memchr2(b'\r', b'\n', octets).unwrap_or(octets.len());
        let (text, rest) = octets.split_at(end);
        output.extend_from_slice(text);
        self.place = Place::Text;
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::data::{DataReader, Verdict};
    use crate::line::LineEnds;

    use super::*;

    fn written(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut writer, mut output) = (DataWriter::new(), Vec::new());
        for piece in pieces {
            writer.write(piece, &mut output);
        }
        writer.end(&mut output);
        output
    }

    #[test]
    fn rows() {
        for (message, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a . b\r\n.\r\n"),
            (b"a\r\r\n", b"a \r\n.\r\n"),
            (b"\r", b"\r\n.\r\n"),
            (b"\r.", b" .\r\n.\r\n"),
        ] {
            assert_eq!(written(&[message]), wire, "{}", message.escape_ascii());
        }
    }

    proptest! {
        /// Our own server reads what was written, and its end is where the message ends.
        #[test]
        fn a_strict_server_reads_what_was_meant(
            message in prop::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60),
            place in any::<usize>(),
        ) {
            let wire = written(&[&message]);
            let (one, other) = message.split_at(place % (message.len() + 1));
            prop_assert_eq!(&wire, &written(&[one, other]));
            let mut read = Vec::new();
            let done = DataReader::new(LineEnds::Strict).read(&wire, &mut read);
            prop_assert_eq!((done.taken, done.verdict), (wire.len(), Verdict::End));
            let mut again = written(&[&read]);
            prop_assert_eq!(&mut again, &mut wire.clone());
        }
    }
}
