//! The client's side, set up once: the CAs that are believed, and whether a server whose certificate they do not vouch for
//! is spoken with at all.
//!
//! There is one place where a certificate is judged (`client/verdict.rs`), for a connection that demands a verified server and
//! for one that only observes; the difference is what follows from the verdict. Neither CRLs nor OCSP are asked.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use safefile::SafeFile;

use crate::setup_error::SetupError;

mod connection;
mod facts;
mod fault;
mod verdict;

pub use connection::ClientConnection;
pub use facts::{ServerCertificate, ServerFacts};
pub use fault::ClientError;
pub use verdict::{Doubt, Verdict};

use verdict::Authorities;

/// What follows where nobody vouches for a server's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Demand {
    /// The handshake fails: nothing is ever said to such a server.
    Verified,
    /// It goes on, and [`ServerFacts::verdict`] says what is wrong. Only for who looks at servers: somebody in between may
    /// be who is spoken with, so no secret belongs into such a connection.
    Observed,
}

/// What connections of a client are made from; a clone is the same setup.
#[derive(Clone)]
pub struct ClientSetup {
    config: Arc<ClientConfig>,
    authorities: Arc<Authorities>,
}

impl ClientSetup {
    /// Reads the CAs that are believed, in PEM form; without a file nobody is. A certificate in the file is believed itself,
    /// too, so that a server that signed its own can be named there; it vouches for others only where it is that of a CA.
    ///
    /// # Errors
    /// [`SetupError`]: the file cannot be read, or no certificate is in it.
    pub fn new(ca: Option<&SafeFile>, demand: Demand) -> Result<Self, SetupError> {
        let provider = Arc::new(default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let authorities = Arc::new(Authorities::read(ca, algorithms.all)?);
        let verifier = Verifier { authorities: Arc::clone(&authorities), demand, algorithms };
        // Both versions are the provider's; where they were not, the setup would be without a cipher.
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| SetupError::Unusable { what: error.to_string() })?;
        let mut config =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.require_ems = false;
        Ok(Self { config: Arc::new(config), authorities })
    }

    /// A connection to the server of this name, a domain or an address, before the first octet.
    ///
    /// # Errors
    /// [`ClientError::BadName`]; [`ClientError::Failed`] when the system has no random numbers.
    pub fn connection(&self, host: &str) -> Result<ClientConnection, ClientError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ClientError::BadName)?;
        let inner = rustls::ClientConnection::new(Arc::clone(&self.config), name.clone())?;
        Ok(ClientConnection::new(inner, Arc::clone(&self.authorities), name))
    }
}

impl fmt::Debug for ClientSetup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientSetup").field("authorities", &self.authorities).finish_non_exhaustive()
    }
}

/// What rustls asks in the handshake. That the server has the key of its certificate is verified in any case.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<Authorities>,
    demand: Demand,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match (self.demand, self.authorities.judge(own, others, name, now)) {
            (Demand::Observed, _) | (_, Verdict::Verified) => Ok(ServerCertVerified::assertion()),
            (Demand::Verified, Verdict::Unverified(doubts)) => {
                Err(Error::InvalidCertificate(alert_for(&doubts)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// By which the right alert goes out.
fn alert_for(doubts: &[Doubt]) -> CertificateError {
    match doubts.first() {
        Some(Doubt::Expired) => CertificateError::Expired,
        Some(Doubt::NotYetValid) => CertificateError::NotValidYet,
        Some(Doubt::WrongName) => CertificateError::NotValidForName,
        Some(Doubt::Unreadable) => CertificateError::BadEncoding,
        _ => CertificateError::UnknownIssuer,
    }
}
