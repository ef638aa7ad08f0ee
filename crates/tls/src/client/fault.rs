//! Why a connection to a server cannot go on.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why a connection cannot go on. The server is at fault in all but [`ClientError::BadName`] and [`ClientError::Failed`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// It speaks TLS 1.1 or less.
    #[error("the server has no TLS 1.2 or later")]
    NoCommonVersion,
    /// It has nothing in common with us but the version.
    #[error("the server accepts no cipher, key exchange or signature that is secure: {0}")]
    Incompatible(String),
    /// What it sends is no TLS at all: mostly a port where STARTTLS comes first.
    #[error("the server does not speak TLS here")]
    NotTls,
    /// It ended the connection and said why.
    #[error("the server ended it with the alert: {0}")]
    Alert(String),
    /// Nobody vouches for its certificate, or it is another host's.
    #[error("the server's certificate is not believed: {0}")]
    Certificate(String),
    /// What it sends was changed on the way.
    #[error("what the server sends cannot be decrypted")]
    Undecryptable,
    /// What it sends breaks the rules of TLS.
    #[error("the server breaks the protocol: {0}")]
    Malformed(String),
    /// The host's name is none.
    #[error("this is no name of a host")]
    BadName,
    /// Something of ours failed.
    #[error("TLS failed: {0}")]
    Failed(String),
}

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        match error {
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::NoCommonVersion,
            Error::AlertReceived(
                alert @ (AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity),
            ) => Self::Incompatible(format!("{alert:?}")),
            Error::PeerIncompatible(why) => Self::Incompatible(format!("{why:?}")),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::InvalidMessage(why) => Self::Malformed(format!("{why:?}")),
            Error::PeerMisbehaved(why) => Self::Malformed(format!("{why:?}")),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord => Self::Malformed(error.to_string()),
            Error::AlertReceived(alert) => Self::Alert(format!("{alert:?}")),
            Error::InvalidCertificate(why) => Self::Certificate(certificate_fault(&why)),
            Error::DecryptError => Self::Undecryptable,
            error => Self::Failed(error.to_string()),
        }
    }
}

fn certificate_fault(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYet => "it is not valid yet".to_owned(),
        CertificateError::NotValidForName => "it names other hosts".to_owned(),
        CertificateError::UnknownIssuer => "no CA that is believed vouches for it".to_owned(),
        CertificateError::BadSignature => "the server does not have its key".to_owned(),
        why => why.to_string(),
    }
}
