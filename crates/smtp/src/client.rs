//! The client's side of one connection.
//!
//! [`Session::send`] puts commands in, [`Session::receive`] and [`Session::expire`] octets and time;
//! [`Session::poll_output`], [`Session::poll_event`] and [`Session::poll_timeout`] take octets, events and a deadline
//! out. Commands may be given before those ahead of them are answered: they are sent together where the server allows
//! it (RFC 2920), else one after the other. Nothing is read on while an event is not taken, so a session never holds more
//! than its limits say.
//!
//! A server is believed as little as a client is: what is no reply, or none that was asked for, ends the session for
//! good, and what was learnt before TLS is forgotten with it (RFC 3207 section 4.2). Whoever reads a connection gives
//! everything that has come before the next command; a reply ahead of its command is then a fault, and not taken for the
//! answer.
//!
//! Not here: which mechanism is chosen and what its messages say, whether a certificate is the server's, when a message is
//! tried again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use credential::Secret;
use zeroize::Zeroizing;

use crate::command::Greeting;
use crate::line::LineBuffer;
use crate::reply::Reply;
use crate::server::Layer;

mod command;
mod end;
mod event;
mod exchange;
mod limits;
mod message;
mod offer;
mod reader;

pub use command::{Command, Step};
pub use end::{ClosedBy, Fault};
pub use event::{CannotSend, Event};
pub use limits::{ClientName, Limits, Settings, Waits};
pub use offer::Offer;

use command::{Line, Meaning};
use exchange::Exchange;
use message::DataWriter;
use reader::{Heard, ReplyReader, excerpt};

/// What a session waits for.
enum State {
    /// Commands of the caller's and replies of the server's.
    Dialogue,
    /// The caller's response to a challenge.
    Challenged,
    /// The caller's message.
    Message(DataWriter),
    /// The caller, to put TLS between.
    Handover,
    Closed(ClosedBy),
}

/// The client's side of one connection.
pub struct Session {
    settings: Arc<Settings>,
    state: State,
    offer: Offer,
    /// What was sent and is not answered.
    asked: VecDeque<Step>,
    /// What is not sent yet.
    queue: VecDeque<(Step, Line)>,
    /// An initial response that did not fit into its line.
    kept: Option<Secret>,
    exchange: Exchange,
    login: Login,
    input: LineBuffer,
    reader: ReplyReader,
    output: Zeroizing<Vec<u8>>,
    events: VecDeque<Event>,
    now: Instant,
    since: Instant,
}

/// Whether the server has let us in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Login {
    Nobody,
    Authenticated,
}

impl Session {
    /// A session that waits for the server's greeting. With implicit TLS it begins behind the handshake.
    pub fn new(now: Instant, settings: Arc<Settings>) -> Self {
        let input = LineBuffer::new(settings.limits.buffer());
        Self {
            settings,
            state: State::Dialogue,
            offer: Offer::default(),
            asked: VecDeque::from([Step::Greeting]),
            queue: VecDeque::new(),
            kept: None,
            exchange: Exchange::default(),
            login: Login::Nobody,
            input,
            reader: ReplyReader::default(),
            output: Zeroizing::default(),
            events: VecDeque::new(),
            now,
            since: now,
        }
    }

    /// Takes octets of the server, and tells how many. The others are to be offered again when events were taken.
    pub fn receive(&mut self, now: Instant, octets: &[u8]) -> usize {
        self.tell(now);
        let mut taken = 0;
        loop {
            let count = self.take(&octets[taken..]);
            taken += count;
            self.advance();
            if count == 0 || taken == octets.len() {
                return taken;
            }
        }
    }

    /// The server's octets have ended.
    pub fn end_of_input(&mut self, now: Instant) {
        self.tell(now);
        match self.asked.front() {
            Some(Step::Quit) => self.close(ClosedBy::Quit),
            awaited => self.close(ClosedBy::Peer { awaited: awaited.copied() }),
        }
    }

