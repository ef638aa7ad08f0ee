//! One connection as a machine: octets in, octets out, and facts when the handshake is finished. No socket, no waiting.

use std::fmt;
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

use rustls::{
    CertificateError, Error, InvalidMessage, IoState, PeerIncompatible, ProtocolVersion, ServerConnection,
};

use crate::binding;
use crate::cipher::name_and_bits;
use crate::client_certificate::ClientCa;
use crate::facts::{ClientCertificate, Facts, Version};
use crate::hello::agrees_to_extended_master_secret;
use crate::server::Parts;

/// How much plaintext may wait to be read, in octets, before no more is taken in: one record (RFC 8446, section 5.1).
/// What one reading adds comes on top, at most another record and a bit.
const MAX_WAITING: usize = 16 << 10;

/// How much may wait to be sent, in octets: four records, with their envelopes.
const MAX_OUTPUT: usize = 64 << 10;

/// A server's connection. After a fault it stays faulted; what is left to do is to send the alert.
pub struct Connection {
    inner: ServerConnection,
    setup: Arc<Parts>,
    /// Whether our ServerHello agreed to the extended master secret; unknown before it has been sent.
    extended: Option<bool>,
    waiting: usize,
    peer_closed: bool,
    facts: Option<Facts>,
    fault: Option<ConnectionError>,
}

impl Connection {
    pub(crate) fn new(mut inner: ServerConnection, setup: Arc<Parts>) -> Self {
        inner.set_buffer_limit(Some(MAX_OUTPUT));
        Self { inner, setup, extended: None, waiting: 0, peer_closed: false, facts: None, fault: None }
    }

