//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL password`, in one message.

use std::sync::Arc;

use credential::password::MAX_PASSWORD;
use credential::{AuthorizationId, Mechanism, Secret};
use zeroize::Zeroizing;

use crate::client::{self, Supply};
use crate::server::{Failure, Respond, Settings, Start, Step};
use crate::wire::utf8;

pub(crate) fn serve(start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    let exchange = ExpectMessage { settings: Arc::clone(start.settings) };
    match initial {
        Some(message) => Box::new(exchange).respond(message),
        None => Step::challenge([], exchange),
    }
}

struct ExpectMessage {
    settings: Arc<Settings>,
}

impl Respond for ExpectMessage {
    fn respond(self: Box<Self>, message: &[u8]) -> Step {
        Step::of(read(message, &self.settings))
    }
}

fn read(message: &[u8], settings: &Settings) -> Result<Step, Failure> {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed("not three parts with NUL between"));
    };
    let (Some(authzid), Some(authcid)) = (utf8(authzid), utf8(authcid)) else {
        return Err(Failure::Malformed("names are not UTF-8"));
    };
    if authcid.is_empty() {
        return Err(Failure::Malformed("no authentication identity"));
    }
    if password.len() > MAX_PASSWORD {
        return Err(Failure::TooLong("password"));
    }
    let identity = settings.realms.identity(authcid)?;
    let authorization = AuthorizationId::prepare(authzid)?;
    Ok(Step::password(Mechanism::Plain, identity, authorization, Secret::copy_of(password)))
}

pub(crate) fn connect(start: client::Start) -> client::Step {
    client::Step::secret(AskedForPassword { start })
}

struct AskedForPassword {
    start: client::Start,
}

impl Supply for AskedForPassword {
    fn supply(self: Box<Self>, secret: &Secret) -> client::Step {
        let login = &self.start.settings.login;
        let parts =
            [login.authorization.as_deref().unwrap_or_default(), &login.authentication, secret.expose()];
        if parts.iter().any(|part| part.contains(&0)) {
            return client::Step::Failed(client::Failure::Unsayable("a NUL in a name or password"));
        }
        let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum()));
        message.extend_from_slice(parts[0]);
        for part in &parts[1..] {
            message.push(0);
            message.extend_from_slice(part);
        }
        client::Step::send(message, client::ExpectSuccess::one_sided(Mechanism::Plain))
    }
}
