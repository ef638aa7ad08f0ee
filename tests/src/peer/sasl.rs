//! Peers of SASL mechanisms: octets go in, octets come out, and what they mean is for the peer to say. [`gsasl`] drives
//! the command of GNU SASL, [`cyrus`] the library of Cyrus SASL.
//!
//! An exchange is made as SMTP makes it. The client steps first, with nothing, and so does the server when the client
//! had nothing to say. A server that ends with data of its own sends it as a message more, and is [`Turn::Done`] when it
//! has got the empty answer; a client that is done with a message to send says so together with the message.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{PATIENCE, until};

pub mod cyrus;
pub mod gsasl;

/// What both sides have to be told of a session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The service, as in `smtp/host.example`.
    pub service: String,
    /// The name of the server's host.
    pub host: String,
    /// Which security layers are allowed.
    pub layer: Layer,
    /// What the channel below has for a binding.
    pub binding: Option<Binding>,
    /// Who the other side is, as the channel below knows it: for EXTERNAL.
    pub external: Option<String>,
    /// How strong the channel below is.
    pub external_ssf: u32,
    /// The `SASL_SEC_` flags of Cyrus.
    pub flags: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            service: "smtp".to_owned(),
            host: "mail.example".to_owned(),
            layer: Layer::NONE,
            binding: None,
            external: None,
            external_ssf: 0,
            flags: 0,
        }
    }
}

/// The strengths that a security layer may have, and how large a packet this side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The least strength.
    pub min: u32,
    /// The greatest.
    pub max: u32,
    /// The greatest packet.
    pub buffer: u32,
}

impl Layer {
    /// No layer at all.
    pub const NONE: Self = Self { min: 0, max: 0, buffer: 0 };
    /// Integrity alone.
    pub const INTEGRITY: Self = Self::of(1);

    /// A layer of exactly this strength: of DIGEST-MD5 rc4-40 has 40, des 55, rc4-56 56, 3des 112, rc4 128.
    pub const fn of(strength: u32) -> Self {
        Self { min: strength, max: strength, buffer: 65536 }
    }
}

/// A channel binding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its type, as `tls-exporter`.
    pub name: String,
    /// Its data.
    pub data: Vec<u8>,
    /// Whether there shall be no login without it.
    pub critical: bool,
}

/// A client to be.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The mechanism; Cyrus takes several, with blanks between them, as what a server offers, and chooses.
    pub mechanism: String,
    /// Who logs in.
    pub authentication_id: Vec<u8>,
    /// As whom; of ANONYMOUS with GNU SASL the token.
    pub authorization_id: Option<Vec<u8>>,
    /// With which password.
    pub password: Vec<u8>,
    /// In which realm, whatever the server offers; without one the first that it offers.
    pub realm: Option<Vec<u8>>,
    /// Whether it keeps its initial response until it is asked for it.
    pub held_back: bool,
    /// Whether Cyrus may begin DIGEST-MD5 with what its process remembers of the last login at this host.
    pub again: bool,
    /// The rest.
    pub session: Session,
}

impl Client {
    /// One with these, and nothing special.
    pub fn new(mechanism: &str, name: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        Self {
            mechanism: mechanism.to_owned(),
            authentication_id: name.as_ref().to_owned(),
            password: password.as_ref().to_owned(),
            ..Self::default()
        }
    }
}

/// A server to be.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// The mechanism.
    pub mechanism: String,
    /// Its users. GNU SASL knows only the password of the first, and takes any name.
    pub users: Vec<Record>,
    /// The realm of its users; Cyrus offers its host without one, GNU SASL none.
    pub realm: Option<Vec<u8>>,
    /// Whether one may act for another; without a word Cyrus says no. GNU SASL does not ask.
    pub proxy: Option<bool>,
    /// The iterations of SCRAM.
    pub iterations: Option<u32>,
    /// The salt of SCRAM. Cyrus takes none: it has its own for a password, and that of a secret of SCRAM with it.
    pub salt: Option<Vec<u8>>,
    /// Whether last data may go out together with success, as SMTP cannot have it. Cyrus alone.
    pub success_data: bool,
    /// The rest.
    pub session: Session,
}

