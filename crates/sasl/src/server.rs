//! The server's side of an exchange: what is offered, how it begins, and what it waits for.

use std::sync::Arc;

use credential::Mechanism;

use crate::Entropy;
use crate::channel::Channel;
use crate::mechanism::{anonymous, cram_md5, digest_md5, external, login, plain, scram};

mod failure;
mod settings;
mod step;

pub use failure::{Class, Failure};
pub use settings::{Offer, Realms, Settings};
pub use step::{
    Answer, AwaitRecord, AwaitResponse, AwaitTicket, AwaitVerdict, Outcome, Principal, Step, verify,
};

pub use crate::mechanism::digest_md5::Ticket;

pub(crate) use step::{Recall, Resolve, Respond, finish};

/// What every mechanism begins with.
pub(crate) struct Start<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) channel: &'a Channel,
    pub(crate) entropy: Entropy,
}

/// Begins an exchange, with the client's initial response where there is one (RFC 4422, section 3.3). A mechanism that is
/// not [offered](Settings::offer) over this channel is refused.
pub fn begin(
    mechanism: Mechanism,
    initial: Option<&[u8]>,
    settings: &Arc<Settings>,
    channel: &Channel,
    entropy: Entropy,
) -> Step {
    if let Some(why) = settings.why_not(mechanism, channel) {
        return Step::Failed(Failure::NotOffered(mechanism, why));
    }
    if initial.is_some_and(|octets| octets.len() > crate::MAX_MESSAGE) {
        return Step::Failed(Failure::TooLong("initial response"));
    }
    let start = Start { settings, channel, entropy };
    match mechanism {
        Mechanism::Scram(hash) => scram::serve(hash, scram::Name::Plain, &start, initial),
        Mechanism::ScramPlus(hash) => scram::serve(hash, scram::Name::Plus, &start, initial),
        Mechanism::External => external::serve(&start, initial),
        Mechanism::DigestMd5 => digest_md5::serve(&start, initial),
        Mechanism::CramMd5 => cram_md5::serve(&start, initial),
        Mechanism::Plain => plain::serve(&start, initial),
        Mechanism::Login => login::serve(&start, initial),
        Mechanism::Anonymous => anonymous::serve(initial),
        Mechanism::OauthBearer | Mechanism::Xoauth2 => {
            Step::Failed(Failure::NotOffered(mechanism, crate::LeftOut::NoServerSide))
        }
    }
}
