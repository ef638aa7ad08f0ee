//! Certificates of clients: asked for, never demanded, and believed only on the word of a CA that the configuration names.
//!
//! A mail client may be set up to show a certificate that means something elsewhere. That must not keep it from logging in
//! with a password, so the handshake goes on with any certificate whose key the client has; whether somebody vouches for
//! it is asked when the handshake is finished, and noted. rustls calls a verifier of one's own dangerous, since the answer
//! "yes" then means less than it says: here it means that the client may go on, and nothing takes it for more. That the
//! client has the key is verified as ever, by the same code.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use safefile::SafeFile;

use crate::certificate::{identity, is_ca};
use crate::facts::ClientCertificate;
use crate::pem;
use crate::setup_error::SetupError;

/// What the names of all CAs may take in a handshake: they go out in the request with each connection, and a field of
/// TLS ends at 64 KiB. Where there are more, the request says "any".
const MAX_HINTS: usize = 16 << 10;

/// The CAs of `client_ca`, and what they vouch for. Their own dates are not looked at: they are believed because the
/// configuration says so.
#[derive(Debug, Clone)]
pub(crate) struct ClientCa {
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl ClientCa {
    pub(crate) fn read(file: &SafeFile, provider: &Arc<CryptoProvider>) -> Result<Self, SetupError> {
        let mut roots = RootCertStore::empty();
        let certificates: Arc<[_]> = pem::certificates(file).map_err(SetupError::of_ca)?.into();
        for (at, certificate) in certificates.iter().enumerate() {
            // rustls takes any certificate for a CA that it is given: a user's own would make him everybody.
            if !is_ca(certificate).map_err(|error| SetupError::bad_certificate(file, at, &error))? {
                return Err(SetupError::bad_certificate(file, at, &"it is not that of a CA"));
            }
            roots.add(certificate.clone()).map_err(|error| SetupError::bad_certificate(file, at, &error))?;
        }
        let has_room = roots.subjects().iter().map(|name| name.as_ref().len()).sum::<usize>() <= MAX_HINTS;
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        let builder = if has_room { builder } else { builder.clear_root_hint_subjects() };
        let verifier = builder.build().map_err(|error| SetupError::bad_certificate(file, 0, &error))?;
        Ok(Self { verifier, certificates })
    }

    /// What goes into the handshake.
    pub(crate) fn asking(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Asking(Arc::clone(&self.verifier)))
    }

    /// Whether each CA of the other one is here, too, in whatever order.
    pub(crate) fn has_all_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificates, &other.certificates)
            || other.certificates.iter().all(|certificate| self.certificates.contains(certificate))
    }

    /// What a certificate is worth of which the handshake has shown that the client has its key.
    pub(crate) fn judge(&self, shown: Option<&[CertificateDer<'_>]>) -> ClientCertificate {
        let Some((own, others)) = shown.and_then(|chain| chain.split_first()) else {
            return ClientCertificate::Absent;
        };
        let verdict = self.verifier.verify_client_cert(own, others, UnixTime::now());
        let read = || identity(own).map_err(|error| error.to_string());
        match verdict.map_err(|error| why(&error)).and_then(|_| read()) {
            Ok(identity) => ClientCertificate::Verified(identity),
            Err(reason) => ClientCertificate::Unverified { reason },
        }
    }
}

fn why(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no CA that is believed vouches for it".to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "it was not signed by the CA that it names".to_owned()
        }
        Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Lets every client go on that has the key of the certificate that it shows.
#[derive(Debug)]
struct Asking(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asking {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    /// Says no more than that the handshake may go on: [`ClientCa::judge`] is where certificates are verified.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
