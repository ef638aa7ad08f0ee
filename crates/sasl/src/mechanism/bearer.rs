//! OAUTHBEARER (RFC 7628) and XOAUTH2, which came before it: a token in place of a password. As a client only.

use credential::{Mechanism, Secret};
use zeroize::Zeroizing;

use crate::client::{self, Failure, Receive, Start, Step, Supply};
use crate::wire::{push_saslname, utf8};

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 7628.
    OauthBearer,
    /// Without GS2 header, host and port.
    Xoauth2,
}

/// The longest text of a server's refusal that is kept, in octets.
const MAX_REFUSAL: usize = 1024;

pub(crate) fn connect(form: Form, start: Start) -> Step {
    Step::secret(AskedForToken { form, start })
}

struct AskedForToken {
    form: Form,
    start: Start,
}

impl Supply for AskedForToken {
    fn supply(self: Box<Self>, token: &Secret) -> Step {
        let login = &self.start.settings.login;
        let name = login.authorization.as_deref().unwrap_or(&login.authentication);
        let host = self.start.settings.host.as_bytes();
        if name.iter().chain(host).any(u8::is_ascii_control) {
            return Step::Failed(Failure::Unsayable("a control character in a name"));
        }
        if token.is_empty() || !token.expose().iter().all(|octet| is_of_token(*octet)) {
            return Step::Failed(Failure::Unsayable("a token that is none of RFC 6750"));
        }
        let message = match self.form {
            Form::OauthBearer => self.oauthbearer(name, token),
            Form::Xoauth2 => Ok(with_token(&[b"user=", name, b"\x01"].concat(), token)),
        };
        let form = self.form;
        message.map_or_else(Step::Failed, |message| Step::send(message, ExpectVerdict { form }))
    }
}

impl AskedForToken {
    /// RFC 7628, section 3.1.
    fn oauthbearer(&self, name: &[u8], token: &Secret) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let settings = &self.start.settings;
        let mut header = String::from("n,a=");
        push_saslname(&mut header, utf8(name).ok_or(Failure::Unsayable("a name that is not UTF-8"))?);
        let port = settings.port.map(|port| format!("port={port}\u{1}")).unwrap_or_default();
        let header = format!("{header},\u{1}host={}\u{1}{port}", settings.host);
        Ok(with_token(header.as_bytes(), token))
    }
}

fn with_token(header: &[u8], token: &Secret) -> Zeroizing<Vec<u8>> {
    let parts = [header, b"auth=Bearer ", token.expose(), b"\x01\x01"];
    let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}

/// RFC 6750, section 2.1: `b64token`.
fn is_of_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet)
}

struct ExpectVerdict {
    form: Form,
}

impl Receive for ExpectVerdict {
    /// RFC 7628, section 3.2.3: a challenge is the refusal, in JSON; the client owes it an answer before the server may
    /// say that the exchange has failed.
    fn receive(self: Box<Self>, refusal: &[u8]) -> Step {
        let shown = refusal.get(..MAX_REFUSAL).unwrap_or(refusal);
        let refusal = String::from_utf8_lossy(shown).chars().filter(|it| !it.is_control()).collect();
        let answer: &[u8] = match self.form {
            Form::OauthBearer => b"\x01",
            Form::Xoauth2 => b"",
        };
        Step::send(Zeroizing::new(answer.to_vec()), ExpectFailure { refusal })
    }

    fn succeed(self: Box<Self>) -> Step {
        Step::done(client::Outcome::one_sided(match self.form {
            Form::OauthBearer => Mechanism::OauthBearer,
            Form::Xoauth2 => Mechanism::Xoauth2,
        }))
    }
}

struct ExpectFailure {
    refusal: String,
}

impl Receive for ExpectFailure {
    fn receive(self: Box<Self>, _challenge: &[u8]) -> Step {
        Step::Failed(Failure::RefusedByServer(self.refusal))
    }

    fn succeed(self: Box<Self>) -> Step {
        Step::Failed(Failure::RefusedByServer(self.refusal))
    }

    fn refusal(&self) -> Option<&str> {
        Some(&self.refusal)
    }
}
