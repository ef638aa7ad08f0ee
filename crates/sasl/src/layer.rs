//! Security layers that an exchange negotiates (RFC 4422, section 3.7): of our mechanisms, those of DIGEST-MD5.
//!
//! An exchange ends with [`LayerKeys`]: the keys and limits of one session and one connection, which can be handed to
//! whoever has the connection ([`LayerKeys::to_octets`]) and tell nothing of the password. [`SecurityLayer`] is made of
//! them: two halves that do not know of each other, one for each direction.

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

mod codec;
mod sealing;

pub use codec::{LayerError, SecurityLayer, Unwrap, Wrap};

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

/// What layers may be negotiated. RFC 2831, sections 2.1.1 and 2.1.2 (`qop`, `cipher`, `maxbuf`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The largest packet that we take, in octets without the 4 of its length (`maxbuf`). Less than
    /// [`Layers::LEAST_BUFFER`]: no layer at all; more than [`Layers::MOST_BUFFER`] counts as that.
    pub max_buffer: u32,
    /// The ciphers for confidentiality, the preferred first; none: integrity at most. A server offers them in this order,
    /// and a client takes the first that both have.
    pub ciphers: Vec<Cipher>,
}

/// A layer that was negotiated: the keys and limits of this session, and nothing that would serve another. It is as if
/// nothing had been said under it yet: both directions count from 0. RFC 2831, sections 2.3 and 2.4.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct LayerKeys {
    #[zeroize(skip)]
    pub(crate) protection: Protection,
    /// For what we send.
    pub(crate) sending: DirectionKeys,
    /// For what we receive.
    pub(crate) receiving: DirectionKeys,
    /// The largest packet that the peer takes, in octets without the 4 of its length.
    pub(crate) max_sent: u32,
    /// The largest packet that we take.
    pub(crate) max_received: u32,
}

/// The keys of one direction (RFC 2831, sections 2.3 and 2.4).
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct DirectionKeys {
    /// Kic or Kis.
    pub(crate) integrity: [u8; 16],
    /// Kcc or Kcs; not used for integrity alone.
    pub(crate) confidentiality: [u8; 16],
}

impl Cipher {
    /// Every cipher, the strongest first.
    pub const ALL: [Self; 5] = [Self::Rc4, Self::TripleDes, Self::Rc4With56, Self::Des, Self::Rc4With40];

    /// The name on the wire (RFC 2831, `cipher-value`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rc4 => "rc4",
            Self::Rc4With56 => "rc4-56",
            Self::Rc4With40 => "rc4-40",
            Self::TripleDes => "3des",
            Self::Des => "des",
        }
    }

    /// The cipher of a name, in either case, as all literals of RFC 2831 are.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its strength as Cyrus SASL counts it, in bits.
    pub const fn ssf(self) -> u32 {
        match self {
            Self::Rc4 => 128,
            Self::TripleDes => 112,
            Self::Rc4With56 => 56,
            Self::Des => 55,
            Self::Rc4With40 => 40,
        }
    }

    /// How much of H(A1) its keys are made of, in octets (RFC 2831, section 2.4).
    pub(crate) const fn key_octets(self) -> usize {
        match self {
            Self::Rc4With40 => 5,
            Self::Rc4With56 => 7,
            Self::Rc4 | Self::TripleDes | Self::Des => 16,
        }
    }
}

impl Protection {
    /// Its strength in bits; integrity counts as 1.
    pub const fn ssf(self) -> u32 {
        match self {
            Self::Integrity => 1,
            Self::Confidentiality(cipher) => cipher.ssf(),
        }
    }

    /// The longest message that fits into a packet of `max_buffer` octets: what RFC 2831, section 2.1.1, takes off (MAC,
    /// type and sequence number, and 8 of padding and one to spare), and 4 more. RFC 2831 does not say whether the length in
    /// front counts; Cyrus SASL as a server takes it off, and who sends a little less is right with everybody. 0: nothing
    /// fits.
    pub(crate) const fn room(self, max_buffer: u32) -> u32 {
        let taken = match self {
            Self::Integrity => 16,
            Self::Confidentiality(_) => 25,
        };
        max_buffer.saturating_sub(taken + 4)
    }

    /// Whether messages of a sensible length fit into a packet of `max_buffer` octets: a peer that asks for less would have
    /// us send many times what there is to say.
    pub(crate) const fn has_room(self, max_buffer: u32) -> bool {
        self.room(max_buffer) >= LEAST_ROOM
    }
}

/// The shortest message that a packet has to have room for, in octets.
const LEAST_ROOM: u32 = 64;

impl Layers {
    /// The least size of a packet in which a message of 64 octets fits, whatever the layer.
    pub const LEAST_BUFFER: u32 = 93;

    /// The greatest size of a packet that Cyrus SASL lets a peer ask for (24 bits of length).
    pub const MOST_BUFFER: u32 = 0xff_ffff;

    /// What a peer takes that does not say (RFC 2831, sections 2.1.1 and 2.1.2).
    pub(crate) const DEFAULT_BUFFER: u32 = 65536;

    /// No layer at all. RFC 2831: `qop=auth`.
    pub fn none() -> Self {
        Self { max_buffer: 0, ciphers: Vec::new() }
    }

    /// The largest packet that we take; `None`: there is to be no layer.
    pub(crate) fn buffer(&self) -> Option<u32> {
        (self.max_buffer >= Self::LEAST_BUFFER).then_some(self.max_buffer.min(Self::MOST_BUFFER))
    }

