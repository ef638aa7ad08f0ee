//! What the host says of a map: which file it is, of which type, whom to trust for it, who is to own it.
//!
//! The answers come from gatepost.toml, from sendmail.cf and from the accounts of the host. Nothing here opens the map.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cli::{Exit, Io, Report, printable};
use config::trusted_user::{self, Files, Given, Origin, TrustedUser, TrustedUserError};
use config::{Config, ConfigError, HostAccounts, sendmail_cf};
use safefile::{Account, Exception, Group, Kind, SafeFile, Trust, Uid};
use store::maps::{MapType, Readers};

use crate::options::{Options, Target, Task};

/// What the host says of one map.
pub(crate) struct Host {
    /// The type, where one was named or sendmail.cf named one; none for `implicit`.
    pub(crate) map_type: Option<MapType>,
    config: Config,
    sendmail_cf: SendmailCf,
    flag: Option<Account>,
    caller: Uid,
}

/// sendmail.cf, as far as it could and had to be read.
#[derive(Default)]
struct SendmailCf {
    text: Option<Vec<u8>>,
    /// Whether it was named with `-C`: only then does it count for files that sendmail does not read.
    is_named: bool,
}

/// Who is to own a new map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The account that is to own it; none: who makes it.
    pub(crate) account: Option<Account>,
    /// The group that the configuration lets read it.
    pub(crate) group: Option<Group>,
}

impl Host {
    /// Reads the configuration and, as far as it is needed, sendmail.cf.
    pub(crate) fn ask(io: &mut Io, options: &Options, target: &Target) -> Result<Self, Report> {
        let caller = Uid::effective();
        let base = if caller.is_root() { Trust::root() } else { Trust::root().caller(caller) };
        let config = Config::load(options.common.config.as_deref(), &base).map_err(misconfigured)?;
        let by_cf = matching(&target.kind);
        let sendmail_cf = SendmailCf::read(io, options, by_cf.is_some(), caller, &config, &base)?;
        let map_type = match by_cf {
            Some(matching) => Some(type_in_cf(io, &sendmail_cf, options, target, matching)?),
            None if target.kind == IMPLICIT => None,
            None => Some(named_type(target, &target.kind)?),
        };
        let flag = options.common.trusted_user.as_deref().map(account).transpose()?;
        Ok(Self { map_type, config, sendmail_cf, flag, caller })
    }

    /// Whom to trust for this file: root, the TrustedUser, a caller who is not root, and the exceptions that the
    /// configuration names for this file.
    pub(crate) fn trust(&self, io: &mut Io, path: &Path, readers: Readers) -> Result<Trust, Report> {
        let trusted = self.trusted_user(io, readers)?.trust();
        let base = if self.caller.is_root() { trusted } else { trusted.caller(self.caller) };
        Ok(self.config.trust_for(&absolute(path), base))
    }

    /// Whether the configuration says that this file is a secret.
    pub(crate) fn is_secret(&self, path: &Path) -> bool {
        let path = absolute(path);
        self.config.is_client_info(&path) || self.config.kind_of(&path).is_some_and(Kind::is_secret)
    }

    /// Who is to own a new map at this path. Only root can give a file away.
    pub(crate) fn owner(&self, io: &mut Io, path: &Path, readers: Readers) -> Result<Owner, Report> {
        let group = self.config.exceptions(&absolute(path)).iter().find_map(|exception| match exception {
            Exception::GroupReadable(group) => Some(group.clone()),
            _ => None,
        });
        let account = if self.caller.is_root() { self.trusted_user(io, readers)?.account } else { None };
        Ok(Owner { account, group })
    }

    fn trusted_user(&self, io: &mut Io, readers: Readers) -> Result<TrustedUser, Report> {
        let files = match readers {
            Readers::Gatepost => Files::Ours,
            Readers::OtherPrograms => Files::Sendmails,
        };
        if let Some(account) = &self.flag {
            let account = Some(account.clone()).filter(|account| !account.uid.is_root());
            return Ok(TrustedUser { account, origin: Origin::Flag });
        }
        let counts = files == Files::Sendmails || self.sendmail_cf.is_named;
        let text = self.sendmail_cf.text.as_deref().filter(|_| counts);
        let given = Given { flag: None, sendmail_cf: text, config: Some(&self.config) };
        match trusted_user::resolve(&given, files, &HostAccounts) {
            // As with makemap: it says so and root owns the map.
            Err(error @ TrustedUserError::Unknown { origin: Origin::SendmailCf, .. }) => {
                io.warn(&Report::plain(Exit::OK, error));
                Ok(TrustedUser { account: None, origin: Origin::Nobody })
            }
            resolved => resolved.map_err(|error| Report::plain(Exit::OSERR, error)),
        }
    }
}

