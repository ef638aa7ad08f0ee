//! gatepost.toml: what tools and daemon agree on, and every file that it names.
//!
//! [`Config::load`] is the one way in: from a safe file to a [`Config`], or every fault at once. An absent file at the
//! default place is a configuration too, and a safe one: all defaults. What the words mean for a protocol, and what is
//! in the files that are named, is not known here.

mod accounts;
mod check;
pub mod daemon;
mod fault;
mod files;
mod model;
mod parse;
pub mod realm;
pub mod sendmail_cf;
mod split;
pub mod trusted_user;
pub mod words;

use std::io;
use std::path::{Path, PathBuf};

use safefile::{Kind, OpenError, SafeFile, Trust};

pub use accounts::{Accounts, HostAccounts};
pub use fault::{ConfigFaults, Fault, Place, Remark};
pub use files::{DaemonFile, FileIndex, FileRole, NamedFile, Owner};
pub use model::{
    ActsFor, Address, Auth, ClientInfoFiles, Config, Delivery, Endpoint, FileRule, Limits, Listener,
    ProxyRule, Queue, Readable, Secrets, Submission, Throttle, Tls,
};
pub use split::Split;
pub use words::{
    AuthOption, AuthOptions, BareLineEnds, DigestCipher, Domain, LogFormat, LogLevel, MapName, MechanismName,
    Modifier, Modifiers, Network, Senders,
};

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/gatepost/gatepost.toml";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is unsafe, cannot be opened, or was named and is not there.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file was opened and could not be read.
    #[error("{source}: {}", safefile::display_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said; `FileTooLarge` above [`Config::MAX_OCTETS`].
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Faults(#[from] ConfigFaults),
}

impl Config {
    /// The longest configuration that is read, in octets.
    pub const MAX_OCTETS: u64 = 1 << 20;

    /// Reads the configuration: the file that `--config` named, or the one at [`DEFAULT_PATH`], whose absence means
    /// all defaults. A file that was named must be there.
    pub fn load(named: Option<&Path>, trust: &Trust) -> Result<Self, ConfigError> {
        match named {
            Some(path) => Self::read(&SafeFile::open(path, Kind::Configuration, trust)?),
            None => Self::load_if_there(Path::new(DEFAULT_PATH), trust),
        }
    }

    fn load_if_there(path: &Path, trust: &Trust) -> Result<Self, ConfigError> {
        match SafeFile::open(path, Kind::Configuration, trust) {
            Ok(file) => Self::read(&file),
            Err(error) if error.is_missing() => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every key that a configuration may have, by its full name (`secrets.argon2id.m`), tables left out.
    pub fn keys() -> impl Iterator<Item = String> {
        check::keys()
    }

    fn read(file: &SafeFile) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: file.path().to_owned(), source };
        let octets = file.read_whole(Self::MAX_OCTETS).map_err(failed)?;
        Ok(Self::parse(file.path(), &octets, &HostAccounts)?)
    }

    /// What a text means that stands in the file `path`. Pure but for `accounts`: names of users and groups must exist.
    pub fn parse(path: &Path, text: &[u8], accounts: &dyn Accounts) -> Result<Self, ConfigFaults> {
        let Readable { config, faults, .. } = Self::read_past(path, text, accounts);
        faults.map_or(Ok(config), Err)
    }

    /// The same with what can be read past the faults: what is faulty counts as absent. It is for showing at once what else
    /// is wrong, with files and accounts, and for nothing else: nobody works by it.
    pub fn read_past(path: &Path, text: &[u8], accounts: &dyn Accounts) -> Readable {
        check::config(path, text, accounts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make unsafe files on purpose")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use safefile::{Trust, Uid};

    use super::Config;

    #[test]
    fn nothing_at_the_default_place_means_defaults_but_something_unsafe_does_not() {
        let dir = tests::scratch::dir();
        let path = dir.path().join("gatepost.toml");
        let trust = Trust::root().caller(Uid::effective());
        let default = Config::load_if_there(&path, &trust).unwrap();
        assert_eq!(default.secrets.path, Config::default().secrets.path);

        fs::write(&path, "log_level = 3\n").unwrap();
        assert_eq!(Config::load_if_there(&path, &trust).unwrap().log_level.number(), 3);
        fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
        assert!(Config::load_if_there(&path, &trust).is_err());
    }
}
