//! The client's side of an exchange: which mechanism is chosen, how it begins, and what it waits for.

use std::sync::Arc;

use credential::identity::Username;
use credential::{Mechanism, Password, Secret};
use zeroize::Zeroizing;

use crate::Entropy;
use crate::channel::Channel;
use crate::mechanism::{anonymous, bearer, cram_md5, digest_md5, external, login, plain, scram};
use crate::wire::utf8;

mod failure;
mod settings;
mod step;

pub use failure::Failure;
pub use settings::{Choice, ClearText, Login, Means, NoneFits, Settings};
pub use step::{AwaitChallenge, AwaitSecret, Outcome, Step};

pub use crate::mechanism::digest_md5::ClientTicket;

pub(crate) use settings::Downgrade;
pub(crate) use step::{ExpectSuccess, Receive, Supply};

/// What every mechanism begins with.
pub(crate) struct Start {
    pub(crate) settings: Arc<Settings>,
    pub(crate) channel: Channel,
    pub(crate) entropy: Entropy,
}

/// Begins an exchange. The first step is a message to send ([`Step::Send`], without octets where the server speaks
/// first), or a secret that it needs. RFC 4422, section 3.3.
pub fn begin(choice: Choice, settings: &Arc<Settings>, channel: &Channel, entropy: Entropy) -> Step {
    let start = Start { settings: Arc::clone(settings), channel: channel.clone(), entropy };
    match choice.mechanism() {
        Mechanism::Scram(hash) => scram::connect_unbound(hash, choice.downgrade(), start),
        Mechanism::ScramPlus(hash) => scram::connect_bound(hash, start),
        Mechanism::External => external::connect(&start),
        Mechanism::DigestMd5 => digest_md5::connect(start),
        Mechanism::CramMd5 => cram_md5::connect(start),
        Mechanism::OauthBearer => bearer::connect(bearer::Form::OauthBearer, start),
        Mechanism::Xoauth2 => bearer::connect(bearer::Form::Xoauth2, start),
        Mechanism::Plain => plain::connect(start),
        Mechanism::Login => login::connect(start),
        Mechanism::Anonymous => anonymous::connect(&start),
    }
}

/// Begins an exchange at a server where one has ended well before, with what that one has [left](Outcome::ticket): one
/// message in place of three, and three where the server does not remember (RFC 2831, section 2.2). A ticket of another
/// server or user is of no use, and the exchange begins as any other; where the settings rule the mechanism out by now, it
/// does not begin.
pub fn resume(ticket: ClientTicket, settings: &Arc<Settings>, channel: &Channel, entropy: Entropy) -> Step {
    if let Some(why) = settings.rules_out(Mechanism::DigestMd5, channel) {
        return Step::Failed(Failure::RuledOut(Mechanism::DigestMd5, why));
    }
    let start = Start { settings: Arc::clone(settings), channel: channel.clone(), entropy };
    digest_md5::reconnect(ticket, start)
}

/// A password as mechanisms hash it: prepared (RFC 4013) where SASLprep agrees, else as it stands.
pub(crate) fn prepared(secret: &Secret) -> Zeroizing<Vec<u8>> {
    let octets = Password::import(secret).map(|password| Zeroizing::new(password.octets().to_vec()));
    octets.unwrap_or_else(|_| Zeroizing::new(secret.expose().to_vec()))
}

/// A name in the form that servers look up: prepared, or, where SASLprep refuses it, as it stands.
pub(crate) fn name_of(octets: &[u8]) -> Result<String, Failure> {
    let name = text_of(octets)?;
    if name.is_empty() { Err(Failure::Unsayable("an empty name")) } else { Ok(name) }
}

/// The same of a realm, which may be empty.
pub(crate) fn text_of(octets: &[u8]) -> Result<String, Failure> {
    let text = Username::from_octets(octets).map(|name| name.as_str().to_owned());
    let text = text.or_else(|_| utf8(octets).map(str::to_owned).ok_or(()));
    let text = text.map_err(|()| Failure::Unsayable("a name that is not UTF-8"))?;
    if text.contains('\0') { Err(Failure::Unsayable("a name with a NUL")) } else { Ok(text) }
}
