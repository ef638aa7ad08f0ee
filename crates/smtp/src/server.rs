//! The server's side of one connection.
//!
//! [`Session::receive`], [`Session::expire`] and [`Session::answer`] put octets, time and answers in;
//! [`Session::poll_output`], [`Session::poll_event`] and [`Session::poll_timeout`] take octets, events and a deadline
//! out. An event either tells or asks. While a question is open, or an event or much output is not yet taken, nothing
//! goes on: what the client sends meanwhile is held, up to a limit, and then not taken. So a session never holds more
//! than its limits say, and the caller sees one thing at a time, in the order in which the client sent it.
//!
//! Under TLS or a security layer of SASL the octets here are those inside. Between the reply that begins the layer and
//! [`Session::layered`] nothing is believed: what comes in is dropped.
//!
//! Not here: who may do what. Every decision is a question to the caller.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use credential::Secret;

use crate::address::ForwardPath;
use crate::command::{Greeting, Mail};
use crate::line::{Bare, LineBuffer, LineEnds};
use crate::reply::{Refusal, Reply};

mod dialogue;
mod execute;
mod limit;
mod message;
mod state;
mod turn;
mod words;

pub use limit::Limits;
use limit::{Pace, Tally};
use state::{Clock, Question, State, Transaction, earlier};

/// What holds for every session of a listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Our own name, as the first word of greetings.
    pub host: String,
    /// How much of everything.
    pub limits: Limits,
    /// What becomes of a CR or LF that stands alone.
    pub line_ends: LineEnds,
    /// Whether who has not authenticated may send (modifier `a`).
    pub auth: AuthRule,
    /// Whether ETRN is asked of the caller (modifier `E`).
    pub etrn: EtrnRule,
    /// Whether EHLO or HELO has to come before MAIL (sendmail's PrivacyOptions needmailhelo).
    pub hello: HelloRule,
}

/// Whether who has not authenticated may send.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AuthRule {
    /// Anybody may use MAIL; what comes of it is asked.
    #[default]
    Optional,
    /// MAIL is answered 530 before AUTH.
    Required,
}

/// Whether ETRN is possible.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EtrnRule {
    /// 502.
    #[default]
    Refused,
    /// 458 (RFC 1985): the command is known, and nothing waits here for a host that calls. Not listed.
    Unable,
    /// The caller is asked.
    Asked,
}

/// Whether a client has to greet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HelloRule {
    /// Before MAIL.
    #[default]
    BeforeMail,
    /// Never.
    NotNeeded,
}

/// One connection, as it begins.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client in words: `client.far.test [198.51.100.77]`.
    pub client: String,
    /// With implicit TLS the session begins behind the handshake.
    pub transport: Transport,
    /// What is possible at the start.
    pub offer: Arc<Offer>,
    /// Whether the client is let in at all.
    pub welcome: Welcome,
}

/// What the octets travel in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Nothing: everybody on the way can read them.
    Clear,
    /// TLS.
    Tls,
}

/// Whether the client is let in.
#[derive(Clone, Debug)]
pub enum Welcome {
    /// It is.
    Open,
    /// It is not: greeted with 554, EHLO offers nothing, and every command but QUIT is answered with this.
    Refused(Refusal),
}

/// What EHLO lists of what can change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offer {
    /// The mechanisms that are possible now, in the order in which they are listed. None: no AUTH.
    pub mechanisms: Vec<String>,
    /// Whether logins fail for now.
    pub logins: Logins,
    /// Whether a line `AUTH=` is listed too, for clients of Netscape's time.
    pub auth_equals: AuthEquals,
    /// Whether STARTTLS is possible.
    pub starttls: StartTls,
    /// The octets that a message may have.
    pub size: Option<u64>,
}

/// Whether anybody can log in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Logins {
    /// By the mechanisms that are listed.
    #[default]
    Possible,
    /// By none, for trouble of ours, whatever is listed: nobody is turned away for good because he has not logged in. AUTH
    /// is asked of the caller with any mechanism, since the trouble may be over.
    NotNow,
}

/// Whether EHLO lists AUTH a second time in the form that was never standardised.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AuthEquals {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

