use proptest::prelude::*;

use super::*;
use crate::layer::{Cipher, Layers, Protection};

/// Keys of the IMAP example of RFC 2831 (section 4): client to server, server to client.
const KI: [&str; 2] = ["167e83eb00efac5c44f84a956e32e9c9", "3cd17b670169e97288080d4389652b16"];

/// Protection, Kc from client to server, and the packets of `hello` and `world!`; all but `3des` as Cyrus SASL makes them.
const VECTORS: [(Protection, &str, &str, &str); 6] = [
    (
        Protection::Integrity,
        "00000000000000000000000000000000",
        "0000001568656c6c6f8daa7dd3bba0b0840252000100000000",
        "00000016776f726c6421128c7691cd0218a2bf88000100000001",
    ),
    (
        Protection::Confidentiality(Cipher::Rc4With40),
        "8dc49491250e22722c7d2ea948c1240f",
        "00000015cfabb39cc630fb8cf83545383e801b000100000000",
        "000000166a4e1b2b8165dbedf2b0930c85490a0f000100000001",
    ),
    (
        Protection::Confidentiality(Cipher::Rc4With56),
        "736fb3b8556ead6506622128d86afbe1",
        "0000001500d511f550b2feb0f5ef166a02359a000100000000",
        "0000001679ed5711ab1e8d3dc093cfa44373e4ae000100000001",
    ),
    (
        Protection::Confidentiality(Cipher::Rc4),
        "8df21180f2b8360bd1ed01f2ac38bf36",
        "000000153f15f0485a50c912a458ef2ca384e6000100000000",
        "00000016d0fcdc096d43378df7b481d2ecab611a000100000001",
    ),
    (
        Protection::Confidentiality(Cipher::Des),
        "8df21180f2b8360bd1ed01f2ac38bf36",
        "0000001645447c175d69401d5e2ac49aef570c77000100000000",
        "0000001ed4cfe8085aa2d1fb055e636d8b9d3435cbad95b34c635a45000100000001",
    ),
    (
        Protection::Confidentiality(Cipher::TripleDes),
        "8df21180f2b8360bd1ed01f2ac38bf36",
        "0000001610bfc5d416b1a2172d896211e92ab8ff000100000000",
        "0000001ec73eca09d48592f38b76d7e7b817191dc809dc4daa4fe093000100000001",
    ),
];

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

fn key(hex: &str) -> [u8; 16] {
    octets(hex).try_into().unwrap()
}

fn protections() -> impl Iterator<Item = Protection> {
    VECTORS.into_iter().map(|(protection, ..)| protection)
}

/// The keys of the client, or of the server, of one session; `size` is what either takes.
fn keys(protection: Protection, kc: &str, is_client: bool, size: u32) -> LayerKeys {
    let up = DirectionKeys { integrity: key(KI[0]), confidentiality: key(kc) };
    let down =
        DirectionKeys { integrity: key(KI[1]), confidentiality: key("00112233445566778899aabbccddeeff") };
    let (sending, receiving) = if is_client { (up, down) } else { (down, up) };
    LayerKeys { protection, sending, receiving, max_sent: size, max_received: size }
}

/// Client and server of one session.
fn pair(protection: Protection, size: u32) -> (SecurityLayer, SecurityLayer) {
    let kc = VECTORS.iter().find(|(of, ..)| *of == protection).unwrap().1;
    let layer = |is_client| SecurityLayer::new(keys(protection, kc, is_client, size));
    (layer(true), layer(false))
}

fn wrapped(wrap: &mut Wrap, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wrap.wrap(plain, &mut out).unwrap();
    out
}

#[test]
fn packets_are_those_of_the_vectors() {
    for (protection, kc, hello, world) in VECTORS {
        let mut client = SecurityLayer::new(keys(protection, kc, true, 65536));
        assert_eq!(wrapped(&mut client.wrap, b"hello"), octets(hello), "{protection:?}");
        assert_eq!(wrapped(&mut client.wrap, b"world!"), octets(world), "{protection:?}");
        let mut server = SecurityLayer::new(keys(protection, kc, false, 65536));
        assert_eq!(**server.unwrap.unwrap(&octets(hello)).unwrap(), *b"hello", "{protection:?}");
        assert_eq!(**server.unwrap.unwrap(&octets(world)).unwrap(), *b"world!", "{protection:?}");
    }
}

