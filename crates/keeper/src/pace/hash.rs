//! Keyed hashes of networks and identities: without the key, nobody chooses what he collides with, and nobody reads from
//! the tables, or from their file, who was where.

use std::fmt;
use std::net::IpAddr;

use credential::Identity;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key of 32 random octets.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PaceKey([u8; PaceKey::OCTETS]);

/// Where something stands in a table, and what tells it from its neighbours there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) place: u64,
    pub(crate) tag: u32,
}

impl PaceKey {
    /// How many random octets make a key.
    pub const OCTETS: usize = 32;

    /// A key of octets that the caller drew, or read from a file.
    pub fn new(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }

    /// The octets, for the file.
    pub(crate) fn expose(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    pub(crate) fn address(&self, address: IpAddr) -> Name {
        self.name(b"address", &[&octets(address)])
    }

    pub(crate) fn network(&self, network: IpAddr) -> Name {
        self.name(b"network", &[&octets(network)])
    }

    pub(crate) fn identity(&self, identity: &Identity) -> Name {
        self.name(b"identity", &[identity.user.as_str().as_bytes(), identity.realm.folded().as_bytes()])
    }

    pub(crate) fn identity_at(&self, identity: &Identity, network: IpAddr) -> Name {
        let (user, realm) = (identity.user.as_str().as_bytes(), identity.realm.folded());
        self.name(b"identity at", &[user, realm.as_bytes(), &octets(network)])
    }

    fn name(&self, of: &[u8], parts: &[&[u8]]) -> Name {
        let digest = self.digest(of, parts);
        let (place, rest) = (&digest[..8], &digest[8..12]);
        Name {
            place: place.iter().fold(0, |place, octet| place << 8 | u64::from(*octet)),
            // 0 marks what is free.
            tag: rest.iter().fold(0, |tag, octet| tag << 8 | u32::from(*octet)).max(1),
        }
    }

    /// No part holds a NUL but the last.
    #[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
    fn digest(&self, of: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("a key of any length");
        hmac.update(of);
        for part in parts {
            hmac.update(&[0]);
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for PaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaceKey(…)")
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
