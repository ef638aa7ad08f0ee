//! EXTERNAL (RFC 4422, appendix A): the transport says who it is; the client, at most, whom it wishes to act for.

use credential::{AuthorizationId, Identity, Mechanism};
use zeroize::Zeroizing;

use crate::client;
use crate::server::{Answer, Failure, Outcome, Resolve, Respond, Start, Step};
use crate::wire::utf8;

pub(crate) fn serve(start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    let Some(attested) = start.channel.identity() else { return Step::Failed(Failure::NotAttested) };
    let identity = match start.settings.realms.identity(attested) {
        Ok(identity) => identity,
        Err(error) => return Step::Failed(error.into()),
    };
    let exchange = ExpectMessage { identity };
    match initial {
        Some(message) => Box::new(exchange).respond(message),
        None => Step::challenge([], exchange),
    }
}

struct ExpectMessage {
    identity: Identity,
}

impl Respond for ExpectMessage {
    fn respond(self: Box<Self>, authzid: &[u8]) -> Step {
        Step::of(self.read(authzid))
    }
}

impl ExpectMessage {
    fn read(self, authzid: &[u8]) -> Result<Step, Failure> {
        let authzid = utf8(authzid).ok_or(Failure::Malformed("authorization identity is not UTF-8"))?;
        if authzid.contains('\0') {
            return Err(Failure::Malformed("authorization identity holds a NUL"));
        }
        let authorization = AuthorizationId::prepare(authzid)?;
        let identity = self.identity;
        Ok(Step::lookup(identity.clone(), ExpectRecord { identity, authorization }))
    }
}

struct ExpectRecord {
    identity: Identity,
    authorization: Option<AuthorizationId>,
}

impl Resolve for ExpectRecord {
    /// No password is asked for, but somebody who was locked out does not come in by a certificate.
    fn resolve(self: Box<Self>, answer: &Answer<'_>) -> Step {
        if answer.usable().next().is_none() {
            return Step::Failed(answer.failure_or(Failure::NotUsable));
        }
        let Self { identity, authorization } = *self;
        let identity = answer.identity(identity);
        Step::Done(Box::new(Outcome { authorization, ..Outcome::of(Mechanism::External, identity) }))
    }
}

pub(crate) fn connect(start: &client::Start) -> client::Step {
    let authzid = start.settings.login.authorization.clone().unwrap_or_default();
    if authzid.contains(&0) {
        return client::Step::Failed(client::Failure::Unsayable("a name with a NUL"));
    }
    client::Step::send(Zeroizing::new(authzid), client::ExpectSuccess::one_sided(Mechanism::External))
}
