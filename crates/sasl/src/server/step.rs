//! What an exchange yields, and what it is resumed with.

use std::fmt;

use credential::record::check_user;
use credential::{
    AuthorizationId, Credential, Decoy, DeriveError, Identity, Label, Mechanism, Occasion, Record, Secret,
    Verdict,
};

use crate::layer::LayerKeys;
use crate::server::Ticket;
use crate::server::failure::Failure;

/// What is to be done next. RFC 4422, section 3.
#[derive(Debug)]
pub enum Step {
    /// Send these octets, and resume with the client's response.
    Challenge {
        /// What to send; may be empty.
        octets: Vec<u8>,
        /// What waits for the response.
        next: AwaitResponse,
    },
    /// Look this identity up, and resume with what was found.
    Lookup {
        /// Who is meant, after the rules for realms.
        identity: Identity,
        /// What waits for the record.
        next: AwaitRecord,
    },
    /// A client wishes to log in again as it did before: take the ticket of this nonce out of the cache, if there is one.
    Recall {
        /// The nonce, as the client repeats it.
        nonce: Vec<u8>,
        /// What waits for the ticket.
        next: AwaitTicket,
    },
    /// The client is who it says.
    Done(Box<Outcome>),
    /// It is not, or nobody can tell.
    Failed(Failure),
}

/// How an exchange ended well. Whether somebody may act for another is for the caller to decide.
/// RFC 4422, section 3.4.1.
#[derive(Debug)]
pub struct Outcome {
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// Who it is.
    pub principal: Principal,
    /// Whom the client wishes to act for; `None`: itself.
    pub authorization: Option<AuthorizationId>,
    /// The strength of the security layer, in bits; 0 without one.
    pub ssf: u32,
    /// The security layer that begins after the success was told.
    pub layer: Option<LayerKeys>,
    /// Which credential of the user it was; `None` where none was needed.
    pub credential: Option<Label>,
    /// What the caller may keep for a while, so that the client can log in again with one message.
    pub ticket: Option<Ticket>,
}

/// Who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A user.
    User(Identity),
    /// Nobody in particular (RFC 4505), who left this trace; it proves nothing.
    Anonymous {
        /// What the client said of itself; at most 255 characters, none of them a control character.
        trace: String,
    },
}

/// What was found of an identity, by whoever keeps the records.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The record, if there is one.
    pub record: Option<&'a Record>,
    /// The decoy for the identity, made in either case.
    pub decoy: &'a Decoy,
    /// When, and from where the client comes.
    pub occasion: Occasion,
}

/// An exchange that waits for the client's response. RFC 4422, section 3.4.
pub struct AwaitResponse(Box<dyn Respond>);

/// An exchange that waits for a record.
pub struct AwaitRecord(Waiting);

/// An exchange that waits for a verdict on a password (PLAIN, LOGIN).
pub struct AwaitVerdict(Candidate);

/// An exchange that waits for what is left of an earlier one.
pub struct AwaitTicket(Box<dyn Recall>);

/// What a mechanism does with a response.
pub(crate) trait Respond: Send {
    fn respond(self: Box<Self>, octets: &[u8]) -> Step;

    /// Whether the challenge was the last word of the exchange, to which the response is empty.
    fn is_last(&self) -> bool {
        false
    }

    /// Whether the response will be held against something that has to be derived first.
    fn is_costly(&self) -> bool {
        false
    }
}

/// What a mechanism does with a record.
pub(crate) trait Resolve: Send {
    fn resolve(self: Box<Self>, answer: &Answer<'_>) -> Step;
}

/// What a mechanism does with a ticket.
pub(crate) trait Recall: Send {
    fn recall(self: Box<Self>, ticket: Option<Ticket>) -> Step;
}

enum Waiting {
    Record(Box<dyn Resolve>),
    Verdict(Candidate),
}

/// A password that was sent, and who it is to be of.
struct Candidate {
    mechanism: Mechanism,
    identity: Identity,
    authorization: Option<AuthorizationId>,
    password: Secret,
}

impl AwaitResponse {
    /// Resumes with what the client sent, after the protocol's base64 was taken off. RFC 4422, section 3.4.
    pub fn respond(self, octets: &[u8]) -> Step {
        if octets.len() > crate::MAX_MESSAGE {
            return Step::Failed(Failure::TooLong("response"));
        }
        self.0.respond(octets)
    }

    /// Whether the challenge is data that goes with success: a protocol that can carry such data with its success
    /// (RFC 4422, section 3.6) may send it there, and resume at once with an empty response.
    pub fn is_last(&self) -> bool {
        self.0.is_last()
    }

    /// Whether [`respond`](Self::respond) will derive keys, which costs time by intent: SCRAM in a store that keeps clear
    /// text alone. Whoever drives many exchanges does so where it may take its time.
    pub fn is_costly(&self) -> bool {
        self.0.is_costly()
    }
}

impl AwaitRecord {
    /// Resumes with what was found. For PLAIN and LOGIN this derives a verifier from the password, which costs time and
    /// memory by intent: see [`into_password`](Self::into_password).
    pub fn answer(self, answer: &Answer<'_>) -> Step {
        match self.0 {
            Waiting::Record(exchange) => exchange.resolve(answer),
            Waiting::Verdict(candidate) => match verify(answer, &candidate.password) {
                Ok(verdict) => AwaitVerdict(candidate.of(answer.record)).judge(verdict),
                Err(error) => Step::Failed(error.into()),
            },
        }
    }

