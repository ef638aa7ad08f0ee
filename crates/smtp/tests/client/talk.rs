//! Plays a conversation that stands in a text file against a client.
//!
//! | line | what it is |
//! | --- | --- |
//! | `with: WORDS` | the set-up, before everything else: see [`word`] |
//! | `S: TEXT` | a line of the server, sent with CRLF; lines that follow each other are sent together |
//! | `S+ TEXT` | octets of the server, sent as they are |
//! | `C: TEXT` | the next line of the client, word for word |
//! | `E: EVENT` | the next event |
//! | `D: COMMAND` | what the caller does: see [`Player::order`]; `-> WORDS` behind it: it cannot, for this reason |
//! | `O: WORDS` | what is offered: keywords, then a colon and the mechanisms |
//! | `T: SECONDS` | so much time passes |
//! | `X: end` | the server's octets end |
//!
//! TEXT is written as `text.rs` reads it. Nothing may be left over: a line of the client or an event that nobody expects is
//! a fault, at the next line of the server or of the caller, or at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use credential::Secret;
use smtp::LineEnds;
use smtp::address::{ForwardPath, ReversePath};
use smtp::client::{CannotSend, Command, Event, Session, Settings};
use smtp::command::{Body, Mail, Submitter};
use smtp::server::Layer;

use crate::text::{octets, quoted};

/// Plays a whole conversation, with the server's octets in pieces of this size.
pub(crate) fn play(text: &str, piece: usize) -> Result<(), String> {
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines()).filter(|(_, line)| is_line(line)).collect();
    let mut settings = settings();
    for (_, line) in &lines {
        line.strip_prefix("with: ")
            .into_iter()
            .flat_map(str::split_whitespace)
            .for_each(|one| word(&mut settings, one));
    }
    let mut player = Player::new(settings, piece);
    for (number, line) in &lines {
        player.line(line).map_err(|fault| format!("line {number}: {line}\n{fault}"))?;
    }
    player.settled().map_err(|fault| format!("at the end: {fault}"))
}

pub(crate) fn settings() -> Settings {
    Settings::new("cli.example").unwrap()
}

/// One word of `with:`.
fn word(settings: &mut Settings, word: &str) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let number = || value.parse::<usize>().unwrap();
    match name {
        "normalised" => settings.line_ends = LineEnds::Normalised,
        "challenges" => settings.limits.challenges = number(),
        "reply-line" => settings.limits.reply_line = number(),
        "reply-lines" => settings.limits.reply_lines = number(),
        "reply-octets" => settings.limits.reply_octets = number(),
        "queued" => settings.limits.queued = number(),
        _ => panic!("unknown word {word:?}"),
    }
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

struct Player {
    session: Session,
    now: Instant,
    piece: usize,
    /// What the server has sent and the session has not taken yet.
    unsent: Vec<u8>,
    /// What the session has said and no line has expected yet.
    output: Vec<u8>,
    event: Option<Event>,
    last_was_server: bool,
}