/// Whether STARTTLS is possible.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StartTls {
    /// No certificate, or not wanted.
    #[default]
    NotOffered,
    /// It is.
    Offered,
}

/// What comes out of a session. Beside each is what [`Session::answer`] takes; no answer is taken where none is named.
pub enum Event {
    /// EHLO or HELO. The reply lists what is offered at the time of the answer: see [`Session::offer`].
    /// [`Answer::Accepted`], [`Answer::Refused`].
    Hello {
        /// Which of the two.
        greeting: Greeting,
        /// The name that the client gives itself.
        name: String,
    },
    /// AUTH with a mechanism that is offered: an exchange begins.
    /// [`Answer::Challenge`], [`Answer::Authenticated`], [`Answer::AuthFailed`], [`Answer::Refused`].
    Auth {
        /// In the client's spelling.
        mechanism: String,
        /// The initial response; an empty one is one.
        initial: Option<Secret>,
    },
    /// The response to a challenge. The same answers.
    Response(Secret),
    /// The exchange is over without an answer of the caller's.
    AuthEnded(AuthEnd),
    /// MAIL. [`Answer::Accepted`], [`Answer::Refused`].
    Mail(Mail),
    /// RCPT. [`Answer::Accepted`], [`Answer::Refused`].
    Recipient(ForwardPath),
    /// DATA, with at least one recipient. [`Answer::Accepted`], [`Answer::Refused`].
    Data,
    /// Octets of the message, with CRLF at the end of each line and dots unstuffed.
    Piece(Vec<u8>),
    /// The message is complete. Who accepts it is responsible for it.
    /// [`Answer::Accepted`], [`Answer::AcceptedAs`], [`Answer::Refused`]. Each ends the transaction.
    MessageEnd,
    /// What was told since MAIL is void: RSET, another greeting, a message too large.
    Reset,
    /// STARTTLS. [`Answer::Accepted`], [`Answer::Refused`]. Once accepted: send the output, do the handshake, call
    /// [`Session::layered`]. Authentication before it is void.
    StartTls,
    /// ETRN, with the name as it was given. [`Answer::Accepted`], [`Answer::Refused`].
    Etrn(String),
    /// The last event. Send the output, then close. A message or exchange that was not complete is void.
    Closed(ClosedBy),
}

/// Why an exchange ended without the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthEnd {
    /// The client sent `*`.
    Cancelled,
    /// It sent what is not base64.
    NotBase64,
    /// It sent a line that is too long.
    TooLong,
    /// The challenge is longer than a line may be.
    ChallengeTooLong,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClosedBy {
    /// The client said QUIT.
    Quit,
    /// The client's octets ended.
    Peer,
    /// The client took too long.
    Timeout,
    /// The caller refused something with 421, or shut the session down.
    Caller,
    /// A CR or LF stood alone.
    BareLineEnd(Bare),
    /// A line was too long.
    LineTooLong,
    /// A limit of commands, octets or refusals.
    TooMuch,
    /// The client spoke HTTP, or POP3.
    Stray,
}

/// The caller's answer to a question.
pub enum Answer {
    /// Yes.
    Accepted,
    /// Yes to a message, and the name it has here; it is told in the reply.
    AcceptedAs(String),
    /// No, in these words.
    Refused(Refusal),
    /// The next challenge, which may be empty.
    Challenge(Vec<u8>),
    /// The exchange ended well.
    Authenticated(AfterAuth),
    /// The exchange ended otherwise.
    AuthFailed(AuthFailure),
}

/// What follows a good exchange (RFC 4954 section 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AfterAuth {
    /// Nothing changes.
    Plain,
    /// A security layer: send the output, which ends with 235, then wrap, and call [`Session::layered`]. The client
    /// has to greet again, and what it sent ahead is dropped.
    Layer,
}

/// What a failed exchange is to be told as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthFailure {
    /// 535: a wrong password, an unknown user, a message that is none of the mechanism.
    Credentials,
    /// 454: trouble of ours; never told as a wrong password.
    Temporary,
    /// 454: this client is asked to come back later.
    Later,
    /// 534: the mechanism is too weak for this user.
    TooWeak,
    /// 538: the mechanism needs TLS.
    EncryptionRequired,
}

