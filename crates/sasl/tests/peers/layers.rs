//! What is said once somebody was let in, under the layer that both sides have agreed on.

use sasl::layer::{LayerKeys, SecurityLayer};
use tests::peer::sasl::Conversation;

use crate::cases::Dice;
use crate::row::Pair;

/// Both ends of a connection with a layer.
pub(crate) struct Talk {
    ours: SecurityLayer,
    theirs: Conversation,
    pair: Pair,
}

impl Talk {
    pub(crate) fn new(keys: LayerKeys, theirs: Conversation, pair: Pair) -> Self {
        Self { ours: SecurityLayer::new(keys), theirs, pair }
    }

    /// Several messages in each direction, in one of eight talks one that takes several packets; and at last one that is
    /// changed on its way.
    pub(crate) fn hold(mut self, seed: &str) {
        let mut dice = Dice::of(seed);
        let lengths = [1, dice.below(100) + 1, dice.below(2000) + 1, dice.below(20) + 1];
        for length in lengths {
            self.pass(&self.message(length, &mut dice), seed);
        }
        if self.pair.is_cyrus() && dice.below(8) == 0 {
            self.pass(&self.message(70_000, &mut dice), seed);
        }
        self.alter(&mut dice, seed);
    }

    /// What GNU SASL passes on are lines.
    fn message(&self, length: usize, dice: &mut Dice) -> Vec<u8> {
        if self.pair.is_cyrus() {
            return (0..length).map(|_| dice.next() as u8).collect();
        }
        let mut line: Vec<u8> = (0..length).map(|_| b' ' + dice.below(95) as u8).collect();
        line.extend_from_slice(b"\r\n");
        line
    }

    fn pass(&mut self, message: &[u8], seed: &str) {
        self.say(message, seed);
        for part in message.chunks(2500) {
            self.hear(part, seed);
        }
    }

    /// From us to them, in as many packets as it takes.
    pub(crate) fn say(&mut self, message: &[u8], seed: &str) {
        let mut packets = Vec::new();
        self.ours.wrap.wrap(message, &mut packets).unwrap();
        let heard = self.theirs.decode(&packets).unwrap_or_else(|failure| panic!("{seed}: {failure:?}"));
        assert!(heard == message, "{seed}: {} octets of ours", message.len());
    }

    /// From them to us, as it comes over a network. Cyrus SASL leaves it to its caller to say no more at once than fits into
    /// a packet.
    pub(crate) fn hear(&mut self, message: &[u8], seed: &str) {
        let packet = self.theirs.encode(message).unwrap();
        let (first, rest) = packet.split_at(packet.len() / 3);
        let mut heard = self.ours.unwrap.unwrap(first).unwrap().to_vec();
        heard.extend_from_slice(&self.ours.unwrap.unwrap(rest).unwrap());
        assert!(heard == message, "{seed}: {} octets of theirs", message.len());
        assert!(!self.ours.unwrap.is_amid_packet(), "{seed}");
    }

    fn alter(mut self, dice: &mut Dice, seed: &str) {
        let message = self.message(20, dice);
        let mut packet = self.theirs.encode(&message).unwrap();
        let place = 4 + dice.below(packet.len() - 4);
        packet[place] ^= 1 << dice.below(8);
        assert!(self.ours.unwrap.unwrap(&packet).is_err(), "{seed}: octet {place}");
        let mut packet = Vec::new();
        self.ours.wrap.wrap(&message, &mut packet).unwrap();
        let place = 4 + dice.below(message.len());
        packet[place] ^= 1 << dice.below(8);
        assert!(self.theirs.decode(&packet).is_err(), "{seed}: octet {place}");
    }
}
