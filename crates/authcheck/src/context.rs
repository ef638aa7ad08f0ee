//! By whom and by what this run judges: the configuration, the TrustedUser, the person at the terminal.

use std::path::{Path, PathBuf};

use cli::{Exit, Io, Report};
use config::trusted_user::{self, Files, Given, TrustedUser};
use config::{Accounts as _, Config, ConfigError, HostAccounts};
use safefile::{Account, Kind, SafeFile, Trust, Uid};

use crate::options::Options;

/// What every audit of this run is judged by.
pub(crate) struct Context {
    /// The configuration; its defaults where there is none.
    pub(crate) config: Config,
    /// The account of the daemon's front, where there is one: queue and Maildirs are its own.
    pub(crate) front: Option<Account>,
    base: Trust,
}

impl Context {
    /// Of the configuration of this run, which must be right.
    pub(crate) fn strict(options: &Options) -> Result<Self, Report> {
        Self::with(load(options).map_err(refused)?, options)
    }

    /// The same for what can do without: what is wrong with the configuration in the usual place is a warning. One that was
    /// named has to be right, for somebody wanted to be told by it.
    pub(crate) fn lenient(options: &Options, io: &mut Io) -> Result<Self, Report> {
        if options.common.config.is_some() {
            return Self::strict(options);
        }
        let config = load(options).unwrap_or_else(|error| {
            io.warn(&refused(error).because("its exceptions and its TrustedUser do not count now"));
            Config::default()
        });
        Self::with(config, options)
    }

    /// Of a configuration that was read.
    pub(crate) fn with(config: Config, options: &Options) -> Result<Self, Report> {
        let base = by_hand(trusted_user(&config, options)?.trust());
        let front = HostAccounts.user(config.front());
        let front = front.map_err(|error| Report::plain(UNCHECKED, format_args!("run_as: {error}")))?;
        Ok(Self { config, front, base })
    }

    /// How the configuration spells a path that somebody typed: from `/` on, or else as it really is, without links and
    /// without `..`.
    pub(crate) fn spelling(&self, path: &Path) -> PathBuf {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if self.config.kind_of(&absolute).is_some() {
            return absolute;
        }
        let seen = safefile::audit(path, Kind::Secret, &self.base);
        seen.last().map_or(absolute, |last| last.path.clone())
    }

    /// Whom to trust for a path: the exceptions of the configuration are for single files.
    pub(crate) fn trust(&self, path: &Path) -> Trust {
        self.config.trust_beside(path, self.base.clone(), self.front.as_ref())
    }
}

/// Whom to trust for the configuration itself, before anything is known of it.
pub(crate) fn trust_for_configuration() -> Trust {
    by_hand(Trust::root())
}

fn load(options: &Options) -> Result<Config, ConfigError> {
    Config::load(options.common.config.as_deref(), &trust_for_configuration())
}

fn refused(error: ConfigError) -> Report {
    match error {
        ConfigError::Open(error) => Report::from(error),
        ConfigError::Read { path, source } => Report::new(UNCHECKED, safefile::display_path(&path), source),
        ConfigError::Faults(faults) => {
            let reports = faults.complaints().map(|(subject, cause, hint)| {
                let report = Report::new(UNCHECKED, subject, cause);
                hint.into_iter().fold(report, Report::because)
            });
            reports
                .reduce(Report::and)
                .unwrap_or_else(|| Report::plain(UNCHECKED, "the configuration is wrong"))
        }
    }
}

fn trusted_user(config: &Config, options: &Options) -> Result<TrustedUser, Report> {
    let sendmail_cf = options.sendmail_cf.as_deref().map(sendmail_cf).transpose()?;
    let flag = options.common.trusted_user.as_deref();
    let given = Given { flag, sendmail_cf: sendmail_cf.as_deref(), config: Some(config) };
    trusted_user::resolve(&given, Files::Ours, &HostAccounts).map_err(|error| Report::plain(UNCHECKED, error))
}

/// The sendmail.cf of `-C` says who is trusted, so it has to be as safe as a configuration of ours.
fn sendmail_cf(path: &Path) -> Result<Vec<u8>, Report> {
    let file = SafeFile::open(path, Kind::Configuration, &trust_for_configuration())?;
    let read = file.read_whole(Config::MAX_OCTETS);
    read.map_err(|error| Report::new(UNCHECKED, safefile::display_path(path), error))
}

/// authcheck is started by hand: who started it may own what is looked at, since they can do no more than they could
/// anyway.
fn by_hand(trust: Trust) -> Trust {
    let caller = Uid::effective();
    if caller.is_root() { trust } else { trust.caller(caller) }
}

/// Something could not be checked.
pub(crate) const UNCHECKED: Exit = Exit::code(2);
