//! CRAM-MD5 (RFC 2195): the two states of HMAC-MD5 after the padded key, from which any answer is computed.
//!
//! They are as good as the password for CRAM-MD5 itself. Three layouts are in use: ours and that of Cyrus
//! SASL 1 are inner then outer, big-endian; Dovecot's is outer then inner, little-endian.

use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The inner and the outer MD5 state.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CramMd5 {
    inner: [u32; 4],
    outer: [u32; 4],
}

impl CramMd5 {
    /// How long the octets of both states are.
    pub const OCTETS: usize = 32;

    /// The states for a password (RFC 2104: one over 64 octets is hashed first).
    pub fn derive(password: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 64]);
        if password.len() > key.len() {
            key[..16].copy_from_slice(&Zeroizing::new(<[u8; 16]>::from(Md5::digest(password)))[..]);
        } else {
            key[..password.len()].copy_from_slice(password);
        }
        Self { inner: state_after(&key, 0x36), outer: state_after(&key, 0x5c) }
    }

    /// Reads our layout, which is Cyrus SASL 1's: inner, outer, big-endian words.
    pub fn from_octets(octets: &[u8; Self::OCTETS]) -> Self {
        let [inner, outer] = halves(octets);
        Self { inner: inner.map(u32::from_be_bytes), outer: outer.map(u32::from_be_bytes) }
    }

    /// Reads Dovecot's layout: outer, inner, little-endian words.
    pub fn from_dovecot(octets: &[u8; Self::OCTETS]) -> Self {
        let [outer, inner] = halves(octets);
        Self { inner: inner.map(u32::from_le_bytes), outer: outer.map(u32::from_le_bytes) }
    }

    /// Our layout.
    pub fn to_octets(&self) -> Zeroizing<[u8; Self::OCTETS]> {
        let mut octets = Zeroizing::new([0; Self::OCTETS]);
        for (place, word) in octets.chunks_exact_mut(4).zip(self.inner.iter().chain(&self.outer)) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        octets
    }

    /// HMAC-MD5 of a challenge: what the right client answers, in hexadecimal digits on the wire.
    pub fn digest(&self, challenge: &[u8]) -> Zeroizing<[u8; 16]> {
        let inner = finish(self.inner, challenge);
        finish(self.outer, &*inner)
    }

    pub(crate) fn to_answer(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.to_octets().to_vec())
    }

    pub(crate) fn matches(&self, answer: &[u8]) -> bool {
        self.to_octets().as_slice().ct_eq(answer).into()
    }
}

impl fmt::Debug for CramMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CramMd5(…)")
    }
}

/// The chaining value after the one block of key and pad.
fn state_after(key: &[u8; 64], pad: u8) -> [u32; 4] {
    let mut state = INITIAL_STATE;
    let block = Zeroizing::new(key.map(|octet| octet ^ pad));
    md5::block_api::compress(&mut state, std::slice::from_ref(&*block));
    state
}

/// MD5 of one block that is already in `state`, followed by `text` (RFC 1321, sections 3.1 to 3.5).
fn finish(mut state: [u32; 4], text: &[u8]) -> Zeroizing<[u8; 16]> {
    let (blocks, rest) = text.as_chunks::<64>();
    md5::block_api::compress(&mut state, blocks);
    let mut tail = Zeroizing::new([0; 128]);
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let length = if rest.len() < 56 { 64 } else { 128 };
    let bits = (64 + text.len() as u64).wrapping_mul(8);
    tail[length - 8..length].copy_from_slice(&bits.to_le_bytes());
    md5::block_api::compress(&mut state, tail[..length].as_chunks::<64>().0);
    let mut digest = Zeroizing::new([0; 16]);
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    state.zeroize();
    digest
}

fn halves(octets: &[u8; 32]) -> [[[u8; 4]; 4]; 2] {
    let word = |index: usize| std::array::from_fn(|octet| octets[index * 4 + octet]);
    [std::array::from_fn(word), std::array::from_fn(|index| word(4 + index))]
}

/// RFC 1321, section 3.3.
const INITIAL_STATE: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
