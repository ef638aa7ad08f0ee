//! What a certificate says (RFC 5280): its dates, its names, how it was signed. Whether it may be believed is decided
//! elsewhere.

use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode};
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};
use x509_cert::name::Name;

use crate::binding;
use crate::facts::ClientIdentity;

/// id-at-commonName (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What of the server's own certificate counts later.
#[derive(Debug, Clone)]
pub(crate) struct OwnCertificate {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// The dNSNames of its alternative names, which are all that clients look at.
    pub(crate) hosts: Vec<String>,
    pub(crate) end_point: Option<Vec<u8>>,
}

impl OwnCertificate {
    pub(crate) fn read(octets: &[u8]) -> der::Result<Self> {
        let certificate = Certificate::from_der(octets)?;
        let signed = certificate.tbs_certificate();
        let names = signed.get_extension::<SubjectAltName>()?;
        Ok(Self {
            not_before: signed.validity().not_before.to_system_time(),
            not_after: signed.validity().not_after.to_system_time(),
            hosts: names.map(|(_, names)| hosts(&names)).unwrap_or_default(),
            end_point: binding::end_point(octets, certificate.signature_algorithm()),
        })
    }
}

/// Whether a certificate may vouch for others (RFC 5280, sections 4.2.1.3 and 4.2.1.9). Who is named as a CA without being
/// one could else sign for whom he likes, with the key of his own certificate.
pub(crate) fn is_ca(octets: &[u8]) -> der::Result<bool> {
    let certificate = Certificate::from_der(octets)?;
    let signed = certificate.tbs_certificate();
    let is_ca = signed.get_extension::<BasicConstraints>()?.is_some_and(|(_, constraints)| constraints.ca);
    let usage = signed.get_extension::<KeyUsage>()?;
    Ok(is_ca && usage.is_none_or(|(_, usage)| usage.key_cert_sign()))
}

fn hosts(names: &SubjectAltName) -> Vec<String> {
    let hosts = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(host) => Some(host.as_str().to_owned()),
        _ => None,
    });
    hosts.collect()
}

/// Whom a certificate names. Only for one that was verified.
pub(crate) fn identity(octets: &[u8]) -> der::Result<ClientIdentity> {
    let certificate = Certificate::from_der(octets)?;
    let signed = certificate.tbs_certificate();
    let names = signed.get_extension::<SubjectAltName>()?;
    Ok(ClientIdentity {
        mail_addresses: names.map(|(_, names)| mail_addresses(&names)).unwrap_or_default(),
        common_name: common_name(signed.subject()),
        subject: signed.subject().to_string(),
        issuer: signed.issuer().to_string(),
        serial: hexadecimal(signed.serial_number().as_bytes()),
    })
}

fn mail_addresses(names: &SubjectAltName) -> Vec<String> {
    let addresses = names.0.iter().filter_map(|name| match name {
        GeneralName::Rfc822Name(address) => Some(address.as_str()),
        _ => None,
    });
    addresses.filter(|address| is_plain(address)).map(str::to_owned).collect()
}

/// The only common name; of several, which a CA may have checked or not, none is chosen.
fn common_name(subject: &Name) -> Option<String> {
    let mut found = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let name = found.next().filter(|_| found.next().is_none())?;
    let name = name.value.decode_as::<DirectoryString>().ok()?;
    Some(name.value().into_owned()).filter(|name| is_plain(name))
}

/// A NUL in the middle of a name ends it for some readers and not for others.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// Without the octet of zero that keeps a number positive.
fn hexadecimal(number: &[u8]) -> String {
    let digits = match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let halves = digits.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_common_names_none_is_chosen() {
        for (subject, expected) in [
            ("CN=alice,O=Example", Some("alice")),
            ("CN=alice,CN=root", None),
            ("CN=alice+CN=root", None),
            ("O=Example", None),
        ] {
            assert_eq!(common_name(&subject.parse().unwrap()).as_deref(), expected, "{subject}");
        }
    }

    #[test]
    fn a_serial_number_is_written_as_openssl_writes_it() {
        for (octets, expected) in [(&[0, 0x8a, 1][..], "8A01"), (&[0x0a, 0xbc], "0ABC"), (&[0], "00")] {
            assert_eq!(hexadecimal(octets), expected);
        }
    }
}