#[test]
fn an_empty_message_is_a_packet_that_says_nothing() {
    for protection in protections() {
        let (mut client, mut server) = pair(protection, 65536);
        let mut packet = Vec::new();
        client.wrap.append(b"", &mut packet).unwrap();
        packet.extend(wrapped(&mut client.wrap, b"x"));
        assert_eq!(**server.unwrap.unwrap(&packet).unwrap(), *b"x");
        assert!(wrapped(&mut client.wrap, b"").is_empty());
    }
}

#[test]
fn no_packet_is_longer_than_the_peer_takes() {
    for protection in protections() {
        for size in [Layers::LEAST_BUFFER, 94, 100, 101, 200, 1024] {
            let (mut client, mut server) = pair(protection, size);
            let plain = [b'x'; 3000];
            let packets = wrapped(&mut client.wrap, &plain);
            let mut rest = packets.as_slice();
            while let Some((length, body)) = rest.split_first_chunk() {
                let length = u32::from_be_bytes(*length);
                assert!(length + 4 <= size, "{protection:?}: {length} for {size}, its own 4 octets included");
                rest = &body[length as usize..];
            }
            assert_eq!(**server.unwrap.unwrap(&packets).unwrap(), plain, "{protection:?}, {size}");
        }
    }
}

#[test]
fn the_longest_packet_is_taken_and_no_longer_one() {
    for protection in protections() {
        let (mut client, mut server) = pair(protection, 65536);
        client.wrap.room = 65536 - 32;
        let most = wrapped(&mut client.wrap, &vec![7; 65536 - 32]);
        let length = most.len() as u32 - 4;
        server.unwrap.max_packet = length;
        assert_eq!(server.unwrap.unwrap(&most).unwrap().len(), 65536 - 32);

        server.unwrap.max_packet = length - 1;
        let too_long = LayerError::TooLong { octets: length, most: length - 1 };
        assert_eq!(server.unwrap.unwrap(&most[..4]).unwrap_err(), too_long);
        assert_eq!(server.unwrap.held.capacity(), 0, "refused before there is room for it");
    }
}

#[test]
fn a_length_that_none_can_have_is_refused_at_its_fourth_octet() {
    let check = |protection, length: u32, is_right| {
        let mut unwrap = pair(protection, 65536).1.unwrap;
        assert!(unwrap.unwrap(&length.to_be_bytes()[..3]).unwrap().is_empty());
        let last = unwrap.unwrap(&length.to_be_bytes()[3..]);
        assert_eq!(last.is_ok(), is_right, "{protection:?}, {length}: {last:?}");
    };
    for length in [0, 1, 15, 65537, 1 << 24, u32::MAX] {
        protections().for_each(|protection| check(protection, length, false));
    }
    for length in [16, 17, 65536] {
        check(Protection::Integrity, length, true);
        check(Protection::Confidentiality(Cipher::Rc4), length, true);
    }
    for (length, is_right) in [(14, false), (16, false), (21, false), (22, true), (23, false), (30, true)] {
        check(Protection::Confidentiality(Cipher::Des), length, is_right);
        check(Protection::Confidentiality(Cipher::TripleDes), length, is_right);
    }
}

#[test]
fn any_change_to_a_packet_is_found_and_the_layer_stays_faulted() {
    for protection in protections() {
        let packet = wrapped(&mut pair(protection, 65536).0.wrap, b"MAIL FROM:<user@example.org>\r\n");
        for place in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[place / 8] ^= 1 << (place % 8);
            let mut unwrap = pair(protection, 65536).1.unwrap;
            // A length that grew leaves the packet waiting for what never comes: then nothing was handed out.
            match unwrap.unwrap(&changed) {
                Ok(plain) => assert!(place < 32 && plain.is_empty() && unwrap.is_amid_packet(), "{place}"),
                Err(error) => {
                    assert_eq!(unwrap.unwrap(&packet).unwrap_err(), error, "stays faulted");
                    assert_eq!(unwrap.unwrap(&[]).unwrap_err(), error);
                }
            }
        }
    }
}

