//! Lines that are added to a message: Received above it, Date and Message-ID where a submitted one lacks them. And lines
//! that are kept of it, to be judged: who says to have sent it.

use std::fmt::Write as _;
use std::time::SystemTime;

use smtp::mailbox::MAX_FIELD;
use smtp::server::Protocol;
use smtp::xtext;
use time::OffsetDateTime;
use time::macros::format_description;

/// What Received says (RFC 5321, section 4.4).
#[derive(Debug, Clone)]
pub(crate) struct Received<'a> {
    /// The name that the client gave itself.
    pub(crate) hello: &'a str,
    /// Who it is by its connection: `[192.0.2.1]`.
    pub(crate) client: &'a str,
    /// How it has logged in.
    pub(crate) login: Option<ReceivedLogin<'a>>,
    /// Our name.
    pub(crate) host: &'a str,
    /// With what protocol.
    pub(crate) protocol: Protocol,
    /// The name of the message here.
    pub(crate) id: &'a str,
    /// What TLS came to.
    pub(crate) tls: Option<&'a tls::Facts>,
    /// The recipient, if there is one alone: nobody is to learn of the others.
    pub(crate) only_recipient: Option<&'a str>,
    /// When.
    pub(crate) at: SystemTime,
}

/// sendmail's `(authenticated bits=0)`, or with the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceivedLogin<'a> {
    pub(crate) ssf: u32,
    /// Only where the configuration says so.
    pub(crate) user: Option<ReceivedUser<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceivedUser<'a> {
    pub(crate) authentication: &'a str,
    pub(crate) submitter: Option<&'a str>,
    pub(crate) mechanism: &'a str,
}

impl Received<'_> {
    /// The whole field, with its line ends.
    pub(crate) fn field(&self) -> String {
        let mut field = format!("Received: from {} ({})\r\n", self.hello, self.client);
        if let Some(login) = self.login {
            _ = write!(field, "\t({})\r\n", login.words());
        }
        _ = write!(field, "\tby {} (Gatepost) with {} id {}", self.host, self.protocol, self.id);
        if let Some(tls) = self.tls {
            let (version, word) = (tls.version.name(), tls.client.verify_word());
            _ = write!(
                field,
                "\r\n\t(version={version} cipher={} bits={} verify={word})",
                tls.cipher, tls.bits
            );
        }
        match self.only_recipient {
            Some(recipient) => _ = write!(field, "\r\n\tfor {recipient}; {}\r\n", date(self.at)),
            None => _ = write!(field, ";\r\n\t{}\r\n", date(self.at)),
        }
        field
    }
}

impl ReceivedLogin<'_> {
    fn words(self) -> String {
        let Self { ssf, user } = self;
        let Some(user) = user else { return format!("authenticated bits={ssf}") };
        let author = user.submitter.map(|author| format!(" author={}", comment(author)));
        let (name, mechanism) = (comment(user.authentication), comment(user.mechanism));
        format!("user={name}{} mech={mechanism} bits={ssf}", author.unwrap_or_default())
    }
}

/// A name within a comment, where parentheses, quotation marks and line ends would mean something.
fn comment(name: &str) -> String {
    let mut text = String::new();
    for octet in name.bytes() {
        if b"()<>\\\"".contains(&octet) {
            _ = write!(text, "+{octet:02X}");
        } else {
            text.push_str(&xtext::encode(&[octet]));
        }
    }
    text
}

/// RFC 5322, section 3.3, in UTC.
pub(crate) fn date(at: SystemTime) -> String {
    let format = format_description!(
        "[weekday repr:short], [day padding:none] [month repr:short] [year] [hour]:[minute]:[second] +0000"
    );
    // The format has nothing that a date lacks.
    OffsetDateTime::from(at).format(format).unwrap_or_default()
}

/// Passes a message on and adds at the end of its header what it lacks.
#[derive(Debug)]
pub(crate) struct HeaderScan {
    state: State,
    /// The beginning of a line, until it is known what it is.
    held: Vec<u8>,
    date: Option<String>,
    message_id: Option<String>,
    fields: Fields,
    /// Fields that name a sender, as far as they are wanted.
    senders: Option<Vec<SenderField>>,
    /// Whether the field that is being read is the last of them.
    keeping: Keeping,
    /// The first octet of the header that no field may hold.
    control: Option<u8>,
}

