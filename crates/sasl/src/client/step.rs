//! What a client's exchange yields, and what it is resumed with.

use std::fmt;

use credential::{Mechanism, Secret};
use zeroize::Zeroizing;

use crate::client::failure::Failure;
use crate::layer::LayerKeys;
use crate::mechanism::digest_md5;

/// What is to be done next. RFC 4422, section 3.
#[derive(Debug)]
pub enum Step {
    /// Send these octets, and resume with what the server says.
    Send {
        /// What to send; may be empty. `None`: there is no initial response, the server speaks first.
        octets: Option<Zeroizing<Vec<u8>>>,
        /// What waits for the server.
        next: AwaitChallenge,
    },
    /// Get the password or token, and resume with it.
    Secret(AwaitSecret),
    /// The server has let us in, and has proven what it had to.
    Done(Box<Outcome>),
    /// It has not, or it is not who it should be.
    Failed(Failure),
}

/// How an exchange ended well. RFC 4422, section 3.6.
#[derive(Debug)]
pub struct Outcome {
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// Whether the server has proven to know the password (or what was derived from it).
    pub is_mutual: bool,
    /// The strength of the security layer, in bits; 0 without one.
    pub ssf: u32,
    /// The security layer that begins now.
    pub layer: Option<LayerKeys>,
    /// What may be kept for a while, to log in at the same server again with one message.
    pub ticket: Option<digest_md5::ClientTicket>,
}

/// An exchange that waits for the server. RFC 4422, section 3.4.
pub struct AwaitChallenge(Box<dyn Receive>);

/// An exchange that waits for a password or token.
pub struct AwaitSecret(Box<dyn Supply>);

/// What a mechanism does with what the server says.
pub(crate) trait Receive: Send {
    fn receive(self: Box<Self>, challenge: &[u8]) -> Step;

    /// The server says that all is well: which most mechanisms, at most points, have no reason to believe.
    fn succeed(self: Box<Self>) -> Step {
        Step::Failed(Failure::TooEarly)
    }

    /// What the server has said within the exchange to explain its refusal.
    fn refusal(&self) -> Option<&str> {
        None
    }
}

/// What a mechanism does with a secret.
pub(crate) trait Supply: Send {
    fn supply(self: Box<Self>, secret: &Secret) -> Step;
}

impl AwaitChallenge {
    /// Resumes with a challenge, after the protocol's base64 was taken off. RFC 4422, section 3.4.
    pub fn challenge(self, octets: &[u8]) -> Step {
        if octets.len() > crate::MAX_MESSAGE {
            return Step::Failed(Failure::TooLong("challenge"));
        }
        self.0.receive(octets)
    }

    /// Resumes with the server's success, and the data that came with it, if the protocol has a place for them (SMTP has
    /// none). RFC 4422, section 3.6.
    pub fn success(self, data: Option<&[u8]>) -> Step {
        match data {
            None => self.0.succeed(),
            Some(data) => match self.challenge(data) {
                // RFC 4422, section 3.6: as if it had been a challenge with an empty answer.
                Step::Send { octets: Some(answer), next } if answer.is_empty() => next.0.succeed(),
                Step::Send { .. } | Step::Secret(_) => Step::Failed(Failure::TooEarly),
                ended => ended,
            },
        }
    }

    /// The server has refused: why, as far as it has said so within the exchange.
    /// RFC 4422, section 3.6; RFC 7628, section 3.2.2.
    pub fn refused(self) -> Failure {
        self.0.refusal().map_or(Failure::Refused, |words| Failure::RefusedByServer(words.to_owned()))
    }
}

impl AwaitSecret {
    /// Resumes with the password or token. With SCRAM it is derived from here, which costs what the server asks for.
    /// RFC 5802, section 3, says what the count costs.
    pub fn supply(self, secret: &Secret) -> Step {
        self.0.supply(secret)
    }
}

impl Step {
    pub(crate) fn send(octets: Zeroizing<Vec<u8>>, next: impl Receive + 'static) -> Self {
        Self::Send { octets: Some(octets), next: AwaitChallenge(Box::new(next)) }
    }

    pub(crate) fn wait(next: impl Receive + 'static) -> Self {
        Self::Send { octets: None, next: AwaitChallenge(Box::new(next)) }
    }

    pub(crate) fn secret(next: impl Supply + 'static) -> Self {
        Self::Secret(AwaitSecret(Box::new(next)))
    }

    pub(crate) fn done(outcome: Outcome) -> Self {
        Self::Done(Box::new(outcome))
    }

    /// A step that could not be come to.
    pub(crate) fn of(step: Result<Self, Failure>) -> Self {
        step.unwrap_or_else(Self::Failed)
    }
}

impl Outcome {
    /// The client has shown who it is; who the server is, the mechanism cannot tell.
    pub(crate) fn one_sided(mechanism: Mechanism) -> Self {
        Self { mechanism, is_mutual: false, ssf: 0, layer: None, ticket: None }
    }

    /// Both have.
    pub(crate) fn mutual(mechanism: Mechanism) -> Self {
        Self { is_mutual: true, ..Self::one_sided(mechanism) }
    }
}

/// Everything was said: now the server's verdict.
pub(crate) struct ExpectSuccess {
    outcome: Box<Outcome>,
}

impl ExpectSuccess {
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome: Box::new(outcome) }
    }

    pub(crate) fn one_sided(mechanism: Mechanism) -> Self {
        Self::of(Outcome::one_sided(mechanism))
    }
}

impl Receive for ExpectSuccess {
    fn receive(self: Box<Self>, _challenge: &[u8]) -> Step {
        Step::Failed(Failure::Malformed("a challenge where the mechanism has none"))
    }

    fn succeed(self: Box<Self>) -> Step {
        Step::Done(self.outcome)
    }
}

impl fmt::Debug for AwaitChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitChallenge(…)")
    }
}

impl fmt::Debug for AwaitSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitSecret(…)")
    }
}
