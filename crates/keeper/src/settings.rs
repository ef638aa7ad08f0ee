//! What the keeper goes by: what configuration and host say, as values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use config::{AuthOption, Config};
use credential::identity::NameError;
use credential::{Mechanism, MechanismSet, Policy, Property, PropertySet, Realm};
use sasl::Requirements;
use sasl::layer::Layers;
use sasl::server::{self, Realms};
use wire::ListenerId;

use crate::proxy;

/// What the keeper goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store is.
    pub store: PathBuf,
    /// What it keeps of each password.
    pub policy: Policy,
    /// What a listener offers that has nothing of its own.
    pub common: Arc<server::Settings>,
    /// What single listeners offer.
    pub listeners: BTreeMap<ListenerId, Arc<server::Settings>>,
    /// Who may act for others than himself.
    pub proxies: Vec<proxy::Rule>,
    /// For how long a client of DIGEST-MD5 may log in again with one message; zero: it may not.
    pub reauthentication: Duration,
    /// How much of everything there may be at once.
    pub bounds: Bounds,
}

/// How much of everything there may be at once.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Exchanges under way: what a front of ten thousand sessions may have, and some.
    pub exchanges: usize,
    /// Passwords that are being checked: each has a core and the memory of a derivation.
    pub checks: usize,
    /// Passwords that wait for that.
    pub waiting: usize,
    /// How long they may: beyond this the client has lost its patience, or soon will.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { exchanges: 16_384, checks: cores, waiting: 512, patience: Duration::from_secs(15) }
    }
}

impl Settings {
    /// What a configuration means. The host is asked for its name where the configuration does not say the realm.
    pub fn of(config: &Config) -> Result<Self, NameError> {
        let policy = config.secrets.policy;
        let common = server::Settings {
            host: config::realm::default_realm(),
            service: "smtp".to_owned(),
            realms: Realms::one(Realm::prepare(&config.realm())?),
            mechanisms: mechanisms(config),
            keep: policy.keep,
            requirements: requirements(config),
            layers: Layers::default(),
        };
        Ok(Self {
            store: config.secrets.path.clone(),
            policy,
            common: Arc::new(common),
            listeners: BTreeMap::new(),
            proxies: Vec::new(),
            reauthentication: Duration::ZERO,
            bounds: Bounds::default(),
        })
    }

    /// What a listener offers.
    pub fn of_listener(&self, listener: ListenerId) -> &Arc<server::Settings> {
        self.listeners.get(&listener).unwrap_or(&self.common)
    }
}

/// By default every one but those that ask for no password: EXTERNAL and ANONYMOUS are named by who wants them. A name that
/// we do not have is left out.
fn mechanisms(config: &Config) -> MechanismSet {
    if let Some(names) = &config.auth.mechanisms {
        return names.iter().filter_map(|name| name.as_str().parse().ok()).collect();
    }
    let asks = |it: &Mechanism| !matches!(it, Mechanism::External | Mechanism::Anonymous);
    Mechanism::ALL.into_iter().filter(asks).collect()
}

fn requirements(config: &Config) -> Requirements {
    let options = [
        (AuthOption::NoActive, Property::NoActive),
        (AuthOption::PassCredentials, Property::PassCredentials),
        (AuthOption::NoDictionary, Property::NoDictionary),
        (AuthOption::ForwardSecrecy, Property::ForwardSecrecy),
        (AuthOption::Mutual, Property::Mutual),
        (AuthOption::NoPlain, Property::NoPlaintext),
        (AuthOption::NoAnonymous, Property::NoAnonymous),
    ];
    let set = options.into_iter().filter(|(option, _)| config.auth.options.contains(*option));
    let properties: PropertySet = set.map(|(_, property)| property).collect();
    Requirements { properties, min_ssf: 0, max_ssf: config.auth.max_bits.unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::HostAccounts;
    use sasl::Channel;

    use super::*;

    fn offered(text: &str, channel: &Channel) -> String {
        let config = Config::parse(Path::new("/x"), text.as_bytes(), &HostAccounts).unwrap();
        let offer = Settings::of(&config).unwrap().common.offer(channel);
        offer.mechanisms.iter().map(Mechanism::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_configuration_says_what_is_offered() {
        let (clear, tls) = (Channel::clear(), Channel::layered(256).with_identity("x"));
        for (text, in_clear, under_tls) in [
            ("", "SCRAM-SHA-256", "SCRAM-SHA-256 PLAIN LOGIN"),
            ("[auth]\nmechanisms = [\"PLAIN\", \"GSSAPI\", \"EXTERNAL\"]", "", "EXTERNAL PLAIN"),
            ("[auth]\noptions = \"y\"", "SCRAM-SHA-256 PLAIN LOGIN", "SCRAM-SHA-256 PLAIN LOGIN"),
            ("[auth]\noptions = \"p y m\"", "SCRAM-SHA-256", "SCRAM-SHA-256"),
            ("[secrets]\nkeep = [\"cram-md5\"]", "CRAM-MD5", "CRAM-MD5 PLAIN LOGIN"),
            ("[auth]\noptions = \"\"\nmechanisms = [\"ANONYMOUS\"]", "ANONYMOUS", "ANONYMOUS"),
        ] {
            assert_eq!(offered(text, &clear), in_clear, "{text}");
            assert_eq!(offered(text, &tls), under_tls, "{text}");
        }
    }
}