/// What a header says of who sends it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    /// The fields that name a sender.
    pub(crate) fields: &'a [SenderField],
    /// An octet somewhere in the header by which programs read it differently: NUL, or another control character. RFC 5322
    /// allows none of them; some programs drop it, and see a field where others see none.
    pub(crate) control: Option<u8>,
}

/// A field of the header that says who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SenderField {
    /// Its name.
    pub(crate) name: &'static str,
    /// What stands behind the colon, the line end included; of one that is longer than anybody reads, the beginning and one
    /// octet too many.
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    No,
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Line,
    Body,
}

/// Whether a field was there already: what is folded belongs to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fields {
    None,
    Some,
}

impl HeaderScan {
    /// Adds no field. A message that begins with no field has no header: the empty line that ends one is put before it, or
    /// its text would be read as part of what is added at the top.
    pub(crate) fn nothing() -> Self {
        Self {
            state: State::Start,
            held: Vec::new(),
            date: None,
            message_id: None,
            fields: Fields::None,
            senders: None,
            keeping: Keeping::No,
            control: None,
        }
    }

    /// Keeps the fields that name a sender, too.
    pub(crate) fn keeping_senders(self) -> Self {
        Self { senders: Some(Vec::new()), ..self }
    }

    /// The fields that were kept, once the message is at its end.
    pub(crate) fn senders(&self) -> &[SenderField] {
        self.senders.as_deref().unwrap_or_default()
    }

    /// The same, and what makes them doubtful.
    pub(crate) fn claims(&self) -> Claims<'_> {
        Claims { fields: self.senders(), control: self.control }
    }

    /// Adds Date and Message-ID where they are missing (RFC 6409, sections 8.2 and 8.3).
    pub(crate) fn submission(at: SystemTime, id: &str, host: &str) -> Self {
        Self {
            date: Some(format!("Date: {}\r\n", date(at))),
            message_id: Some(format!("Message-ID: <{id}@{host}>\r\n")),
            ..Self::nothing()
        }
    }

    /// Octets of the message in, octets of the message out.
    pub(crate) fn pass(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for (at, &octet) in octets.iter().enumerate() {
            match self.state {
                State::Body => return out.extend_from_slice(&octets[at..]),
                State::Line => {
                    self.watch(octet);
                    out.push(octet);
                    self.keep(&[octet]);
                    if octet == b'\n' {
                        self.state = State::Start;
                    }
                }
                State::Start => {
                    self.watch(octet);
                    self.held.push(octet);
                    self.judge(out);
                }
            }
        }
    }

    /// The message is at its end; perhaps it had a header only.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.state != State::Body {
            self.end_header(out);
        }
    }

    /// Line ends are CRLF here: what stands alone was refused before.
    fn watch(&mut self, octet: u8) {
        if octet.is_ascii_control() && !b"\t\r\n".contains(&octet) {
            self.control.get_or_insert(octet);
        }
    }

    fn judge(&mut self, out: &mut Vec<u8>) {
        match LineStart::of(&self.held) {
            LineStart::Unknown => {}
            LineStart::Folded if self.fields == Fields::Some => {
                let held = std::mem::take(&mut self.held);
                self.keep(&held);
                self.held = held;
                self.is_field(out);
            }
            LineStart::Field => {
                self.note_field();
                self.is_field(out);
            }
            LineStart::Empty => self.end_header(out),
            // No header, or none any more: what follows is text, and a header ends with an empty line.
            LineStart::Folded | LineStart::Text => {
                self.held.splice(..0, *b"\r\n");
                self.end_header(out);
            }
        }
    }

    fn is_field(&mut self, out: &mut Vec<u8>) {
        self.fields = Fields::Some;
        out.append(&mut self.held);
        self.state = State::Line;
    }

    fn note_field(&mut self) {
        let name = self.held.trim_ascii_end().strip_suffix(b":").unwrap_or(&self.held).trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Date") {
            self.date = None;
        }
        if name.eq_ignore_ascii_case(b"Message-ID") {
            self.message_id = None;
        }
        self.keeping = Keeping::No;
        let known = SENDERS.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let (Some(senders), Some(name)) = (&mut self.senders, known) else { return };
        if senders.len() < MOST_SENDERS {
            senders.push(SenderField { name, body: Vec::new() });
            self.keeping = Keeping::Yes;
        } else if let Some(last) = senders.last_mut() {
            // More than any message has: the last one is read by nobody now.
            last.body.resize(MAX_FIELD + 1, b' ');
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.keeping == Keeping::No {
            return;
        }
        let Some(field) = self.senders.as_mut().and_then(|senders| senders.last_mut()) else { return };
        let room = (MAX_FIELD + 1).saturating_sub(field.body.len());
        field.body.extend_from_slice(&octets[..octets.len().min(room)]);
    }

    fn end_header(&mut self, out: &mut Vec<u8>) {
        for missing in [self.date.take(), self.message_id.take()].into_iter().flatten() {
            out.extend_from_slice(missing.as_bytes());
        }
        out.append(&mut self.held);
        self.held = Vec::new();
        self.state = State::Body;
    }
}

