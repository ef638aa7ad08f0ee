//! On what the daemon stands: the configuration, whose processes it has, and every file that is named. All that is wrong with
//! any of it is found at once, by whoever starts, reloads or only checks.

use std::path::{Path, PathBuf};

use cli::options::Common;
use cli::{Exit, Report};
use config::daemon::{DaemonAccounts, Starter};
use config::trusted_user::{self, Files, Given, TrustedUser};
use config::{Config, FileIndex, FileRole, HostAccounts, Owner};
use safefile::{
    Account, Audit, Kind, OpenError, Reached, Refusal, SafeDir, SafeFile, Trust, Uid, Verdict, display_path,
};

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

    /// Everything that keeps the daemon from starting, as one report.
    pub(crate) fn refusal(self) -> Option<Report> {
        self.dangers.into_iter().chain(self.wrong).reduce(Report::and)
    }
}

impl Ground {
    /// Reads the configuration and finds out all that follows from it. `Err`: nothing does.
    pub(crate) fn read(common: &Common) -> Result<Self, Findings> {
        let starter = starter();
        let nobody = TrustedUser { account: None, origin: trusted_user::Origin::Nobody };
        let (path, text) = text(common.config.as_deref(), &starter.trust(&nobody))?;
        let config = Config::parse(&path, text.as_bytes(), &HostAccounts).map_err(|faults| {
            let complaints = faults.complaints();
            Findings::of(complaints.map(|(subject, cause, hint)| {
                let report = Report::new(Exit::CONFIG, subject, cause);
                hint.into_iter().fold(report, Report::mend)
            }))
        })?;
        Self::of(config, text, starter, common)
    }

    fn of(config: Config, text: String, starter: Starter, common: &Common) -> Result<Self, Findings> {
        let given = Given { flag: common.trusted_user.as_deref(), sendmail_cf: None, config: Some(&config) };
        let trusted_user = trusted_user::resolve(&given, Files::Ours, &HostAccounts)
            .map_err(|error| Findings::of([Report::plain(Exit::CONFIG, error)]))?;
        let accounts = config.daemon(&starter, &trusted_user, &HostAccounts).map_err(|faults| {
            Findings::of(faults.0.iter().map(|fault| Report::plain(Exit::CONFIG, fault)))
        })?;
        let refused = not_served(&config);
        if !refused.is_empty() {
            return Err(Findings::of(refused));
        }
        let base = starter.trust(&trusted_user);
        Ok(Self { config, text, accounts, starter, base })
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

    /// Audits what the daemon will open: every file of its processes, and the configuration.
    pub(crate) fn examined(&self) -> Findings {
        let mut findings = Findings::default();
        let remarks = self.config.remarks.iter().map(|remark| {
            let subject = format!("{}:{}", display_path(&self.config.path), remark.place);
            let report = Report::new(Exit::CONFIG, subject, &remark.cause);
            remark.hint.iter().fold(report, Report::mend)
        });
        findings.remarks.extend(remarks);
        for (path, kind, owner, key) in self.files() {
            let audit = safefile::audit(&path, kind, &self.trust(&path));
            self.judge(&audit, owner, key, &mut findings);
        }
        findings
    }

    fn files(&self) -> Vec<(PathBuf, Kind, Owner, &'static str)> {
        let files = self.config.files().into_iter();
        let files = files.filter(|file| file.owner != Owner::Opener || file.kind == Kind::Configuration);
        files.map(|file| (file.path, file.kind, file.owner, file.named_by)).collect()
    }

    fn judge(&self, audit: &Audit, owner: Owner, key: &str, findings: &mut Findings) {
        let path = display_path(&audit.path);
        findings.dangers.extend(unsafe_reports(audit));
        match &audit.reached {
            Reached::End => findings.wrong.extend(self.unreachable(audit, owner, key)),
            Reached::Failed { component, source } => {
                let cause = format!("{source}: {}", display_path(component));
                findings.wrong.push(Report::new(Exit::NOPERM, path, cause));
            }
            Reached::Missing { .. } if audit.kind == Kind::Configuration && self.text.is_empty() => {}
            Reached::Missing { component } => {
                let cause = format!("{key}: {} is not there", display_path(component));
                let report = Report::new(Exit::NOINPUT, path, cause);
                match self.remedy_of_absence(audit, owner) {
                    Some(remedy) => findings.remarks.push(report.mend(remedy)),
                    None => findings.wrong.push(report),
                }
            }
        }
    }

    /// What the daemon can begin without.
    fn remedy_of_absence(&self, audit: &Audit, owner: Owner) -> Option<String> {
        match (audit.kind, owner) {
            (Kind::Store, _) => Some("saslpasswd -c USER makes it; until then nobody can log in".to_owned()),
            // As `made::fronts_directories` does.
            (Kind::SecretDirectory, Owner::Front) if self.is_waited_for(&audit.path) => Some(format!(
                "it is waited for, since there is a queue: mount it, or install -d -m 0700 -o {} {}",
                self.accounts.front.uid,
                safefile::shell_quote(&audit.path)
            )),
            (Kind::SecretDirectory, Owner::Front) => {
                Some(format!("it is made at the start, for {}", self.accounts.front))
            }
            _ => None,
        }
    }

    /// The Maildirs, where the queue is there: then they were.
    fn is_waited_for(&self, directory: &Path) -> bool {
        let queue = &self.config.queue.directory;
        let is_there = || SafeDir::open(queue, Kind::SecretDirectory, &self.trust(queue)).is_ok();
        directory == self.config.delivery.maildirs && is_there()
    }

    /// What is safe, and belongs to somebody who keeps it from its own process.
    fn unreachable(&self, audit: &Audit, owner: Owner, key: &str) -> Option<Report> {
        let account = match (audit.kind, owner) {
            (Kind::Store, Owner::Keeper) => &self.accounts.keeper,
            (Kind::SecretDirectory, Owner::Front) => &self.accounts.front,
            _ => return None,
        };
        let last = audit.last().filter(|last| last.facts.uid != account.uid)?;
        let owner = Account::by_uid(last.facts.uid);
        let cause = format!("{key}: it belongs to {owner}, and the process that writes to it is {account}");
        let command = format!("chown {} {}", account.uid, safefile::shell_quote(&audit.path));
        Some(Report::new(Exit::NOPERM, display_path(&audit.path), cause).mend(command))
    }
}

/// Every finding of an audit, in authcheck's words.
fn unsafe_reports(audit: &Audit) -> impl Iterator<Item = Report> {
    audit.findings().map(|(component, finding)| {
        Report::from(OpenError::Refused(Box::new(Refusal {
            path: audit.path.clone(),
            kind: audit.kind,
            component: component.path.clone(),
            role: component.role,
            finding: finding.clone(),
        })))
    })
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
