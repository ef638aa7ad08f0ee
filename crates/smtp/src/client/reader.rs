//! Replies as they come in, line by line (RFC 5321 section 4.2). What one means is not known here.

use crate::reply::Code;

use super::{Fault, Limits};

/// A reply of which perhaps only the first lines have come.
#[derive(Default)]
pub(super) struct ReplyReader {
    code: Option<Code>,
    lines: Vec<String>,
    octets: usize,
}

/// A reply that is complete.
pub(super) struct Heard {
    pub(super) code: Code,
    /// Behind code and hyphen; printable ASCII.
    pub(super) lines: Vec<String>,
}

impl ReplyReader {
    /// Whether a line has come and the last one has not.
    pub(super) fn is_amid_reply(&self) -> bool {
        self.code.is_some()
    }

    /// One line more; the reply, if it was the last one. All have the same code, as RFC 5321 section 4.2.1 demands:
    /// of two codes nobody knows which one is meant.
    pub(super) fn line(&mut self, line: &[u8], limits: &Limits) -> Result<Option<Heard>, Fault> {
        let (code, is_last, words) = parts(line).ok_or_else(|| Fault::NotAReply(excerpt(line)))?;
        let first = *self.code.get_or_insert(code);
        if first != code {
            return Err(Fault::MixedCodes { first, then: code });
        }
        self.octets += line.len();
        if self.lines.len() >= limits.reply_lines || self.octets > limits.reply_octets {
            return Err(Fault::ReplyTooLong { code });
        }
        self.lines.push(printable(words));
        Ok(is_last.then(|| Heard { code, lines: std::mem::take(self).lines }))
    }
}

/// RFC 5321 section 4.2: a code alone is a reply, too.
fn parts(line: &[u8]) -> Option<(Code, bool, &[u8])> {
    let code = Code::read(line)?;
    match line.get(3..)? {
        [] => Some((code, true, &[])),
        [b' ', words @ ..] => Some((code, true, words)),
        [b'-', words @ ..] => Some((code, false, words)),
        _ => None,
    }
}

/// The start of something that is no reply, to be shown.
pub(super) fn excerpt(octets: &[u8]) -> String {
    let most = octets.len().min(MAX_EXCERPT);
    printable(&octets[..most])
}

fn printable(octets: &[u8]) -> String {
    octets.iter().map(|&octet| if matches!(octet, b' '..=b'~') { char::from(octet) } else { '?' }).collect()
}

/// Enough to recognise another protocol.
const MAX_EXCERPT: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<(u16, String)>, Fault> {
        let mut reader = ReplyReader::default();
        let mut heard = None;
        for line in lines {
            assert!(heard.is_none(), "a line behind the last one");
            heard = reader.line(line, &Limits { reply_lines: 3, reply_octets: 60, ..Limits::default() })?;
        }
        assert_eq!(reader.is_amid_reply(), heard.is_none() && !lines.is_empty());
        Ok(heard.map(|heard| (heard.code.number(), heard.lines.join("|"))))
    }

    #[test]
    fn replies() {
        for (lines, code, words) in [
            (&[&b"250 OK"[..]][..], 250, "OK"),
            (&[b"250"], 250, ""),
            (&[b"250 "], 250, ""),
            (&[b"250-a", b"250-", b"250 c d"], 250, "a||c d"),
            (&[b"550 n\xc3\xb6 \x1b[2J"], 550, "n?? ?[2J"),
        ] {
            assert_eq!(read(lines).unwrap(), Some((code, words.to_owned())), "{lines:?}");
        }
        assert_eq!(read(&[b"250-a"]).unwrap(), None);
    }

    #[test]
    fn what_is_none() {
        for line in
            [&b""[..], b"25", b"250x", b"250\tx", b"+OK", b" 250 x", b"650 x", b"199 x", b"HTTP/1.1 400"]
        {
            assert!(matches!(read(&[line]), Err(Fault::NotAReply(_))), "{}", line.escape_ascii());
        }
        assert!(matches!(read(&[b"250-a", b"550 b"]), Err(Fault::MixedCodes { .. })));
        assert!(matches!(read(&[b"250-a", b"b"]), Err(Fault::NotAReply(shown)) if shown == "b"));
        assert!(matches!(read(&[b"250-", b"250-", b"250-", b"250 "]), Err(Fault::ReplyTooLong { .. })));
        let long = [&b"250-"[..], &[b'x'; 40]].concat();
        assert!(matches!(read(&[&long, &long]), Err(Fault::ReplyTooLong { .. })));
    }
}