    /// Where the exchange has come to a password to check, hands that check to the caller, who may put it into a queue or
    /// remember passwords that were right. Otherwise gives the exchange back. `record`: what was found.
    pub fn into_password(self, record: Option<&Record>) -> Result<AwaitVerdict, Self> {
        match self.0 {
            Waiting::Verdict(candidate) => Ok(AwaitVerdict(candidate.of(record))),
            Waiting::Record(_) => Err(self),
        }
    }
}

impl AwaitVerdict {
    /// The password, as the client sent it.
    pub fn password(&self) -> &Secret {
        &self.0.password
    }

    /// Ends the exchange with what [`verify`], or whatever stands for it, has found.
    pub fn judge(self, verdict: Result<Label, Failure>) -> Step {
        let Candidate { mechanism, identity, authorization, .. } = self.0;
        match verdict {
            Ok(label) => Step::Done(Box::new(Outcome {
                authorization,
                credential: Some(label),
                ..Outcome::of(mechanism, identity)
            })),
            Err(failure) => Step::Failed(failure),
        }
    }
}

impl Candidate {
    /// In the spelling of the record, which rules and logs go by.
    fn of(self, record: Option<&Record>) -> Self {
        let identity = record.map_or(self.identity, |record| record.identity().clone());
        Self { identity, ..self }
    }
}

impl AwaitTicket {
    /// Resumes with the ticket, which must have left the cache: it is good for one login.
    pub fn answer(self, ticket: Option<Ticket>) -> Step {
        self.0.recall(ticket)
    }
}

impl Outcome {
    /// A user, who acts for himself, without a layer.
    pub(crate) fn of(mechanism: Mechanism, identity: Identity) -> Self {
        Self {
            mechanism,
            principal: Principal::User(identity),
            authorization: None,
            ssf: 0,
            layer: None,
            credential: None,
            ticket: None,
        }
    }
}

impl Step {
    pub(crate) fn challenge(octets: impl Into<Vec<u8>>, next: impl Respond + 'static) -> Self {
        Self::Challenge { octets: octets.into(), next: AwaitResponse(Box::new(next)) }
    }

    pub(crate) fn lookup(identity: Identity, next: impl Resolve + 'static) -> Self {
        Self::Lookup { identity, next: AwaitRecord(Waiting::Record(Box::new(next))) }
    }

    pub(crate) fn password(
        mechanism: Mechanism,
        identity: Identity,
        authorization: Option<AuthorizationId>,
        password: Secret,
    ) -> Self {
        let candidate = Candidate { mechanism, identity: identity.clone(), authorization, password };
        Self::Lookup { identity, next: AwaitRecord(Waiting::Verdict(candidate)) }
    }

    pub(crate) fn recall(nonce: &[u8], next: impl Recall + 'static) -> Self {
        Self::Recall { nonce: nonce.to_vec(), next: AwaitTicket(Box::new(next)) }
    }

    /// A step that could not be come to.
    pub(crate) fn of(step: Result<Self, Failure>) -> Self {
        step.unwrap_or_else(Self::Failed)
    }
}

impl Answer<'_> {
    /// The identity in the spelling of the record, which rules and logs go by: a client may have written its realm in
    /// another case.
    pub(crate) fn identity(&self, looked_up: Identity) -> Identity {
        self.record.map_or(looked_up, |record| record.identity().clone())
    }

    /// Why nobody can log in by this record whatever he sends; where somebody could, `otherwise`.
    pub(crate) fn failure_or(&self, otherwise: Failure) -> Failure {
        match (self.record, self.usable().next()) {
            (None, _) => Failure::NoSuchUser,
            (Some(_), None) => Failure::NotUsable,
            (Some(_), Some(_)) => otherwise,
        }
    }

    /// Every credential of the record.
    pub(crate) fn credentials(&self) -> &[Credential] {
        self.record.map(Record::credentials).unwrap_or_default()
    }

    /// The credentials that may be used now, and from there.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Credential> {
        self.credentials().iter().filter(|credential| credential.is_usable_on(&self.occasion))
    }
}

/// Checks a password as PLAIN and LOGIN do: against the strongest verifier of each credential, at a cost that does not
/// tell whether there is such a user ([`check_user`]). The outer error is our own trouble.
/// RFC 4616, section 2, has the password prepared.
pub fn verify(answer: &Answer<'_>, password: &Secret) -> Result<Result<Label, Failure>, DeriveError> {
    Ok(match check_user(answer.record, answer.decoy, password, &answer.occasion)?.verdict {
        Verdict::Right { label } => Ok(label),
        Verdict::Wrong => Err(answer.failure_or(Failure::WrongPassword)),
    })
}

/// Sends the last word of an exchange, to which the client answers with nothing (RFC 4422, section 3.6).
pub(crate) fn finish(octets: impl Into<Vec<u8>>, outcome: Outcome) -> Step {
    Step::challenge(octets, outcome)
}

/// How an exchange has ended waits for the empty answer to its last word.
impl Respond for Outcome {
    fn respond(self: Box<Self>, octets: &[u8]) -> Step {
        if octets.is_empty() {
            Step::Done(self)
        } else {
            Step::Failed(Failure::Malformed("response to the last challenge is not empty"))
        }
    }

    fn is_last(&self) -> bool {
        true
    }
}

macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

opaque!(AwaitResponse, AwaitRecord, AwaitVerdict, AwaitTicket);