/// What is put between session and socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layer {
    /// TLS, behind STARTTLS.
    Tls,
    /// What the SASL exchange agreed on.
    Sasl,
}

/// An answer that fits no question that is open: it came too late, or is of another kind. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer fits no question that is open")]
pub struct NotAsked;

/// With what protocol a message comes (RFC 3848), for Received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// SMTP.
    Smtp,
    /// ESMTP.
    Esmtp,
    /// ESMTPA: authenticated.
    Esmtpa,
    /// ESMTPS: under TLS.
    Esmtps,
    /// ESMTPSA: both.
    Esmtpsa,
}

/// Whether the client has authenticated. Who it is only the caller knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Login {
    Nobody,
    Authenticated,
}

/// Whether more octets may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    Talking,
    Ended,
}

/// Whether anything has come yet, here or under TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    First,
    Later,
}

/// The server's side of one connection.
pub struct Session {
    policy: Arc<Policy>,
    client: String,
    welcome: Welcome,
    transport: Transport,
    offer: Arc<Offer>,
    state: State,
    greeting: Option<Greeting>,
    login: Login,
    transaction: Option<Transaction>,
    peer: Peer,
    turn: Turn,
    tally: Tally,
    clock: Clock,
    input: LineBuffer,
    output: Vec<u8>,
    events: VecDeque<Event>,
}

/// Whether a step did anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    Made,
    /// More octets are needed, or something else from outside.
    Stuck,
}

impl Session {
    /// A session that greets.
    pub fn new(now: Instant, policy: Arc<Policy>, connection: Connection) -> Self {
        let Connection { client, transport, offer, welcome } = connection;
        let input = LineBuffer::new(policy.limits.buffer());
        let greeting = match &welcome {
            Welcome::Open => words::welcome(&policy.host),
            Welcome::Refused(_) => words::not_welcome(&policy.host),
        };
        let mut output = Vec::new();
        greeting.write_to(&mut output);
        Self {
            policy,
            client,
            welcome,
            transport,
            offer,
            state: State::Command,
            greeting: None,
            login: Login::Nobody,
            transaction: None,
            peer: Peer::Talking,
            turn: Turn::First,
            tally: Tally::default(),
            clock: Clock::new(now),
            input,
            output,
            events: VecDeque::new(),
        }
    }

    /// Takes octets of the client, and tells how many. The others are to be offered again when the session has moved
    /// on: after an answer, a poll that gave something, or a timeout.
    pub fn receive(&mut self, now: Instant, octets: &[u8]) -> usize {
        self.clock.tell(now);
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

    /// The client's octets have ended. What it sent before is still done.
    pub fn end_of_input(&mut self, now: Instant) {
        self.clock.tell(now);
        self.peer = Peer::Ended;
        self.advance();
    }

    /// Time has passed: to be called at [`Session::poll_timeout`]; earlier it does nothing.
    pub fn expire(&mut self, now: Instant) {
        self.clock.tell(now);
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Command) {
            State::HeldBack { line, .. } => self.execute_held(&line),
            State::Handover(_) => self.close(ClosedBy::Timeout),
            _ => self.say_last(&words::timeout(&self.policy.host), ClosedBy::Timeout),
        }
        self.advance();
    }

    /// Answers the question that is open.
    pub fn answer(&mut self, now: Instant, answer: Answer) -> Result<(), NotAsked> {
        let State::Asked(question) = &self.state else { return Err(NotAsked) };
        if !self.events.is_empty() || !fits(question, &answer) {
            return Err(NotAsked);
        }
        self.clock.tell(now);
        if let State::Asked(question) = std::mem::replace(&mut self.state, State::Command) {
            self.clock.restart();
            self.answered(question, answer);
        }
        self.advance();
        Ok(())
    }

    /// What is possible from now on: the next EHLO lists it, the next AUTH is held against it.
    pub fn offer(&mut self, offer: Arc<Offer>) {
        self.offer = offer;
    }

    /// Whether anybody can log in, as far as this session has heard: of an [`Offer`], or by a login that failed for trouble
    /// of ours.
    pub fn logins(&self) -> Logins {
        self.offer.logins
    }