impl Server {
    /// One with this user in any realm, and nothing special.
    pub fn new(mechanism: &str, name: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        Self {
            mechanism: mechanism.to_owned(),
            users: vec![Record::password(name, None, password)],
            ..Self::default()
        }
    }
}

/// A property of a user, as a server has it in its database.
#[derive(Clone, Debug)]
pub struct Record {
    /// The user.
    pub name: Vec<u8>,
    /// The realm; without one the user is in every realm.
    pub realm: Option<Vec<u8>>,
    /// Which property.
    pub property: String,
    /// Its value.
    pub value: Vec<u8>,
}

impl Record {
    /// A password in the clear.
    pub fn password(name: impl AsRef<[u8]>, realm: Option<&[u8]>, password: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            realm: realm.map(ToOwned::to_owned),
            property: "userPassword".to_owned(),
            value: password.as_ref().to_owned(),
        }
    }
}

/// What one side does with what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A client without an initial response.
    Waits,
    /// It says this, which may be empty, and waits for an answer.
    Message(Vec<u8>),
    /// It is satisfied.
    Done(Done),
    /// It is not, and has nothing more to say.
    Failed(Failure),
}

/// How an exchange ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What is still to be said to the other side, which wants no answer.
    pub message: Option<Vec<u8>>,
    /// Who logged in, as Cyrus tells it.
    pub authentication_id: Option<Vec<u8>>,
    /// As whom, as Cyrus tells it.
    pub authorization_id: Option<Vec<u8>>,
    /// How strong the layer is: 0 for none, 1 for integrity, else bits.
    pub ssf: u32,
    /// The most that may be encoded at once, as Cyrus tells it.
    pub largest: u32,
}

/// Why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code of Cyrus.
    pub code: Option<i32>,
    /// What the peer has to say.
    pub text: String,
}

impl Turn {
    /// How it ended.
    ///
    /// # Panics
    /// When it did not end well.
    pub fn done(self) -> Done {
        match self {
            Self::Done(done) => done,
            other => panic!("not done: {other:?}"),
        }
    }

    /// Why it failed.
    ///
    /// # Panics
    /// When it did not fail.
    pub fn failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            other => panic!("not failed: {other:?}"),
        }
    }

    /// What is said here.
    ///
    /// # Panics
    /// When nothing is.
    pub fn message(self) -> Vec<u8> {
        match self {
            Self::Message(message) | Self::Done(Done { message: Some(message), .. }) => message,
            other => panic!("no message: {other:?}"),
        }
    }
}

/// One side of an exchange, gone with its process or its place in one when dropped.
#[derive(Debug)]
pub struct Conversation(Side);

#[derive(Debug)]
enum Side {
    Cyrus(cyrus::Exchange),
    Gsasl(Box<gsasl::Exchange>),
}

impl Conversation {
    /// Tells it what the other side said: at first nothing, or, to a server, an initial response.
    ///
    /// # Panics
    /// When the peer does not answer in time, or dies of it.
    pub fn step(&mut self, input: Option<&[u8]>) -> Turn {
        match &mut self.0 {
            Side::Cyrus(exchange) => exchange.step(input),
            Side::Gsasl(exchange) => exchange.step(input),
        }
    }

    /// Data of the application, as the security layer has it on the wire.
    ///
    /// # Errors
    /// What the peer says against it.
    ///
    /// # Panics
    /// As [`Self::step`].
    pub fn encode(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        match &mut self.0 {
            Side::Cyrus(exchange) => exchange.encode(data),
            Side::Gsasl(exchange) => exchange.encode(data),
        }
    }

