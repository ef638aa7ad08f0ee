//! The configuration as a value. Every default is safe; an empty file, or none, means [`Config::default`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use credential::Policy;
use safefile::{Account, Exception, Kind};

use crate::fault::Remark;
use crate::words::{Domain, LogFormat, LogLevel, MapName};
use crate::{DEFAULT_PATH, realm};

mod auth;
mod listen;
mod mail;
mod throttle;

pub use auth::{ActsFor, Auth, ProxyRule};
pub use listen::{Address, Endpoint, Limits, Listener};
pub use mail::{Delivery, Queue, Submission};
pub use throttle::Throttle;

/// Everything that gatepost.toml says.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, or would have been: [`DEFAULT_PATH`].
    pub path: PathBuf,
    /// `trusted_user`: who may own secrets besides root; see [`trusted_user`](crate::trusted_user).
    pub trusted_user: Option<Account>,
    /// `run_as`: the account of the process that holds the network; see [`Config::front`].
    pub run_as: Option<String>,
    /// `host_name`: our name in greetings, in Received, and where a realm or a local domain is wanted and none is named;
    /// see [`Config::host_name`].
    pub host_name: Option<Domain>,
    /// `log_level`.
    pub log_level: LogLevel,
    /// `log_format`.
    pub log_format: LogFormat,
    /// `pid_file`. The daemon makes it.
    pub pid_file: PathBuf,
    /// `control_socket`. The daemon makes it.
    pub control_socket: PathBuf,
    /// `[[listen]]`: where clients come in; by default on port 587, and AUTH is required there.
    pub listen: Vec<Listener>,
    /// `[limits]`: what holds for listeners that say nothing else, and is said in each of them already.
    pub limits: Limits,
    /// `[auth]`.
    pub auth: Auth,
    /// `[secrets]`.
    pub secrets: Secrets,
    /// `[tls]`.
    pub tls: Tls,
    /// `[client_info]`.
    pub client_info: ClientInfoFiles,
    /// `local_domains`: whose mail is delivered here, each as it stands; `None`: the host's full name. See
    /// [`Config::local_domains`].
    pub local_domains: Option<BTreeSet<Domain>>,
    /// `relay_domains`: sendmail's class R, to which and below which mail is relayed for everybody; none by default.
    pub relay_domains: BTreeSet<Domain>,
    /// `access_map`: who may relay and who may not; none by default.
    pub access_map: Option<MapName>,
    /// `client_names`: whether the resolver is asked for the names of clients; true by default, as in sendmail.
    pub client_names: bool,
    /// `[submission]`.
    pub submission: Submission,
    /// `[queue]`.
    pub queue: Queue,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[throttle]`.
    pub throttle: Throttle,
    /// `[[file]]`: exceptions, each for one file.
    pub files: Vec<FileRule>,
    /// What is no fault and had better be known, in the order of the text.
    pub remarks: Vec<Remark>,
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
    /// `client_ca`: whose client certificates are believed, PEM. Without it none is asked for, and EXTERNAL is never
    /// offered. Who a client is, its certificate says by its rfc822Name, else `client_map` says, else
    /// `common_name`.
    pub client_ca: Option<PathBuf>,
    /// `client_map`: from a certificate's subject to an identity.
    pub client_map: Option<MapName>,
    /// `common_name`: whether the common name is an identity.
    pub common_name: bool,
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

/// What can be read of a text with faults, and the faults.
#[derive(Clone, Debug)]
pub struct Readable {
    /// What it says, without what is faulty.
    pub config: Config,
    /// What is wrong with it; `None`: nothing.
    pub faults: Option<crate::ConfigFaults>,
    /// Whether `trusted_user` and `run_as` are what was meant: whose files are safe follows from them.
    pub knows_accounts: bool,
}

impl Config {
    /// The realm of a user who is named without one: `auth.realm`, else [`Config::host_name`]. Tools and daemon use this
    /// one function.
    pub fn realm(&self) -> String {
        self.auth.realm.as_ref().map_or_else(|| self.host_name(), |realm| realm.as_str().to_owned())
    }

    /// Our own name: `host_name`, else the host's full name, for which the resolver is asked
    /// ([`realm::default_realm`]).
    pub fn host_name(&self) -> String {
        self.host_name.as_ref().map_or_else(realm::default_realm, |name| name.as_str().to_owned())
    }

    /// Whose mail is delivered here: `local_domains`, else [`Config::host_name`].
    pub fn local_domains(&self) -> BTreeSet<Domain> {
        self.local_domains.clone().unwrap_or_else(|| self.host_name().parse().into_iter().collect())
    }

    /// The name or number of the account as which the front runs: `run_as`, else `gatepost-front`. Whether it exists is
    /// asked when the daemon starts: see [`daemon`](crate::daemon).
    pub fn front(&self) -> &str {
        self.run_as.as_deref().unwrap_or(FRONT)
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
            run_as: None,
            host_name: None,
            log_level: LogLevel::default(),
            log_format: LogFormat::Text,
            pid_file: PathBuf::from("/run/gatepost/gatepostd.pid"),
            control_socket: PathBuf::from("/run/gatepost/control"),
            listen: vec![Listener::submission(Limits::default())],
            limits: Limits::default(),
            auth: Auth::default(),
            secrets: Secrets::default(),
            tls: Tls::default(),
            client_info: ClientInfoFiles::default(),
            local_domains: None,
            relay_domains: BTreeSet::new(),
            access_map: None,
            client_names: true,
            submission: Submission::default(),
            queue: Queue::default(),
            delivery: Delivery::default(),
            throttle: Throttle::default(),
            files: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/lib/gatepost/secrets.redb"), policy: Policy::default() }
    }
}

/// The account of the front where nobody names one.
const FRONT: &str = "gatepost-front";
