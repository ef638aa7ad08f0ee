//! The command of GNU SASL, a process for each exchange.
//!
//! What it cannot do, as seen of 2.2.0:
//!
//! * Of SCRAM it knows SHA-1 and SHA-256, each with a binding too. As a server it has neither EXTERNAL nor ANONYMOUS.
//! * A binding is `tls-exporter` or `tls-unique`, and it does not know of any where it is told the name of the host, so
//!   that the driver keeps that back: DIGEST-MD5 cannot have both. With data for a binding it refuses SCRAM without
//!   one: as a client always, as a server when a client says `y`; `n` it takes.
//! * Its server has `qop="auth"` only, its client `auth` and `auth-int`. A layer's data are whole lines, one at a time,
//!   that end with CR LF; what it decodes holds no NUL.
//! * A password decides; its server takes any name, any authorization id and, of DIGEST-MD5, any realm of a response,
//!   and does not tell any of them.
//!
//! How it differs from others:
//!
//! * LOGIN asks for `User Name` and `Password`, without a colon. An empty name or password is a parse error.
//! * Prepared with SASLprep are: passwords and names of PLAIN at the server; both of CRAM-MD5 and SCRAM at the client,
//!   the password also at the server, of SCRAM the name too; a name with its realm as one text. Of CRAM-MD5 a server takes
//!   passwords with characters that Unicode 3.2 has not. So Roman numeral nine becomes `IX` there, a soft hyphen vanishes, and what is not
//!   UTF-8 or holds a control character ends the exchange. LOGIN and DIGEST-MD5 take octets as they are.
//! * DIGEST-MD5 has a blank after each comma, and quotes nothing within quotes: with a `"` in a name or realm nobody can
//!   parse it, with a `\` a name means another at a Cyrus server, and it does not understand what others quote. Leading
//!   blanks of a value are lost. It says `charset=utf-8` always; without it, as Cyrus is, a name beyond ASCII is taken
//!   for Latin-1 and hashed as it came, which fails when the client hashed it converted. Of hashed texts it converts to
//!   Latin-1 the password alone, never the name or realm.
//! * Of several realms its client takes the first, or the one that was ordered, offered or not; an empty one cannot be
//!   ordered, and if none is offered it sends none. `authzid` stands last.
//! * SCRAM's nonces are 24 characters; the server's salt, if not ordered, 12 octets, and its count, if not ordered, 4096
//!   (its help says 65536).
//! * Data that a client says last in an exchange it takes for no more than a sign to go on: it does not look at them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Binding, Client, Conversation, Done, Failure, Server, Session, Side, Talker, Turn};
use crate::need::{self, Missing};
use crate::peer::{PATIENCE, until};

/// With which it asks for the data of a channel binding, whose name stands before it.
const QUESTION: &[u8] = b" channel binding: ";

/// With which SMTP says that all is well.
const WELCOME: &str = "235 welcome";

/// The command.
#[derive(Debug)]
pub struct Gsasl(PathBuf);

/// One that runs.
#[derive(Debug)]
pub(super) struct Exchange {
    talker: Talker,
    role: Role,
    /// Without the ending of one that binds a channel.
    mechanism: String,
    binding: Option<Binding>,
    /// What it said before it was asked; of a server an initial response makes it superfluous.
    first: Option<Vec<u8>>,
    /// Whether it began with the name of the mechanism. One that it does not know is no failure to it.
    knows: bool,
    /// Whether it says nothing before it is asked.
    waits: bool,
    /// How many messages it has sent.
    sent: usize,
    /// The connection of one that has a security layer.
    wire: Option<BufReader<TcpStream>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

impl Gsasl {
    /// Finds it.
    ///
    /// # Errors
    /// [`Missing`] when it is not installed.
    pub fn find() -> Result<Self, Missing> {
        need::peer("gsasl").map(Self)
    }

