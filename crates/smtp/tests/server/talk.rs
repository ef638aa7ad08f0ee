//! Plays a conversation that stands in a text file against a session.
//!
//! | line | what it is |
//! | --- | --- |
//! | `with: WORDS` | the set-up, before everything else: see [`Setup::word`] |
//! | `C: TEXT` | a line of the client, sent with CRLF; lines that follow each other are sent together |
//! | `C+ TEXT` | octets of the client, sent as they are |
//! | `S: TEXT` | the next line of the server, word for word |
//! | `E: EVENT -> ANSWER` | the next event, and the caller's answer if there is one |
//! | `T: SECONDS` | so much time passes |
//! | `L: WORDS` | the layer begins, with a new offer |
//! | `O: WORDS` | what is offered changes |
//! | `P: WORD` | the protocol as Received would name it |
//! | `X: end`, `X: stop` | the client's octets end; the server is shut down |
//!
//! In TEXT `\r`, `\n`, `\t`, `\0`, `\\`, `\"`, `\xHH` are octets, and `{a*65}` is 65 times a. Nothing may be left
//! over: a reply or an event that no line expects is a fault, at the next line of the client or at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smtp::command::{Body, Greeting, Mail, Submitter};
use smtp::server::{
    AfterAuth, AuthEnd, AuthEquals, AuthFailure, AuthRule, ClosedBy, Connection, EtrnRule, HelloRule, Logins,
    Offer, Policy, StartTls, Transport, Welcome,
};
use smtp::{Answer, Bare, Code, EnhancedCode, Event, Limits, LineEnds, Refusal, Reply, Session};

use crate::text::{octets, quoted};

/// What a conversation begins with.
pub(crate) struct Setup {
    pub(crate) policy: Policy,
    pub(crate) offer: Offer,
    pub(crate) transport: Transport,
    pub(crate) welcome: Welcome,
}

impl Default for Setup {
    fn default() -> Self {
        let policy = Policy {
            host: "mail.gate.test".to_owned(),
            limits: Limits::default(),
            line_ends: LineEnds::Strict,
            auth: AuthRule::Optional,
            etrn: EtrnRule::Refused,
            hello: HelloRule::BeforeMail,
        };
        Self { policy, offer: Offer::default(), transport: Transport::Clear, welcome: Welcome::Open }
    }
}

impl Setup {
    /// One word of `with:`.
    fn word(&mut self, word: &str) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().unwrap();
        match name {
            "offer" => self.offer.mechanisms = value.split(',').map(str::to_owned).collect(),
            "not-now" => self.offer.logins = Logins::NotNow,
            "auth-equals" => self.offer.auth_equals = AuthEquals::On,
            "starttls" => self.offer.starttls = StartTls::Offered,
            "size" => self.offer.size = Some(value.parse().unwrap()),
            "tls" => self.transport = Transport::Tls,
            "refused" => self.welcome = Welcome::Refused(refusal("550 5.7.1 Access denied")),
            "auth-required" => self.policy.auth = AuthRule::Required,
            "etrn" => self.policy.etrn = EtrnRule::Asked,
            "no-hello-needed" => self.policy.hello = HelloRule::NotNeeded,
            "normalised" => self.policy.line_ends = LineEnds::Normalised,
            "recipients" => self.policy.limits.recipients = number(),
            "refusals" => self.policy.limits.refusals = number(),
            "bad-commands" => self.policy.limits.bad_commands = number(),
            "commands" => self.policy.limits.commands = number(),
            "octets" => self.policy.limits.octets = number().into(),
            "hellos" => self.policy.limits.hellos = number(),
            "session-seconds" => self.policy.limits.session_wait = Duration::from_secs(number().into()),
            "auths" => self.policy.limits.auths = number(),
            "overlong" => self.policy.limits.overlong = number() as usize,
            _ => panic!("unknown word {word:?}"),
        }
    }

    fn words(&mut self, words: &str) {
        words.split_whitespace().for_each(|word| self.word(word));
    }

    pub(crate) fn session(self, now: Instant) -> Session {
        let connection = Connection {
            client: "client.far.test [198.51.100.77]".to_owned(),
            transport: self.transport,
            offer: Arc::new(self.offer),
            welcome: self.welcome,
        };
        Session::new(now, Arc::new(self.policy), connection)
    }
}

