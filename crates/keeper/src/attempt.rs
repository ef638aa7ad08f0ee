//! One login that somebody has begun, and in what words its end is told.

use std::net::IpAddr;
use std::sync::Arc;

use credential::{Identity, Mechanism};
use sasl::server::{self, Failure};
use wire::{Class, ExchangeId, Login};

use crate::event::{AuthResult, Outcome, Proof};

/// One login that somebody has begun.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    pub(crate) exchange: ExchangeId,
    pub(crate) client: Option<IpAddr>,
    pub(crate) mechanism: String,
    pub(crate) known: Option<Mechanism>,
    /// What the listener goes by.
    pub(crate) settings: Option<Arc<server::Settings>>,
    pub(crate) identity: Option<Identity>,
}

impl Attempt {
    /// Whether the client says who it is first, and proves it with a later message. Until then it takes nobody's place:
    /// whoever only says names would keep their owners out.
    pub(crate) fn proves_later(&self) -> bool {
        matches!(self.known, Some(Mechanism::Scram(_) | Mechanism::ScramPlus(_)))
    }

    pub(crate) fn result(&self, outcome: Outcome, failure: Option<Failure>) -> AuthResult {
        AuthResult {
            session: self.exchange.session,
            client: self.client,
            mechanism: self.mechanism.clone(),
            identity: self.identity.clone(),
            authorization: None,
            nearest: None,
            ssf: 0,
            outcome,
            failure,
            proof: Proof::None,
        }
    }
}

pub(crate) fn told_as(failure: &Failure) -> (Class, Outcome) {
    match failure.class() {
        server::Class::Malformed => (Class::Malformed, Outcome::Malformed),
        server::Class::NotOffered => (Class::NotOffered, Outcome::NotOffered),
        server::Class::Temporary => (Class::Temporary, Outcome::Temporary),
        server::Class::Refused => (Class::Refused, Outcome::Refused),
    }
}

pub(crate) fn anonymous(mechanism: Mechanism) -> Login {
    Login {
        authentication: "anonymous".to_owned(),
        authorization: "anonymous".to_owned(),
        mechanism: mechanism.to_string(),
        ssf: 0,
        layer: None,
        is_somebody: false,
    }
}
