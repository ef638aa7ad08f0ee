//! What a server is and what it allows: the same for all its exchanges.

use credential::identity::NameError;
use credential::{Identity, KindSet, Mechanism, MechanismSet, Realm};

use crate::channel::Channel;
use crate::layer::Layers;
use crate::requirement::{LeftOut, Requirements};

/// The server's side of every exchange.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The full name of this host: what DIGEST-MD5's `digest-uri` is for, and what CRAM-MD5's challenge ends with.
    pub host: String,
    /// The protocol around SASL, as the GSSAPI has it: `smtp`.
    pub service: String,
    /// Where users live.
    pub realms: Realms,
    /// An upper bound of what is offered.
    pub mechanisms: MechanismSet,
    /// What the store keeps of every password.
    pub keep: KindSet,
    /// What a mechanism has to be good for.
    pub requirements: Requirements,
    /// The security layers of DIGEST-MD5.
    pub layers: Layers,
}

/// The realms of a server, in the spelling that their users' H(A1) were made with. RFC 2831, section 2.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realms {
    /// That of a user who names none.
    pub default: Realm,
    /// More, which DIGEST-MD5 offers behind the default.
    pub others: Vec<Realm>,
}

/// What is offered over a channel, and why the rest is not. RFC 4422, section 3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What is possible now.
    pub mechanisms: MechanismSet,
    /// What is not; in the order of preference.
    pub left_out: Vec<(Mechanism, LeftOut)>,
}

impl Settings {
    /// What is possible now, over a channel. RFC 4422, section 3.2.
    pub fn offer(&self, channel: &Channel) -> Offer {
        let mut offer = Offer { mechanisms: MechanismSet::EMPTY, left_out: Vec::new() };
        for mechanism in Mechanism::ALL {
            match self.why_not(mechanism, channel) {
                None => offer.mechanisms = offer.mechanisms.with(mechanism),
                Some(why) => offer.left_out.push((mechanism, why)),
            }
        }
        offer
    }

    /// Why a mechanism is not offered over a channel.
    pub fn why_not(&self, mechanism: Mechanism, channel: &Channel) -> Option<LeftOut> {
        if !mechanism.has_server() {
            return Some(LeftOut::NoServerSide);
        }
        if !self.mechanisms.contains(mechanism) {
            return Some(LeftOut::NotConfigured);
        }
        match mechanism {
            Mechanism::ScramPlus(_) if channel.best_binding().is_none() => Some(LeftOut::NoBinding),
            Mechanism::External if channel.identity().is_none() => Some(LeftOut::NoIdentity),
            Mechanism::DigestMd5 if !self.layers.reach(&self.requirements.layer_strengths(channel)) => {
                Some(LeftOut::TooWeak)
            }
            _ => mechanism
                .verifier()
                .filter(|_| !mechanism.is_served_by(self.keep))
                .map(LeftOut::NoVerifier)
                .or_else(|| self.requirements.unmet_by(mechanism, channel)),
        }
    }
}

impl Realms {
    /// One realm alone.
    pub fn one(default: Realm) -> Self {
        Self { default, others: Vec::new() }
    }

    /// Whom a client means: `user@realm`, or a user of the default realm. RFC 4013 prepares both parts.
    pub fn identity(&self, userid: &str) -> Result<Identity, NameError> {
        Identity::parse(userid, &self.default)
    }
}