impl SendmailCf {
    /// The file named with `-C` has to be there. The one at its usual place is read by root alone, as makemap does, and
    /// by who asks for a type from it; without it, or where it is not safe, no TrustedUser comes from it.
    fn read(
        io: &mut Io,
        options: &Options,
        is_needed: bool,
        caller: Uid,
        config: &Config,
        base: &Trust,
    ) -> Result<Self, Report> {
        let is_named = options.sendmail_cf.is_some();
        if !caller.is_root() && !is_needed {
            return Ok(Self::default());
        }
        let path = options.sendmail_cf.as_deref().unwrap_or(Path::new(SENDMAIL_CF));
        let trust = config.trust_for(&absolute(path), base.clone());
        let opened = SafeFile::open(path, Kind::Map, &trust);
        let text = match opened {
            Err(error) if !is_named && !is_needed => {
                if !error.is_missing() {
                    io.warn(&Report::from(error));
                }
                None
            }
            opened => Some(
                opened
                    .map_err(|error| Report::from(error).with_exit(Exit::NOINPUT))?
                    .read_whole(CF_OCTETS)
                    .map_err(|error| Report::new(Exit::NOINPUT, printable::path(path), error))?,
            ),
        };
        Ok(Self { text, is_named })
    }
}

/// The type that the K lines give to the map, or the fallback of `-i`.
fn type_in_cf(
    io: &mut Io,
    cf: &SendmailCf,
    options: &Options,
    target: &Target,
    matching: sendmail_cf::Match,
) -> Result<MapType, Report> {
    let text = cf.text.as_deref().unwrap_or_default();
    if let Some(word) = sendmail_cf::map_type(text, target.name.as_bytes(), matching) {
        return named_type(target, &word);
    }
    let path = options.sendmail_cf.as_deref().unwrap_or(Path::new(SENDMAIL_CF));
    let name = printable::octets(target.name.as_bytes());
    let missing = format!("mapfile {name}: not found in {}", printable::path(path));
    match &target.fallback {
        None => Err(Report::plain(Exit::DATAERR, missing)),
        Some(fallback) => {
            if matches!(options.task, Task::Build(_, building) if building.verbose) {
                io.note(format!("{missing}, using fallback {fallback}"));
            }
            named_type(target, fallback)
        }
    }
}

fn named_type(target: &Target, word: &str) -> Result<MapType, Report> {
    word.parse().map_err(|error| cannot_open(word, target, error))
}

/// `error opening type T map M: CAUSE`, makemap's words for every map that cannot be opened or made.
pub(crate) fn cannot_open(map_type: &str, target: &Target, cause: impl std::fmt::Display) -> Report {
    let name = printable::octets(target.name.as_bytes());
    let map_type = printable::octets(map_type);
    Report::plain(Exit::CANTCREAT, format!("error opening type {map_type} map {name}: {cause}"))
}

/// The same for a report of something else: what it says of cause, reason and remedy stays.
pub(crate) fn cannot_open_because(map_type: &str, target: &Target, report: &Report) -> Report {
    let cause = match report.subject() {
        "" => report.cause().to_owned(),
        subject => format!("{subject}: {}", report.cause()),
    };
    let told = report.why().into_iter().fold(cannot_open(map_type, target, cause), Report::because);
    report.remedy().iter().fold(told, Report::mend)
}

fn matching(kind: &str) -> Option<sendmail_cf::Match> {
    match kind {
        "cf" | "" => Some(sendmail_cf::Match::Path),
        "CF" => Some(sendmail_cf::Match::BaseName),
        _ => None,
    }
}

/// All faults of the configuration at once.
fn misconfigured(error: ConfigError) -> Report {
    match error {
        ConfigError::Open(error) => Report::from(error).with_exit(Exit::CONFIG),
        ConfigError::Read { path, source } => Report::new(Exit::CONFIG, printable::path(&path), source),
        ConfigError::Faults(faults) => faults
            .complaints()
            .map(|(place, cause, hint)| {
                hint.into_iter().fold(Report::new(Exit::CONFIG, place, cause), Report::because)
            })
            .reduce(Report::and)
            .unwrap_or_else(|| Report::plain(Exit::CONFIG, "the configuration is wrong")),
    }
}

fn account(name: &str) -> Result<Account, Report> {
    match Account::by_name(name) {
        Ok(Some(account)) => Ok(account),
        Ok(None) => Err(Report::new(Exit::NOUSER, "--trusted-user", format!("unknown user {name}"))),
        Err(error) => Err(Report::new(Exit::OSERR, "--trusted-user", error)),
    }
}

/// The path as the configuration would name it. A working directory that is gone leaves it as it is: then the
/// configuration names nothing, and opening it will say what is wrong.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The type that is found out from the file.
const IMPLICIT: &str = "implicit";

/// Where sendmail's own makemap looks.
const SENDMAIL_CF: &str = "/etc/mail/sendmail.cf";

/// More than any sendmail.cf: generated ones have some 70 KiB.
const CF_OCTETS: u64 = 16 << 20;
