//! The server's side, set up once: certificate, key, and the CA of clients. A setup never changes; after a reload the next
//! connections are made from another one, and those that are there keep what they have.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig, ServerConnection};
use safefile::SafeFile;
use zeroize::Zeroize;

use crate::certificate::OwnCertificate;
use crate::client_certificate::ClientCa;
use crate::connection::{Connection, ConnectionError};
use crate::pem;
use crate::setup_error::SetupError;

/// What every connection of a server is made from; a clone is the same setup.
#[derive(Clone)]
pub struct ServerSetup(Arc<Parts>);

pub(crate) struct Parts {
    config: Arc<ServerConfig>,
    pub(crate) own: OwnCertificate,
    pub(crate) client_ca: Option<ClientCa>,
}

impl ServerSetup {
    /// Reads the server's certificate with those of its CAs behind it, its private key, and the CAs by which certificates
    /// of clients are verified; without these no client is asked for one. The system's own CAs are never used.
    ///
    /// # Errors
    /// [`SetupError`]: a file cannot be read or holds something else, or key and certificate do not belong together.
    pub fn new(
        certificate: &SafeFile,
        key: &SafeFile,
        client_ca: Option<&SafeFile>,
    ) -> Result<Self, SetupError> {
        let provider = Arc::new(default_provider());
        let chain = pem::certificates(certificate)?;
        let own = read_chain(certificate, &chain)?;
        let certified = certify(certificate, chain, key)?;
        let client_ca = client_ca.map(|file| ClientCa::read(file, &provider)).transpose()?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let config = configure(&provider, resolver, client_ca.as_ref())
            .map_err(|error| SetupError::bad_certificate(certificate, 0, &error))?;
        Ok(Self(Arc::new(Parts { config: Arc::new(config), own, client_ca })))
    }

    /// The same certificate and key with other CAs of clients, or none: where certificate or key cannot be read anew.
    ///
    /// # Errors
    /// [`SetupError`]: as in [`ServerSetup::new`].
    pub fn with_client_ca(&self, client_ca: Option<&SafeFile>) -> Result<Self, SetupError> {
        let provider = Arc::new(default_provider());
        let client_ca = client_ca.map(|file| ClientCa::read(file, &provider)).transpose()?;
        let resolver = Arc::clone(&self.0.config.cert_resolver);
        let config = configure(&provider, resolver, client_ca.as_ref())
            .map_err(|error| SetupError::Unusable { what: error.to_string() })?;
        let own = self.0.own.clone();
        Ok(Self(Arc::new(Parts { config: Arc::new(config), own, client_ca })))
    }

    /// When the server's certificate expires. One that has expired can be used: to refuse it would lock out those who
    /// could still say that they accept it, and whoever starts the server is told.
    pub fn not_after(&self) -> SystemTime {
        self.0.own.not_after
    }

    /// Before when the server's certificate is not valid yet.
    pub fn not_before(&self) -> SystemTime {
        self.0.own.not_before
    }

    /// For which hosts the server's certificate is: its dNSNames, as they are written there, `*.example.org` among them.
    pub fn hosts(&self) -> &[String] {
        &self.0.own.hosts
    }

    /// Whether clients are asked for a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.0.client_ca.is_some()
    }

    /// Whether every CA that vouched for clients in `before` is one that vouches for them here; false where there was none. What
    /// was verified there is verified here, too.
    pub fn believes_as(&self, before: &Self) -> bool {
        let both = self.0.client_ca.as_ref().zip(before.0.client_ca.as_ref());
        both.is_some_and(|(now, before)| now.has_all_of(before))
    }

    /// A connection, before the first octet.
    ///
    /// # Errors
    /// [`ConnectionError::Failed`] when the system has no random numbers.
    pub fn connection(&self) -> Result<Connection, ConnectionError> {
        let inner = ServerConnection::new(Arc::clone(&self.0.config)).map_err(ConnectionError::from)?;
        Ok(Connection::new(inner, Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ServerSetup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerSetup").field("own", &self.0.own).finish_non_exhaustive()
    }
}

/// Every certificate has to be one; of the first it is known what counts later.
fn read_chain(file: &SafeFile, chain: &[CertificateDer<'_>]) -> Result<OwnCertificate, SetupError> {
    let mut read = chain.iter().enumerate().map(|(at, certificate)| {
        OwnCertificate::read(certificate).map_err(|error| SetupError::bad_certificate(file, at, &error))
    });
    let own = read.next().unwrap_or_else(|| Err(SetupError::bad_certificate(file, 0, &"missing")))?;
    read.try_for_each(|other| other.map(drop))?;
    Ok(own)
}

/// The key is wiped as far as it is ours: ring has its own copy, and the reader of PEM leaves pieces behind.
fn certify(
    certificate: &SafeFile,
    chain: Vec<CertificateDer<'static>>,
    key: &SafeFile,
) -> Result<CertifiedKey, SetupError> {
    let mut octets = pem::key(key)?;
    let signing = any_supported_type(&octets);
    octets.zeroize();
    let signing = signing
        .map_err(|error| SetupError::BadKey { path: key.path().to_owned(), what: error.to_string() })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(SetupError::Mismatch { path: certificate.path().to_owned(), key: key.path().to_owned() })
        }
        Err(error) => Err(SetupError::bad_certificate(certificate, 0, &error)),
    }
}

fn configure(
    provider: &Arc<CryptoProvider>,
    resolver: Arc<dyn ResolvesServerCert>,
    client_ca: Option<&ClientCa>,
) -> Result<ServerConfig, Error> {
    let verifier = client_ca.map_or_else(WebPkiClientVerifier::no_client_auth, ClientCa::asking);
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    // Nothing is resumed: what a client's certificate was worth is asked anew for each connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // Clients without the extended master secret (OpenSSL 1.0.2) may go on; they have no exporter to bind to.
    config.require_ems = false;
    Ok(config)
}