/// What the beginning of a line tells.
enum LineStart {
    Unknown,
    Empty,
    Folded,
    Field,
    Text,
}

impl LineStart {
    fn of(held: &[u8]) -> Self {
        match held {
            [] | [b'\r'] => Self::Unknown,
            [b'\r', b'\n'] => Self::Empty,
            [b' ' | b'\t', ..] => Self::Folded,
            [name @ .., b':'] if !name.is_empty() => Self::Field,
            _ if held.len() > MAX_NAME => Self::Text,
            // RFC 5322, section 4.5: blanks before the colon are obsolete, and still sent.
            _ if is_name(held.trim_ascii_end()) && held.iter().all(|octet| !b"\r\n".contains(octet)) => {
                Self::Unknown
            }
            _ => Self::Text,
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| matches!(octet, b'!'..=b'~') && *octet != b':')
}

/// No field has a longer name.
const MAX_NAME: usize = 128;

/// RFC 5322, sections 3.6.2 and 3.6.6.
const SENDERS: [&str; 4] = ["From", "Sender", "Resent-From", "Resent-Sender"];
/// A message that was sent again has a block of fields for each time.
const MOST_SENDERS: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_423_059)
    }

    fn scanned(text: &str, piece: usize) -> String {
        let mut scan = HeaderScan::submission(at(), "ID", "h.test");
        let mut out = Vec::new();
        text.as_bytes().chunks(piece).for_each(|octets| scan.pass(octets, &mut out));
        scan.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_missing_is_added_at_the_end_of_the_header() {
        let date = "Date: Mon, 23 Nov 2026 08:37:39 +0000\r\n";
        let id = "Message-ID: <ID@h.test>\r\n";
        for (text, expected) in [
            ("A: b\r\n\r\nx\r\n", format!("A: b\r\n{date}{id}\r\nx\r\n")),
            ("dAte: x\r\n\r\nx\r\n", format!("dAte: x\r\n{id}\r\nx\r\n")),
            ("Message-Id : x\r\n\r\nDate: y\r\n", format!("Message-Id : x\r\n{date}\r\nDate: y\r\n")),
            ("A: b\r\n Date: c\r\n\r\n", format!("A: b\r\n Date: c\r\n{date}{id}\r\n")),
            ("A: b\r\n", format!("A: b\r\n{date}{id}")),
            ("", format!("{date}{id}")),
            ("\r\nDate: x\r\n", format!("{date}{id}\r\nDate: x\r\n")),
            ("Dear all,\r\n\r\n", format!("{date}{id}\r\nDear all,\r\n\r\n")),
            (" indented\r\n", format!("{date}{id}\r\n indented\r\n")),
            ("A: b\r\n.: c\r\nFrom x@y z\r\n", format!("A: b\r\n.: c\r\n{date}{id}\r\nFrom x@y z\r\n")),
            ("A\r\nB: c\r\n", format!("{date}{id}\r\nA\r\nB: c\r\n")),
            ("Date: x\r\nMessage-ID: y\r\n\r\n.\r\n", "Date: x\r\nMessage-ID: y\r\n\r\n.\r\n".to_owned()),
        ] {
            for piece in [1, 2, 3, 1000] {
                assert_eq!(scanned(text, piece), expected, "{text:?} {piece}");
            }
        }
        let long = format!("{}: x\r\n\r\n", "n".repeat(200));
        assert_eq!(scanned(&long, 7), format!("{date}{id}\r\n{long}"));
    }

    #[test]
    fn of_a_message_that_was_not_submitted_only_the_end_of_its_header_is_added() {
        for (text, expected) in [
            ("A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n"),
            ("\r\nx\r\n", "\r\nx\r\n"),
            ("A: b\r\n", "A: b\r\n"),
            ("", ""),
            ("hello alice, no header here\r\nx: y\r\n", "\r\nhello alice, no header here\r\nx: y\r\n"),
            (" indented\r\n", "\r\n indented\r\n"),
        ] {
            for piece in [1, 3, 1000] {
                let mut out = Vec::new();
                let mut scan = HeaderScan::nothing();
                text.as_bytes().chunks(piece).for_each(|octets| scan.pass(octets, &mut out));
                scan.finish(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn an_octet_that_no_header_may_hold_is_noticed_in_the_header_alone() {
        for (text, control) in [
            ("From: a@b\r\n\0From: c@d\r\n\r\n", Some(0)),
            ("From: a@b\r\nX: y\0z\r\n\r\n", Some(0)),
            ("X\x7f: y\r\n\r\n", Some(0x7f)),
            ("X: y\r\n\t\x0bz\r\n\r\n", Some(0x0b)),
            ("X: y\r\n\tz \u{e4}\r\n\r\n\0", None),
        ] {
            let mut scan = HeaderScan::submission(at(), "ID", "h.test").keeping_senders();
            scan.pass(text.as_bytes(), &mut Vec::new());
            assert_eq!(scan.claims().control, control, "{text:?}");
        }
    }

    #[test]
    fn who_says_to_send_is_kept_whole_and_nothing_else() {
        let kept = |text: &str, piece: usize| {
            let mut scan = HeaderScan::submission(at(), "ID", "h.test").keeping_senders();
            let mut out = Vec::new();
            text.as_bytes().chunks(piece).for_each(|octets| scan.pass(octets, &mut out));
            scan.finish(&mut out);
            let shown =
                |field: &SenderField| format!("{}:{}", field.name, String::from_utf8_lossy(&field.body));
            scan.senders().iter().map(shown).collect::<String>()
        };
        let text = "To: x\r\nfrom: a@b\r\n (c)\r\n\td@e\r\nX-From: f\r\nSENDER : g\r\nFrom:h\r\nDate: i\r\n\tj\r\n\
                    Resent-From: k\r\n\r\nFrom: body\r\n";
        for piece in [1, 3, 1000] {
            assert_eq!(
                kept(text, piece),
                "From: a@b\r\n (c)\r\n\td@e\r\nSender: g\r\nFrom:h\r\nResent-From: k\r\n"
            );
        }
        assert_eq!(kept("text\r\nFrom: body\r\n", 5), "");
        assert_eq!(kept(" folded\r\nFrom: body\r\n", 5), "");
        assert_eq!(kept("A: b\r\n\r\nFrom: body\r\n", 5), "");
        let long = kept(&format!("From: {}\r\n\r\n", "x".repeat(2 * MAX_FIELD)), 1000);
        assert_eq!(long.len(), "From:".len() + MAX_FIELD + 1);
        let mut scan = HeaderScan::submission(at(), "ID", "h.test").keeping_senders();
        scan.pass("From: a@b\r\n".repeat(MOST_SENDERS + 1).as_bytes(), &mut Vec::new());
        assert_eq!(scan.senders().len(), MOST_SENDERS);
        assert!(smtp::mailbox::addresses(&scan.senders()[MOST_SENDERS - 1].body).is_err());
    }

    #[test]
    fn received_is_sendmails() {
        let mut received = Received {
            hello: "cli.example",
            client: "[198.51.100.77]",
            login: None,
            host: "mail.gate.test",
            protocol: Protocol::Esmtp,
            id: "ID",
            tls: None,
            only_recipient: None,
            at: at(),
        };
        assert_eq!(
            received.field(),
            "Received: from cli.example ([198.51.100.77])\r\n\tby mail.gate.test (Gatepost) with ESMTP id ID;\r\n\
             \tMon, 23 Nov 2026 08:37:39 +0000\r\n"
        );
        let user = ReceivedUser { authentication: "al(ice", submitter: Some("b\"ob"), mechanism: "PLAIN" };
        received.login = Some(ReceivedLogin { ssf: 0, user: Some(user) });
        received.protocol = Protocol::Esmtpa;
        received.only_recipient = Some("<u@remote.example>");
        assert_eq!(
            received.field(),
            "Received: from cli.example ([198.51.100.77])\r\n\
             \t(user=al+28ice author=b+22ob mech=PLAIN bits=0)\r\n\
             \tby mail.gate.test (Gatepost) with ESMTPA id ID\r\n\
             \tfor <u@remote.example>; Mon, 23 Nov 2026 08:37:39 +0000\r\n"
        );
    }
}
