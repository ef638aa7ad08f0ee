//! LOGIN (draft-murchison-sasl-login): the server asks for the user name, then for the password. Servers are told apart
//! by their prompts, and clients that look at them want exactly these.

use std::sync::Arc;

use credential::password::MAX_PASSWORD;
use credential::{Identity, Mechanism, Secret};
use zeroize::Zeroizing;

use crate::client::{self, Receive, Supply};
use crate::server::{Failure, Respond, Settings, Start, Step};
use crate::wire::utf8;

const USERNAME: &[u8] = b"Username:";
const PASSWORD: &[u8] = b"Password:";

pub(crate) fn serve(start: &Start<'_>, initial: Option<&[u8]>) -> Step {
    let exchange = ExpectUsername { settings: Arc::clone(start.settings) };
    match initial {
        Some(name) => Box::new(exchange).respond(name),
        None => Step::challenge(USERNAME, exchange),
    }
}

struct ExpectUsername {
    settings: Arc<Settings>,
}

impl Respond for ExpectUsername {
    fn respond(self: Box<Self>, name: &[u8]) -> Step {
        Step::of(self.read(name))
    }
}

impl ExpectUsername {
    fn read(&self, name: &[u8]) -> Result<Step, Failure> {
        let name = utf8(name).ok_or(Failure::Malformed("user name is not UTF-8"))?;
        if name.is_empty() {
            return Err(Failure::Malformed("no user name"));
        }
        let identity = self.settings.realms.identity(name)?;
        Ok(Step::challenge(PASSWORD, ExpectPassword { identity }))
    }
}

struct ExpectPassword {
    identity: Identity,
}

impl Respond for ExpectPassword {
    fn respond(self: Box<Self>, password: &[u8]) -> Step {
        if password.len() > MAX_PASSWORD {
            return Step::Failed(Failure::TooLong("password"));
        }
        Step::password(Mechanism::Login, self.identity, None, Secret::copy_of(password))
    }
}

/// The client does not look at the prompts: servers write them in many ways, and always in this order.
pub(crate) fn connect(start: client::Start) -> client::Step {
    client::Step::wait(ExpectUsernamePrompt { start })
}

struct ExpectUsernamePrompt {
    start: client::Start,
}

impl Receive for ExpectUsernamePrompt {
    fn receive(self: Box<Self>, _prompt: &[u8]) -> client::Step {
        if self.start.settings.login.authorization.is_some() {
            return client::Step::Failed(client::Failure::Unsayable("an authorization identity"));
        }
        let name = Zeroizing::new(self.start.settings.login.authentication.clone());
        client::Step::send(name, ExpectPasswordPrompt)
    }
}

struct ExpectPasswordPrompt;

impl Receive for ExpectPasswordPrompt {
    fn receive(self: Box<Self>, _prompt: &[u8]) -> client::Step {
        client::Step::secret(AskedForPassword)
    }
}

struct AskedForPassword;

impl Supply for AskedForPassword {
    fn supply(self: Box<Self>, secret: &Secret) -> client::Step {
        let password = Zeroizing::new(secret.expose().to_vec());
        client::Step::send(password, client::ExpectSuccess::one_sided(Mechanism::Login))
    }
}
