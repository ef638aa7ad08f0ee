//! The ciphers of a security layer (RFC 2831, section 2.4). Each goes on from one packet to the next: RC4 in its stream,
//! DES in its chain of blocks.

use cipher::consts::U8;
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, InvalidLength, KeyInit, KeyIvInit, StreamCipher};
use des::{Des, TdesEde2};
use rc4::Rc4;
use zeroize::Zeroizing;

use crate::layer::{Cipher, Protection};

/// What is done to packets, with DES chained in one direction.
pub(super) enum Keyed<D, T> {
    /// Nothing: integrity alone.
    None,
    Rc4(Box<Rc4>),
    Des(Box<D>),
    TripleDes(Box<T>),
}

/// For packets that are sent.
pub(super) type Sealing = Keyed<cbc::Encryptor<Des>, cbc::Encryptor<TdesEde2>>;

/// For packets that are received.
pub(super) type Opening = Keyed<cbc::Decryptor<Des>, cbc::Decryptor<TdesEde2>>;

/// The octets of a block of DES, in which packets are padded.
pub(super) const BLOCK: usize = 8;

impl<D: KeyIvInit, T: KeyIvInit> Keyed<D, T> {
    pub(super) fn new(protection: Protection, key: &[u8; 16]) -> Result<Self, InvalidLength> {
        let Protection::Confidentiality(cipher) = protection else { return Ok(Self::None) };
        let (keys, iv) = keys_of(key);
        Ok(match cipher {
            Cipher::Rc4 | Cipher::Rc4With56 | Cipher::Rc4With40 => {
                Self::Rc4(Box::new(Rc4::new_from_slice(key)?))
            }
            Cipher::Des => Self::Des(Box::new(KeyIvInit::new_from_slices(&keys[..8], iv)?)),
            Cipher::TripleDes => Self::TripleDes(Box::new(KeyIvInit::new_from_slices(&keys[..], iv)?)),
        })
    }

    /// Whether messages are padded to whole blocks.
    pub(super) fn has_blocks(&self) -> bool {
        matches!(self, Self::Des(_) | Self::TripleDes(_))
    }
}

impl Sealing {
    pub(super) fn seal(&mut self, octets: &mut [u8]) {
        match self {
            Self::None => {}
            Self::Rc4(stream) => stream.apply_keystream(octets),
            Self::Des(chain) => chain.encrypt_blocks(blocks(octets)),
            Self::TripleDes(chain) => chain.encrypt_blocks(blocks(octets)),
        }
    }
}

impl Opening {
    pub(super) fn open(&mut self, octets: &mut [u8]) {
        match self {
            Self::None => {}
            Self::Rc4(stream) => stream.apply_keystream(octets),
            Self::Des(chain) => chain.decrypt_blocks(blocks(octets)),
            Self::TripleDes(chain) => chain.decrypt_blocks(blocks(octets)),
        }
    }
}

/// Whole blocks: callers pad, or have refused what is not whole.
fn blocks(octets: &mut [u8]) -> &mut [Array<u8, U8>] {
    Array::slice_as_chunks_mut(octets).0
}

/// The keys of DES in Kc, and the first block that is chained to (RFC 2831, section 2.4).
fn keys_of(key: &[u8; 16]) -> (Zeroizing<[u8; 16]>, &[u8]) {
    let mut keys = Zeroizing::new([0; 16]);
    spread(&key[..7], &mut keys[..8]);
    spread(&key[7..14], &mut keys[8..]);
    (keys, &key[8..])
}

/// Seven octets over eight, with 7 bits in each above the one for parity, which nobody looks at.
fn spread(octets: &[u8], keys: &mut [u8]) {
    let bits = octets.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    for (place, key) in keys.iter_mut().enumerate() {
        *key = ((bits >> (49 - 7 * place)) as u8) << 1;
    }
}