/// Plays a whole conversation, with the client's octets in pieces of this size.
pub(crate) fn play(text: &str, piece: usize) -> Result<(), String> {
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines()).filter(|(_, line)| is_line(line)).collect();
    let mut setup = Setup::default();
    for (_, line) in &lines {
        if let Some(words) = line.strip_prefix("with: ") {
            setup.words(words);
        }
    }
    let mut player = Player::new(setup, piece);
    for (number, line) in &lines {
        player.line(line).map_err(|fault| format!("line {number}: {line}\n{fault}"))?;
    }
    player.settled().map_err(|fault| format!("at the end: {fault}"))
}

/// All octets of the client in a conversation.
pub(crate) fn said_by_client(text: &str) -> Vec<u8> {
    let said = |line: &str| match (line.strip_prefix("C: "), line.strip_prefix("C+ ")) {
        (Some(text), _) => [octets(text), b"\r\n".to_vec()].concat(),
        (None, Some(text)) => octets(text),
        (None, None) => Vec::new(),
    };
    text.lines().filter(|line| is_line(line)).flat_map(said).collect()
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

struct Player {
    session: Session,
    now: Instant,
    piece: usize,
    /// What the client has sent and the session has not taken yet.
    unsent: Vec<u8>,
    /// What the session has said and no line has expected yet.
    output: Vec<u8>,
    message: Vec<u8>,
    event: Option<Event>,
    last_was_client: bool,
}

impl Player {
    fn new(setup: Setup, piece: usize) -> Self {
        let now = Instant::now();
        let session = setup.session(now);
        let (unsent, output, message) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, now, piece, unsent, output, message, event: None, last_was_client: false }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (kind, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        let is_client = kind == "C:" || kind == "C+";
        if is_client && !self.last_was_client {
            self.settled()?;
        }
        self.last_was_client = is_client;
        match kind {
            "wi" => {}
            "C:" => self.unsent.extend([octets(text), b"\r\n".to_vec()].concat()),
            "C+" => self.unsent.extend(octets(text)),
            "S:" => self.server(text)?,
            "E:" => self.event(text)?,
            "T:" => self.pass(Duration::from_secs(text.parse().map_err(|_| "no number")?)),
            "L:" => {
                self.run();
                self.session.awaits_layer().ok_or("no layer is awaited")?;
                self.session.layered(self.now, Arc::new(offer(text)));
            }
            "O:" => self.session.offer(Arc::new(offer(text))),
            "P:" => same(&self.session.protocol().to_string(), text)?,
            "X:" => self.end(text),
            _ => return Err("no such kind of line".to_owned()),
        }
        Ok(())
    }

    fn end(&mut self, how: &str) {
        self.run();
        match how {
            "end" => self.session.end_of_input(self.now),
            _ => self.session.shut_down(self.now),
        }
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
                self.output.extend(output);
                moved = true;
            }
            if self.event.is_none() {
                match self.session.poll_event() {
                    Some(Event::Piece(octets)) => self.message.extend(octets),
                    event => self.event = event,
                }
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

    fn server(&mut self, expected: &str) -> Result<(), String> {
        self.run();
        let end = self
            .output
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .ok_or_else(|| format!("no reply; the next event is {:?}", self.event))?;
        let line: Vec<u8> = self.output.drain(..end + 2).collect();
        same(&String::from_utf8_lossy(&line[..end]), expected)
    }

    fn event(&mut self, text: &str) -> Result<(), String> {
        self.run();
        let (expected, answer) = match text.split_once(" -> ") {
            Some((expected, answer)) => (expected, Some(answer)),
            None => (text, None),
        };
        let event = self.event.take().ok_or("no event")?;
        if matches!(event, Event::Reset | Event::Closed(_)) {
            self.message.clear();
        }
        same(&self.shown(&event), expected)?;
        let Some(written) = answer else { return Ok(()) };
        self.session.answer(self.now, read_answer(written)).map_err(|fault| fault.to_string())
    }

    fn shown(&mut self, event: &Event) -> String {
        match event {
            Event::Hello { greeting: Greeting::Ehlo, name } => format!("ehlo {name}"),
            Event::Hello { greeting: Greeting::Helo, name } => format!("helo {name}"),
            Event::Auth { mechanism, initial: None } => format!("auth {mechanism}"),
            Event::Auth { mechanism, initial: Some(octets) } => {
                format!("auth {mechanism} {}", quoted(octets.expose()))
            }
            Event::Response(octets) => format!("response {}", quoted(octets.expose())),
            Event::AuthEnded(end) => format!("auth-ended {}", auth_end(*end)),
            Event::Mail(mail) => shown_mail(mail),
            Event::Recipient(path) => format!("rcpt {path}"),
            Event::Data => "data".to_owned(),
            Event::Piece(_) => "piece".to_owned(),
            Event::MessageEnd => format!("message {}", quoted(&std::mem::take(&mut self.message))),
            Event::Reset => "reset".to_owned(),
            Event::StartTls => "starttls".to_owned(),
            Event::Etrn(node) => format!("etrn {node}"),
            Event::Closed(by) => format!("closed {}", closed_by(*by)),
        }
    }
}

fn shown_mail(mail: &Mail) -> String {
    let size = mail.size.map(|size| format!(" size={size}"));
    let body = (mail.body == Body::EightBitMime).then_some(" body=8bitmime");
    let submitter = mail.submitter.as_ref().map(|submitter| match submitter {
        Submitter::Unknown => " auth=<>".to_owned(),
        Submitter::Named(name) => format!(" auth={name}"),
    });
    let (size, submitter) = (size.unwrap_or_default(), submitter.unwrap_or_default());
    format!("mail {}{size}{}{submitter}", mail.from, body.unwrap_or_default())
}

fn auth_end(end: AuthEnd) -> &'static str {
    match end {
        AuthEnd::Cancelled => "cancelled",
        AuthEnd::NotBase64 => "not-base64",
        AuthEnd::TooLong => "too-long",
        AuthEnd::ChallengeTooLong => "challenge-too-long",
    }
}

fn closed_by(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::Quit => "quit",
        ClosedBy::Peer => "peer",
        ClosedBy::Timeout => "timeout",
        ClosedBy::Caller => "caller",
        ClosedBy::BareLineEnd(Bare::Cr) => "bare-cr",
        ClosedBy::BareLineEnd(Bare::Lf) => "bare-lf",
        ClosedBy::LineTooLong => "line-too-long",
        ClosedBy::TooMuch => "too-much",
        ClosedBy::Stray => "stray",
    }
}

