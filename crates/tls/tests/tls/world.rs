//! A CA, certificates from it, files with them, and two ends that carry octets to each other.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use safefile::{Kind, SafeFile, Trust, Uid};
use tls::{Connection, ConnectionError, ServerSetup, SetupError};

/// A CA of its own, with a name.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM form.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = named(name);
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Somebody who has signed his own certificate, which is not that of a CA, and signs others all the same.
    pub(crate) fn without_the_right(parameters: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// A CA below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = named(name);
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    pub(crate) fn issue(&self, parameters: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        Leaf { pem: parameters.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// A subject with a common name, valid for long.
pub(crate) fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

/// The server `mail.example.org`.
pub(crate) fn server_name() -> CertificateParams {
    let mut parameters = named("mail.example.org");
    parameters.subject_alt_names = vec![SanType::DnsName("mail.example.org".try_into().unwrap())];
    parameters
}

/// A directory with files, safe for a server to read.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tests::scratch::dir())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>, kind: Kind) -> SafeFile {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        open(&path, kind)
    }

    pub(crate) fn set_up(&self, leaf: &Leaf, client_ca: Option<&Ca>) -> Result<ServerSetup, SetupError> {
        let certificate = self.write("cert.pem", &leaf.pem, Kind::Certificate);
        let key = self.write("key.pem", &leaf.key, Kind::PrivateKey);
        let ca = client_ca.map(|ca| self.write("ca.pem", &ca.pem, Kind::Certificate));
        ServerSetup::new(&certificate, &key, ca.as_ref())
    }
}

fn open(path: &Path, kind: Kind) -> SafeFile {
    SafeFile::open(path, kind, &Trust::root().caller(Uid::effective())).unwrap()
}

/// A client of one version that believes a CA, and may show a certificate.
pub(crate) fn client(
    version: &'static SupportedProtocolVersion,
    ca: &Ca,
    shows: Option<&Leaf>,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(der(&ca.pem)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        Some(leaf) => {
            let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![der(&leaf.pem)], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    ClientConnection::new(Arc::new(config), "mail.example.org".try_into().unwrap()).unwrap()
}

pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Carries octets both ways until neither end has more to say.
pub(crate) fn carry(client: &mut ClientConnection, server: &mut Connection) -> Result<(), ConnectionError> {
    loop {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        let fed = server.feed(&up);
        let mut down = Vec::new();
        server.take_output(&mut down).unwrap();
        let mut rest = down.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            // What a client makes of an alert is its own affair.
            let _ = client.process_new_packets();
        }
        assert_eq!(fed?, up.len());
        if up.is_empty() && down.is_empty() {
            return Ok(());
        }
    }
}

/// What the client says reaches the server, and the other way.
pub(crate) fn talk(client: &mut ClientConnection, server: &mut Connection) {
    client.writer().write_all(b"EHLO there\r\n").unwrap();
    carry(client, server).unwrap();
    let mut said = Vec::new();
    assert_eq!(server.read_plain(&mut said), 12);
    assert_eq!(said, b"EHLO there\r\n");
    assert_eq!(server.write_plain(b"250 here\r\n"), Ok(10));
    carry(client, server).unwrap();
    let mut answer = [0; 10];
    client.reader().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"250 here\r\n");
}