impl Player {
    fn new(settings: Settings, piece: usize) -> Self {
        let now = Instant::now();
        let session = Session::new(now, Arc::new(settings));
        let (unsent, output) = (Vec::new(), Vec::new());
        Self { session, now, piece, unsent, output, event: None, last_was_server: false }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (kind, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        let is_server = kind == "S:" || kind == "S+";
        if is_server && !self.last_was_server {
            self.settled()?;
        }
        self.last_was_server = is_server;
        match kind {
            "wi" => {}
            "S:" => self.unsent.extend([octets(text), b"\r\n".to_vec()].concat()),
            "S+" => self.unsent.extend(octets(text)),
            "C:" => self.client(text)?,
            "E:" => self.event(text)?,
            "D:" => self.told(text)?,
            "O:" => same(&self.offered(), text)?,
            "T:" => self.pass(Duration::from_secs(text.parse().map_err(|_| "no number")?)),
            "X:" => {
                self.run();
                self.session.end_of_input(self.now);
            }
            _ => return Err("no such kind of line".to_owned()),
        }
        Ok(())
    }

    fn pass(&mut self, time: Duration) {
        self.run();
        self.now += time;
        self.session.expire(self.now);
    }

    /// As far as it goes without the caller.
    fn run(&mut self) {
        loop {
            let end = self.unsent.len().min(self.piece);
            let taken = self.session.receive(self.now, &self.unsent[..end]);
            self.unsent.drain(..taken);
            let mut moved = taken > 0;
            if let Some(output) = self.session.poll_output() {
                self.output.extend_from_slice(&output);
                moved = true;
            }
            if self.event.is_none() {
                self.event = self.session.poll_event();
                moved |= self.event.is_some();
            }
            if !moved {
                return;
            }
        }
    }

    fn settled(&mut self) -> Result<(), String> {
        self.run();
        if let Some(event) = &self.event {
            return Err(format!("nobody expected {event:?}"));
        }
        match (&self.output[..], &self.unsent[..]) {
            (b"", b"") => Ok(()),
            (output, unsent) => {
                Err(format!("left: {} and unsent: {}", output.escape_ascii(), unsent.escape_ascii()))
            }
        }
    }

    fn client(&mut self, expected: &str) -> Result<(), String> {
        self.run();
        let end = self.output.windows(2).position(|pair| pair == b"\r\n");
        let end = end.ok_or_else(|| format!("says nothing; the next event is {:?}", self.event))?;
        let line: Vec<u8> = self.output.drain(..end + 2).collect();
        let expected = octets(expected);
        if line[..end] == expected { Ok(()) } else { Err(format!("found: {}", line.escape_ascii())) }
    }

    fn event(&mut self, expected: &str) -> Result<(), String> {
        self.run();
        let event = self.event.take().ok_or("no event")?;
        same(&shown(&event), expected)
    }

    fn told(&mut self, text: &str) -> Result<(), String> {
        self.run();
        let (order, expected) = text.split_once(" -> ").unwrap_or((text, "done"));
        let done = self.order(order).err().map_or_else(|| "done".to_owned(), |error| error.to_string());
        same(&done, expected)
    }

    /// What the caller does.
    fn order(&mut self, order: &str) -> Result<(), CannotSend> {
        let (word, rest) = order.split_once(' ').unwrap_or((order, ""));
        let text = || octets(rest.trim_matches('"'));
        let command = match word {
            "hello" => Command::Hello,
            "starttls" => Command::StartTls,
            "auth" => auth(rest),
            "mail" => Command::Mail(mail(rest)),
            "rcpt" => Command::Recipient(ForwardPath::parse(rest.as_bytes()).unwrap().0),
            "data" => Command::Data,
            "rset" => Command::Reset,
            "noop" => Command::Noop,
            "vrfy" => Command::Verify(String::from_utf8(text()).unwrap()),
            "expn" => Command::Expand(rest.to_owned()),
            "quit" => Command::Quit,
            "respond" => return self.session.respond(self.now, &Secret::new(text())),
            "cancel" => return self.session.cancel(self.now),
            "message" => return self.session.message(self.now, &text()).map(drop),
            "end" => return self.session.end_message(self.now),
            "layered" if rest == "tls" => return self.session.layered(self.now, Layer::Tls),
            "layered" => return self.session.layered(self.now, Layer::Sasl),
            _ => panic!("unknown order {order:?}"),
        };
        self.session.send(self.now, command)
    }

    fn offered(&mut self) -> String {
        self.run();
        let offer = self.session.offer();
        let keywords: Vec<_> = offer.keywords().collect();
        let mechanisms: Vec<_> = offer.mechanisms().collect();
        format!("{} : {}", keywords.join(" "), mechanisms.join(" ")).trim().to_owned()
    }
}

/// `PLAIN`, `PLAIN "\0a\0b"`
fn auth(rest: &str) -> Command {
    let (mechanism, initial) = rest.split_once(' ').map_or((rest, None), |(name, text)| (name, Some(text)));
    let initial = initial.map(|text| Secret::new(octets(text.trim_matches('"'))));
    Command::Auth { mechanism: mechanism.to_owned(), initial }
}

/// `<a@b> size=10 8bitmime auth=<>`
fn mail(rest: &str) -> Mail {
    let mut words = rest.split(' ');
    let (from, _) = ReversePath::parse(words.next().unwrap().as_bytes()).unwrap();
    let mut mail = Mail { from, size: None, body: Body::SevenBit, submitter: None };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("size", value) => mail.size = value.parse().ok(),
            ("auth", "<>") => mail.submitter = Some(Submitter::Unknown),
            ("auth", name) => mail.submitter = Some(Submitter::Named(name.to_owned())),
            ("8bitmime", _) => mail.body = Body::EightBitMime,
            _ => panic!("unknown word {word:?}"),
        }
    }
    mail
}

fn shown(event: &Event) -> String {
    match event {
        Event::Reply { to, reply } => {
            let first = reply.to_string().lines().next().unwrap().replacen('-', " ", 1);
            let lines: Vec<_> = std::iter::once(first.as_str()).chain(reply.lines().skip(1)).collect();
            format!("{to}: {}", lines.join(" | ")).trim().to_owned()
        }
        Event::Challenge { code, octets } => format!("challenge {code} {}", quoted(octets)),
        Event::BadChallenge => "bad challenge".to_owned(),
        Event::Closed(by) => format!("closed: {by}"),
    }
}

fn same(found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("expected: {expected}\nfound:    {found}")) }
}
