//! The data of a message, from 354 to the reply behind its end.

use crate::data::{DataReader, Read, Verdict};

use super::state::{Fate, Incoming, Question, State};
use super::{Answer, Event, Progress, Session, words};

impl Session {
    pub(super) fn begin_data(&mut self) {
        self.say(&words::begin_data());
        let reader = DataReader::new(self.policy.line_ends);
        let message = Incoming { since: self.clock.now, octets: 0, fate: Fate::Wanted };
        self.expect(State::Data { reader, message });
    }

    /// As much of the message as is here.
    pub(super) fn read_data(&mut self) -> Progress {
        let State::Data { reader, .. } = &mut self.state else { return Progress::Stuck };
        if self.input.len() == 0 {
            return Progress::Stuck;
        }
        let mut piece = Vec::with_capacity(self.input.len());
        let Read { taken, verdict } = reader.read(self.input.held(), &mut piece);
        self.input.consume(taken);
        self.add(piece);
        match verdict {
            Verdict::More => {}
            Verdict::End => self.end_data(),
            Verdict::Refused(bare) => self.bare_line_end(bare),
        }
        Progress::Made
    }

    pub(super) fn message_answered(&mut self, answer: &Answer) {
        self.transaction = None;
        match answer {
            Answer::Refused(refusal) => self.refuse(refusal),
            Answer::AcceptedAs(name) => self.accepted(&words::message_accepted_as(name)),
            _ => self.accepted(&words::message_accepted()),
        }
    }

    fn accepted(&mut self, reply: &crate::reply::Reply) {
        self.tally.message_accepted();
        self.say(reply);
    }

    /// RFC 1870 section 3: what counts are the octets of the message, CRLF included, without the dots that were
    /// stuffed and the one that ends it.
    fn add(&mut self, piece: Vec<u8>) {
        let State::Data { message, .. } = &mut self.state else { return };
        message.octets += piece.len() as u64;
        match (message.fate, self.offer.size) {
            (Fate::TooLarge { .. }, _) => {}
            (Fate::Wanted, Some(most)) if message.octets > most => {
                message.fate = Fate::TooLarge { most };
                self.reset();
            }
            (Fate::Wanted, _) if piece.is_empty() => {}
            (Fate::Wanted, _) => self.events.push_back(Event::Piece(piece)),
        }
    }

    fn end_data(&mut self) {
        let State::Data { message, .. } = &self.state else { return };
        match message.fate {
            Fate::Wanted => self.ask(Question::Message, Event::MessageEnd),
            Fate::TooLarge { most } => {
                self.expect(State::Command);
                self.say(&words::too_large(most));
            }
        }
    }
}
