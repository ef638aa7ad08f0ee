//! What is asked of a mechanism (sendmail's AuthOptions and AuthMaxBits), and why one is left out.

use std::fmt;
use std::ops::RangeInclusive;

use credential::{Mechanism, Property, PropertySet, VerifierKind};

use crate::channel::Channel;

/// What an exchange must and may be. RFC 4422, section 6, has the threats behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirements {
    /// What the mechanism has to be good for. [`Property::NoPlaintext`] is met by a layer below, too.
    pub properties: PropertySet,
    /// The least strength of layer below and security layer together, in bits of SSF.
    pub min_ssf: u32,
    /// The greatest, beyond which no security layer is added to the one below (AuthMaxBits).
    pub max_ssf: u32,
}

/// Why a mechanism is not offered, or not chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The configuration does not list it.
    NotConfigured,
    /// We have its client side only.
    NoServerSide,
    /// The store keeps no verifier that it could work with.
    NoVerifier(VerifierKind),
    /// It lacks a property that is required.
    Lacks(Property),
    /// Its layer and the one below are weaker than required.
    TooWeak,
    /// There is no TLS channel that it could be bound to.
    NoBinding,
    /// The transport attests no identity.
    NoIdentity,
    /// The other side does not offer it.
    NotOffered,
    /// It would send a password or token over a connection that anybody on the way can read.
    ClearText,
    /// It works with something else than what there is to log in with: a password, a token, or neither.
    OtherMeans,
    /// It cannot carry the authorization identity that is asked for.
    NoAuthorization,
}

impl Requirements {
    /// What a mechanism fails to meet over a channel.
    pub fn unmet_by(&self, mechanism: Mechanism, channel: &Channel) -> Option<LeftOut> {
        let properties = match channel.ssf() {
            0 => self.properties,
            _ => self.properties.without(Property::NoPlaintext),
        };
        let lacks = properties.minus(mechanism.properties()).iter().next().map(LeftOut::Lacks);
        let is_too_weak = self.min_layer(channel) > mechanism.max_ssf().min(self.max_layer(channel));
        lacks.or(is_too_weak.then_some(LeftOut::TooWeak))
    }

    /// The least strength of a security layer above a channel, in bits of SSF.
    pub(crate) fn min_layer(&self, channel: &Channel) -> u32 {
        self.min_ssf.saturating_sub(channel.ssf())
    }

    /// The greatest strength of a security layer above a channel, in bits of SSF.
    pub(crate) fn max_layer(&self, channel: &Channel) -> u32 {
        self.max_ssf.saturating_sub(channel.ssf())
    }

    /// The strengths that a security layer above a channel may have, in bits of SSF; 0 among them: none is needed.
    pub(crate) fn layer_strengths(&self, channel: &Channel) -> RangeInclusive<u32> {
        self.min_layer(channel)..=self.max_layer(channel)
    }
}

/// No clear-text password without a layer, nobody anonymous, any strength: `auth.options` as it is by default.
impl Default for Requirements {
    fn default() -> Self {
        let properties = PropertySet::EMPTY.with(Property::NoPlaintext).with(Property::NoAnonymous);
        Self { properties, min_ssf: 0, max_ssf: u32::MAX }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => f.write_str("the configuration does not list it"),
            Self::NoServerSide => f.write_str("it is had as a client only"),
            Self::NoVerifier(kind) => write!(f, "the store keeps no {kind}"),
            Self::Lacks(property) => write!(f, "option {} rules it out", property.letter()),
            Self::TooWeak => f.write_str("its security layer is weaker than required"),
            Self::NoBinding => f.write_str("there is no TLS channel to bind it to"),
            Self::NoIdentity => f.write_str("the transport attests no identity"),
            Self::NotOffered => f.write_str("the server does not offer it"),
            Self::ClearText => f.write_str("it would send the secret in clear text"),
            Self::NoAuthorization => f.write_str("it cannot carry an authorization identity"),
            Self::OtherMeans => f.write_str("there is nothing to log in with that it could use"),
        }
    }
}

#[cfg(test)]
mod tests {
    use credential::ScramHash;

    use super::*;

    const SOME: [Mechanism; 5] = [
        Mechanism::Scram(ScramHash::Sha256),
        Mechanism::DigestMd5,
        Mechanism::CramMd5,
        Mechanism::Plain,
        Mechanism::Anonymous,
    ];

    fn left(requirements: &Requirements, channel: &Channel) -> String {
        let met = SOME.into_iter().filter(|it| requirements.unmet_by(*it, channel).is_none());
        met.map(Mechanism::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn clear_text_needs_a_layer_below() {
        let clear = left(&Requirements::default(), &Channel::clear());
        assert_eq!(clear, "SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5");
        let layered = left(&Requirements::default(), &Channel::layered(256));
        assert_eq!(layered, "SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN");
    }

    #[test]
    fn strength_is_that_of_both_layers_together() {
        let strong = Requirements { min_ssf: 56, ..Requirements::default() };
        assert_eq!(left(&strong, &Channel::clear()), "DIGEST-MD5");
        assert!(left(&strong, &Channel::layered(128)).contains("PLAIN"));
        let none = Requirements { min_ssf: 129, ..Requirements::default() };
        assert_eq!(left(&none, &Channel::clear()), "");
        let capped = Requirements { min_ssf: 1, max_ssf: 0, ..Requirements::default() };
        assert_eq!(left(&capped, &Channel::clear()), "");
    }
}
