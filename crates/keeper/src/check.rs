//! Work that an exchange waits for and that takes time by intent, taken out of it so that a thread can do it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use credential::{Decoy, DeriveError, Label, Occasion, Secret};
use sasl::server::{Answer, AwaitResponse, AwaitVerdict, Failure, Step, verify};
use store::secrets::Stored;
use wire::SecretOctets;

/// What was found of an identity.
pub(crate) struct Found {
    pub(crate) stored: Option<Stored>,
    pub(crate) decoy: Decoy,
    pub(crate) occasion: Occasion,
}

/// A password to check, or keys to derive. It holds what a client sent, and wipes it.
pub struct Check {
    pub(crate) number: u64,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    /// PLAIN and LOGIN.
    Password(AwaitVerdict, Box<Found>),
    /// SCRAM where the policy keeps clear text alone: the keys are derived when the client's proof has come.
    Response(AwaitResponse, SecretOctets),
}

/// A check that was carried out.
pub struct Checked {
    pub(crate) number: u64,
    pub(crate) found: Option<Found>,
    pub(crate) result: Finding,
}

pub(crate) enum Finding {
    /// What became of a password.
    Verdict(AwaitVerdict, Result<Result<Label, Failure>, DeriveError>),
    /// What became of an exchange.
    Step(Step),
    /// A fault of the program itself: nobody can tell.
    Lost,
}

impl Found {
    pub(crate) fn answer(&self) -> Answer<'_> {
        let record = self.stored.as_ref().map(|stored| &stored.record);
        Answer { record, decoy: &self.decoy, occasion: self.occasion }
    }
}

impl Check {
    /// Does it, on the caller's thread. A panic is no reason to lose the thread, or the place that the check has taken.
    pub fn carry_out(self) -> Checked {
        let number = self.number;
        catch_unwind(AssertUnwindSafe(|| self.find())).unwrap_or(Checked {
            number,
            found: None,
            result: Finding::Lost,
        })
    }

    fn find(self) -> Checked {
        let Self { number, work } = self;
        match work {
            Work::Password(waiting, found) => {
                let verdict = verify(&found.answer(), waiting.password());
                Checked { number, found: Some(*found), result: Finding::Verdict(waiting, verdict) }
            }
            Work::Response(waiting, octets) => {
                let result = Finding::Step(waiting.respond(octets.expose()));
                Checked { number, found: None, result }
            }
        }
    }
}

/// The password of an exchange, for what outlives it.
pub(crate) fn password_of(waiting: &AwaitVerdict) -> Secret {
    Secret::copy_of(waiting.password().expose())
}
