//! The bare sink: a server of the same runtime and the same TLS that says what a login hears, and asks nobody. It has no
//! store, no second process, no log, no limits, and lets everybody in. What a login costs there, no server of this make
//! can do without.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};

use crate::shell::Outcome;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    port: u16,
    /// A directory with `cert.pem` and `key.pem`.
    directory: std::path::PathBuf,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let setup = setup(&options.directory)?;
    let failed = |error: io::Error| format!("the sink: {error}");
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.map_err(failed)?.block_on(serve(options.port, setup)).map_err(failed)
}

fn setup(directory: &Path) -> Outcome<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(directory.join("cert.pem"));
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem"));
    let (Ok(certificate), Ok(key)) = (certificate, key) else {
        return Err("the sink: no certificate, or no key".to_owned());
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    let mut config = config.map_err(|error| format!("the sink: {error}"))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

async fn serve(port: u16, setup: Arc<ServerConfig>) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let session = Session { stream, tls: None, heard: Vec::new() };
        let setup = Arc::clone(&setup);
        // A client that breaks off is one that the bench tells of.
        tokio::spawn(async move { session.run(setup).await });
    }
}

struct Session {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    heard: Vec<u8>,
}

impl Session {
    async fn run(mut self, setup: Arc<ServerConfig>) -> io::Result<()> {
        self.say(b"220 mail.bench.example ESMTP\r\n").await?;
        while let Some(line) = self.hear().await? {
            let words = line.split_once(' ').unwrap_or((&line, ""));
            match words {
                ("EHLO", _) => self.say(OFFER).await?,
                ("STARTTLS", _) => {
                    self.say(b"220 2.0.0 Ready to start TLS\r\n").await?;
                    self.tls = ServerConnection::new(Arc::clone(&setup)).map(Box::new).ok();
                }
                ("AUTH", "CRAM-MD5") => {
                    self.challenge("<1896.697170952@mail.bench.example>").await?;
                    self.say(WELCOME).await?;
                }
                ("AUTH", words) => self.scram(words).await?,
                ("QUIT", _) => {
                    self.say(b"221 2.0.0 closing connection\r\n").await?;
                    return self.close().await;
                }
                _ => self.say(b"500 5.5.1 Command unrecognized\r\n").await?,
            }
        }
        Ok(())
    }

    /// The client's nonce is repeated, or the client would not go on; nobody looks at its proof.
    async fn scram(&mut self, words: &str) -> io::Result<()> {
        let initial = words.split_once(' ').map_or("", |(_, initial)| initial);
        let initial = STANDARD.decode(initial).unwrap_or_default();
        let initial = String::from_utf8_lossy(&initial);
        let nonce = initial.split(",r=").nth(1).unwrap_or_default();
        self.challenge(&format!("r={nonce}3rfcNHYJY1ZVvWVs7j,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")).await?;
        self.challenge("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").await?;
        self.say(WELCOME).await
    }

    async fn challenge(&mut self, text: &str) -> io::Result<()> {
        self.say(format!("334 {}\r\n", STANDARD.encode(text)).as_bytes()).await?;
        self.hear().await.map(drop)
    }

    async fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => send(&self.stream, octets).await,
            Some(tls) => {
                tls.writer().write_all(octets)?;
                self.flush().await
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            tls.write_tls(&mut out)?;
        }
        send(&self.stream, &out).await
    }

    async fn hear(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let line = String::from_utf8_lossy(&self.heard[..end]).trim_end().to_owned();
                self.heard.drain(..=end);
                return Ok(Some(line));
            }
            self.stream.readable().await?;
            let mut buffer = [0; 4096];
            let octets = match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            self.take_in(octets)?;
            if self.tls.is_some() {
                self.flush().await?;
            }
        }
    }

    fn take_in(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            self.heard.extend_from_slice(octets);
            return Ok(());
        };
        let mut rest = octets;
        while !rest.is_empty() {
            tls.read_tls(&mut rest)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let before = self.heard.len();
            self.heard.resize(before + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut self.heard[before..])?;
        }
        Ok(())
    }

    async fn close(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.send_close_notify();
        self.flush().await
    }
}

async fn send(stream: &TcpStream, octets: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < octets.len() {
        match stream.try_write(&octets[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

const OFFER: &[u8] = b"250-mail.bench.example Hello client.bench.example\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n\
250-8BITMIME\r\n250-SIZE 52428800\r\n250-STARTTLS\r\n250-AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN\r\n250 HELP\r\n";
const WELCOME: &[u8] = b"235 2.0.0 OK Authenticated\r\n";
