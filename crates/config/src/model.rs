//! The configuration as a value. Every default is safe; an empty file, or none, means [`Config::default`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use credential::{Policy, Realm};
use safefile::{Account, Exception, Kind};

use crate::words::{AuthOptions, LogLevel, MapName, MechanismName};
use crate::{DEFAULT_PATH, realm};

/// Everything that gatepost.toml says.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, or would have been: [`DEFAULT_PATH`].
    pub path: PathBuf,
    /// `trusted_user`: who may own secrets besides root; see [`trusted_user`](crate::trusted_user).
    pub trusted_user: Option<Account>,
    /// `log_level`.
    pub log_level: LogLevel,
    /// `[auth]`.
    pub auth: Auth,
    /// `[secrets]`.
    pub secrets: Secrets,
    /// `[tls]`.
    pub tls: Tls,
    /// `[client_info]`.
    pub client_info: ClientInfoFiles,
    /// `access_map`: who may relay and who may not; none by default.
    pub access_map: Option<MapName>,
    /// `[[file]]`: exceptions, each for one file.
    pub files: Vec<FileRule>,
}

/// `[auth]`: sendmail's AuthRealm, AuthMechanisms, TRUST_AUTH_MECH, AuthOptions and AuthMaxBits.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// `realm`: whose users are meant when no realm is named; by default the host's full name, see [`Config::realm`].
    pub realm: Option<Realm>,
    /// `mechanisms`: an upper bound of what is offered. `None`: every one we have except ANONYMOUS and EXTERNAL. A name
    /// that we do not have is no error.
    pub mechanisms: Option<BTreeSet<MechanismName>>,
    /// `trusted_mechanisms`: who logged in by one of these may relay. `None`: what is offered, less ANONYMOUS.
    pub trusted_mechanisms: Option<BTreeSet<MechanismName>>,
    /// `options`.
    pub options: AuthOptions,
    /// `max_bits`: the strongest security layer, in bits of key; `None`: no bound. Under TLS its bits count too.
    pub max_bits: Option<u32>,
}

/// `[secrets]`: the store.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// `path`.
    pub path: PathBuf,
    /// `keep`, `[secrets.argon2id]`, `[secrets.scram]`: which verifiers are kept of a password, and what they cost.
    pub policy: Policy,
}

/// `[tls]`: files for TLS. Without a certificate there is no STARTTLS.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// `certificate`: the chain, PEM.
    pub certificate: Option<PathBuf>,
    /// `key`: the private key, PEM.
    pub key: Option<PathBuf>,
    /// `client_ca`: whose client certificates are believed, PEM.
    pub client_ca: Option<PathBuf>,
}

/// `[client_info]`: the passwords used at other servers.
#[derive(Clone, Debug, Default)]
pub struct ClientInfoFiles {
    /// `maps`: authinfo maps. They are secrets whatever they hold.
    pub maps: Vec<MapName>,
    /// `default_auth_info`: sendmail's DefaultAuthInfo file, deprecated there as here.
    pub default_auth_info: Option<PathBuf>,
}

/// One `[[file]]`: what would be unsafe and is accepted, for one file.
#[derive(Clone, Debug)]
pub struct FileRule {
    /// The file.
    pub path: PathBuf,
    /// What it is; `None` where the configuration says it elsewhere.
    pub kind: Option<Kind>,
    /// The exceptions.
    pub exceptions: Vec<Exception>,
}

impl Config {
    /// The realm of a user who is named without one: `auth.realm`, else the host's full name
    /// ([`realm::default_realm`]). Tools and daemon use this one function.
    pub fn realm(&self) -> String {
        self.auth.realm.as_ref().map_or_else(realm::default_realm, |realm| realm.as_str().to_owned())
    }

    /// Whether a file is a map of client-info, known by its name with or without the ending.
    pub fn is_client_info(&self, path: &Path) -> bool {
        self.client_info.maps.iter().any(|map| map.path() == path || map.file() == path)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from(DEFAULT_PATH),
            trusted_user: None,
            log_level: LogLevel::default(),
            auth: Auth::default(),
            secrets: Secrets::default(),
            tls: Tls::default(),
            client_info: ClientInfoFiles::default(),
            access_map: None,
            files: Vec::new(),
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/lib/gatepost/secrets.redb"), policy: Policy::default() }
    }
}