/// Whoever can change what is enciphered sees one and the same error, whether padding or MAC came out wrong.
#[test]
fn a_wrong_padding_is_told_as_a_wrong_mac_is() {
    for protection in
        [Protection::Confidentiality(Cipher::Des), Protection::Confidentiality(Cipher::TripleDes)]
    {
        for length in 0..20 {
            let mut packet = Vec::new();
            pair(protection, 65536).0.wrap.append(&vec![1; length], &mut packet).unwrap();
            for place in 4..packet.len() - TRAILER {
                let mut changed = packet.clone();
                changed[place] ^= 0x80;
                let error = pair(protection, 65536).1.unwrap.unwrap(&changed).unwrap_err();
                assert_eq!(error, LayerError::Altered, "{protection:?}, {length}, {place}");
            }
        }
    }
}

#[test]
fn padding_is_1_to_8_octets_of_their_number() {
    for (padded, expected) in [
        (&[9, 9, 9, 9, 9, 1][..], Some(5)),
        (&[9, 9, 9, 9, 2, 2], Some(4)),
        (&[6, 6, 6, 6, 6, 6], Some(0)),
        (&[9, 9, 9, 8, 8, 8, 8, 8, 8, 8, 8], Some(3)),
        (&[9, 9, 9, 9, 9, 0], None),
        (&[9, 9, 9, 9, 1, 2], None),
        (&[7, 7, 7, 7, 7, 7], None),
        (&[8, 8, 9, 8, 8, 8, 8, 8, 8, 8], None),
        (&[9, 9, 9, 9, 9, 9, 9, 9, 9, 9], None),
        (&[255; 12], None),
        (&[], None),
    ] {
        let (length, is_right) = unpadded(padded);
        assert_eq!(bool::from(is_right).then_some(length), expected, "{padded:?}");
    }
}

#[test]
fn what_is_repeated_left_out_or_exchanged_is_found() {
    for protection in protections() {
        let mut client = pair(protection, 65536).0;
        let packets: Vec<_> = (0..3).map(|_| wrapped(&mut client.wrap, b"once")).collect();
        for (order, found) in [(&[0, 0][..], 0), (&[1], 1), (&[0, 2], 2), (&[0, 1, 0], 0)] {
            let mut unwrap = pair(protection, 65536).1.unwrap;
            let (last, good) = order.split_last().unwrap();
            for place in good {
                let place: usize = *place;
                assert_eq!(**unwrap.unwrap(&packets[place]).unwrap(), *b"once");
            }
            assert_eq!(unwrap.unwrap(&packets[*last]).unwrap_err(), LayerError::Order { found });
        }
    }
}

#[test]
fn a_packet_of_the_other_direction_is_not_taken() {
    for protection in protections() {
        let mut client = pair(protection, 65536).0;
        let own = wrapped(&mut client.wrap, b"reflected");
        assert_eq!(client.unwrap.unwrap(&own).unwrap_err(), LayerError::Altered);
    }
}

#[test]
fn a_type_that_there_is_not_is_refused() {
    let (mut client, mut server) = pair(Protection::Integrity, 65536);
    let mut packet = wrapped(&mut client.wrap, b"x");
    let place = packet.len() - TRAILER;
    packet[place + 1] = 2;
    assert_eq!(server.unwrap.unwrap(&packet).unwrap_err(), LayerError::Type(2));
}

#[test]
fn numbers_are_never_used_again() {
    let (mut client, mut server) = pair(Protection::Integrity, 65536);
    client.wrap.numbers = Numbers(Some(u32::MAX));
    server.unwrap.numbers = Numbers(Some(u32::MAX));
    let last = wrapped(&mut client.wrap, b"last");
    assert_eq!(**server.unwrap.unwrap(&last).unwrap(), *b"last");
    let mut out = b"before".to_vec();
    assert_eq!(client.wrap.wrap(b"x", &mut out), Err(LayerError::Exhausted));
    assert_eq!(out, b"before");
    assert_eq!(server.unwrap.unwrap(&last).unwrap_err(), LayerError::Exhausted);
}