    /// The layer is there: octets are now those inside. The client has to greet again. Does nothing unless
    /// [`Session::awaits_layer`].
    pub fn layered(&mut self, now: Instant, offer: Arc<Offer>) {
        let State::Handover(layer) = self.state else { return };
        self.clock.tell(now);
        self.offer = offer;
        self.greeting = None;
        self.tally.begin_anew();
        if layer == Layer::Tls {
            // RFC 3207 section 4.2: nothing that was learnt before TLS is believed.
            self.transport = Transport::Tls;
            self.login = Login::Nobody;
            self.turn = Turn::First;
        }
        self.expect(State::Command);
        self.advance();
    }

    /// The server stops: 421, whatever is going on. A message that is not yet accepted is not accepted.
    pub fn shut_down(&mut self, now: Instant) {
        self.clock.tell(now);
        match self.state {
            State::Closed(_) => {}
            State::Handover(_) => self.close(ClosedBy::Caller),
            _ => self.say_last(&words::shutting_down(&self.policy.host), ClosedBy::Caller),
        }
    }

    /// Octets for the client.
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        let output = std::mem::take(&mut self.output);
        self.advance();
        (!output.is_empty()).then_some(output)
    }

    /// The next event. Behind [`Event::Closed`] there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        self.advance();
        event
    }

    /// When [`Session::expire`] is to be called. While the caller is asked there is no hurry.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let limits = &self.policy.limits;
        let client = |wait| self.clock.deadline(wait, limits.session_wait);
        match &self.state {
            State::Asked(_) | State::Closed(_) => None,
            State::HeldBack { until, .. } => Some(*until),
            State::Handover(_) => client(limits.handshake_wait),
            State::Command | State::Response | State::Overlong { .. } => client(limits.line_wait),
            State::Data { message, .. } => {
                earlier(client(limits.data_wait), message.since.checked_add(limits.message_wait))
            }
        }
    }

    /// Which layer the caller has to begin.
    pub fn awaits_layer(&self) -> Option<Layer> {
        match self.state {
            State::Handover(layer) => Some(layer),
            _ => None,
        }
    }

    /// Why the session has ended, if it has.
    pub fn closed_by(&self) -> Option<ClosedBy> {
        match self.state {
            State::Closed(by) => Some(by),
            _ => None,
        }
    }

    /// With what protocol a message comes now.
    pub fn protocol(&self) -> Protocol {
        match (self.greeting, self.transport, self.login) {
            (Some(Greeting::Helo), ..) => Protocol::Smtp,
            (_, Transport::Clear, Login::Authenticated) => Protocol::Esmtpa,
            (_, Transport::Tls, Login::Authenticated) => Protocol::Esmtpsa,
            (None, ..) => Protocol::Smtp,
            (Some(_), Transport::Clear, Login::Nobody) => Protocol::Esmtp,
            (Some(_), Transport::Tls, Login::Nobody) => Protocol::Esmtps,
        }
    }

    /// Into the buffer, unless nothing is wanted any more.
    fn take(&mut self, octets: &[u8]) -> usize {
        if matches!(self.state, State::Closed(_) | State::Handover(_)) {
            return octets.len();
        }
        let count = self.input.fill(octets);
        if matches!(self.state, State::Data { .. }) && count > 0 {
            self.clock.restart();
        }
        if self.tally.octets(count, &self.policy.limits) == Pace::Enough {
            self.say_last(&words::too_much(&self.policy.host), ClosedBy::TooMuch);
        }
        count
    }

    /// As far as it goes.
    fn advance(&mut self) {
        while self.events.is_empty() && self.output.len() < MAX_OUTPUT {
            if self.step() == Progress::Stuck {
                self.notice_end();
                return;
            }
        }
    }

    fn step(&mut self) -> Progress {
        match self.state {
            State::Command => self.read_command(),
            State::Response => self.read_response(),
            State::Overlong { dropped } => self.skip_overlong(dropped),
            State::Data { .. } => self.read_data(),
            State::HeldBack { .. } | State::Asked(_) | State::Handover(_) | State::Closed(_) => {
                Progress::Stuck
            }
        }
    }

    /// Nothing more comes, and the session waits for more.
    fn notice_end(&mut self) {
        let waits = !matches!(self.state, State::HeldBack { .. } | State::Asked(_) | State::Closed(_));
        if waits && self.peer == Peer::Ended {
            self.close(ClosedBy::Peer);
        }
    }

    /// Waits for the client; its time begins now.
    fn expect(&mut self, state: State) {
        self.state = state;
        self.clock.restart();
    }

    fn ask(&mut self, question: Question, event: Event) {
        self.state = State::Asked(question);
        self.events.push_back(event);
    }

    /// A reply. Refusals are counted, and one too many is the last.
    fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
        if reply.code().is_refusal() && self.tally.refusal(&self.policy.limits) == Pace::Enough {
            self.say_last(&words::too_many_bad_commands(&self.policy.host), ClosedBy::TooMuch);
        }
    }

    /// A refusal of the caller's.
    fn refuse(&mut self, refusal: &Refusal) {
        if refusal.closes() {
            self.say_last(refusal.reply(), ClosedBy::Caller);
        } else {
            self.say(refusal.reply());
        }
    }

    fn say_last(&mut self, reply: &Reply, by: ClosedBy) {
        reply.write_to(&mut self.output);
        self.close(by);
    }

    fn close(&mut self, by: ClosedBy) {
        self.state = State::Closed(by);
        self.input.clear();
        self.events.push_back(Event::Closed(by));
    }

    fn bare_line_end(&mut self, bare: Bare) {
        self.say_last(&words::bare_line_end(&self.policy.host, bare), ClosedBy::BareLineEnd(bare));
    }

    /// Forgets the transaction, and says so if there is one.
    fn reset(&mut self) {
        if self.transaction.take().is_some() {
            self.events.push_back(Event::Reset);
        }
    }
}

