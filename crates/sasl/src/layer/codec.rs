//! The packets of a security layer (RFC 2831, sections 2.3 and 2.4), made and read.
//!
//! ```text
//! length of what follows, 4 octets, the highest first
//! message, padding (block ciphers), MAC of 10 octets      all of them enciphered, for confidentiality
//! 0 1                                                     the type
//! number of the packet, 4 octets                          from 0 in each direction
//! ```
//!
//! The MAC is made before the padding and enciphered with it, so that a receiver that told a wrong padding from a wrong MAC
//! would decipher for whoever asks often enough. One error stands for both, the MAC is made in either case, and after an
//! error there is no second try: the half stays faulted, and the keys are of this connection alone.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use zeroize::{Zeroize, Zeroizing};

use crate::layer::sealing::{BLOCK, Opening, Sealing};
use crate::layer::{DirectionKeys, LayerKeys};

/// Why what was received is nothing that the peer has sent, or nothing more can be sent. The connection is to be dropped.
/// RFC 2831, section 2.3, has the connection closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// A packet longer than what was agreed.
    #[error("packet is too long: {octets} octets, and {most} were agreed")]
    TooLong {
        /// How long it says to be.
        octets: u32,
        /// The longest.
        most: u32,
    },
    /// A packet too short to hold what every packet holds, or not of whole blocks.
    #[error("packet has a length that none can have: {octets} octets")]
    Length {
        /// How long it says to be.
        octets: u32,
    },
    /// A packet of a type that there is not.
    #[error("packet is of an unknown type: {0}")]
    Type(u16),
    /// A packet that was repeated or left out, or has changed its place.
    #[error("packet is out of order: {found}")]
    Order {
        /// Its number.
        found: u32,
    },
    /// Somebody has changed the packet on its way.
    #[error("packet was changed on its way")]
    Altered,
    /// As many packets as there are numbers.
    #[error("no packet may follow: the numbers are used up")]
    Exhausted,
}

/// Both halves of a layer. RFC 4422, section 3.7.
#[derive(Debug)]
pub struct SecurityLayer {
    /// For what is sent.
    pub wrap: Wrap,
    /// For what is received.
    pub unwrap: Unwrap,
}

/// Makes packets of what is to be sent. RFC 2831, sections 2.3 and 2.4.
pub struct Wrap {
    mac: Signing,
    sealing: Sealing,
    /// The longest message of one packet.
    room: usize,
    numbers: Numbers,
}

/// Makes what was sent of packets. RFC 2831, sections 2.3 and 2.4.
pub struct Unwrap {
    mac: Signing,
    opening: Opening,
    max_packet: u32,
    numbers: Numbers,
    /// A packet that is not whole yet, from its length on.
    held: Zeroizing<Vec<u8>>,
    fault: Option<LayerError>,
}

impl SecurityLayer {
    /// The layer of these keys.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "consumed: a second layer of the same keys would encipher with the same stream"
    )]
    pub fn new(keys: LayerKeys) -> Self {
        Self { wrap: Wrap::new(&keys), unwrap: Unwrap::new(&keys) }
    }

    /// The halves, which may go to different threads.
    pub fn into_halves(self) -> (Wrap, Unwrap) {
        (self.wrap, self.unwrap)
    }
}

impl Wrap {
    #[expect(clippy::expect_used, reason = "the ciphers are keyed with slices of the length that each has")]
    fn new(keys: &LayerKeys) -> Self {
        let DirectionKeys { integrity, confidentiality } = &keys.sending;
        Self {
            mac: Signing::new(integrity),
            sealing: Sealing::new(keys.protection, confidentiality).expect("a key as long as it must be"),
            room: keys.protection.room(keys.max_sent).max(1) as usize,
            numbers: Numbers::FROM_0,
        }
    }

