//! The library of Cyrus SASL, driven by a small program in C beside this file, which serves any number of exchanges.
//!
//! How it differs from others, as seen of 2.1.28 in Debian 12:
//!
//! * Names lose white space at both ends, at the client and again at the server. Of white space alone there are none
//!   (-1), nor, by a fault, of one character between blanks.
//!   Otherwise octets are octets: there is no SASLprep, and what is not UTF-8 is as good. An empty password is a generic
//!   failure (-1) of CRAM-MD5, DIGEST-MD5 and SCRAM, and a password like others of PLAIN and LOGIN.
//! * An unknown user is -20, a wrong password -13; SCRAM tells them apart at its first step. The database is asked for
//!   the authorization id too; as a sasldb does, ours knows everybody there of whom nothing is wanted.
//! * With a realm a server's users are `name@realm`, as it tells them; with an empty one `name@`, and DIGEST-MD5 does not
//!   start (-7). DIGEST-MD5 offers the host where there is none, and a user of another realm is `name@realm`.
//! * To act for another is -13 without a word, -14 when it is forbidden, for which it has no text of its own.
//! * Of several realms a client of DIGEST-MD5 takes the one that was ordered, offered or not, also an empty one. Where
//!   one is offered it takes that, where none is its host, whatever was ordered. It sends no `charset`.
//! * A client of DIGEST-MD5 remembers host and user of its last login and begins the next with `nc=00000002`, also to a
//!   server that cannot know it: [`Client::again`] lets it. A server remembers with the option `reauth_timeout`.
//! * The cipher 3des is offered, but a client that has to choose it fails (-1): `failed to init cipher '3des'`. Left to
//!   choose it takes rc4. Without a layer the largest packet is told all the same, and is refused with -15;
//!   no data are no data to encode (-7), and changed data are -1 in every layer.
//! * With a binding that is critical nothing is offered but SCRAM with it, and a client says `p=` even where no such
//!   mechanism is in its list. Else it says `p=` if one is, `y` if several others are, `n` if there is one. Any type of
//!   binding will do. Wrong data are -5.
//! * SCRAM's salt is the library's own, as long as the hash, and depends on the process; with a record `authPassword` it
//!   is that of the secret.
//! * A client of ANONYMOUS sends its authorization id with `@` and the name of the machine.
//! * After an exchange has failed the library may crash when it is used; our program says -6 in its place.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Client, Conversation, Done, Failure, Record, Server, Session, Side, Talker, Turn};
use crate::need::{self, Missing};

/// The library in a process of its own, with which as many exchanges may go on side by side as one wants, up to 64. It
/// ends when it and all its conversations are dropped.
#[derive(Debug)]
pub struct Cyrus(Arc<Mutex<Process>>);

#[derive(Debug)]
struct Process {
    talker: Talker,
    taken: [bool; 64],
}

/// One side of an exchange in that process.
#[derive(Debug)]
pub(super) struct Exchange {
    process: Arc<Mutex<Process>>,
    number: usize,
    /// Why it did not even begin.
    stillborn: Option<Failure>,
}

impl Cyrus {
    /// Starts it.
    ///
    /// # Errors
    /// [`Missing`] when the library, its header, its mechanisms or the compiler is missing.
    ///
    /// # Panics
    /// When our program does not compile.
    pub fn start() -> Result<Self, Missing> {
        Self::with_options(&[])
    }

    /// Starts it with these options, as its configuration file would have them; there is no such file.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn with_options(options: &[(&str, &str)]) -> Result<Self, Missing> {
        for mechanism in ["plain", "login", "crammd5", "digestmd5", "scram", "anonymous"] {
            need::library(&format!("sasl2/lib{mechanism}.so"))?;
        }
        need::file("/usr/include/sasl/sasl.h")?;
        let compiler = need::peer("cc")?;
        let mut command = Command::new(built(&compiler));
        // Where a host has other plug-ins is nothing to us.
        command.env_clear().args(options.iter().map(|(name, value)| format!("{name}={value}")));
        let process = Process { talker: Talker::start(command, b""), taken: [false; 64] };
        Ok(Self(Arc::new(Mutex::new(process))))
    }

    /// A client.
    ///
    /// # Panics
    /// When there are 64 exchanges already.
    pub fn client(&self, client: &Client) -> Conversation {
        let mut words = of_session(&client.session);
        word(&mut words, "mechanism", Some(client.mechanism.as_bytes()));
        word(&mut words, "authid", Some(&client.authentication_id));
        word(&mut words, "authzid", client.authorization_id.as_deref());
        word(&mut words, "password", Some(&client.password));
        word(&mut words, "realm", client.realm.as_deref());
        let forgets = client.mechanism == "DIGEST-MD5" && !client.again;
        number(&mut words, "silent", u32::from(client.held_back || forgets));
        self.begin("client", &words)
    }

    /// A server.
    ///
    /// # Panics
    /// As [`Self::client`].
    pub fn server(&self, server: &Server) -> Conversation {
        self.begin("server", &of_server(server))
    }

    /// What a server offers, in its order.
    ///
    /// # Panics
    /// As [`Self::client`].
    pub fn offers(&self, server: &Server) -> Vec<String> {
        let conversation = self.server(server);
        let Side::Cyrus(exchange) = &conversation.0 else { return Vec::new() };
        let answer = exchange.order("offer", "");
        let list = answer.strip_prefix("offer ").and_then(text).expect("what a server offers");
        String::from_utf8_lossy(&list).split_ascii_whitespace().map(ToOwned::to_owned).collect()
    }

    fn begin(&self, side: &str, words: &str) -> Conversation {
        let number = {
            let mut process = lock(&self.0);
            let number = process.taken.iter().position(|taken| !taken).expect("room for an exchange more");
            process.taken[number] = true;
            number
        };
        let mut exchange = Exchange { process: Arc::clone(&self.0), number, stillborn: None };
        let answer = exchange.order(side, words.trim_end());
        exchange.stillborn = failure(&answer);
        Conversation(Side::Cyrus(exchange))
    }
}