/// Whether an answer is one to the question.
fn fits(question: &Question, answer: &Answer) -> bool {
    match (question, answer) {
        (_, Answer::Refused(_))
        | (Question::Message, Answer::Accepted | Answer::AcceptedAs(_))
        | (Question::Auth, Answer::Challenge(_) | Answer::Authenticated(_) | Answer::AuthFailed(_)) => true,
        (Question::Auth, _) => false,
        (_, answer) => matches!(answer, Answer::Accepted),
    }
}

impl fmt::Debug for Session {
    /// What it waits for is not shown: there are octets of passwords in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, transport, login, .. } = self;
        f.debug_struct("Session")
            .field("client", client)
            .field("transport", transport)
            .field("login", login)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Event {
    /// Neither octets of SASL nor of a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { greeting, name } => write!(f, "Hello({greeting:?}, {name:?})"),
            Self::Auth { mechanism, initial } => write!(f, "Auth({mechanism:?}, {initial:?})"),
            Self::Response(octets) => write!(f, "Response({octets:?})"),
            Self::AuthEnded(end) => write!(f, "AuthEnded({end:?})"),
            Self::Mail(mail) => write!(f, "{mail:?}"),
            Self::Recipient(path) => write!(f, "Recipient({path:?})"),
            Self::Data => f.write_str("Data"),
            Self::Piece(octets) => write!(f, "Piece({} octets)", octets.len()),
            Self::MessageEnd => f.write_str("MessageEnd"),
            Self::Reset => f.write_str("Reset"),
            Self::StartTls => f.write_str("StartTls"),
            Self::Etrn(node) => write!(f, "Etrn({node:?})"),
            Self::Closed(by) => write!(f, "Closed({by:?})"),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::AcceptedAs(name) => write!(f, "AcceptedAs({name:?})"),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
            Self::Challenge(octets) => write!(f, "Challenge({} octets)", octets.len()),
            Self::Authenticated(after) => write!(f, "Authenticated({after:?})"),
            Self::AuthFailed(failure) => write!(f, "AuthFailed({failure:?})"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
            Self::Esmtpa => "ESMTPA",
            Self::Esmtps => "ESMTPS",
            Self::Esmtpsa => "ESMTPSA",
        })
    }
}

/// With so much output that the client has not taken nothing goes on: it may pipeline, but has to read as well. One
/// step adds the longest reply to it.
const MAX_OUTPUT: usize = 16384;
