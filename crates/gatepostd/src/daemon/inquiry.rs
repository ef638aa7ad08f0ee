//! Questions of the control socket that keeper or front can answer. The opener hands them on and goes on with its work; whoever
//! asked waits, and not for ever.

use wire::{Finding, FromOpener, Question};

use super::Daemon;
use crate::control::{self, Answer, Ticket};
use crate::role::Role;
use crate::{held, sessions};

impl Daemon {
    pub(super) fn hand_on(&mut self, role: Role, question: Question) -> Answer {
        if self.worker(role).is_none() {
            return Answer::Now(control::error(format!(
                "the {role} is not there: it is being started again"
            )));
        }
        self.inquiries = self.inquiries.wrapping_add(1);
        let request = self.inquiries;
        self.say(role, &FromOpener::Inquire { request, question }, None);
        Answer::Later(Ticket { role, request })
    }

    /// Whoever asked may be gone, and what nobody asked for is no work of ours.
    pub(super) fn hand_back(&mut self, ticket: Ticket, finding: &Finding) {
        let Some(control) = self.control.as_mut().filter(|control| control.awaits(ticket)) else { return };
        let said = match finding {
            Finding::Sessions { sessions, next } => sessions::page(sessions, *next),
            Finding::Throttled { held, next } => held::page(held, *next),
            Finding::Forgotten { names, still } => held::forgotten(*names, still),
            Finding::Nothing(why) => control::error(why),
        };
        control.answer(ticket, &said);
    }
}