fn read_answer(written: &str) -> Answer {
    let (word, rest) = written.split_once(' ').unwrap_or((written, ""));
    match (word, rest) {
        ("yes", "") => Answer::Accepted,
        ("yes", name) => Answer::AcceptedAs(name.to_owned()),
        ("no", words) => Answer::Refused(refusal(words)),
        ("challenge", text) => Answer::Challenge(octets(text.trim_matches('"'))),
        ("authenticated", "") => Answer::Authenticated(AfterAuth::Plain),
        ("authenticated", _) => Answer::Authenticated(AfterAuth::Layer),
        ("failed", "credentials") => Answer::AuthFailed(AuthFailure::Credentials),
        ("failed", "temporary") => Answer::AuthFailed(AuthFailure::Temporary),
        ("failed", "later") => Answer::AuthFailed(AuthFailure::Later),
        ("failed", "too-weak") => Answer::AuthFailed(AuthFailure::TooWeak),
        ("failed", "encryption") => Answer::AuthFailed(AuthFailure::EncryptionRequired),
        _ => panic!("unknown answer {written:?}"),
    }
}

/// `550 5.7.1 words`
pub(crate) fn refusal(words: &str) -> Refusal {
    let mut parts = words.splitn(3, ' ');
    let code = Code::new(parts.next().unwrap().parse().unwrap()).unwrap();
    let enhanced: Vec<u16> = parts.next().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
    let enhanced = EnhancedCode::new(enhanced[1], enhanced[2]);
    Refusal::new(Reply::new(code, enhanced, parts.next().unwrap())).unwrap()
}

fn offer(words: &str) -> Offer {
    let mut setup = Setup::default();
    setup.words(words);
    setup.offer
}

fn same(found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("expected: {expected}\nfound:    {found}")) }
}
