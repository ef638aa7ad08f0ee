//! What the host says of a map: which file it is, of which type, whom to trust for it, who is to own it.
//!
//! The answers come from gatepost.toml, from sendmail.cf and from the accounts of the host. Nothing here opens the map.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cli::{Exit, Io, Report, printable};
use config::trusted_user::{self, Files, Given, Origin, TrustedUser, TrustedUserError};
use config::{Config, ConfigError, HostAccounts, sendmail_cf};
use safefile::{Account, Exception, Group, Kind, OpenError, Refusal, SafeFile, Trust, Uid};
use store::maps::{MapType, Readers};

use crate::options::{IMPLICIT, Options, Target, Task};

/// What the host says of one map.
pub(crate) struct Host {
    /// The type, where one was named or sendmail.cf named one; none for `implicit`.
    pub(crate) map_type: Option<MapType>,
    config: Config,
    sendmail_cf: SendmailCf,
    flag: Option<Account>,
    caller: Uid,
}

/// Who is trusted for a map that is to be built, and who is to own it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// Whom to trust for the file.
    pub(crate) trust: Trust,
    /// The account that is to own a new map; none: who makes it.
    pub(crate) owner: Option<Account>,
    /// The group that the configuration lets read it.
    pub(crate) group: Option<Group>,
}

impl Host {
    /// Reads the configuration and, as far as it is needed for that, finds the type of the map.
    pub(crate) fn ask(io: &mut Io, options: &Options, target: &Target) -> Result<Self, Report> {
        let caller = Uid::effective();
        let base = if caller.is_root() { Trust::root() } else { Trust::root().caller(caller) };
        let config = Config::load(options.common.config.as_deref(), &base).map_err(misconfigured)?;
        let by_cf = matching(&target.kind);
        let mut sendmail_cf = SendmailCf::new(options, &config, base);
        if by_cf.is_some() || (sendmail_cf.is_named && caller.is_root()) {
            sendmail_cf.must_be_there()?;
        }
        let map_type = match by_cf {
            Some(matching) => Some(type_in_cf(io, &sendmail_cf, options, target, matching)?),
            None if target.kind == IMPLICIT => None,
            None => Some(named_type(target, &target.kind)?),
        };
        let flag = options.common.trusted_user.as_deref().map(account).transpose()?;
        Ok(Self { map_type, config, sendmail_cf, flag, caller })
    }

    /// Whom to trust for a file that is read: root, the TrustedUser, a caller who is not root, and the exceptions that
    /// the configuration names for this file.
    pub(crate) fn trust(&self, io: &mut Io, path: &Path) -> Result<Trust, Report> {
        let text = self.sendmail_cf.text.as_deref().filter(|_| self.sendmail_cf.is_named);
        let trusted = self.trusted_user(io, Files::Ours, text)?;
        Ok(self.trust_in(&trusted, path))
    }

    /// The same for a map that other programs read, whose owner is not trusted so: sendmail's makemap gives what it makes
    /// to the TrustedUser of sendmail.cf, whoever started it. A sendmail.cf that is not safe names nobody: who can write
    /// its directory could name himself; then it is told why.
    pub(crate) fn trust_as_sendmail(
        &self,
        io: &mut Io,
        path: &Path,
        refused: &Refusal,
    ) -> Result<Result<Trust, Report>, Report> {
        if self.flag.is_some() {
            return self.trust(io, path).map(Ok);
        }
        let text = match self.sendmail_cf.open() {
            Ok(file) => Some(self.sendmail_cf.read(&file)?),
            Err(error) if error.is_missing() => None,
            Err(error) => return Ok(Err(not_believed(error, &refused.finding.found.owner.short()))),
        };
        let trusted = self.trusted_user(io, Files::Sendmails, text.as_deref())?;
        Ok(Ok(self.trust_in(&trusted, path)))
    }

