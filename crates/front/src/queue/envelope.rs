//! An envelope, and its text at the head of a file of the queue:
//!
//! ```text
//! gatepost queue 1
//! at 1795423059
//! from <a@b.example>
//! body 7BIT
//! submitter alice@b.example
//! login alice@b.example
//! local <c@d.example>
//! relay <e@f.example>
//!
//! ```
//!
//! Each line ends with LF; `submitter` and `login` are in xtext and may be missing; an empty line ends it. Behind it
//! stand the octets of the message, with CRLF at the end of each line.

use std::fmt;

use smtp::address::{ForwardPath, Mailbox, ReversePath};
use smtp::command::Body;
use smtp::xtext;

/// Who sends what to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// When it was accepted, in seconds since the epoch.
    pub at: u64,
    /// The sender.
    pub from: ReversePath,
    /// What BODY= said.
    pub body: Body,
    /// AUTH= of MAIL, where it was believed.
    pub submitter: Option<String>,
    /// Who had logged in.
    pub login: Option<String>,
    /// To whom.
    pub recipients: Vec<Recipient>,
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address, with our name where it had none.
    pub mailbox: Mailbox,
    /// Where that is.
    pub destination: Destination,
}

/// Where a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Here.
    Local,
    /// At another host.
    Relay,
}

/// The text is no envelope, or one of a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no envelope of the queue in line {0}")]
pub struct NoEnvelope(usize);

const FIRST: &str = "gatepost queue 1";

/// The longest text: a thousand recipients have room for more than addresses may be.
pub(crate) const MAX_OCTETS: usize = 16 << 20;

impl Envelope {
    /// Reads the text, and tells its length with the empty line.
    ///
    /// # Errors
    /// [`NoEnvelope`].
    pub fn parse(octets: &[u8]) -> Result<(Self, usize), NoEnvelope> {
        let end = memchr::memmem::find(octets, b"\n\n").ok_or(NoEnvelope(0))?;
        let text = std::str::from_utf8(&octets[..end]).map_err(|_| NoEnvelope(0))?;
        let mut lines = (1..).zip(text.split('\n'));
        lines.next().filter(|(_, line)| *line == FIRST).ok_or(NoEnvelope(1))?;
        let mut read = Self {
            at: 0,
            from: ReversePath::Null,
            body: Body::SevenBit,
            submitter: None,
            login: None,
            recipients: Vec::new(),
        };
        for (number, line) in lines {
            read.take(line).ok_or(NoEnvelope(number))?;
        }
        // A message for nobody would count as delivered to all.
        if read.recipients.is_empty() {
            return Err(NoEnvelope(0));
        }
        Ok((read, end + 2))
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (word, value) = line.split_once(' ')?;
        match word {
            "at" => self.at = value.parse().ok()?,
            "from" => self.from = whole(ReversePath::parse(value.as_bytes()).ok()?)?,
            "body" => self.body = body(value)?,
            "submitter" => self.submitter = Some(text(value)?),
            "login" => self.login = Some(text(value)?),
            "local" => self.recipients.push(Recipient::parse(value, Destination::Local)?),
            "relay" => self.recipients.push(Recipient::parse(value, Destination::Relay)?),
            _ => return None,
        }
        Some(())
    }
}

impl Recipient {
    /// Whether both get the same copy. Mailboxes here are named without regard to case.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let name = |recipient: &Self| recipient.mailbox.to_string().to_ascii_lowercase();
        self == other || (self.destination == Destination::Local && name(self) == name(other))
    }

    fn parse(value: &str, destination: Destination) -> Option<Self> {
        match whole(ForwardPath::parse(value.as_bytes()).ok()?)? {
            ForwardPath::Mailbox(path) => Some(Self { mailbox: path.mailbox, destination }),
            ForwardPath::Postmaster => None,
        }
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = if self.body == Body::SevenBit { "7BIT" } else { "8BITMIME" };
        write!(f, "{FIRST}\nat {}\nfrom {}\nbody {body}\n", self.at, self.from)?;
        for (word, value) in [("submitter", &self.submitter), ("login", &self.login)] {
            if let Some(value) = value {
                writeln!(f, "{word} {}", xtext::encode(value.as_bytes()))?;
            }
        }
        for Recipient { mailbox, destination } in &self.recipients {
            let word = if *destination == Destination::Local { "local" } else { "relay" };
            writeln!(f, "{word} <{mailbox}>")?;
        }
        f.write_str("\n")
    }
}

fn whole<T>((value, rest): (T, &[u8])) -> Option<T> {
    rest.is_empty().then_some(value)
}

fn body(value: &str) -> Option<Body> {
    match value {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        _ => None,
    }
}

fn text(value: &str) -> Option<String> {
    String::from_utf8(xtext::decode(value.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_comes_back_as_it_was() {
        let mailbox = |text: &str| Mailbox::parse(text.as_bytes()).unwrap();
        let recipients = vec![
            Recipient { mailbox: mailbox("c@d.example"), destination: Destination::Local },
            Recipient { mailbox: mailbox("\"e\\\" x\"@f.example"), destination: Destination::Relay },
        ];
        let (from, _) = ReversePath::parse(b"<a@b.example>").unwrap();
        let whole = Envelope {
            at: 1_795_423_059,
            from,
            body: Body::EightBitMime,
            submitter: Some("a b=\n".to_owned()),
            login: Some("\u{e4}@b".to_owned()),
            recipients,
        };
        let text = format!("{whole}Subject: x\r\n\r\n");
        let (read, length) = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!(read, whole);
        assert_eq!(&text[length..], "Subject: x\r\n\r\n");
    }

    #[test]
    fn what_is_none_is_refused_with_its_line() {
        for (text, line) in [
            ("", 0),
            ("gatepost queue 1\n", 0),
            ("gatepost queue 2\n\n", 1),
            ("gatepost queue 1\nat x\n\n", 2),
            ("gatepost queue 1\nat 1\nlocal c@d\n\n", 3),
            ("gatepost queue 1\nat 1\nlocal <c@d> x\n\n", 3),
            ("gatepost queue 1\nat 1\nbcc <c@d>\n\n", 3),
        ] {
            assert_eq!(Envelope::parse(text.as_bytes()).unwrap_err(), NoEnvelope(line), "{text:?}");
        }
    }
}