    /// A client.
    ///
    /// # Panics
    /// When it does not start.
    pub fn client(&self, client: &Client) -> Conversation {
        let held_back = client.held_back || speaks_second(&client.mechanism);
        let mut command = self.command("--client", &client.mechanism, &client.session);
        if client.mechanism == "ANONYMOUS" {
            option(&mut command, "--anonymous-token", client.authorization_id.as_deref().unwrap_or_default());
        } else if let Some(authorization_id) = &client.authorization_id {
            option(&mut command, "--authorization-id", authorization_id);
        }
        option(&mut command, "--authentication-id", &client.authentication_id);
        option(&mut command, "--password", &client.password);
        option(&mut command, "--realm", client.realm.as_deref().unwrap_or_default());
        let wants_layer = client.session.layer.max > 0;
        if held_back && !wants_layer {
            command.arg("--no-client-first");
        }
        let mut exchange = if wants_layer {
            Exchange::on_a_wire(command, &client.mechanism)
        } else {
            Exchange::start(command, Role::Client, &client.mechanism, &client.session)
        };
        exchange.waits = held_back || wants_layer;
        if !exchange.waits {
            exchange.first = exchange.hear();
        }
        Conversation(Side::Gsasl(Box::new(exchange)))
    }

    /// A server, which knows one password and takes any name.
    ///
    /// # Panics
    /// When it does not start, or there is no user.
    pub fn server(&self, server: &Server) -> Conversation {
        let mut command = self.command("--server", &server.mechanism, &server.session);
        let user = server.users.first().expect("a user of the server");
        option(&mut command, "--password", &user.value);
        option(&mut command, "--realm", server.realm.as_deref().unwrap_or_default());
        if let Some(iterations) = server.iterations {
            option(&mut command, "--iteration-count", iterations.to_string().as_bytes());
        }
        if let Some(salt) = &server.salt {
            option(&mut command, "--salt", STANDARD.encode(salt).as_bytes());
        }
        let mut exchange = Exchange::start(command, Role::Server, &server.mechanism, &server.session);
        exchange.first = exchange.hear();
        Conversation(Side::Gsasl(Box::new(exchange)))
    }

    fn command(&self, side: &str, mechanism: &str, session: &Session) -> Command {
        let mut command = Command::new(&self.0);
        // What is not said it would ask for; in English, whatever the host speaks.
        command.env("LC_ALL", "C.UTF-8").args([side, "--quiet", "--mechanism", mechanism]);
        command.args(["--service", &session.service, "--quality-of-protection"]);
        command.arg(match session.layer.max {
            0 => "qop-auth",
            1 => "qop-int",
            _ => "qop-conf",
        });
        if session.binding.is_none() {
            command.args(["--no-cb", "--hostname", &session.host]);
        }
        if session.layer.max == 0 {
            // Which switches it off.
            command.arg("--application-data");
        }
        command
    }
}

impl Exchange {
    fn start(command: Command, role: Role, mechanism: &str, session: &Session) -> Self {
        let mut exchange = Self {
            talker: Talker::start(command, QUESTION),
            role,
            mechanism: mechanism.trim_end_matches("-PLUS").to_owned(),
            binding: session.binding.clone(),
            first: None,
            knows: false,
            waits: false,
            sent: 0,
            wire: None,
        };
        exchange.knows = exchange.hear().is_some_and(|name| name == mechanism.as_bytes());
        exchange
    }

    /// Only where it speaks SMTP over a connection does it decode what the other side's layer made, so we are the server.
    fn on_a_wire(mut command: Command, mechanism: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a port that does not wait");
        let address = listener.local_addr().expect("the address of a listener");
        command.args(["--smtp", "--no-starttls", "--connect", &address.to_string()]);
        let talker = Talker::start(command, QUESTION);
        let (stream, _) = until("a connection of gsasl", || listener.accept().ok());
        stream.set_nonblocking(false).expect("a connection that waits");
        stream.set_read_timeout(Some(PATIENCE)).expect("a connection with a deadline");
        let mut exchange = Self {
            talker,
            role: Role::Client,
            mechanism: mechanism.to_owned(),
            binding: None,
            first: None,
            knows: true,
            waits: true,
            sent: 0,
            wire: Some(BufReader::new(stream)),
        };
        exchange.say_on_wire("220 mail.example");
        exchange.hear();
        exchange.say_on_wire(&format!("250 AUTH {mechanism}"));
        exchange.hear();
        exchange
    }

    pub(super) fn step(&mut self, input: Option<&[u8]>) -> Turn {
        let output = match input {
            None if self.waits => return Turn::Waits,
            None => self.first.take(),
            Some(input) => self.answer_to(input),
        };
        let Some(output) = output else { return self.verdict(None) };
        let Ok(message) = STANDARD.decode(&output) else { panic!("no base64: {output:?}") };
        self.sent += 1;
        let nothing_more = match self.role {
            Role::Client => self.sent == messages(&self.mechanism),
            Role::Server => message.is_empty() && input.is_some_and(|input| !input.is_empty()),
        };
        if nothing_more { self.conclude(message) } else { Turn::Message(message) }
    }