    /// Appends packets for a text, which may be of any length; for an empty one there is nothing to send. After an error
    /// nothing was appended. RFC 4422, section 3.7: each packet with its length in four octets in front.
    pub fn wrap(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), LayerError> {
        let before = out.len();
        // Made room at once, so that no text is left behind where a growing vector was.
        out.reserve(plain.len() + plain.len().div_ceil(self.room) * OVERHEAD);
        for message in plain.chunks(self.room) {
            if let Err(error) = self.append(message, out) {
                out.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn append(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), LayerError> {
        let number = self.numbers.take()?;
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH]);
        out.extend_from_slice(message);
        if self.sealing.has_blocks() {
            let padding = BLOCK - (message.len() + MAC) % BLOCK;
            out.resize(out.len() + padding, padding as u8);
        }
        out.extend_from_slice(&self.mac.sign(number, message));
        self.sealing.seal(&mut out[start + LENGTH..]);
        out.extend_from_slice(&TYPE.to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        let length = (out.len() - start - LENGTH) as u32;
        out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// Enough for all that may still come out, once something does, so that the text never grows and leaves itself behind.
fn make_room(plain: &mut Vec<u8>, most: usize) {
    if plain.capacity() == 0 {
        plain.reserve_exact(most);
    }
}

impl Unwrap {
    #[expect(clippy::expect_used, reason = "the ciphers are keyed with slices of the length that each has")]
    fn new(keys: &LayerKeys) -> Self {
        let DirectionKeys { integrity, confidentiality } = &keys.receiving;
        Self {
            mac: Signing::new(integrity),
            opening: Opening::new(keys.protection, confidentiality).expect("a key as long as it must be"),
            max_packet: keys.max_received,
            numbers: Numbers::FROM_0,
            held: Zeroizing::default(),
            fault: None,
        }
    }

    /// Takes octets as they come, and gives what the packets that are whole now hold: perhaps nothing. What is not whole is
    /// kept, never more than one packet. After an error every further call gives the same one, and what was good before it
    /// in the same octets is lost with it: the connection is to be dropped. RFC 4422, section 3.7.
    pub fn unwrap(&mut self, octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, LayerError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut plain = Zeroizing::default();
        match self.take(octets, &mut plain) {
            Ok(()) => Ok(plain),
            Err(fault) => {
                self.held.zeroize();
                self.fault = Some(fault);
                Err(fault)
            }
        }
    }

    /// Whether octets of a packet have come that is not whole: a connection that ends now was cut.
    pub fn is_amid_packet(&self) -> bool {
        !self.held.is_empty()
    }

    fn take(&mut self, mut octets: &[u8], plain: &mut Vec<u8>) -> Result<(), LayerError> {
        while !octets.is_empty() {
            if self.held.is_empty()
                && let Some((packet, rest)) = self.whole(octets)?
            {
                make_room(plain, octets.len());
                self.open(packet, plain)?;
                octets = rest;
                continue;
            }
            octets = self.hold(octets)?;
            let held = std::mem::take(&mut self.held);
            match self.whole(&held)? {
                Some((packet, _)) => {
                    make_room(plain, held.len() + octets.len());
                    self.open(packet, plain)?;
                }
                None => self.held = held,
            }
        }
        Ok(())
    }

    /// The packet that octets begin with; `None` if it is not whole.
    fn whole<'a>(&self, octets: &'a [u8]) -> Result<Option<Split<'a>>, LayerError> {
        let Some((length, rest)) = octets.split_first_chunk() else { return Ok(None) };
        let length = self.checked(u32::from_be_bytes(*length))?;
        Ok(rest.split_at_checked(length))
    }

    /// Keeps what the packet lacks, and gives the rest back. Room is made once its length is known to be one.
    fn hold<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], LayerError> {
        let lacking = LENGTH.saturating_sub(self.held.len());
        let (length, octets) = octets.split_at(lacking.min(octets.len()));
        self.held.extend_from_slice(length);
        let Some((length, body)) = self.held.split_first_chunk() else { return Ok(octets) };
        let lacking = self.checked(u32::from_be_bytes(*length))? - body.len();
        self.held.reserve_exact(lacking);
        let (body, octets) = octets.split_at(lacking.min(octets.len()));
        self.held.extend_from_slice(body);
        Ok(octets)
    }

    /// The length of a packet, if it may be one.
    fn checked(&self, octets: u32) -> Result<usize, LayerError> {
        if octets > self.max_packet {
            return Err(LayerError::TooLong { octets, most: self.max_packet });
        }
        let sealed = (octets as usize).checked_sub(TRAILER).filter(|sealed| *sealed >= MAC);
        let sealed = sealed.filter(|sealed| {
            !self.opening.has_blocks()
                || (sealed.is_multiple_of(BLOCK) && *sealed >= MAC.next_multiple_of(BLOCK))
        });
        sealed.map(|sealed| sealed + TRAILER).ok_or(LayerError::Length { octets })
    }

    /// Appends the message of one packet, whose length was checked.
    fn open(&mut self, packet: &[u8], plain: &mut Vec<u8>) -> Result<(), LayerError> {
        let Some((sealed, [type_high, type_low, number @ ..])) = packet.split_last_chunk::<TRAILER>() else {
            return Err(LayerError::Length { octets: packet.len() as u32 });
        };
        let kind = u16::from_be_bytes([*type_high, *type_low]);
        if kind != TYPE {
            return Err(LayerError::Type(kind));
        }
        let (number, expected) = (u32::from_be_bytes(*number), self.numbers.take()?);
        if number != expected {
            return Err(LayerError::Order { found: number });
        }
        let start = plain.len();
        plain.extend_from_slice(sealed);
        self.opening.open(&mut plain[start..]);
        let length = self.verified(number, &plain[start..])?;
        plain.truncate(start + length);
        Ok(())
    }

    /// The length of the message in front of padding and MAC, if both are right.
    fn verified(&self, number: u32, opened: &[u8]) -> Result<usize, LayerError> {
        let (padded, mac) = opened.split_at(opened.len() - MAC);
        let (length, is_padded) =
            if self.opening.has_blocks() { unpadded(padded) } else { (padded.len(), 1.into()) };
        let is_signed = self.mac.sign(number, &padded[..length]).ct_eq(mac);
        if bool::from(is_padded & is_signed) { Ok(length) } else { Err(LayerError::Altered) }
    }
}

/// The length of what stands in front of a padding of 1 to 8 octets that each hold their number, and whether they do;
/// without looking at where they begin. Where they do not, that of what stands in front of one octet.
fn unpadded(padded: &[u8]) -> (usize, subtle::Choice) {
    let most = padded.len().min(BLOCK);
    let Some(padding) = padded.last() else { return (0, 0.into()) };
    let mut is_right = padding.ct_gt(&0) & !padding.ct_gt(&(most as u8));
    for (place, octet) in (0_u8..).zip(padded.iter().rev().take(most)) {
        is_right &= octet.ct_eq(padding) | !place.ct_lt(padding);
    }
    let padding = u8::conditional_select(&1, padding, is_right);
    (padded.len() - usize::from(padding), is_right)
}

/// HMAC-MD5 with Ki, ready for one packet after the other.
struct Signing(Hmac<Md5>);

impl Signing {
    #[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of any length")]
    fn new(key: &[u8; 16]) -> Self {
        Self(KeyInit::new_from_slice(key).expect("a key of any length"))
    }