    /// Time has passed: to be called at [`Session::poll_timeout`]; earlier it does nothing.
    pub fn expire(&mut self, now: Instant) {
        self.tell(now);
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            let awaited = self.awaited().unwrap_or(match self.state {
                State::Handover => Step::StartTls,
                _ => Step::Message,
            });
            self.close(ClosedBy::Timeout { awaited });
        }
    }

    /// Sends a command, at once or when it may be sent. Behind EHLO, STARTTLS, AUTH and QUIT it cannot wait: what is right to
    /// say then, their replies decide.
    pub fn send(&mut self, now: Instant, command: Command) -> Result<(), CannotSend> {
        let mut before = self.asked.iter().chain(self.queue.iter().map(|(step, _)| step));
        if !matches!(self.state, State::Dialogue) || before.any(|step| step.decides_what_follows()) {
            return Err(CannotSend::NotNow);
        }
        if self.queue.len() >= self.settings.limits.queued {
            return Err(CannotSend::Full);
        }
        let step = command.step();
        let line = command.line(&self.settings.name, &self.offer)?;
        self.tell(now);
        self.must_be_silent();
        if matches!(self.state, State::Dialogue) {
            self.queue.push_back((step, line));
        }
        self.advance();
        Ok(())
    }

    /// Takes octets of a message, and tells how many; more when the output was taken. Lines end with CRLF; a bare LF
    /// becomes one, a bare CR a blank. Dots are stuffed here.
    pub fn message(&mut self, now: Instant, octets: &[u8]) -> Result<usize, CannotSend> {
        let room = MAX_OUTPUT.saturating_sub(self.output.len());
        let State::Message(writer) = &mut self.state else { return Err(CannotSend::NotNow) };
        let count = octets.len().min(room);
        writer.write(&octets[..count], &mut self.output);
        self.tell(now);
        Ok(count)
    }

    /// Ends the message. A server that accepts it is responsible for it from its reply on.
    pub fn end_message(&mut self, now: Instant) -> Result<(), CannotSend> {
        if !matches!(self.state, State::Message(_)) {
            return Err(CannotSend::NotNow);
        }
        self.tell(now);
        self.must_be_silent();
        if let State::Message(writer) = std::mem::replace(&mut self.state, State::Dialogue) {
            writer.end(&mut self.output);
            self.asked.push_back(Step::Message);
            self.restart();
        }
        self.advance();
        Ok(())
    }

    /// The layer is there: octets are now those inside, and the client has to greet again (RFC 3207 section 4.2, RFC
    /// 4954 section 4). TLS comes behind 220 to STARTTLS, a layer of SASL behind a good exchange.
    pub fn layered(&mut self, now: Instant, layer: Layer) -> Result<(), CannotSend> {
        let may_be = match (layer, &self.state) {
            (Layer::Tls, State::Handover) => true,
            (Layer::Sasl, State::Dialogue) => self.login == Login::Authenticated && self.asked.is_empty(),
            _ => false,
        };
        if !may_be {
            return Err(CannotSend::NotNow);
        }
        self.tell(now);
        if self.holds_something() {
            self.fail(Fault::Injected);
            return Ok(());
        }
        self.offer = Offer::default();
        if layer == Layer::Tls {
            self.login = Login::Nobody;
        }
        self.state = State::Dialogue;
        self.restart();
        self.advance();
        Ok(())
    }

    /// Octets for the server. They may hold a secret, and are wiped when they are dropped.
    pub fn poll_output(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let output = std::mem::take(&mut self.output);
        if matches!(self.state, State::Message(_)) && !output.is_empty() {
            self.restart();
        }
        self.advance();
        (!output.is_empty()).then_some(output)
    }

    /// The next event. Behind [`Event::Closed`] there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        self.advance();
        event
    }

    /// When [`Session::expire`] is to be called. While the caller is waited for there is no hurry.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = &self.settings.waits;
        let wait = match (&self.state, self.awaited()) {
            _ if !self.events.is_empty() => return None,
            (State::Closed(_) | State::Challenged, _) | (State::Dialogue, None) => return None,
            (State::Handover, _) => waits.handshake,
            (State::Message(_), _) => waits.block,
            (State::Dialogue, Some(Step::Greeting)) => waits.greeting,
            (State::Dialogue, Some(Step::Data)) => waits.data,
            (State::Dialogue, Some(Step::Message)) => waits.message,
            (State::Dialogue, Some(_)) => waits.command,
        };
        self.since.checked_add(wait)
    }

    /// What the server offered when it was last greeted; nothing before that, and behind a new layer.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The name that EHLO gives.
    pub fn name(&self) -> &ClientName {
        &self.settings.name
    }

    /// Whether the handshake of TLS is to be done now.
    pub fn awaits_tls(&self) -> bool {
        matches!(self.state, State::Handover)
    }

    /// Whether a message is to be sent now.
    pub fn awaits_message(&self) -> bool {
        matches!(self.state, State::Message(_))
    }

    /// How the session has ended, if it has.
    pub fn closed_by(&self) -> Option<&ClosedBy> {
        match &self.state {
            State::Closed(by) => Some(by),
            _ => None,
        }
    }

    /// To what the next reply belongs, if one is awaited.
    fn awaited(&self) -> Option<Step> {
        self.asked.front().copied().filter(|_| matches!(self.state, State::Dialogue))
    }

    /// Time does not go back, whatever the caller says.
    fn tell(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn restart(&mut self) {
        self.since = self.now;
    }

    /// Into the buffer, unless nothing is wanted any more.
    fn take(&mut self, octets: &[u8]) -> usize {
        if matches!(self.state, State::Closed(_)) { octets.len() } else { self.input.fill(octets) }
    }

    /// As far as it goes.
    fn advance(&mut self) {
        while self.events.is_empty() {
            self.send_queued();
            if matches!(self.state, State::Closed(_)) || !self.read_line() {
                return;
            }
        }
    }

    /// What may be sent now.
    fn send_queued(&mut self) {
        while matches!(self.state, State::Dialogue) && self.may_send() {
            let Some((step, line)) = self.queue.pop_front() else { return };
            if self.asked.is_empty() {
                self.restart();
            }
            self.kept = line.kept;
            if step == Step::Auth {
                self.exchange = Exchange::begun_with(line.argument);
            }
            self.say(&line.octets);
            self.asked.push_back(step);
        }
    }

    fn may_send(&self) -> bool {
        let is_pipelined = self.offer.has("PIPELINING") && self.asked.len() < MAX_ASKED;
        let is_first = self.asked.is_empty();
        self.output.len() < MAX_OUTPUT
            && (is_first || (is_pipelined && self.asked.iter().all(|step| step.may_be_followed())))
    }

    /// Whether there was a line.
    fn read_line(&mut self) -> bool {
        if matches!(self.state, State::Handover) {
            if self.holds_something() {
                self.fail(Fault::Injected);
            }
            return false;
        }
        let limits = self.settings.limits;
        let most = if self.asked.front() == Some(&Step::Auth) { limits.buffer() } else { limits.reply_line };
        let line = match self.input.line(self.settings.line_ends, |_| most) {
            Ok(None) => return false,
            Ok(Some(line)) => line,
            Err(fault) => {
                self.fail(fault.into());
                return true;
            }
        };
        match self.reader.line(&line, &limits) {
            Ok(None) => {}
            Ok(Some(heard)) => self.heard(&heard),
            Err(fault) => self.fail(fault),
        }
        true
    }

    fn heard(&mut self, heard: &Heard) {
        let code = heard.code;
        let Some(step) = self.awaited() else {
            let reply = Reply::heard(code, &heard.lines, true);
            return match code.number() {
                421 => self.close(ClosedBy::Server(reply)),
                _ => self.fail(Fault::Unasked(excerpt(reply.to_string().as_bytes()))),
            };
        };
        let has_words_only = matches!(step, Step::Greeting | Step::Ehlo | Step::Helo) && !code.is_refusal();
        let reply = match step {
            Step::Auth => Reply::heard(code, &self.exchange.without_what_was_said(&heard.lines), true),
            _ => Reply::heard(code, &heard.lines, !has_words_only),
        };
        self.restart();
        match step.meaning(code) {
            Meaning::None => self.fail(Fault::Unexpected(reply)),
            _ if step == Step::Auth && self.exchange.is_given_up() && !code.is_refusal() => {
                self.fail(Fault::Unexpected(reply));
            }
            Meaning::Challenge => self.challenged(code, heard),
            Meaning::Answer => {
                self.asked.pop_front();
                self.kept = None;
                self.exchange = Exchange::default();
                self.events.push_back(Event::Reply { to: step, reply: reply.clone() });
                self.answered(step, heard, reply);
            }
        }
    }

    /// What follows from an answer.
    fn answered(&mut self, step: Step, heard: &Heard, reply: Reply) {
        let is_good = !heard.code.is_refusal();
        match step {
            _ if heard.code.number() == 421 => self.close(ClosedBy::Server(reply)),
            Step::Ehlo if is_good => self.offer = Offer::read(Greeting::Ehlo, heard),
            Step::Ehlo if heard.code.number() >= 500 => {
                let line = Line::of(&format!("HELO {}", self.settings.name));
                self.queue.push_front((Step::Helo, line));
            }
            Step::Helo if is_good => self.offer = Offer::read(Greeting::Helo, heard),
            Step::StartTls if is_good => self.state = State::Handover,
            Step::Auth if is_good => self.login = Login::Authenticated,
            Step::Data if is_good => self.state = State::Message(DataWriter::new()),
            Step::Quit => self.close(ClosedBy::Quit),
            _ => {}
        }
    }

    /// Before something is said to which a reply is awaited: what has come already cannot be that.
    fn must_be_silent(&mut self) {
        let awaits = self.awaited().is_some() || !self.queue.is_empty() || !self.events.is_empty();
        if !awaits && self.holds_something() {
            self.fail(Fault::Unasked(self.held()));
        }
    }

    fn holds_something(&self) -> bool {
        self.input.len() > 0 || self.reader.is_amid_reply()
    }

    fn held(&self) -> String {
        excerpt(self.input.held())
    }

    /// Into the output, by hand where it has to grow: it may hold a secret.
    fn say(&mut self, octets: &[u8]) {
        let wanted = self.output.len() + octets.len();
        if wanted > self.output.capacity() {
            let mut roomy = Zeroizing::new(Vec::with_capacity(wanted.next_power_of_two()));
            roomy.extend_from_slice(&self.output);
            self.output = roomy;
        }
        self.output.extend_from_slice(octets);
    }

    fn fail(&mut self, fault: Fault) {
        let awaited = self.awaited();
        self.close(ClosedBy::Fault { awaited, fault });
    }

    /// For good: the first end counts.
    fn close(&mut self, by: ClosedBy) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(by.clone());
            self.queue.clear();
            self.kept = None;
            self.exchange = Exchange::default();
            self.input.clear();
            self.events.push_back(Event::Closed(by));
        }
    }
}

impl fmt::Debug for Session {
    /// Neither what it holds nor what it is about to send: there may be secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.settings.name)
            .field("login", &self.login)
            .field("asked", &self.asked)
            .field("closed", &self.closed_by())
            .finish_non_exhaustive()
    }
}

/// With so much output that was not taken nothing more is sent.
const MAX_OUTPUT: usize = 65536;
/// So many commands are under way at most: their replies have to fit into what a connection holds, or both ends wait for
/// each other (RFC 2920 section 3.1).
const MAX_ASKED: usize = 100;
