//! A client's connection as a machine: octets in, octets out, and facts when the handshake is finished.

use std::fmt;
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConnection as Inner, IoState, ProtocolVersion};

use crate::binding;
use crate::cipher::name_and_bits;
use crate::client::facts::{ServerCertificate, ServerFacts, end_point};
use crate::client::fault::ClientError;
use crate::client::verdict::Authorities;
use crate::facts::Version;
use crate::hello::agrees_to_extended_master_secret;

/// How much plaintext may wait to be read, in octets, before no more is taken in: one record.
const MAX_WAITING: usize = 16 << 10;

/// How much may wait to be sent, in octets.
const MAX_OUTPUT: usize = 64 << 10;

/// The longest record that could hold a ServerHello (RFC 5246, section 6.2.1), with its head.
const MAX_HELLO: usize = (16 << 10) + 5;

/// A client's connection. After a fault it stays faulted; what is left to do is to send the alert.
pub struct ClientConnection {
    inner: Inner,
    authorities: Arc<Authorities>,
    name: ServerName<'static>,
    /// The server's first octets, until its ServerHello is whole.
    hello: Vec<u8>,
    /// Whether it agreed to the extended master secret; unknown before it has come.
    extended: Option<bool>,
    waiting: usize,
    peer_closed: bool,
    facts: Option<ServerFacts>,
    fault: Option<ClientError>,
}

impl ClientConnection {
    pub(crate) fn new(mut inner: Inner, authorities: Arc<Authorities>, name: ServerName<'static>) -> Self {
        inner.set_buffer_limit(Some(MAX_OUTPUT));
        Self {
            inner,
            authorities,
            name,
            hello: Vec::new(),
            extended: None,
            waiting: 0,
            peer_closed: false,
            facts: None,
            fault: None,
        }
    }

    /// Takes in what came from the server, and says how many octets were taken: fewer than there are only while plaintext
    /// waits for [`Self::read_plain`]. What stands behind the server's close_notify is taken and forgotten.
    ///
    /// # Errors
    /// [`ClientError`]; the alert that tells the server is in [`Self::take_output`].
    pub fn feed(&mut self, octets: &[u8]) -> Result<usize, ClientError> {
        let mut rest = octets;
        while !rest.is_empty() && self.waiting < MAX_WAITING {
            self.check()?;
            if self.peer_closed {
                return Ok(octets.len());
            }
            self.step(&mut rest).map_err(|fault| self.fail(fault))?;
        }
        Ok(octets.len() - rest.len())
    }

    /// Appends what has to be sent to the server; at the start that is the ClientHello.
    ///
    /// # Errors
    /// None that is known: memory has no errors of writing.
    pub fn take_output(&mut self, output: &mut Vec<u8>) -> Result<(), ClientError> {
        while self.inner.wants_write() {
            self.inner.write_tls(output).map_err(|error| ClientError::Failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Appends the plaintext that came, all of it; says how many octets that is.
    pub fn read_plain(&mut self, plain: &mut Vec<u8>) -> usize {
        let mut reader = self.inner.reader();
        let before = plain.len();
        // It says "would block" where there is nothing, and nothing at the end.
        while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
            plain.extend_from_slice(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
        self.waiting = 0;
        plain.len() - before
    }

    /// Encrypts for the server, and says how many octets were taken: fewer than there are where enough waits to be sent.
    /// None before the handshake is finished: until then nobody knows whom it would be said to.
    ///
    /// # Errors
    /// The fault that the connection has had.
    pub fn write_plain(&mut self, plain: &[u8]) -> Result<usize, ClientError> {
        self.check()?;
        if self.facts.is_none() {
            return Ok(0);
        }
        self.inner.writer().write(plain).map_err(|error| ClientError::Failed(error.to_string()))
    }

    /// Says that nothing more will be sent (close_notify); it has to be taken as output like all else.
    pub fn close(&mut self) {
        self.inner.send_close_notify();
    }

    /// Whether the server has said that it will send nothing more. A connection that ends without it was cut, by whomever.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// The facts of the finished handshake.
    pub fn facts(&self) -> Option<&ServerFacts> {
        self.facts.as_ref()
    }

    fn check(&self) -> Result<(), ClientError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: ClientError) -> ClientError {
        self.fault.insert(fault).clone()
    }

    fn step(&mut self, rest: &mut &[u8]) -> Result<(), ClientError> {
        let before = *rest;
        let mut reader: &mut dyn Read = rest;
        self.inner.read_tls(&mut reader).map_err(|error| ClientError::Malformed(error.to_string()))?;
        self.overhear(&before[..before.len() - rest.len()]);
        let state = self.inner.process_new_packets()?;
        self.note(&state)
    }

    /// The ServerHello says what rustls does not: whether the master secret is the extended one.
    fn overhear(&mut self, octets: &[u8]) {
        if self.extended.is_some() {
            return;
        }
        let room = MAX_HELLO - self.hello.len();
        self.hello.extend_from_slice(&octets[..octets.len().min(room)]);
        let [_, _, _, high, low, ..] = self.hello[..] else { return };
        if self.hello.len() >= usize::from(u16::from_be_bytes([high, low])) + 5
            || self.hello.len() == MAX_HELLO
        {
            let hello = std::mem::take(&mut self.hello);
            self.extended = Some(agrees_to_extended_master_secret(&hello));
        }
    }

    fn note(&mut self, state: &IoState) -> Result<(), ClientError> {
        self.waiting = state.plaintext_bytes_to_read();
        self.peer_closed = state.peer_has_closed();
        if self.facts.is_none() && !self.inner.is_handshaking() {
            self.facts = Some(self.look()?);
        }
        Ok(())
    }

    /// The verdict is asked anew: what was said in the handshake was said to rustls, and for what a connection demands.
    fn look(&self) -> Result<ServerFacts, ClientError> {
        let version = match self.inner.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
            Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
            _ => return Err(unfinished()),
        };
        let suite = self.inner.negotiated_cipher_suite().ok_or_else(unfinished)?;
        let (cipher, bits) = name_and_bits(suite.suite());
        let chain = self.inner.peer_certificates().and_then(|chain| chain.split_first());
        let (own, others) = chain.ok_or_else(unfinished)?;
        let certificate = ServerCertificate::read(own)
            .map_err(|error| ClientError::Certificate(format!("it cannot be read: {error}")))?;
        Ok(ServerFacts {
            version,
            cipher,
            bits,
            exporter: binding::exporter(&self.inner, version, self.extended == Some(true)),
            end_point: end_point(own),
            verdict: self.authorities.judge(own, others, &self.name, UnixTime::now()),
            certificate,
        })
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ClientConnection");
        shown.field("facts", &self.facts).field("fault", &self.fault).finish_non_exhaustive()
    }
}

fn unfinished() -> ClientError {
    ClientError::Failed("a finished handshake without version, cipher or certificate".to_owned())
}
