//! On what the daemon stands: the configuration, whose processes it has, and every file that is named. All that is wrong with
//! any of it is found at once, by whoever starts, reloads or only checks.

use std::path::{Path, PathBuf};

use cli::options::Common;
use cli::{Exit, Report};
use config::daemon::{DaemonAccounts, DaemonFault, Starter};
use config::trusted_user::{self, Files, Given, TrustedUser};
use config::{Accounts, Config, ConfigFaults, FileIndex, FileRole, HostAccounts, Readable};
use safefile::{Account, Kind, OpenError, SafeFile, Trust, Uid, Verdict, display_path};

mod examination;

use examination::{Examination, unsafe_reports};

/// A configuration that is right, and what follows from it.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) config: Config,
    /// As it was read: keeper and front read the same.
    pub(crate) text: String,
    pub(crate) accounts: DaemonAccounts,
    pub(crate) starter: Starter,
    base: Trust,
}

/// What was found to be wrong.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is unsafe.
    pub(crate) dangers: Vec<Report>,
    /// What is wrong otherwise, or could not be checked.
    pub(crate) wrong: Vec<Report>,
    /// What is no fault and had better be known.
    pub(crate) remarks: Vec<Report>,
}

impl Findings {
    fn of(wrong: impl IntoIterator<Item = Report>) -> Self {
        Self { wrong: wrong.into_iter().collect(), ..Self::default() }
    }

    /// Everything that keeps the daemon from starting, as one report. Faults of the configuration stand first, and the exit is
    /// theirs: what files are depends on it.
    pub(crate) fn refusal(self) -> Option<Report> {
        let all = self.dangers.into_iter().chain(self.wrong);
        let (faults, others): (Vec<_>, Vec<_>) = all.partition(|report| report.exit() == Exit::CONFIG);
        faults.into_iter().chain(others).reduce(Report::and)
    }
}

impl Ground {
    /// Reads the configuration and finds out all that follows from it. `Err`: nothing does.
    pub(crate) fn read(common: &Common) -> Result<Self, Findings> {
        let starter = starter();
        let nobody = TrustedUser { account: None, origin: trusted_user::Origin::Nobody };
        let (path, text) = text(common.config.as_deref(), &starter.trust(&nobody))?;
        let readable = Config::read_past(&path, text.as_bytes(), &HostAccounts);
        Self::of(readable, text, starter, common)
    }

    /// Of a text with faults nothing comes but more findings: what accounts and files have against it, too.
    fn of(readable: Readable, text: String, starter: Starter, common: &Common) -> Result<Self, Findings> {
        let Readable { config, faults, knows_accounts } = readable;
        let mut wrong: Vec<_> = faults.iter().flat_map(complaints).collect();
        let given = Given { flag: common.trusted_user.as_deref(), sendmail_cf: None, config: Some(&config) };
        let resolved = trusted_user::resolve(&given, Files::Ours, &HostAccounts);
        let mut is_sure = knows_accounts && resolved.is_ok();
        let trusted_user = resolved.unwrap_or_else(|error| {
            wrong.push(Report::plain(Exit::CONFIG, error));
            TrustedUser { account: None, origin: trusted_user::Origin::Nobody }
        });
        let accounts = config.daemon(&starter, &trusted_user, &HostAccounts);
        let faults = accounts.as_ref().err().into_iter().flat_map(|faults| &faults.0);
        // Of an account that nobody knows nothing else is wrong.
        let faults = faults.filter(|fault| is_sure || matches!(fault, DaemonFault::Shared { .. }));
        wrong.extend(faults.map(|fault| Report::plain(Exit::CONFIG, fault)));
        wrong.extend(not_served(&config));
        let base = starter.trust(&trusted_user);
        let accounts = match accounts {
            Ok(accounts) if wrong.is_empty() => return Ok(Self { config, text, accounts, starter, base }),
            accounts => accounts.ok(),
        };
        let (keeper, front) = match (&accounts, &starter) {
            (Some(accounts), _) => (Some(accounts.keeper.clone()), Some(accounts.front.clone())),
            (None, Starter::Somebody(account)) => (Some(account.clone()), Some(account.clone())),
            (None, Starter::Root) => (trusted_user.account, HostAccounts.user(config.front()).ok().flatten()),
        };
        is_sure &= keeper.is_some();
        let (keeper, front, is_there) = (keeper.as_ref(), front.as_ref(), !text.is_empty());
        let examination = Examination { config: &config, base: &base, keeper, front, is_there, is_sure };
        let mut findings = examination.findings();
        findings.wrong.splice(0..0, wrong);
        Err(findings)
    }

    /// Whom to trust for a path.
    pub(crate) fn trust(&self, path: &Path) -> Trust {
        self.config.trust_beside(path, self.base.clone(), Some(&self.accounts.front))
    }

    /// Whom to trust for what this process makes itself: sockets and the pid file.
    pub(crate) fn own_trust(&self) -> &Trust {
        &self.base
    }

    /// Whether keeper and front have accounts of their own.
    pub(crate) fn is_divided(&self) -> bool {
        self.starter == Starter::Root
    }

    /// What is to be said when the map of this number holds client-info; `None` where it is no map of the front.
    pub(crate) fn holds_secrets(&self, file: u16) -> Option<Report> {
        let role = FileRole::of(FileIndex(file))?;
        let (_, map) = self.config.front_maps().into_iter().find(|(known, _)| *known == role)?;
        let split = self.config.split(role.key(), map);
        let report = Report::new(Exit::CONFIG, display_path(&split.path), &split.cause).because(&split.why);
        Some(split.commands.into_iter().fold(report, Report::mend))
    }