    /// Takes in what came from the client, and says how many octets were taken: fewer than there are only while
    /// plaintext waits for [`Self::read_plain`]. What stands behind the client's close_notify is taken and forgotten
    /// (RFC 8446, section 6.1). Afterwards there may be something to send.
    ///
    /// # Errors
    /// [`ConnectionError`]; the alert that tells the client is in [`Self::take_output`].
    pub fn feed(&mut self, octets: &[u8]) -> Result<usize, ConnectionError> {
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

    /// Appends what has to be sent to the client.
    ///
    /// # Errors
    /// None that is known: memory has no errors of writing.
    pub fn take_output(&mut self, output: &mut Vec<u8>) -> Result<(), ConnectionError> {
        let before = output.len();
        while self.inner.wants_write() {
            self.inner.write_tls(output).map_err(|error| ConnectionError::Failed(error.to_string()))?;
        }
        if let Some(sent @ [_, ..]) = output.get(before..) {
            self.extended.get_or_insert_with(|| agrees_to_extended_master_secret(sent));
        }
        Ok(())
    }

    /// Whether there is something to send.
    pub fn has_output(&self) -> bool {
        self.inner.wants_write()
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

    /// Encrypts for the client, and says how many octets were taken: fewer than there are where enough waits to be sent.
    /// Before the handshake is finished it is kept until then.
    ///
    /// # Errors
    /// The fault that the connection has had.
    pub fn write_plain(&mut self, plain: &[u8]) -> Result<usize, ConnectionError> {
        self.check()?;
        self.inner.writer().write(plain).map_err(|error| ConnectionError::Failed(error.to_string()))
    }

    /// Says that nothing more will be sent (close_notify); it has to be taken as output like all else.
    pub fn close(&mut self) {
        self.inner.send_close_notify();
    }

    /// Whether the client has said that it will send nothing more. A connection that ends without it was cut, by
    /// whomever.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether the handshake is going on. There are no [`Self::facts`] before it is finished.
    pub fn is_handshaking(&self) -> bool {
        self.facts.is_none()
    }

    /// The facts of the finished handshake.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    fn check(&self) -> Result<(), ConnectionError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: ConnectionError) -> ConnectionError {
        self.fault.insert(fault).clone()
    }

    fn step(&mut self, rest: &mut &[u8]) -> Result<(), ConnectionError> {
        let mut reader: &mut dyn Read = rest;
        self.inner.read_tls(&mut reader).map_err(|error| ConnectionError::Malformed(error.to_string()))?;
        let state = self.inner.process_new_packets()?;
        self.note(&state)
    }

    fn note(&mut self, state: &IoState) -> Result<(), ConnectionError> {
        self.waiting = state.plaintext_bytes_to_read();
        self.peer_closed = state.peer_has_closed();
        if self.facts.is_none() && !self.inner.is_handshaking() {
            self.facts = Some(self.look()?);
        }
        Ok(())
    }

    fn look(&self) -> Result<Facts, ConnectionError> {
        let version = version_of(&self.inner)?;
        let suite = self.inner.negotiated_cipher_suite().ok_or_else(unfinished)?;
        let (cipher, bits) = name_and_bits(suite.suite());
        let shown = self.inner.peer_certificates();
        let judge = |ca: &ClientCa| ca.judge(shown);
        Ok(Facts {
            version,
            cipher,
            bits,
            exporter: binding::exporter(&self.inner, version, self.extended == Some(true)),
            end_point: self.setup.own.end_point.clone(),
            client: self.setup.client_ca.as_ref().map_or(ClientCertificate::NotRequested, judge),
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Connection");
        shown.field("facts", &self.facts).field("fault", &self.fault).finish_non_exhaustive()
    }
}

fn version_of(connection: &ServerConnection) -> Result<Version, ConnectionError> {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Ok(Version::Tls12),
        Some(ProtocolVersion::TLSv1_3) => Ok(Version::Tls13),
        _ => Err(unfinished()),
    }
}

fn unfinished() -> ConnectionError {
    ConnectionError::Failed("a finished handshake without version or cipher".to_owned())
}

/// Why a connection cannot go on. The client is at fault in all but [`ConnectionError::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// It speaks TLS 1.1 or less.
    #[error("the client offers no TLS 1.2 or later")]
    NoCommonVersion,
    /// It offers no cipher of ours.
    #[error("the client offers no cipher that is accepted")]
    NoCommonCipher,
    /// It offers no group for the exchange of keys that is ours.
    #[error("the client offers no key exchange group that is accepted")]
    NoCommonGroup,
    /// It does not understand signatures as the key of our certificate makes them.
    #[error("the client accepts no signature of the server's kind of key")]
    NoCommonSignature,
    /// It lacks something else, or insists on it.
    #[error("the client is incompatible: {0}")]
    Incompatible(String),
    /// What it sends is no TLS at all: a client that takes the port for another, mostly.
    #[error("the client does not speak TLS")]
    NotTls,
    /// It ended the connection and said why: `UnknownCA`, `BadCertificate`, where it does not accept our certificate.
    #[error("the client ended it with the alert: {0}")]
    Alert(String),
    /// It has not shown that it has the key of its certificate.
    #[error("the client's certificate is not its own: {0}")]
    ClientCertificate(String),
    /// What it sends was changed on the way, or encrypted with other keys.
    #[error("what the client sends cannot be decrypted")]
    Undecryptable,
    /// What it sends breaks the rules of TLS.
    #[error("the client breaks the protocol: {0}")]
    Malformed(String),
    /// Something of ours failed.
    #[error("TLS failed: {0}")]
    Failed(String),
}

impl From<Error> for ConnectionError {
    fn from(error: Error) -> Self {
        match error {
            Error::PeerIncompatible(why) => incompatible(&why),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::InvalidMessage(why) => Self::Malformed(format!("{why:?}")),
            Error::PeerMisbehaved(why) => Self::Malformed(format!("{why:?}")),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord => Self::Malformed(error.to_string()),
            Error::AlertReceived(alert) => Self::Alert(format!("{alert:?}")),
            Error::InvalidCertificate(why) => Self::ClientCertificate(certificate_fault(&why)),
            Error::DecryptError => Self::Undecryptable,
            error => Self::Failed(error.to_string()),
        }
    }
}

fn certificate_fault(why: &CertificateError) -> String {
    match why {
        CertificateError::BadSignature => "wrong signature".to_owned(),
        why => why.to_string(),
    }
}

fn incompatible(why: &PeerIncompatible) -> ConnectionError {
    match why {
        // The extension with the signatures that it accepts is as old as TLS 1.2, and rustls looks for it first.
        PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => ConnectionError::NoCommonVersion,
        PeerIncompatible::NoCipherSuitesInCommon => ConnectionError::NoCommonCipher,
        PeerIncompatible::NoKxGroupsInCommon => ConnectionError::NoCommonGroup,
        PeerIncompatible::NoSignatureSchemesInCommon => ConnectionError::NoCommonSignature,
        why => ConnectionError::Incompatible(format!("{why:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_from_thread_to_thread() {
        fn is_send<T: Send + 'static>() {}
        is_send::<Connection>();
        is_send::<crate::ServerSetup>();
    }
}
