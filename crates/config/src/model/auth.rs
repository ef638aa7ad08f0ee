//! `[auth]`: sendmail's AuthRealm, AuthMechanisms, TRUST_AUTH_MECH, AuthOptions and AuthMaxBits, and Local_trust_auth.

use std::collections::BTreeSet;

use credential::{Identity, Mechanism, MechanismSet, Realm};

use super::{Config, Listener};
use crate::words::{AuthOptions, DigestCipher, MechanismName};

/// `[auth]`.
#[derive(Clone, Debug)]
pub struct Auth {
    /// `realm`: whose users are meant when no realm is named; by default the host's full name, see [`Config::realm`].
    pub realm: Option<Realm>,
    /// `realms`: more realms, which DIGEST-MD5 offers behind the default one.
    pub realms: Vec<Realm>,
    /// `mechanisms`: an upper bound of what is offered. `None`: every one we have except ANONYMOUS and EXTERNAL. A name
    /// that we do not have is no error. See [`Config::mechanisms`].
    pub mechanisms: Option<BTreeSet<MechanismName>>,
    /// `trusted_mechanisms`: who logged in by one of these may relay. `None`: what is offered, less ANONYMOUS. See
    /// [`Auth::trusts`].
    pub trusted_mechanisms: Option<BTreeSet<MechanismName>>,
    /// `options`.
    pub options: AuthOptions,
    /// `max_bits`: the strongest security layer, in bits of key; `None`: no bound. Under TLS its bits count too.
    pub max_bits: Option<u32>,
    /// `ciphers`: what DIGEST-MD5 may encrypt with, the strongest first; none: it protects against changes at most.
    pub ciphers: BTreeSet<DigestCipher>,
    /// `[[auth.proxy]]`: who may act for whom.
    pub proxies: Vec<ProxyRule>,
}

/// One `[[auth.proxy]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRule {
    /// `authentication`: who has logged in.
    pub authentication: Identity,
    /// `may_act_for`: for whom that identity may act, beside itself.
    pub may_act_for: Vec<ActsFor>,
}

/// One word of `may_act_for`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActsFor {
    /// `user@realm`: this one.
    Identity(Identity),
    /// `*@realm`: everybody of this realm, not of those below it.
    Everybody(Realm),
}

impl Auth {
    /// Whether who logged in by this mechanism may relay.
    pub fn trusts(&self, mechanism: Mechanism) -> bool {
        match &self.trusted_mechanisms {
            Some(trusted) => trusted.iter().any(|name| name.as_str() == mechanism.name()),
            None => mechanism != Mechanism::Anonymous,
        }
    }

    /// Whether some `[[auth.proxy]]` lets `authentication` act for another. That everybody may act for himself needs no
    /// rule.
    pub fn may_act_for(&self, authentication: &Identity, wanted: &Identity) -> bool {
        let mut rules = self.proxies.iter().filter(|rule| rule.authentication.is_same(authentication));
        rules.any(|rule| rule.may_act_for.iter().any(|whom| whom.is(wanted)))
    }
}

impl ActsFor {
    fn is(&self, wanted: &Identity) -> bool {
        match self {
            Self::Identity(identity) => identity.is_same(wanted),
            Self::Everybody(realm) => realm.as_str().eq_ignore_ascii_case(wanted.realm.as_str()),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            realm: None,
            realms: Vec::new(),
            mechanisms: None,
            trusted_mechanisms: None,
            options: AuthOptions::default(),
            max_bits: None,
            ciphers: BTreeSet::from([DigestCipher::Des]),
            proxies: Vec::new(),
        }
    }
}

impl Config {
    /// An upper bound of what a listener offers: `auth.mechanisms`, and of these what the listener's own list has.
    /// Names that we do not have are left out, and what we cannot serve.
    pub fn mechanisms(&self, listener: &Listener) -> MechanismSet {
        let named = |names: &Option<BTreeSet<MechanismName>>, mechanism: Mechanism| {
            names.as_ref().map(|names| names.iter().any(|name| name.as_str() == mechanism.name()))
        };
        let by_default = |mechanism| !matches!(mechanism, Mechanism::Anonymous | Mechanism::External);
        let wanted = Mechanism::ALL.into_iter().filter(|mechanism| {
            mechanism.has_server()
                && named(&self.auth.mechanisms, *mechanism).unwrap_or_else(|| by_default(*mechanism))
                && named(&listener.mechanisms, *mechanism).unwrap_or(true)
        });
        wanted.fold(MechanismSet::EMPTY, MechanismSet::with)
    }

    /// What mechanisms have to be good for at a listener: its own `options`, else `auth.options`.
    pub fn auth_options<'c>(&'c self, listener: &'c Listener) -> &'c AuthOptions {
        listener.options.as_ref().unwrap_or(&self.auth.options)
    }
}
