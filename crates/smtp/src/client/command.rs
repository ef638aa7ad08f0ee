//! What a client says, and what it may be answered with. Arguments are of types that hold no line end; what shows a
//! command shows no secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credential::Secret;
use zeroize::Zeroizing;

use crate::address::ForwardPath;
use crate::command::{Body, Mail, Submitter};
use crate::reply::Code;
use crate::xtext;

use super::offer::is_mechanism;
use super::{CannotSend, ClientName, Offer};

/// A command.
#[derive(Debug)]
pub enum Command {
    /// EHLO, and HELO where the server does not know EHLO (a reply 5yz; RFC 5321 section 3.2).
    Hello,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954): an exchange begins.
    Auth {
        /// The mechanism's name.
        mechanism: String,
        /// The initial response; an empty one is one. Where the line would be too long it is kept until the server
        /// asks for it.
        initial: Option<Secret>,
    },
    /// MAIL. SIZE= and AUTH= are left out where the server has no such extension.
    Mail(Mail),
    /// RCPT.
    Recipient(ForwardPath),
    /// DATA.
    Data,
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// VRFY, with a user or an address.
    Verify(String),
    /// EXPN, with a list.
    Expand(String),
    /// QUIT.
    Quit,
}

/// What a reply belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The server's first word.
    Greeting,
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// STARTTLS.
    StartTls,
    /// AUTH, and the whole exchange that it begins.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// The end of a message.
    Message,
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// VRFY.
    Verify,
    /// EXPN.
    Expand,
    /// QUIT.
    Quit,
}

/// What a code means for a command, by its first digit (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// The answer.
    Answer,
    /// The exchange of AUTH goes on.
    Challenge,
    /// No answer to this command at all.
    None,
}

impl Step {
    /// What a code means here. 330 in place of 334 is what Mercury 1.48 says; nobody is let in by anything but 235.
    pub(super) fn meaning(self, code: Code) -> Meaning {
        match (self, code.number()) {
            (_, 400..) | (Self::StartTls, 220) | (Self::Auth, 235) | (Self::Data, 354) => Meaning::Answer,
            (Self::Auth, 334 | 330) => Meaning::Challenge,
            (Self::StartTls | Self::Auth | Self::Data, _) | (_, 300..) => Meaning::None,
            _ => Meaning::Answer,
        }
    }

    /// Whether nobody can tell what may be said next before this is answered: what is offered, or whether
    /// octets go on in clear.
    pub(super) fn decides_what_follows(self) -> bool {
        matches!(self, Self::Ehlo | Self::Helo | Self::StartTls | Self::Auth | Self::Quit)
    }

    /// Whether the next command may be sent before this one is answered (RFC 2920 section 3.1).
    pub(super) fn may_be_followed(self) -> bool {
        matches!(self, Self::Mail | Self::Recipient | Self::Reset)
    }
}

impl Command {
    pub(super) fn step(&self) -> Step {
        match self {
            Self::Hello => Step::Ehlo,
            Self::StartTls => Step::StartTls,
            Self::Auth { .. } => Step::Auth,
            Self::Mail(_) => Step::Mail,
            Self::Recipient(_) => Step::Recipient,
            Self::Data => Step::Data,
            Self::Reset => Step::Reset,
            Self::Noop => Step::Noop,
            Self::Verify(_) => Step::Verify,
            Self::Expand(_) => Step::Expand,
            Self::Quit => Step::Quit,
        }
    }

    /// The line with its end, and the initial response that did not fit into it.
    pub(super) fn line(self, name: &ClientName, offer: &Offer) -> Result<Line, CannotSend> {
        let line = match self {
            Self::Hello => format!("EHLO {name}"),
            Self::Auth { mechanism, initial } => return auth(&mechanism, initial),
            Self::Mail(mail) => mail_line(&mail, offer)?,
            Self::Recipient(to) => format!("RCPT TO:{to}"),
            Self::Verify(argument) => format!("VRFY {}", plain(&argument)?),
            Self::Expand(argument) => format!("EXPN {}", plain(&argument)?),
            command => command.step().to_string(),
        };
        Ok(Line::of(&line))
    }
}

/// A line as it is sent.
pub(super) struct Line {
    pub(super) octets: Zeroizing<Vec<u8>>,
    /// An initial response that did not fit.
    pub(super) kept: Option<Secret>,
    /// One that did, in base64.
    pub(super) argument: Zeroizing<Vec<u8>>,
}

