//! What a client knows of a server when the handshake is finished: plain data.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::binding;
use crate::client::verdict::Verdict;
use crate::facts::Version;

/// The facts of a finished handshake. The verdict is one of them: a server that was only observed is never mistaken for
/// one that was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFacts {
    /// The version agreed upon.
    pub version: Version,
    /// The cipher, by its registered name.
    pub cipher: &'static str,
    /// The bits of the cipher's key.
    pub bits: u32,
    /// The data of the channel binding `tls-exporter` (RFC 9266). None in TLS 1.2 without the extended master secret.
    pub exporter: Option<[u8; 32]>,
    /// The data of `tls-server-end-point` (RFC 5929, section 4). None where the certificate's signature has no hash of its
    /// own.
    pub end_point: Option<Vec<u8>>,
    /// Whether the server is who was meant.
    pub verdict: Verdict,
    /// What the certificate says. Unless it is verified, anybody may have written it.
    pub certificate: ServerCertificate,
}

/// What a server's certificate says of itself. Control characters in names are shown as `?`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerCertificate {
    /// The subject's name, as RFC 4514 writes it.
    pub subject: String,
    /// The name of whoever issued it.
    pub issuer: String,
    /// The hosts and addresses that it is for. A common name is none (RFC 9525, section 2).
    pub names: Vec<String>,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// The kind of its key: `RSA 2048`, `EC P-256`, `Ed25519`, or the number of an algorithm.
    pub key: String,
}

impl ServerCertificate {
    pub(crate) fn read(octets: &[u8]) -> der::Result<Self> {
        let certificate = Certificate::from_der(octets)?;
        let signed = certificate.tbs_certificate();
        let names = signed.get_extension::<SubjectAltName>()?.map(|(_, names)| names);
        Ok(Self {
            subject: plain(&signed.subject().to_string()),
            issuer: plain(&signed.issuer().to_string()),
            names: names.iter().flat_map(|names| &names.0).filter_map(host).take(MAX_NAMES).collect(),
            not_before: signed.validity().not_before.to_system_time(),
            not_after: signed.validity().not_after.to_system_time(),
            key: key(signed.subject_public_key_info()),
        })
    }

    /// Whether whoever issued it has the name of the subject.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// The data of `tls-server-end-point`.
pub(crate) fn end_point(octets: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(octets).ok()?;
    binding::end_point(octets, certificate.signature_algorithm())
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(plain(name.as_str())),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    let v6 = <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string());
    v4.or(v6).ok()
}

/// RFC 3279, RFC 5480, RFC 8410.
fn key(info: &SubjectPublicKeyInfoOwned) -> String {
    let algorithm = info.algorithm.oid.to_string();
    let curve = || info.algorithm.parameters.as_ref()?.to_der().ok();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" => format!("RSA {}", modulus_bits(info.subject_public_key.raw_bytes())),
        "1.2.840.10045.2.1" => {
            let curve = curve().and_then(|der| ObjectIdentifier::from_der(&der).ok());
            format!(
                "EC {}",
                curve.map_or_else(
                    || "of its own".to_owned(),
                    |oid: ObjectIdentifier| curve_name(&oid.to_string())
                )
            )
        }
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        _ => algorithm,
    }
}

fn curve_name(oid: &str) -> String {
    match oid {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        other => other,
    }
    .to_owned()
}

/// RFC 8017, appendix A.1.1: SEQUENCE { INTEGER modulus, INTEGER exponent }. 0 where it is something else.
fn modulus_bits(key: &[u8]) -> usize {
    let modulus = || {
        let sequence = der::asn1::AnyRef::from_der(key).ok()?;
        let mut reader = der::SliceReader::new(sequence.value()).ok()?;
        let number = der::asn1::UintRef::decode(&mut reader).ok()?;
        let octets = number.as_bytes();
        Some(octets.len() * 8 - octets.first()?.leading_zeros() as usize)
    };
    modulus().unwrap_or_default()
}

fn plain(name: &str) -> String {
    name.chars().map(|each| if each.is_control() { '?' } else { each }).collect()
}

/// More hosts than that nobody reads.
const MAX_NAMES: usize = 100;