    /// Audits what the daemon will open and where it will make something: every file of its processes, the configuration,
    /// the directories of its sockets and of the pid file.
    pub(crate) fn examined(&self) -> Findings {
        let (keeper, front) = (Some(&self.accounts.keeper), Some(&self.accounts.front));
        let is_there = !self.text.is_empty();
        let examination =
            Examination { config: &self.config, base: &self.base, keeper, front, is_there, is_sure: true };
        examination.findings()
    }
}

/// Every fault of the text, with its place.
fn complaints(faults: &ConfigFaults) -> Vec<Report> {
    let reports = faults.complaints().map(|(subject, cause, hint)| {
        let report = Report::new(Exit::CONFIG, subject, cause);
        hint.into_iter().fold(report, Report::mend)
    });
    reports.collect()
}

/// What is right, and the keeper cannot do: it would refuse it when it is in force already. The resolver is not asked
/// for our name, for root has nothing to do with the network.
fn not_served(config: &Config) -> Vec<Report> {
    let named = config.host_name.clone().or_else(|| "host.invalid".parse().ok());
    let config = Config { host_name: named, ..config.clone() };
    let keeper = keeper::Settings::of(&config).err();
    let many = (config.listen.len() > MOST_LISTENERS)
        .then(|| Report::new(Exit::CONFIG, "listen", format_args!("more than {MOST_LISTENERS} blocks")));
    let keeper = keeper.map(|error| Report::new(Exit::CONFIG, "auth.realm", error));
    keeper.into_iter().chain(many).collect()
}

/// By whom this program was started.
pub(crate) fn starter() -> Starter {
    let uid = Uid::effective();
    if uid.is_root() { Starter::Root } else { Starter::Somebody(Account::by_uid(uid)) }
}

/// The configuration as it stands there; none at the default place is an empty one.
fn text(named: Option<&Path>, trust: &Trust) -> Result<(PathBuf, String), Findings> {
    let path = std::path::absolute(named.unwrap_or(Path::new(config::DEFAULT_PATH)));
    let path = path.map_err(|error| Findings::of([Report::plain(Exit::OSERR, error)]))?;
    let file = match SafeFile::open(&path, Kind::Configuration, trust) {
        Ok(file) => file,
        Err(error) if error.is_missing() && named.is_none() => return Ok((path, String::new())),
        Err(OpenError::Refused(_)) => return Err(all_of(&path, trust)),
        Err(error) => return Err(Findings::of([Report::from(error)])),
    };
    let octets = file.read_whole(MOST_OCTETS).map_err(|error| {
        let why = format!("a configuration of the daemon has at most {MOST_OCTETS} octets");
        Findings::of([Report::new(Exit::CONFIG, display_path(&path), error).because(why)])
    })?;
    let not_utf_8 = |error| Findings::of([Report::new(Exit::CONFIG, display_path(&path), error)]);
    String::from_utf8(octets).map(|text| (path.clone(), text)).map_err(not_utf_8)
}

/// Opening ends at the first finding, and all of them are wanted.
fn all_of(path: &Path, trust: &Trust) -> Findings {
    let audit = safefile::audit(path, Kind::Configuration, trust);
    let mut findings = Findings { dangers: unsafe_reports(&audit).collect(), ..Findings::default() };
    if audit.verdict() != Verdict::Unsafe {
        findings.wrong.push(Report::new(
            Exit::TEMPFAIL,
            display_path(path),
            "the file is just being changed",
        ));
    }
    findings
}

/// It goes to keeper and front in one message.
const MOST_OCTETS: u64 = wire::MAX_MESSAGE as u64 - 8192;
/// With it go the numbers of its listeners.
const MOST_LISTENERS: usize = 512;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make unsafe files on purpose")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use cli::Level;

    use super::*;

    fn write(dir: &Path, name: &str, text: &str, mode: u32) {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
    }

    fn read(dir: &Path) -> Result<Ground, Findings> {
        Ground::read(&Common { config: Some(dir.join("gatepost.toml")), ..Common::default() })
    }

    fn said(reports: &[Report]) -> String {
        reports.iter().map(|report| report.to_text("gatepostd", Level::Error)).collect()
    }

    #[test]
    fn every_fault_of_the_configuration_is_said_with_its_place() {
        let dir = ::tests::scratch::dir();
        write(dir.path(), "gatepost.toml", "log_level = 99\nauht = 1\n", 0o600);
        let findings = read(dir.path()).unwrap_err();
        let said = said(&findings.wrong);
        assert!(said.contains("gatepost.toml:1:13: ") && said.contains("gatepost.toml:2:1: "), "{said}");
    }

    #[test]
    fn everything_that_is_unsafe_is_said_at_once() {
        let dir = ::tests::scratch::dir();
        fs::create_dir(dir.path().join("open")).unwrap();
        fs::set_permissions(dir.path().join("open"), Permissions::from_mode(0o777)).unwrap();
        write(dir.path(), "open/gatepost.toml", "", 0o666);
        let findings = read(&dir.path().join("open")).unwrap_err();
        assert!(findings.dangers.len() >= 2, "{findings:?}");
        assert_eq!(findings.refusal().unwrap().exit(), Exit::NOPERM);
    }

    #[test]
    fn a_daemon_of_somebody_who_tries_it_out_has_one_account() {
        if !Uid::effective().is_root() {
            let dir = ::tests::scratch::dir();
            write(dir.path(), "gatepost.toml", "", 0o600);
            let ground = read(dir.path()).unwrap();
            assert!(!ground.is_divided() && ground.accounts.keeper == ground.accounts.front);
        }
    }
}