    /// Whether a protection, or none, may be had within these strengths.
    pub(crate) fn allow(&self, protection: Option<Protection>, strengths: &RangeInclusive<u32>) -> bool {
        strengths.contains(&protection.map_or(0, Protection::ssf))
            && match protection {
                None => true,
                Some(Protection::Integrity) => self.buffer().is_some(),
                Some(Protection::Confidentiality(cipher)) => {
                    self.buffer().is_some() && self.ciphers.contains(&cipher)
                }
            }
    }

    /// The ciphers that may be had within these strengths, the preferred first.
    pub(crate) fn ciphers_within<'a>(
        &'a self,
        strengths: &'a RangeInclusive<u32>,
    ) -> impl Iterator<Item = Cipher> + 'a {
        let is_allowed = |cipher: &Cipher| self.allow(Some(Protection::Confidentiality(*cipher)), strengths);
        self.ciphers.iter().copied().filter(is_allowed)
    }

    /// Whether anything at all may be had within these strengths.
    pub(crate) fn reach(&self, strengths: &RangeInclusive<u32>) -> bool {
        self.allow(None, strengths)
            || self.allow(Some(Protection::Integrity), strengths)
            || self.ciphers_within(strengths).next().is_some()
    }
}

/// Packets as large as those that RFC 2831 takes for granted, and `des` alone.
///
/// A client of Cyrus SASL takes the strongest cipher that is offered, so that an offer must not hold what fails later: its
/// `3des` does, with OpenSSL 3 (the layer dies after a login that went well). The rc4 family has keystream biases that let
/// a listener read what is said often (RFC 7465), and DES is broken by trying its keys: neither replaces TLS. DES is still
/// better than integrity alone, which is what clients take where it is not offered, and nobody fails with it.
impl Default for Layers {
    fn default() -> Self {
        Self { max_buffer: Self::DEFAULT_BUFFER, ciphers: vec![Cipher::Des] }
    }
}

impl LayerKeys {
    /// How many octets [`to_octets`](Self::to_octets) makes.
    pub const OCTETS: usize = 1 + 4 + 4 + 4 * 16;

    /// What it protects.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// The largest packet that the peer takes, in octets without the 4 of its length.
    /// RFC 2831, section 2.1.1: `maxbuf` of the peer.
    pub fn max_sent(&self) -> u32 {
        self.max_sent
    }

    /// The largest packet that we take, in octets without the 4 of its length. RFC 2831, section 2.1.2: our `maxbuf`.
    pub fn max_received(&self) -> u32 {
        self.max_received
    }

    /// For another process: one octet for the protection (0: integrity, else the cipher's place in [`Cipher::ALL`], from
    /// 1), `max_sent` and `max_received` with the highest octet first, the keys for integrity and confidentiality of what
    /// we send, and those of what we receive. The counters are not in it: nothing was said yet.
    pub fn to_octets(&self) -> Zeroizing<[u8; Self::OCTETS]> {
        let mut octets = Zeroizing::new([0; Self::OCTETS]);
        octets[0] = self.protection.code();
        octets[1..5].copy_from_slice(&self.max_sent.to_be_bytes());
        octets[5..9].copy_from_slice(&self.max_received.to_be_bytes());
        let keys = [&self.sending, &self.receiving];
        let keys = keys.iter().flat_map(|keys| [&keys.integrity, &keys.confidentiality]);
        for (place, key) in octets[9..].chunks_exact_mut(16).zip(keys) {
            place.copy_from_slice(key);
        }
        octets
    }

    /// What [`to_octets`](Self::to_octets) was made of; `None` for anything else.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (protection, rest) = octets.split_first()?;
        let (max_sent, rest) = rest.split_first_chunk()?;
        let (max_received, rest) = rest.split_first_chunk()?;
        let (sending, receiving) = rest.split_first_chunk()?;
        let protection = Protection::of_code(*protection)?;
        let keys = Self {
            protection,
            max_sent: u32::from_be_bytes(*max_sent),
            max_received: u32::from_be_bytes(*max_received),
            sending: DirectionKeys::from_octets(sending),
            receiving: DirectionKeys::from_octets(receiving.try_into().ok()?),
        };
        keys.is_sane().then_some(keys)
    }

    fn is_sane(&self) -> bool {
        let fits = |size| self.protection.has_room(size) && size <= Layers::MOST_BUFFER;
        fits(self.max_sent) && fits(self.max_received)
    }
}

impl DirectionKeys {
    fn from_octets(octets: &[u8; 32]) -> Self {
        let mut keys = Self { integrity: [0; 16], confidentiality: [0; 16] };
        keys.integrity.copy_from_slice(&octets[..16]);
        keys.confidentiality.copy_from_slice(&octets[16..]);
        keys
    }
}

impl Protection {
    fn code(self) -> u8 {
        let place = |cipher| Cipher::ALL.iter().position(|other| *other == cipher);
        match self {
            Self::Integrity => 0,
            Self::Confidentiality(cipher) => place(cipher).map_or(0, |place| place as u8 + 1),
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        match usize::from(code).checked_sub(1) {
            None => Some(Self::Integrity),
            Some(place) => Cipher::ALL.get(place).copied().map(Self::Confidentiality),
        }
    }
}

impl fmt::Debug for LayerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerKeys").field("protection", &self.protection).finish_non_exhaustive()
    }
}