impl Exchange {
    pub(super) fn step(&mut self, input: Option<&[u8]>) -> Turn {
        if let Some(failure) = &self.stillborn {
            return Turn::Failed(failure.clone());
        }
        let answer = self.order("step", &input.map_or("-".to_owned(), hex));
        turn(&answer).unwrap_or_else(|| panic!("no answer to a step: {answer}"))
    }

    pub(super) fn encode(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        self.convert("wrap", data)
    }

    pub(super) fn decode(&mut self, octets: &[u8]) -> Result<Vec<u8>, Failure> {
        self.convert("unwrap", octets)
    }

    fn convert(&mut self, verb: &str, octets: &[u8]) -> Result<Vec<u8>, Failure> {
        let answer = self.order(verb, &hex(octets));
        match failure(&answer) {
            Some(failure) => Err(failure),
            None => Ok(answer.strip_prefix("data ").and_then(text).expect("data")),
        }
    }

    fn order(&self, verb: &str, words: &str) -> String {
        let mut process = lock(&self.process);
        process.talker.say(format!("{verb} {} {words}", self.number).as_bytes());
        let Some(answer) = process.talker.hear() else {
            let (status, complaints) = process.talker.end();
            panic!("Cyrus ended with {status} at {verb} {words}: {complaints}");
        };
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // A process that has died has nothing to be told, and neither has one of a test that failed.
        if !std::thread::panicking() {
            self.order("end", "");
            lock(&self.process).taken[self.number] = false;
        }
    }
}

fn lock(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the program says to a step.
fn turn(answer: &str) -> Option<Turn> {
    let (verb, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let words: Vec<&str> = rest.split(' ').collect();
    Some(match (verb, words.as_slice()) {
        ("waits", _) => Turn::Waits,
        ("message", [message]) => Turn::Message(text(message)?),
        ("done", [message, authentication_id, authorization_id, ssf, largest]) => Turn::Done(Done {
            message: text(message),
            authentication_id: text(authentication_id),
            authorization_id: text(authorization_id),
            ssf: ssf.parse().ok()?,
            largest: largest.parse().ok()?,
        }),
        _ => Turn::Failed(failure(answer)?),
    })
}

fn failure(answer: &str) -> Option<Failure> {
    let (code, said) = answer.strip_prefix("failed ")?.split_once(' ')?;
    let said = text(said).unwrap_or_default();
    Some(Failure { code: code.parse().ok(), text: String::from_utf8_lossy(&said).into_owned() })
}

fn of_session(session: &Session) -> String {
    let mut words = String::new();
    word(&mut words, "service", Some(session.service.as_bytes()));
    word(&mut words, "host", Some(session.host.as_bytes()));
    word(&mut words, "external", session.external.as_deref().map(str::as_bytes));
    number(&mut words, "ssf", session.external_ssf);
    number(&mut words, "flags", session.flags);
    number(&mut words, "min", session.layer.min);
    number(&mut words, "max", session.layer.max);
    number(&mut words, "maxbuf", session.layer.buffer);
    if let Some(binding) = &session.binding {
        word(&mut words, "binding", Some(binding.name.as_bytes()));
        word(&mut words, "data", Some(&binding.data));
        number(&mut words, "critical", u32::from(binding.critical));
    }
    words
}

fn of_server(server: &Server) -> String {
    let mut words = of_session(&server.session);
    word(&mut words, "mechanism", Some(server.mechanism.as_bytes()));
    word(&mut words, "realm", server.realm.as_deref());
    word(
        &mut words,
        "iterations",
        server.iterations.map(|count| count.to_string()).as_deref().map(str::as_bytes),
    );
    number(&mut words, "success-data", u32::from(server.success_data));
    if let Some(proxy) = server.proxy {
        number(&mut words, "proxy", u32::from(proxy));
    }
    for Record { name, realm, property, value } in &server.users {
        let realm = realm.as_deref().map_or("-".to_owned(), hex);
        let _ = write!(words, "record={}:{realm}:{}:{} ", hex(name), hex(property.as_bytes()), hex(value));
    }
    words
}

/// A key with a text, where there is one.
fn word(words: &mut String, key: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        let _ = write!(words, "{key}={} ", hex(value));
    }
}

fn number(words: &mut String, key: &str, value: u32) {
    let _ = write!(words, "{key}={value} ");
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// A text of the program, where there is one.
fn text(hex: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(digits).collect()
}

const SOURCE: &str = include_str!("cyrus.c");

/// The program, compiled beside the test that runs if nobody did that yet. Another test may be doing it: either is good.
fn built(compiler: &Path) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let place = test.parent().and_then(Path::parent).expect("target/debug");
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let program = place.join(format!("cyrus-{:016x}", hasher.finish()));
    if !program.is_file() {
        let fresh =
            tempfile::Builder::new().prefix(".cyrus-").tempdir_in(place).expect("a place to compile in");
        let source = fresh.path().join("cyrus.c");
        let compiled = fresh.path().join("cyrus");
        std::fs::write(&source, SOURCE).expect("a source to compile");
        let mut command = Command::new(compiler);
        command.args(["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        let said = command.arg(&compiled).arg(&source).arg("-lsasl2").output().expect("a compiler");
        assert!(said.status.success(), "cyrus.c: {}", String::from_utf8_lossy(&said.stderr));
        std::fs::rename(&compiled, &program).expect("the compiled program in its place");
    }
    program
}
