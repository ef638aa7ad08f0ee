//! The receiving half of a layer, which gets whatever comes by the connection.

use sasl::layer::{Cipher, LayerKeys, Protection, SecurityLayer};

/// The largest packet.
const MOST: u32 = 1024;

/// What packets hold does not depend on the pieces that they come in; without the keys nothing is ever taken for a packet;
/// whatever is sent arrives.
pub(super) fn run(protection: Protection, octets: &[u8]) -> bool {
    let at_once = of_number(protection, 1).unwrap.unwrap(octets);
    let size = octets.first().map_or(1, |octet| usize::from(octet % 7) + 1);
    let mut receiver = of_number(protection, 1).unwrap;
    let pieces: Result<Vec<_>, _> = octets.chunks(size).map(|piece| receiver.unwrap(piece)).collect();
    let is_good = at_once.is_ok();
    match (at_once, pieces) {
        (Ok(text), Ok(pieces)) => {
            assert!(text.len() <= octets.len(), "{} octets out of {}", text.len(), octets.len());
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            assert_eq!(*text, joined, "in pieces of {size}");
        }
        (at_once, pieces) => assert_eq!(at_once.err(), pieces.err(), "in pieces of {size}"),
    }
    strangers(protection, octets);
    there_and_back(protection, octets);
    is_good && !receiver.is_amid_packet()
}

/// With other keys there is a fault, or nothing was whole yet.
fn strangers(protection: Protection, octets: &[u8]) {
    let mut receiver = of_number(protection, 2).unwrap;
    if let Ok(text) = receiver.unwrap(octets) {
        assert!(text.is_empty(), "taken without the keys: {text:?}");
        assert_eq!(
            receiver.is_amid_packet(),
            !octets.is_empty(),
            "an empty packet was taken without the keys"
        );
    }
}

fn there_and_back(protection: Protection, text: &[u8]) {
    let mut layer = of_number(protection, 1);
    let mut packets = Vec::new();
    layer.wrap.wrap(text, &mut packets).expect("a layer that has said nothing yet");
    let received = layer.unwrap.unwrap(&packets).expect("packets that nobody has changed");
    assert!(received.as_slice() == text && !layer.unwrap.is_amid_packet(), "not what was sent");
}

/// A layer whose two directions have the same keys, so that it is its own peer. Each number has others.
pub(crate) fn of_number(protection: Protection, number: u8) -> SecurityLayer {
    let code = match protection {
        Protection::Integrity => 0,
        Protection::Confidentiality(cipher) => {
            let place = Cipher::ALL.iter().position(|other| *other == cipher);
            place.expect("one of all") as u8 + 1
        }
    };
    let keys: Vec<u8> = (0..32).map(|place| number.wrapping_mul(89).wrapping_add(place * 5)).collect();
    let most = MOST.to_be_bytes();
    let octets = [&[code][..], &most, &most, &keys, &keys].concat();
    SecurityLayer::new(LayerKeys::from_octets(&octets).expect("what LayerKeys::to_octets says"))
}
