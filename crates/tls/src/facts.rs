//! What is known of a connection when its handshake is finished: plain data, for whoever decides and whoever logs.

/// The facts of a finished handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The version agreed upon.
    pub version: Version,
    /// The cipher, by its registered name: `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The bits of the cipher's key, which are the SSF of the connection.
    pub bits: u32,
    /// The data of the channel binding `tls-exporter` (RFC 9266). None in TLS 1.2 without the extended master secret: two
    /// connections can then have the same.
    pub exporter: Option<[u8; 32]>,
    /// The data of `tls-server-end-point` (RFC 5929, section 4). None where the certificate's signature has no hash of its
    /// own (Ed25519), for which the RFC defines nothing.
    pub end_point: Option<Vec<u8>>,
    /// What the client showed of itself.
    pub client: ClientCertificate,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What the client showed of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It was not asked, since there is no CA to verify by.
    NotRequested,
    /// It was asked, and showed none.
    Absent,
    /// It showed one, and has its key, but whose it is nobody vouches for. What stands in it is left out: there is
    /// nothing here that could be taken for an identity.
    Unverified {
        /// Why, in a few words, for the log.
        reason: String,
    },
    /// It has the key of a certificate that one of the CAs of `client_ca` vouches for.
    Verified(ClientIdentity),
}

/// What a verified certificate says of its owner. Names with control characters in them are left out: they are made to
/// be read differently by different readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The mail addresses (rfc822Name) of the subject's alternative names, in their order.
    pub mail_addresses: Vec<String>,
    /// The common name of the subject; none where there are several, of which none is *the* name.
    pub common_name: Option<String>,
    /// The subject's whole name, as RFC 4514 writes it.
    pub subject: String,
    /// The name of whoever issued the certificate, as RFC 4514 writes it.
    pub issuer: String,
    /// The serial number, in hexadecimal digits.
    pub serial: String,
}

impl Version {
    /// Its name, as logs and Received lines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

impl ClientCertificate {
    /// sendmail's word for it (`{verify}`): `NOT` requested, `NO` certificate, `FAIL`, `OK`.
    pub const fn verify_word(&self) -> &'static str {
        match self {
            Self::NotRequested => "NOT",
            Self::Absent => "NO",
            Self::Unverified { .. } => "FAIL",
            Self::Verified(_) => "OK",
        }
    }

    /// The identity, where there is one that was verified.
    pub const fn identity(&self) -> Option<&ClientIdentity> {
        match self {
            Self::Verified(identity) => Some(identity),
            _ => None,
        }
    }
}
