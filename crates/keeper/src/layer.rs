//! The keys of a security layer, in the form in which they go to the front.

use sasl::layer::{Cipher, DirectionKeys, LayerKeys, Protection};
use wire::SecretOctets;
use zeroize::Zeroizing;

/// One octet for the protection (0: integrity, else the cipher's place, from 1), the largest packets, highest octet first,
/// then the keys of either direction, ours first.
pub(crate) fn to_octets(keys: &LayerKeys) -> SecretOctets {
    let mut octets = Zeroizing::new(Vec::with_capacity(1 + 4 + 4 + 4 * 16));
    octets.push(protection(keys.protection));
    octets.extend_from_slice(&keys.max_sent.to_be_bytes());
    octets.extend_from_slice(&keys.max_received.to_be_bytes());
    let DirectionKeys { integrity, confidentiality } = &keys.sending;
    let DirectionKeys { integrity: received, confidentiality: opened } = &keys.receiving;
    [integrity, confidentiality, received, opened].iter().for_each(|key| octets.extend_from_slice(*key));
    SecretOctets::new(octets)
}

fn protection(protection: Protection) -> u8 {
    match protection {
        Protection::Integrity => 0,
        Protection::Confidentiality(Cipher::Rc4) => 1,
        Protection::Confidentiality(Cipher::TripleDes) => 2,
        Protection::Confidentiality(Cipher::Rc4With56) => 3,
        Protection::Confidentiality(Cipher::Des) => 4,
        Protection::Confidentiality(Cipher::Rc4With40) => 5,
    }
}
