//! A client that logs in: connect, EHLO, perhaps STARTTLS and EHLO, AUTH. Blocking, one thread for each session that is
//! doing something; one that waits is a socket and no thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::proof::{Derived, Scram, User, cram_md5, plain};
use crate::shell::Outcome;

/// The name in everybody's certificate.
pub(super) const HOST: &str = "mail.bench.example";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    CramMd5,
    ScramSha256,
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Clear,
    StartTls,
}

/// How to log in at one server.
pub(super) struct Way<'a> {
    pub(super) door: SocketAddrV4,
    pub(super) mechanism: Mechanism,
    pub(super) transport: Transport,
    pub(super) tls: &'a Arc<ClientConfig>,
    pub(super) derived: &'a Derived,
    /// Whether the server knows what it signs.
    pub(super) signs: bool,
}

/// A session that has logged in.
pub(super) struct Session {
    stream: Stream,
    heard: Vec<u8>,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the two.
    None,
}

/// TLS 1.3 and nothing else, the whole handshake each time, and one certificate that is believed.
pub(super) fn tls(certificate: &[u8]) -> Outcome<Arc<ClientConfig>> {
    let failed = |error: rustls::Error| format!("TLS of the client: {error}");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.to_vec())).map_err(failed)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Way<'_> {
    /// Logs in, and stays.
    pub(super) fn log_in(&self, user: User) -> io::Result<Session> {
        let stream = TcpStream::connect(self.door)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Session { stream: Stream::Clear(stream), heard: Vec::new() };
        session.expect("220")?;
        session.ask(EHLO, "250")?;
        if self.transport == Transport::StartTls {
            session.ask("STARTTLS\r\n", "220")?;
            session.begin_tls(self.tls)?;
            session.ask(EHLO, "250")?;
        }
        match self.mechanism {
            Mechanism::CramMd5 => session.cram_md5(user)?,
            Mechanism::ScramSha256 => session.scram(user, self)?,
            Mechanism::Plain => drop(session.ask(&format!("AUTH PLAIN {}\r\n", plain(user)), "235")?),
        }
        Ok(session)
    }
}

impl Session {
    pub(super) fn quit(mut self) -> io::Result<()> {
        self.ask("QUIT\r\n", "221").map(drop)
    }

    fn cram_md5(&mut self, user: User) -> io::Result<()> {
        let challenge = self.ask("AUTH CRAM-MD5\r\n", "334")?;
        let answer = cram_md5(user, &challenge).ok_or_else(|| nonsense(&challenge))?;
        self.ask(&format!("{answer}\r\n"), "235").map(drop)
    }

    fn scram(&mut self, user: User, way: &Way<'_>) -> io::Result<()> {
        let (scram, first) = Scram::begin(user, way.derived);
        let challenge = self.ask(&format!("AUTH SCRAM-SHA-256 {first}\r\n"), "334")?;
        let (answer, signature) = scram.prove(&challenge, way.derived).ok_or_else(|| nonsense(&challenge))?;
        let last = self.ask(&format!("{answer}\r\n"), "334")?;
        if way.signs && !signature.is(&last) {
            return Err(nonsense(&last));
        }
        self.ask("\r\n", "235").map(drop)
    }

    fn begin_tls(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::None) else {
            return Ok(());
        };
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        self.stream = Stream::Tls(Box::new(StreamOwned::new(connection, stream)));
        Ok(())
    }

    fn ask(&mut self, line: &str, code: &str) -> io::Result<String> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(line.as_bytes())?,
            Stream::Tls(stream) => stream.write_all(line.as_bytes())?,
            Stream::None => {}
        }
        self.expect(code)
    }

    /// The text of the last line of a reply that has this code.
    fn expect(&mut self, code: &str) -> io::Result<String> {
        loop {
            let line = self.line()?;
            if !line.starts_with(code) {
                return Err(nonsense(&line));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.get(4..).unwrap_or_default().to_owned());
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut buffer = [0; 4096];
            let count = match &mut self.stream {
                Stream::Clear(stream) => stream.read(&mut buffer)?,
                Stream::Tls(stream) => stream.read(&mut buffer)?,
                Stream::None => 0,
            };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.heard.extend_from_slice(&buffer[..count]);
        }
    }
}

fn nonsense(line: &str) -> io::Error {
    io::Error::other(format!("the server said: {line}"))
}

const EHLO: &str = "EHLO client.bench.example\r\n";
const PATIENCE: Duration = Duration::from_mins(1);