    /// The same for a map that is to be built for these readers, and who is to own it. Only root can give a file away.
    pub(crate) fn ownership(&self, io: &mut Io, path: &Path, readers: Readers) -> Result<Ownership, Report> {
        let trusted = match readers {
            Readers::Gatepost => {
                let text = self.sendmail_cf.text.as_deref().filter(|_| self.sendmail_cf.is_named);
                self.trusted_user(io, Files::Ours, text)?
            }
            // Who is named on the command line is not looked for in sendmail.cf.
            Readers::OtherPrograms if self.flag.is_some() => self.trusted_user(io, Files::Sendmails, None)?,
            Readers::OtherPrograms => {
                let text = self.sendmail_cf.as_makemap_finds_it(io, self.caller)?;
                self.trusted_user(io, Files::Sendmails, text.as_deref())?
            }
        };
        let group = self.config.exceptions(&absolute(path)).iter().find_map(|exception| match exception {
            Exception::GroupReadable(group) => Some(group.clone()),
            _ => None,
        });
        let trust = self.trust_in(&trusted, path);
        Ok(Ownership { trust, owner: trusted.account.filter(|_| self.caller.is_root()), group })
    }

    /// Whether the configuration says that this file is a secret.
    pub(crate) fn is_secret(&self, path: &Path) -> bool {
        let path = absolute(path);
        self.config.is_client_info(&path) || self.config.kind_of(&path).is_some_and(Kind::is_secret)
    }

    fn trust_in(&self, trusted: &TrustedUser, path: &Path) -> Trust {
        let trust = trusted.trust();
        let base = if self.caller.is_root() { trust } else { trust.caller(self.caller) };
        self.config.trust_for(&absolute(path), base)
    }

    fn trusted_user(
        &self,
        io: &mut Io,
        files: Files,
        sendmail_cf: Option<&[u8]>,
    ) -> Result<TrustedUser, Report> {
        if let Some(account) = &self.flag {
            let account = Some(account.clone()).filter(|account| !account.uid.is_root());
            return Ok(TrustedUser { account, origin: Origin::Flag });
        }
        let given = Given { flag: None, sendmail_cf, config: Some(&self.config) };
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

/// sendmail.cf: read when it is needed and not before, since it need not be there, or be safe, for a map that sendmail
/// does not read.
struct SendmailCf {
    path: PathBuf,
    trust: Trust,
    /// Whether it was named with `-C`: only then does it count for maps that sendmail does not read.
    is_named: bool,
    text: Option<Vec<u8>>,
}

impl SendmailCf {
    fn new(options: &Options, config: &Config, base: Trust) -> Self {
        let named = options.sendmail_cf.clone();
        let is_named = named.is_some();
        let path = named.unwrap_or_else(|| SENDMAIL_CF.into());
        let trust = config.trust_for(&absolute(&path), base);
        Self { path, trust, is_named, text: None }
    }

    fn must_be_there(&mut self) -> Result<(), Report> {
        let file = self.open().map_err(|error| Report::from(error).with_exit(Exit::NOINPUT))?;
        self.text = Some(self.read(&file)?);
        Ok(())
    }

    /// The file named, or, for root as with makemap, the one at its usual place. Where that is missing nobody is named in
    /// it, and where it is not safe nobody in it is believed.
    fn as_makemap_finds_it(&self, io: &mut Io, caller: Uid) -> Result<Option<Vec<u8>>, Report> {
        if self.text.is_some() || !caller.is_root() {
            return Ok(self.text.clone());
        }
        match self.open() {
            Ok(file) => self.read(&file).map(Some),
            Err(error) => {
                if !error.is_missing() {
                    io.warn(&not_believed(error, "USER"));
                }
                Ok(None)
            }
        }
    }

    fn open(&self) -> Result<SafeFile, OpenError> {
        SafeFile::open(&self.path, Kind::Map, &self.trust)
    }

    fn read(&self, file: &SafeFile) -> Result<Vec<u8>, Report> {
        file.read_whole(CF_OCTETS)
            .map_err(|error| Report::new(Exit::NOINPUT, printable::path(&self.path), error))
    }
}

/// What is said of a sendmail.cf that is not safe, and the option that says the same as its TrustedUser would.
fn not_believed(error: OpenError, user: &str) -> Report {
    let report = Report::from(error);
    let why = report.why().map(|why| format!(", for {why}")).unwrap_or_default();
    report
        .because(format_args!("nobody is trusted because this file names him{why}"))
        .mend(format_args!("--trusted-user {user}, if you know that sendmail's TrustedUser is {user}"))
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
    let name = printable::octets(target.name.as_bytes());
    let missing = format!("mapfile {name}: not found in {}", printable::path(&cf.path));
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

/// Where sendmail's own makemap looks.
const SENDMAIL_CF: &str = "/etc/mail/sendmail.cf";

/// More than any sendmail.cf: generated ones have some 70 KiB.
const CF_OCTETS: u64 = 16 << 20;
