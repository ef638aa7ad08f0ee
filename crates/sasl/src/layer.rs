//! Security layers that an exchange negotiates (RFC 4422, section 3.7): of our mechanisms, those of DIGEST-MD5.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A cipher of DIGEST-MD5 (RFC 2831, section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// RC4 with a key of 128 bits.
    Rc4,
    /// RC4 with 56 bits of H(A1) in the key.
    Rc4With56,
    /// RC4 with 40 bits of H(A1) in the key.
    Rc4With40,
    /// DES in EDE with two keys, in CBC mode.
    TripleDes,
    /// DES in CBC mode.
    Des,
}

/// What a layer protects (RFC 2831, `qop-value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protection {
    /// `auth-int`: nobody changes, inserts, repeats or reorders.
    Integrity,
    /// `auth-conf`: nor reads.
    Confidentiality(Cipher),
}

/// What layers may be negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The largest packet that we take, in octets without the 4 of its length (`maxbuf`); 0: no layer at all.
    pub max_buffer: u32,
    /// The ciphers for confidentiality, the preferred first; none: integrity at most.
    pub ciphers: Vec<Cipher>,
}

/// A layer that was negotiated: the keys and limits of this session, and nothing that would serve another.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct LayerKeys {
    /// What it protects.
    #[zeroize(skip)]
    pub protection: Protection,
    /// For what we send.
    pub sending: DirectionKeys,
    /// For what we receive.
    pub receiving: DirectionKeys,
    /// The largest packet that the peer takes, in octets without the 4 of its length.
    pub max_sent: u32,
    /// The largest packet that we take.
    pub max_received: u32,
}

/// The keys of one direction (RFC 2831, sections 2.3 and 2.4).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DirectionKeys {
    /// Kic or Kis.
    pub integrity: [u8; 16],
    /// Kcc or Kcs; not used for integrity alone.
    pub confidentiality: [u8; 16],
}

impl fmt::Debug for LayerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerKeys").field("protection", &self.protection).finish_non_exhaustive()
    }
}
