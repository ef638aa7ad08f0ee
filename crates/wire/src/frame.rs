//! Messages on a stream: four octets of length, little-endian, then the message.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{MAX_MESSAGE, USUAL_MESSAGE, WireError, from_octets};

/// Puts a message behind what is to be sent.
pub fn push<T: Serialize>(message: &T, out: &mut Zeroizing<Vec<u8>>) -> Result<(), WireError> {
    let start = out.len();
    // In its place at once: a copy would have to be wiped.
    for room in [USUAL_MESSAGE, MAX_MESSAGE] {
        make_room(out, LENGTH + room);
        out.resize(start + LENGTH + room, 0);
        let (before, place) = out[start..].split_at_mut(LENGTH);
        if let Ok(length) = postcard::to_slice(message, place).map(|used| used.len()) {
            before.copy_from_slice(&u32::try_from(length).map_err(|_| WireError::TooLong)?.to_le_bytes());
            out.truncate(start + LENGTH + length);
            return Ok(());
        }
    }
    out.truncate(start);
    Err(WireError::TooLong)
}

/// By hand, so that what is left behind is wiped: it may hold a password.
fn make_room(buffer: &mut Zeroizing<Vec<u8>>, more: usize) {
    if buffer.capacity() - buffer.len() < more {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * (buffer.len() + more)));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
}

/// Takes messages out of a stream. After an error there is no next message: whoever has written that is not to be talked to.
#[derive(Default)]
pub struct Decoder {
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer was taken.
    taken: usize,
}

impl Decoder {
    /// Takes what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.taken > 0 {
            self.buffer.copy_within(self.taken.., 0);
            let left = self.buffer.len() - self.taken;
            self.buffer.truncate(left);
            self.taken = 0;
        }
        make_room(&mut self.buffer, octets.len());
        self.buffer.extend_from_slice(octets);
    }

    /// The next message, if it is there as a whole.
    #[expect(
        clippy::should_implement_trait,
        reason = "no iterator: each message is of the type that is asked for"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WireError> {
        let rest = &self.buffer[self.taken..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_MESSAGE {
            return Err(WireError::TooLong);
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = from_octets(message)?;
        self.taken += LENGTH + length;
        Ok(Some(message))
    }
}

/// Octets of a length.
const LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ExchangeId, SecretOctets, SessionId, ToKeeper};

    fn exchange(session: u64) -> ExchangeId {
        ExchangeId { session: SessionId(session), turn: 1 }
    }

    fn shown(message: &ToKeeper) -> String {
        match message {
            ToKeeper::Respond { exchange, octets } => format!("{exchange:?} {:?}", octets.expose()),
            other => format!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            responses in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..200)), 1..6),
            piece in 1..50_usize,
        ) {
            let messages: Vec<_> = responses
                .iter()
                .map(|(session, octets)| ToKeeper::Respond { exchange: exchange(*session), octets: SecretOctets::copy_of(octets) })
                .collect();
            let mut stream = Zeroizing::new(Vec::new());
            for message in &messages {
                push(message, &mut stream).unwrap();
            }
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for piece in stream.chunks(piece) {
                decoder.feed(piece);
                while let Some(message) = decoder.next::<ToKeeper>().unwrap() {
                    found.push(shown(&message));
                }
            }
            prop_assert_eq!(found, messages.iter().map(shown).collect::<Vec<_>>());
        }

        #[test]
        fn whatever_comes_is_a_message_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = Decoder::default();
            decoder.feed(&octets);
            while let Ok(Some(_)) = decoder.next::<ToKeeper>() {}
        }
    }

    #[test]
    fn a_length_is_bounded_before_it_is_waited_for() {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.next::<ToKeeper>().unwrap_err(), WireError::TooLong);
        let long =
            ToKeeper::Respond { exchange: exchange(1), octets: SecretOctets::copy_of(&vec![0; MAX_MESSAGE]) };
        assert_eq!(push(&long, &mut Zeroizing::new(Vec::new())), Err(WireError::TooLong));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let message = ToKeeper::Respond { exchange: exchange(1), octets: SecretOctets::copy_of(b"pencil") };
        assert!(!format!("{message:?}").contains("pencil") && !format!("{message:?}").contains("112"));
    }
}
