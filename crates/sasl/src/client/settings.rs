//! Who a client is, what it can log in with, and which mechanism it chooses.

use std::ops::RangeInclusive;

use credential::{Mechanism, MechanismSet, Property};

use crate::channel::Channel;
use crate::layer::Layers;
use crate::requirement::{LeftOut, Requirements};

/// The client's side of exchanges with one server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who it is.
    pub login: Login,
    /// What it can log in with.
    pub means: Means,
    /// The protocol around SASL, as the GSSAPI has it: `smtp`.
    pub service: String,
    /// The server's name, as it was verified or, failing that, as it was connected to.
    pub host: String,
    /// The port it was connected to (RFC 7628 has the client say so).
    pub port: Option<u16>,
    /// An upper bound of what is chosen from.
    pub mechanisms: MechanismSet,
    /// What a mechanism has to be good for.
    pub requirements: Requirements,
    /// Where a password or token may be sent itself.
    pub clear_text: ClearText,
    /// The iterations of SCRAM that are taken from a server; see [`Settings::ITERATIONS`].
    pub iterations: RangeInclusive<u32>,
    /// The security layers of DIGEST-MD5.
    pub layers: Layers,
}

/// Who a client is. Names are octets, as other programs store and compare them; a mechanism that wants characters asks for
/// UTF-8, prepared where SASLprep agrees. RFC 4422, section 3.4.1, tells both identities apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose password it is.
    pub authentication: Vec<u8>,
    /// Whom it wishes to act for; `None`: itself.
    pub authorization: Option<Vec<u8>>,
    /// The realm, where the server offers several (DIGEST-MD5).
    pub realm: Option<Vec<u8>>,
}

/// What a client can log in with. RFC 6750, section 2.1, has the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A password.
    Password,
    /// A token of RFC 6750.
    Token,
    /// Neither: what the transport attests, or nothing at all.
    Nothing,
}

/// Where a password or token may be sent itself. RFC 4422, section 6.1; RFC 4954, section 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearText {
    /// Only over a layer that keeps it from others.
    UnderLayer,
    /// Anywhere: the caller insists.
    Anywhere,
}

/// A mechanism that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    mechanism: Mechanism,
    downgrade: Downgrade,
}

/// Whether somebody may have taken the -PLUS form out of the server's list (RFC 5802, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Downgrade {
    /// There is nothing to bind to, or a -PLUS form was there (flag `n`).
    No,
    /// We could have bound, and were offered no -PLUS form of any hash (flag `y`): the server shall say if it did.
    Perhaps,
}

/// No mechanism fits: why not, for each that we have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no mechanism fits: {}", shown(.0))]
pub struct NoneFits(
    /// In the order of preference.
    pub Vec<(Mechanism, LeftOut)>,
);

impl Settings {
    /// The iterations of SCRAM that are sane: not fewer than RFC 7677 allows a server, since whoever plays server may then
    /// guess the password offline for less; not more than a store of ours may have, since each costs us time.
    pub const ITERATIONS: RangeInclusive<u32> = 4096..=credential::Iterations::MAX;

    /// Chooses from what the server offers, by its names: what is bound to the channel, then SCRAM, then the rest in the
    /// order of [`Mechanism::ALL`].
    /// RFC 4422, section 3.2, leaves it to the client; RFC 5802, section 6, has the flag of channel binding that depends on it.
    pub fn choose<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a str>,
        channel: &Channel,
    ) -> Result<Choice, NoneFits> {
        let offered: MechanismSet = offered.into_iter().filter_map(|name| name.parse().ok()).collect();
        let mut left_out = Vec::new();
        for mechanism in Mechanism::ALL {
            match self.why_not(mechanism, offered, channel) {
                None => return Ok(Choice { mechanism, downgrade: downgrade(mechanism, offered, channel) }),
                Some(why) => left_out.push((mechanism, why)),
            }
        }
        Err(NoneFits(left_out))
    }

    fn why_not(&self, mechanism: Mechanism, offered: MechanismSet, channel: &Channel) -> Option<LeftOut> {
        if self.mechanisms.contains(mechanism) && !offered.contains(mechanism) {
            return Some(LeftOut::NotOffered);
        }
        self.rules_out(mechanism, channel)
    }

    /// Why a mechanism is not to be used over a channel, whatever the server offers.
    pub(crate) fn rules_out(&self, mechanism: Mechanism, channel: &Channel) -> Option<LeftOut> {
        if !self.mechanisms.contains(mechanism) {
            return Some(LeftOut::NotConfigured);
        }
        if Means::of(mechanism) != self.means {
            return Some(LeftOut::OtherMeans);
        }
        if self.login.authorization.is_some() && !mechanism.has_authorization() {
            return Some(LeftOut::NoAuthorization);
        }
        if matches!(mechanism, Mechanism::ScramPlus(_)) && channel.best_binding().is_none() {
            return Some(LeftOut::NoBinding);
        }
        let is_clear = !mechanism.properties().contains(Property::NoPlaintext);
        if is_clear && channel.ssf() == 0 && self.clear_text == ClearText::UnderLayer {
            return Some(LeftOut::ClearText);
        }
        let strengths = self.requirements.layer_strengths(channel);
        if mechanism == Mechanism::DigestMd5 && !self.layers.reach(&strengths) {
            return Some(LeftOut::TooWeak);
        }
        self.requirements.unmet_by(mechanism, channel)
    }
}

impl Choice {
    /// A mechanism without looking at what the server offers, where the caller knows better.
    pub fn of(mechanism: Mechanism) -> Self {
        Self { mechanism, downgrade: Downgrade::No }
    }

    /// The mechanism.
    pub fn mechanism(self) -> Mechanism {
        self.mechanism
    }

    pub(crate) fn downgrade(self) -> Downgrade {
        self.downgrade
    }
}

impl Means {
    /// What a mechanism works with.
    pub fn of(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::OauthBearer | Mechanism::Xoauth2 => Self::Token,
            Mechanism::External | Mechanism::Anonymous => Self::Nothing,
            _ => Self::Password,
        }
    }
}

fn downgrade(mechanism: Mechanism, offered: MechanismSet, channel: &Channel) -> Downgrade {
    let offers_plus = offered.iter().any(|offer| matches!(offer, Mechanism::ScramPlus(_)));
    match mechanism {
        Mechanism::Scram(_) if channel.best_binding().is_some() && !offers_plus => Downgrade::Perhaps,
        _ => Downgrade::No,
    }
}

/// Of what the server offers, or the configuration names: what was passed over for lack of either says nothing.
fn shown(left_out: &[(Mechanism, LeftOut)]) -> String {
    let is_news = |why: &LeftOut| !matches!(why, LeftOut::NotConfigured | LeftOut::NotOffered);
    let told = left_out.iter().filter(|(_, why)| is_news(why));
    let told: Vec<_> = told.map(|(mechanism, why)| format!("{mechanism}: {why}")).collect();
    if told.is_empty() { "the server offers none that is wanted".to_owned() } else { told.join("; ") }
}

#[cfg(test)]
mod tests;