    /// RFC 2831, section 2.3: the first 10 octets of HMAC(Ki, {number, message}).
    fn sign(&self, number: u32, message: &[u8]) -> [u8; MAC] {
        let mut hmac = self.0.clone();
        hmac.update(&number.to_be_bytes());
        hmac.update(message);
        let mut mac = [0; MAC];
        mac.copy_from_slice(&hmac.finalize().into_bytes()[..MAC]);
        mac
    }
}

/// The number of the next packet; none of them is used twice.
struct Numbers(Option<u32>);

impl Numbers {
    const FROM_0: Self = Self(Some(0));

    fn take(&mut self) -> Result<u32, LayerError> {
        let number = self.0.ok_or(LayerError::Exhausted)?;
        self.0 = number.checked_add(1);
        Ok(number)
    }
}

impl fmt::Debug for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrap(…)")
    }
}

impl fmt::Debug for Unwrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unwrap(…)")
    }
}

/// A packet without its length, and what stands behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The octets of a packet's length.
const LENGTH: usize = 4;
/// The octets of a packet's MAC.
const MAC: usize = 10;
/// The octets of a packet's type and number.
const TRAILER: usize = 6;
/// The only type that there is.
const TYPE: u16 = 1;
/// What a packet has beside its message, at most.
const OVERHEAD: usize = LENGTH + BLOCK + MAC + TRAILER;

#[cfg(test)]
mod tests;