impl Line {
    pub(super) fn of(text: &str) -> Self {
        Self {
            octets: Zeroizing::new([text.as_bytes(), b"\r\n"].concat()),
            kept: None,
            argument: Zeroizing::default(),
        }
    }
}

/// RFC 4954 section 4: an initial response that makes the line longer than 512 octets is not sent with it.
fn auth(mechanism: &str, initial: Option<Secret>) -> Result<Line, CannotSend> {
    if !is_mechanism(mechanism) {
        return Err(CannotSend::BadArgument);
    }
    let bare = Line::of(&format!("AUTH {mechanism}"));
    let Some(initial) = initial else { return Ok(bare) };
    let encoded = encode(&initial);
    let length = bare.octets.len() + 1 + encoded.len().max(1);
    if length > MAX_LINE {
        return Ok(Line { kept: Some(initial), ..bare });
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(length));
    octets.extend_from_slice(format!("AUTH {mechanism} ").as_bytes());
    octets.extend_from_slice(if encoded.is_empty() { b"=" } else { &encoded });
    octets.extend_from_slice(b"\r\n");
    Ok(Line { octets, kept: None, argument: encoded })
}

/// The octets of a challenge.
pub(super) fn challenge(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text).ok().map(Zeroizing::new)
}

/// In memory that is wiped and never grows.
pub(super) fn encode(octets: &Secret) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(vec![0; octets.len().div_ceil(3) * 4]);
    let length = STANDARD.encode_slice(octets.expose(), &mut encoded).unwrap_or_default();
    encoded.truncate(length);
    encoded
}

fn mail_line(mail: &Mail, offer: &Offer) -> Result<String, CannotSend> {
    let size = mail.size.filter(|_| offer.has("SIZE")).map(|size| format!(" SIZE={size}"));
    let body = match mail.body {
        Body::SevenBit => "",
        // To send the octets all the same would be to hope; who has the message can encode it, or give it back.
        Body::EightBitMime if !offer.has("8BITMIME") => return Err(CannotSend::NotOffered("8BITMIME")),
        Body::EightBitMime => " BODY=8BITMIME",
    };
    let submitter = mail.submitter.as_ref().filter(|_| offer.mechanisms().next().is_some());
    let submitter = submitter.map(|submitter| match submitter {
        Submitter::Unknown => " AUTH=<>".to_owned(),
        Submitter::Named(name) => format!(" AUTH={}", xtext::encode(name.as_bytes())),
    });
    let (size, submitter) = (size.unwrap_or_default(), submitter.unwrap_or_default());
    Ok(format!("MAIL FROM:{}{size}{body}{submitter}", mail.from))
}

/// The argument of VRFY or EXPN: printable ASCII that is not too long.
fn plain(argument: &str) -> Result<&str, CannotSend> {
    let is_plain = argument.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    let fits = (1..=MAX_ARGUMENT).contains(&argument.len());
    if is_plain && fits { Ok(argument) } else { Err(CannotSend::BadArgument) }
}

impl fmt::Display for Command {
    /// As it is sent, but that parameters may be left out, and that of AUTH no octet of a response is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth { mechanism, initial: None } => write!(f, "AUTH {mechanism}"),
            Self::Auth { mechanism, initial: Some(octets) } if octets.is_empty() => {
                write!(f, "AUTH {mechanism} =")
            }
            Self::Auth { mechanism, initial: Some(_) } => write!(f, "AUTH {mechanism} ..."),
            Self::Mail(mail) => write!(f, "MAIL FROM:{}", mail.from),
            Self::Recipient(to) => write!(f, "RCPT TO:{to}"),
            Self::Verify(argument) => write!(f, "VRFY {argument}"),
            Self::Expand(argument) => write!(f, "EXPN {argument}"),
            command => command.step().fmt(f),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Message => "end of message",
            Self::Reset => "RSET",
            Self::Noop => "NOOP",
            Self::Verify => "VRFY",
            Self::Expand => "EXPN",
            Self::Quit => "QUIT",
        })
    }
}

/// RFC 5321 section 4.5.3.1.4, CRLF included.
const MAX_LINE: usize = 512;
/// What fits into such a line.
const MAX_ARGUMENT: usize = 400;