    /// Data of the application out of what the other side's layer made of it.
    ///
    /// # Errors
    /// What the peer says against it.
    ///
    /// # Panics
    /// As [`Self::step`].
    pub fn decode(&mut self, octets: &[u8]) -> Result<Vec<u8>, Failure> {
        match &mut self.0 {
            Side::Cyrus(exchange) => exchange.decode(octets),
            Side::Gsasl(exchange) => exchange.decode(octets),
        }
    }
}

/// How both sides of an exchange ended: the last turn of each. The one that has no reason to doubt may still wait when
/// the other has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client's.
    pub client: Turn,
    /// The server's.
    pub server: Turn,
}

/// Lets two peers speak to each other until the server is done or one of them has failed.
///
/// # Panics
/// When they do not come to an end, or as [`Conversation::step`].
pub fn exchange(client: &mut Conversation, server: &mut Conversation) -> Ends {
    let first = client.step(None);
    let mut ends = Ends { server: server.step(said(&first).as_deref()), client: first };
    for _ in 0..10 {
        match &ends.server {
            _ if matches!(ends.client, Turn::Failed(_)) => return ends,
            Turn::Message(message) => {
                let reply = if matches!(ends.client, Turn::Done(_)) {
                    Vec::new()
                } else {
                    ends.client = client.step(Some(message));
                    said(&ends.client).unwrap_or_default()
                };
                if !matches!(ends.client, Turn::Failed(_)) {
                    ends.server = server.step(Some(&reply));
                }
            }
            Turn::Done(Done { message: Some(message), .. }) if !matches!(ends.client, Turn::Done(_)) => {
                ends.client = client.step(Some(message));
            }
            _ => return ends,
        }
    }
    panic!("no end of it: {ends:?}");
}

fn said(turn: &Turn) -> Option<Vec<u8>> {
    match turn {
        Turn::Message(message) | Turn::Done(Done { message: Some(message), .. }) => Some(message.clone()),
        _ => None,
    }
}

/// A child to which we speak in lines, ended when dropped.
#[derive(Debug)]
struct Talker {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    complaints: Option<JoinHandle<String>>,
}

impl Talker {
    /// Starts it. What it says ends with a newline, or with this: it asks then, and stays on the line.
    fn start(mut command: Command, question: &'static [u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a peer that starts");
        let (sender, lines) = channel();
        let output = child.stdout.take().expect("what it says");
        std::thread::spawn(move || listen(BufReader::new(output), question, &sender));
        let mut errors = child.stderr.take().expect("what it complains of");
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).trim().to_owned()
        });
        Self { input: child.stdin.take(), child, lines, complaints: Some(complaints) }
    }

    /// Says a line to it. When it is not there any more, the next to listen will see it.
    fn say(&mut self, line: &[u8]) {
        let input = self.input.as_mut().expect("a peer that listens");
        let _ = input.write_all(&[line, b"\n"].concat());
    }

    /// Its next line, or nothing when it has ended.
    fn hear(&mut self) -> Option<Vec<u8>> {
        self.hear_within(PATIENCE)
    }

    fn hear_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let (_, complaints) = self.kill();
                panic!("the peer says nothing; it had said: {complaints}");
            }
        }
    }

    /// Waits for its end: how it ended, and what it complained of.
    fn end(&mut self) -> (ExitStatus, String) {
        self.input = None;
        let status = until("the end of a peer", || self.child.try_wait().expect("a child"));
        (status, self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default())
    }

    fn kill(&mut self) -> (ExitStatus, String) {
        let _ = self.child.kill();
        self.end()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut output: impl BufRead, question: &[u8], lines: &Sender<Vec<u8>>) {
    let mut line = Vec::new();
    for octet in output.by_ref().bytes().map_while(Result::ok) {
        if octet != b'\n' {
            line.push(octet);
        }
        let asks = !question.is_empty() && line.ends_with(question);
        if (octet == b'\n' || asks) && lines.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