    /// Satisfied, it still reads a line before it says so.
    fn conclude(&mut self, message: Vec<u8>) -> Turn {
        let message = (self.role == Role::Client).then_some(message);
        if self.wire.is_some() {
            self.say_on_wire(WELCOME);
            // It repeats what it reads, and only what follows will be data.
            while self.talker.hear().is_some_and(|line| !line.starts_with(WELCOME.as_bytes())) {}
            return Turn::Done(Done { message, ssf: 1, ..Done::default() });
        }
        match self.answer_to(&[]) {
            None => self.verdict(message),
            Some(more) => panic!("gsasl goes on with {}", String::from_utf8_lossy(&more)),
        }
    }

    /// It has ended: how?
    fn verdict(&mut self, message: Option<Vec<u8>>) -> Turn {
        let (status, complaints) = self.talker.end();
        if status.success() && self.knows {
            Turn::Done(Done { message, ..Done::default() })
        } else {
            Turn::Failed(Failure { code: None, text: complaints })
        }
    }

    fn answer_to(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let input = STANDARD.encode(input);
        if self.wire.is_some() {
            self.say_on_wire(&format!("334 {input}"));
        } else {
            self.talker.say(input.as_bytes());
        }
        self.hear()
    }

    /// Its next line, questions answered.
    fn hear(&mut self) -> Option<Vec<u8>> {
        if let Some(wire) = &mut self.wire {
            let mut line = Vec::new();
            // Whether it ended, or only broke off, its end will tell.
            let _ = wire.read_until(b'\n', &mut line);
            return (!line.is_empty()).then(|| line.trim_ascii_end().to_vec());
        }
        loop {
            let line = self.talker.hear()?;
            let Some(question) = line.strip_suffix(QUESTION) else { return Some(line) };
            let asked = |binding: &&Binding| question.ends_with(binding.name.as_bytes());
            let data = self.binding.as_ref().filter(asked).map(|binding| STANDARD.encode(&binding.data));
            self.talker.say(data.unwrap_or_default().as_bytes());
        }
    }

    fn say_on_wire(&mut self, line: &str) {
        if let Some(wire) = &mut self.wire {
            // One that has ended will be seen not to answer.
            let _ = wire.get_mut().write_all(format!("{line}\r\n").as_bytes());
        }
    }

    pub(super) fn encode(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        assert!(data.ends_with(b"\r\n"), "gsasl takes whole lines");
        self.talker.say(&data[..data.len() - 1]);
        let wire = self.wire.as_mut().expect("a layer");
        let mut length = [0; 4];
        let mut packet = Vec::new();
        let read = wire.read_exact(&mut length).and_then(|()| {
            packet.extend(length);
            packet.resize(4 + u32::from_be_bytes(length) as usize, 0);
            wire.read_exact(&mut packet[4..])
        });
        if read.is_ok() { Ok(packet) } else { Err(self.verdict(None).failure()) }
    }

    pub(super) fn decode(&mut self, octets: &[u8]) -> Result<Vec<u8>, Failure> {
        let wire = self.wire.as_mut().expect("a layer");
        let _ = wire.get_mut().write_all(octets);
        match self.talker.hear() {
            Some(line) => Ok([line.as_slice(), b"\n"].concat()),
            None => Err(self.verdict(None).failure()),
        }
    }
}

fn option(command: &mut Command, name: &str, value: &[u8]) {
    // Together with its name, since it may begin with a hyphen.
    command.arg(OsStr::from_bytes(&[name.as_bytes(), b"=", value].concat()));
}

/// Whether a client cannot begin.
fn speaks_second(mechanism: &str) -> bool {
    matches!(mechanism, "LOGIN" | "CRAM-MD5" | "DIGEST-MD5")
}

/// With how many messages a client is done, which it says of itself only when it has heard of its success.
fn messages(mechanism: &str) -> usize {
    match mechanism {
        "LOGIN" | "DIGEST-MD5" => 2,
        scram if scram.starts_with("SCRAM-") => 3,
        _ => 1,
    }
}
