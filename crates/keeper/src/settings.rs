//! What the keeper goes by: what configuration and host say, as values.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use config::{Auth, AuthOption, AuthOptions, Config, DigestCipher, Listener, Throttle};
use credential::identity::NameError;
use credential::{Policy, Property, PropertySet, Realm};
use sasl::Requirements;
use sasl::layer::{Cipher, Layers};
use sasl::server::{self, Realms};
use wire::ListenerId;

/// What the keeper goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store is.
    pub store: PathBuf,
    /// What it keeps of each password.
    pub policy: Policy,
    /// What each listener offers, in the order of the configuration.
    pub listeners: Vec<Arc<server::Settings>>,
    /// The number of each listener, in the same order.
    pub numbers: Vec<ListenerId>,
    /// That of a name without one.
    pub realm: Realm,
    /// Other names that this host goes or went by, and domains whose mail is delivered here: whoever made a user may have
    /// thought of one of them.
    pub hosts: Vec<String>,
    /// Who may act for others than himself.
    pub auth: Auth,
    /// What guessing costs.
    pub throttle: Throttle,
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
    /// What a configuration means. The host is asked for its name where the configuration does not say it.
    pub fn of(config: &Config) -> Result<Self, NameError> {
        let host = config.host_name();
        let realms = Realms {
            default: config.auth.realm.clone().map_or_else(|| Realm::prepare(&host), Ok)?,
            others: config.auth.realms.clone(),
        };
        let of = |listener| Arc::new(of_listener(config, listener, &host, &realms));
        let mut bounds = Bounds::default();
        if let Some(checks) = config.throttle.password_checks {
            bounds.checks = checks.max(1) as usize;
        }
        Ok(Self {
            store: config.secrets.path.clone(),
            policy: config.secrets.policy,
            listeners: config.listen.iter().map(of).collect(),
            numbers: (0..).map(ListenerId).take(config.listen.len()).collect(),
            realm: realms.default.clone(),
            hosts: hosts(config),
            auth: config.auth.clone(),
            throttle: config.throttle.clone(),
            reauthentication: Duration::ZERO,
            bounds,
        })
    }

    /// With the numbers that the opener gave to the listeners, in the order of the configuration.
    #[must_use]
    pub fn numbered(self, numbers: Vec<ListenerId>) -> Self {
        Self { numbers, ..self }
    }

    /// What a listener offers; `None`: there is no such listener, or not any more.
    pub fn of_listener(&self, listener: ListenerId) -> Option<&Arc<server::Settings>> {
        let place = self.numbers.iter().position(|number| *number == listener)?;
        self.listeners.get(place)
    }
}

/// What the system says, which another name in the configuration hides, is asked once in the life of a process: the resolver
/// may take its time.
fn hosts(config: &Config) -> Vec<String> {
    static SYSTEM: LazyLock<String> = LazyLock::new(config::realm::default_realm);
    let local = config.local_domains.iter().flatten().map(|domain| domain.as_str().to_owned());
    let parts = SYSTEM.split_once('.').map(|(short, domain)| [short.to_owned(), domain.to_owned()]);
    [SYSTEM.clone()].into_iter().chain(parts.into_iter().flatten()).chain(local).collect()
}

fn of_listener(config: &Config, listener: &Listener, host: &str, realms: &Realms) -> server::Settings {
    server::Settings {
        host: host.to_owned(),
        service: "smtp".to_owned(),
        realms: realms.clone(),
        mechanisms: config.mechanisms(listener),
        keep: config.secrets.policy.keep,
        requirements: Requirements {
            properties: properties(config.auth_options(listener)),
            min_ssf: 0,
            max_ssf: config.auth.max_bits.unwrap_or(u32::MAX),
        },
        layers: Layers {
            ciphers: config.auth.ciphers.iter().copied().map(cipher).collect(),
            ..Layers::default()
        },
    }
}

fn properties(options: &AuthOptions) -> PropertySet {
    let all = [
        (AuthOption::NoActive, Property::NoActive),
        (AuthOption::PassCredentials, Property::PassCredentials),
        (AuthOption::NoDictionary, Property::NoDictionary),
        (AuthOption::ForwardSecrecy, Property::ForwardSecrecy),
        (AuthOption::Mutual, Property::Mutual),
        (AuthOption::NoPlain, Property::NoPlaintext),
        (AuthOption::NoAnonymous, Property::NoAnonymous),
    ];
    all.into_iter().filter(|(option, _)| options.contains(*option)).map(|(_, property)| property).collect()
}

fn cipher(cipher: DigestCipher) -> Cipher {
    match cipher {
        DigestCipher::TripleDes => Cipher::TripleDes,
        DigestCipher::Rc4 => Cipher::Rc4,
        DigestCipher::Des => Cipher::Des,
        DigestCipher::Rc4With56 => Cipher::Rc4With56,
        DigestCipher::Rc4With40 => Cipher::Rc4With40,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::HostAccounts;
    use credential::Mechanism;
    use sasl::Channel;

    use super::*;

    fn offered(text: &str, channel: &Channel) -> String {
        let config = Config::parse(Path::new("/x"), text.as_bytes(), &HostAccounts).unwrap();
        let offer = Settings::of(&config).unwrap().of_listener(ListenerId(0)).unwrap().offer(channel);
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
            ("[[listen]]\nport = 25\nmechanisms = [\"LOGIN\"]\noptions = \"y\"", "LOGIN", "LOGIN"),
        ] {
            assert_eq!(offered(text, &clear), in_clear, "{text}");
            assert_eq!(offered(text, &tls), under_tls, "{text}");
        }
    }
}
