//! Channel bindings: what names one connection, and which both its ends know (RFC 5056). Here is how they are got from
//! TLS; what they are good for is the matter of SASL.

use rustls::ConnectionCommon;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_cert::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier};
use x509_cert::der::{Encode, SliceReader, TagNumber};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::facts::Version;

/// RFC 9266, section 4.2.
const LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// id-RSASSA-PSS (RFC 4055, section 3.1).
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// `tls-exporter` (RFC 9266, section 4): the context is there and empty. In TLS 1.2 only where the master secret is the
/// extended one, since else somebody in between can make two connections that export the same (RFC 7627, section 1).
pub(crate) fn exporter<Side>(
    connection: &ConnectionCommon<Side>,
    version: Version,
    extended: bool,
) -> Option<[u8; 32]> {
    let is_unique = version == Version::Tls13 || extended;
    is_unique.then(|| connection.export_keying_material([0; 32], LABEL, Some(b"")).ok())?
}

/// `tls-server-end-point` (RFC 5929, section 4.1) of a certificate: its hash by the hash of its signature, for MD5 and
/// SHA-1 by SHA-256. None for a signature without a hash of its own, or one that is not known here.
pub(crate) fn end_point(certificate: &[u8], signature: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    Some(match hash_of(signature)? {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

fn hash_of(signature: &AlgorithmIdentifierOwned) -> Option<Hash> {
    if signature.oid == RSA_PSS {
        hash_of_pss(signature)
    } else {
        hash_of_signature(&signature.oid.to_string())
    }
}

/// RFC 8017, appendix A.2.4, and RFC 5758, section 3.2.
fn hash_of_signature(oid: &str) -> Option<Hash> {
    Some(match oid {
        // md5WithRSAEncryption, sha1WithRSAEncryption, ecdsa-with-SHA1; sha256WithRSAEncryption, ecdsa-with-SHA256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => Hash::Sha256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Hash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Hash::Sha512,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Hash::Sha224,
        _ => return None,
    })
}

/// RSASSA-PSS names its hash in its parameters; where it does not, it is SHA-1 (RFC 4055, section 3.1).
fn hash_of_pss(signature: &AlgorithmIdentifierOwned) -> Option<Hash> {
    let parameters = signature.parameters.as_ref()?.to_der().ok()?;
    let parameters = AnyRef::try_from(parameters.as_slice()).ok()?;
    let mut reader = SliceReader::new(parameters.value()).ok()?;
    let named =
        ContextSpecific::<AlgorithmIdentifierOwned>::decode_explicit(&mut reader, TagNumber(0)).ok()?;
    named.map_or(Some(Hash::Sha256), |hash| hash_named(&hash.value.oid.to_string()))
}

/// RFC 4055, section 2.1.
fn hash_named(oid: &str) -> Option<Hash> {
    Some(match oid {
        // MD5, SHA-1, SHA-256.
        "1.2.840.113549.2.5" | "1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
        "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
        "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
        "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Decode;

    use super::*;

    /// An AlgorithmIdentifier as it stands in a certificate.
    fn check(der: &[u8], expected: Option<Hash>) {
        let signature = AlgorithmIdentifierOwned::from_der(der).unwrap();
        assert_eq!(hash_of(&signature), expected, "{signature:?}");
    }

    #[test]
    fn the_hash_is_that_of_the_signature_and_at_least_sha_256() {
        // sha1WithRSAEncryption, sha384WithRSAEncryption: with NULL.
        check(&[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 5, 5, 0], Some(Hash::Sha256));
        check(&[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 12, 5, 0], Some(Hash::Sha384));
        // ecdsa-with-SHA512.
        check(&[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], Some(Hash::Sha512));
        // Ed25519.
        check(&[0x30, 5, 6, 3, 0x2b, 0x65, 0x70], None);
    }

    #[test]
    fn pss_has_it_in_its_parameters() {
        let oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 10];
        // Nothing said, which means SHA-1; then SHA-512.
        check(&[&[0x30, 13][..], &oid, &[0x30, 0]].concat(), Some(Hash::Sha256));
        let sha512 = [0xa0, 13, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
        check(&[&[0x30, 28][..], &oid, &[0x30, 15], &sha512].concat(), Some(Hash::Sha512));
        // Without parameters it is no signature of a certificate.
        check(&[&[0x30, 11][..], &oid].concat(), None);
    }
}
