//! Whether a server's certificate is that of the host that was meant (RFC 5280, RFC 9525): its dates, who vouches for it,
//! whom it names. Each is asked by itself, so that everything that is wrong is told at once; of who vouches for it nothing
//! can be told where its own dates are over, since those come first.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use safefile::SafeFile;

use crate::certificate;
use crate::client::facts::ServerCertificate;
use crate::pem;
use crate::setup_error::SetupError;

/// What a server's certificate is worth.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is that of the host that was meant.
    Verified,
    /// It may be anybody's.
    Unverified(
        /// Why: at least one reason.
        Vec<Doubt>,
    ),
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Doubt {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was signed with its own key, and is not among the certificates that are believed.
    SelfSigned,
    /// No CA that is believed vouches for it.
    UnknownIssuer,
    /// It names other hosts.
    WrongName,
    /// It cannot be read.
    Unreadable,
    /// Something else, in a few words.
    Other(String),
}

impl Verdict {
    /// Whether the server is who was meant.
    pub fn is_verified(&self) -> bool {
        *self == Self::Verified
    }

    /// What is wrong; empty for a certificate that was verified.
    pub fn doubts(&self) -> &[Doubt] {
        match self {
            Self::Verified => &[],
            Self::Unverified(doubts) => doubts,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::SelfSigned => "it is signed by itself, and nobody has said that it is believed",
            Self::UnknownIssuer => "no CA that is believed vouches for it",
            Self::WrongName => "it names other hosts",
            Self::Unreadable => "it cannot be read",
            Self::Other(words) => words,
        })
    }
}

/// Who is believed.
pub(crate) struct Authorities {
    roots: RootCertStore,
    /// The certificates of the file as they are: one that a server shows itself needs nobody else's word.
    named: Vec<CertificateDer<'static>>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl Authorities {
    pub(crate) fn read(
        file: Option<&SafeFile>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<Self, SetupError> {
        let mut named = file.map(pem::certificates).transpose()?.unwrap_or_default();
        let found = named.len();
        // A bundle of a system has hundreds, and one that is of no use spoils none of the others.
        named.retain(|certificate| ServerCertificate::read(certificate).is_ok());
        match file {
            Some(file) if named.is_empty() => {
                return Err(SetupError::bad_certificate(file, 0, &format!("none of {found} can be read")));
            }
            _ => {}
        }
        let mut roots = RootCertStore::empty();
        // rustls takes any certificate for a CA that it is given.
        let is_ca = |certificate: &&CertificateDer<'_>| certificate::is_ca(certificate).unwrap_or_default();
        roots.add_parsable_certificates(named.iter().filter(is_ca).cloned());
        Ok(Self { roots, named, algorithms })
    }

    pub(crate) fn judge(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Verdict {
        let (Ok(parsed), Ok(read)) = (ParsedCertificate::try_from(own), ServerCertificate::read(own)) else {
            return Verdict::Unverified(vec![Doubt::Unreadable]);
        };
        let mut doubts = Vec::new();
        doubts.extend(out_of_date(&read, now));
        if !self.named.contains(own) {
            let signed =
                verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, now, self.algorithms);
            doubts.extend(signed.err().and_then(|error| doubt(&error, &read, &doubts)));
        }
        if verify_server_name(&parsed, name).is_err() {
            doubts.push(Doubt::WrongName);
        }
        if doubts.is_empty() { Verdict::Verified } else { Verdict::Unverified(doubts) }
    }
}

fn out_of_date(certificate: &ServerCertificate, now: UnixTime) -> Option<Doubt> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    if now > certificate.not_after {
        Some(Doubt::Expired)
    } else {
        (now < certificate.not_before).then_some(Doubt::NotYetValid)
    }
}

/// What the signatures leave in doubt. Dates count once: behind those of the certificate those of a CA mostly follow.
fn doubt(error: &Error, certificate: &ServerCertificate, before: &[Doubt]) -> Option<Doubt> {
    let Error::InvalidCertificate(why) = error else { return Some(Doubt::Other(error.to_string())) };
    let is_dated = |why: &CertificateError| {
        matches!(
            why,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    };
    match why {
        _ if certificate.is_self_issued() => Some(Doubt::SelfSigned),
        why if is_dated(why) && !before.is_empty() => None,
        why if is_dated(why) => Some(Doubt::Other("a CA that vouches for it is out of date".to_owned())),
        CertificateError::UnknownIssuer => Some(Doubt::UnknownIssuer),
        CertificateError::BadSignature => {
            Some(Doubt::Other("it was not signed by the CA that it names".to_owned()))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Some(Doubt::Other("it is no certificate for a server".to_owned()))
        }
        why => Some(Doubt::Other(why.to_string())),
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} CAs", self.roots.len())
    }
}
