//! Everything that can be seen of the files that a configuration names, and of the places where the daemon makes something of
//! its own. Nothing is made here. The configuration may have faults and accounts may be missing: what would only follow from
//! that is not said.

use std::path::{Path, PathBuf};

use cli::{Exit, Report};
use config::{Config, Owner};
use safefile::{
    Account, Audit, Kind, OpenError, Reached, Refusal, SafeDir, Trust, display_path, shell_quote,
};

use super::Findings;

/// What is looked at, and what is known for it.
pub(super) struct Examination<'g> {
    pub(super) config: &'g Config,
    pub(super) base: &'g Trust,
    /// As whom the keeper would run.
    pub(super) keeper: Option<&'g Account>,
    /// As whom the front would run.
    pub(super) front: Option<&'g Account>,
    /// Whether there is a configuration at all.
    pub(super) is_there: bool,
    /// Whether it is known who may own what. If not, only what is missing is told.
    pub(super) is_sure: bool,
}

impl Examination<'_> {
    pub(super) fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        let remarks = self.config.remarks.iter().map(|remark| {
            let subject = format!("{}:{}", display_path(&self.config.path), remark.place);
            let report = Report::new(Exit::CONFIG, subject, &remark.cause);
            remark.hint.iter().fold(report, Report::mend)
        });
        findings.remarks.extend(remarks);
        for (path, kind, owner, key) in self.files() {
            let trust = self.config.trust_beside(&path, self.base.clone(), self.front);
            let audit = safefile::audit(&path, kind, &trust);
            self.judge(&audit, owner, key, &mut findings);
        }
        self.places(&mut findings);
        findings
    }

    fn files(&self) -> Vec<(PathBuf, Kind, Owner, &'static str)> {
        let files = self.config.files().into_iter();
        let files = files.filter(|file| file.owner != Owner::Opener || file.kind == Kind::Configuration);
        files.map(|file| (file.path, file.kind, file.owner, file.named_by)).collect()
    }

    fn judge(&self, audit: &Audit, owner: Owner, key: &str, findings: &mut Findings) {
        let path = display_path(&audit.path);
        let knows_owner = self.front.is_some() || audit.kind != Kind::SecretDirectory;
        if self.is_sure && knows_owner {
            findings.dangers.extend(unsafe_reports(audit));
        }
        match &audit.reached {
            Reached::End if self.is_sure => findings.wrong.extend(self.unreachable(audit, owner, key)),
            Reached::End => {}
            Reached::Failed { component, source } => {
                let cause = format!("{source}: {}", display_path(component));
                findings.wrong.push(Report::new(Exit::NOPERM, path, cause));
            }
            Reached::Missing { .. } if audit.kind == Kind::Configuration && !self.is_there => {}
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
            (Kind::SecretDirectory, Owner::Front) => {
                let front = self.front.map_or_else(|| self.config.front().to_owned(), Account::to_string);
                Some(if self.is_waited_for(&audit.path) {
                    format!("it is waited for, since there is a queue: mount it, or make it anew for {front}")
                } else {
                    format!("it is made at the start, for {front}")
                })
            }
            _ => None,
        }
    }

    /// The Maildirs, where the queue is there: then they were, as `made::fronts_directories` sees it.
    fn is_waited_for(&self, directory: &Path) -> bool {
        let queue = &self.config.queue.directory;
        let trust = self.config.trust_beside(queue, self.base.clone(), self.front);
        directory == self.config.delivery.maildirs
            && SafeDir::open(queue, Kind::SecretDirectory, &trust).is_ok()
    }

    /// What is safe, and belongs to somebody who keeps it from its own process.
    fn unreachable(&self, audit: &Audit, owner: Owner, key: &str) -> Option<Report> {
        let account = match (audit.kind, owner) {
            (Kind::Store, Owner::Keeper) => self.keeper?,
            (Kind::SecretDirectory, Owner::Front) => self.front?,
            _ => return None,
        };
        let last = audit.last().filter(|last| last.facts.uid != account.uid)?;
        let owner = Account::by_uid(last.facts.uid);
        let cause = format!("{key}: it belongs to {owner}, and the process that writes to it is {account}");
        let command = format!("chown {} {}", account.uid, shell_quote(&audit.path));
        Some(Report::new(Exit::NOPERM, display_path(&audit.path), cause).mend(command))
    }

    /// Directories in which the daemon makes something, judged as at the start, each once.
    fn places(&self, findings: &mut Findings) {
        let config = self.config;
        let own = [("control_socket", &*config.control_socket), ("pid_file", &*config.pid_file)];
        let sockets = config.listen.iter().filter_map(|listener| listener.endpoint.socket());
        let places = own.into_iter().map(|(key, path)| (key, path, true));
        let places = places.chain(sockets.map(|path| ("listen.socket", path, false)));
        let mut known = Vec::new();
        for (key, path, is_made) in places {
            let Some(directory) = path.parent().filter(|directory| !known.contains(directory)) else {
                continue;
            };
            known.push(directory);
            match self.place(directory, is_made) {
                Err(OpenError::Refused(_)) if !self.is_sure => {}
                Err(error) => {
                    let is_unsafe = matches!(error, OpenError::Refused(_));
                    let report = Report::from(error).mend(format!("or let {key} name another place"));
                    let list = if is_unsafe { &mut findings.dangers } else { &mut findings.wrong };
                    list.push(report);
                }
                Ok(_) => {}
            }
        }
    }

    /// A directory, or the one in which it is made where it is missing.
    fn place(&self, directory: &Path, is_made: bool) -> Result<SafeDir, OpenError> {
        let open = |path: &Path| SafeDir::open(path, Kind::Configuration, self.base);
        match (open(directory), directory.parent()) {
            (Err(error), Some(parent)) if is_made && error.is_missing() => open(parent),
            (opened, _) => opened,
        }
    }
}

/// Every finding of an audit, in authcheck's words.
pub(super) fn unsafe_reports(audit: &Audit) -> impl Iterator<Item = Report> {
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