#[test]
fn keys_arrive_as_they_were_sent() {
    for protection in protections() {
        let kc = VECTORS[1].1;
        let octets = keys(protection, kc, true, 4096).to_octets();
        let again = LayerKeys::from_octets(&octets[..]).unwrap();
        assert_eq!((again.protection(), again.max_sent(), again.max_received()), (protection, 4096, 4096));
        let mut here = SecurityLayer::new(keys(protection, kc, true, 4096));
        let mut there = SecurityLayer::new(again);
        assert_eq!(wrapped(&mut here.wrap, b"hello"), wrapped(&mut there.wrap, b"hello"));
        let packet = wrapped(&mut SecurityLayer::new(keys(protection, kc, false, 4096)).wrap, b"back");
        assert_eq!(**there.unwrap.unwrap(&packet).unwrap(), *b"back");
    }
}

#[test]
fn what_are_no_keys_is_refused() {
    let right = keys(Protection::Integrity, VECTORS[0].1, true, 4096).to_octets();
    assert!(LayerKeys::from_octets(&right[1..]).is_none());
    assert!(LayerKeys::from_octets(&[&right[..], &[0]].concat()).is_none());
    assert!(LayerKeys::from_octets(&[]).is_none());
    for (place, octet) in [(0, 6), (0, 255), (1, 1), (5, 1)] {
        let mut wrong = right.clone();
        wrong[place] = octet;
        assert!(LayerKeys::from_octets(&wrong[..]).is_none(), "{place}");
    }
    let mut small = right.clone();
    small[1..5].copy_from_slice(&83_u32.to_be_bytes());
    assert!(LayerKeys::from_octets(&small[..]).is_none());
    small[1..5].copy_from_slice(&84_u32.to_be_bytes());
    assert!(LayerKeys::from_octets(&small[..]).is_some());
}

fn protection() -> impl Strategy<Value = Protection> {
    (0..VECTORS.len()).prop_map(|place| VECTORS[place].0)
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_it_is_cut(
        protection in protection(),
        size in Layers::LEAST_BUFFER..300,
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6),
        cuts in prop::collection::vec(1_usize..200, 1..20),
    ) {
        let (mut client, mut server) = pair(protection, size);
        let packets: Vec<u8> = messages.iter().flat_map(|text| wrapped(&mut client.wrap, text)).collect();
        let mut arrived = Vec::new();
        let mut rest = packets.as_slice();
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            arrived.extend_from_slice(&server.unwrap.unwrap(now).unwrap());
            prop_assert!(server.unwrap.held.capacity() <= size as usize + 4);
            if later.is_empty() {
                break;
            }
            rest = later;
        }
        prop_assert_eq!(arrived, messages.concat());
        prop_assert!(!server.unwrap.is_amid_packet());
    }

    #[test]
    fn a_stream_that_is_cut_gives_no_more_than_whole_packets(
        protection in protection(),
        text in prop::collection::vec(any::<u8>(), 1..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut client, mut server) = pair(protection, 64);
        let packets = wrapped(&mut client.wrap, &text);
        let cut = cut.index(packets.len());
        let arrived = server.unwrap.unwrap(&packets[..cut]).unwrap();
        prop_assert!(text.starts_with(&arrived) && arrived.len() < text.len());
    }

    #[test]
    fn arbitrary_octets_never_panic(
        protection in protection(),
        octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut unwrap = pair(protection, 128).1.unwrap;
        let long = [&[0, 0, 0, 30][..], &octets].concat();
        prop_assert!(unwrap.unwrap(&long).is_ok_and(|plain| plain.is_empty()) || unwrap.fault.is_some());
        let _ = pair(protection, 128).1.unwrap.unwrap(&octets);
    }
}
