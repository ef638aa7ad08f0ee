//! The configuration read again while the daemon runs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cli::{Exit, Level, Report};
use config::Config;
use safefile::shell_quote;
use serde_json::{Value, json};
use wire::Generation;

use super::Daemon;
use super::generations::{Fate, Refused};
use crate::ground::Ground;
use crate::journal::{Journal, Line, Priority};
use crate::listen::Sockets;
use crate::role::Role;
use crate::supervise::Event;
use crate::worker::Worker;

impl Daemon {
    /// Reads the configuration again. One with faults changes nothing, and all of them are said.
    pub(super) fn reload(&mut self) -> Result<Vec<Value>, Vec<Value>> {
        self.notify.reloading();
        let reloaded = self.reread();
        let (line, answer) = match reloaded {
            Ok(remarks) => {
                tell_remarks(&self.journal, &remarks);
                let remarks = objects(&remarks, Level::Warning);
                (Line::new(Priority::Notice, 1, "the configuration was read again"), Ok(remarks))
            }
            Err(report) => {
                let text = report.to_text("reload", Level::Error);
                let text = format!("the configuration is refused, the one before stays\n{}", text.trim_end());
                (Line::new(Priority::Error, 0, text), Err(report.to_json("gatepostd", Level::Error)))
            }
        };
        self.journal.write(&line.with_number("generation", self.generations.current().0));
        self.notify.ready(&self.words());
        answer
    }

    fn reread(&mut self) -> Result<Vec<Report>, Report> {
        let ground = Ground::read(&self.common);
        let ground = ground.map_err(|findings| findings.refusal().unwrap_or_else(unknown_fault))?;
        let mut findings = ground.examined();
        let mut remarks = std::mem::take(&mut findings.remarks);
        findings.wrong.extend(self.needs_restart(&ground));
        findings.refusal().map_or(Ok(()), Err)?;
        remarks.extend(self.comes_with_restart(&ground));
        let earlier = self.generations.all_kept().map(|(_, sockets)| sockets);
        let sockets = self.sockets.following(earlier, &ground.config.listen, ground.own_trust());
        let before = self.replace(ground, sockets.map_err(all)?);
        self.generations.follow(before);
        self.named.extend(self.sockets.names().map(Path::to_owned));
        self.tell_all();
        Ok(remarks)
    }

    /// What was in force until now.
    fn replace(&mut self, ground: Ground, sockets: Sockets) -> (Ground, Sockets) {
        self.journal.follow(ground.config.log_level, ground.config.log_format);
        (std::mem::replace(&mut self.ground, ground), std::mem::replace(&mut self.sockets, sockets))
    }

    fn tell_all(&mut self) {
        for role in Role::ALL {
            self.configure(role);
        }
    }

    /// The front reads maps, and root does not: what it finds there counts as a fault of the configuration. The one that it
    /// had is put back; where there is none, a start has failed.
    pub(super) fn refused(&mut self, role: Role, generation: Generation, file: u16) {
        if !self.generations.may_be_refused(generation) {
            return;
        }
        let ground = self.generations.kept(generation).map_or(&self.ground, |(ground, _)| ground);
        let Some(report) = ground.holds_secrets(file) else { return };
        let text = report.to_text("reload", Level::Error);
        let text = format!("the configuration is refused\n{}", text.trim_end());
        self.journal.write(&Line::new(Priority::Error, 0, text).with_number("generation", generation.0));
        match self.generations.refused(generation, report.to_json("gatepostd", Level::Error)) {
            Refused::Stays => {}
            Refused::Start => {
                self.refusal = Some(report);
                self.on(Event::Refused(role));
            }
            Refused::Back((ground, sockets)) => {
                let sockets = sockets.after(&self.sockets);
                self.replace(ground, sockets);
                self.generations.restore();
                self.tell_all();
                let line = Line::new(Priority::Notice, 0, "the configuration before is in force again");
                self.journal.write(&line.with_number("generation", self.generations.current().0));
                self.notify.ready(&self.words());
            }
        }
    }

    /// What became of a configuration that somebody had read.
    pub(super) fn fate(&self, generation: Generation) -> Value {
        match self.generations.fate(generation) {
            Some(Fate::Taken) => json!({"fate": "taken"}),
            Some(Fate::Refused(faults)) => json!({"fate": "refused", "refused": faults}),
            None if self.generations.is_open(generation) => json!({"fate": "open"}),
            None => json!({"fate": "overtaken"}),
        }
    }

    /// A front that neither takes a configuration nor refuses it works by one that nobody wants any more.
    pub(super) fn look_for_overdue(&mut self, now: Instant) {
        if self.supervisor.is_stopping() || !self.generations.is_overdue(now) {
            return;
        }
        self.generations.front_has_left();
        let text = "the front says nothing of the configuration, and is to be started again";
        let line =
            Line::new(Priority::Critical, 0, text).with_number("generation", self.generations.current().0);
        self.journal.write(&line);
        self.front.iter_mut().for_each(Worker::kill);
    }

    /// Processes do not change their accounts; and mail that waits in one queue would be nobody's in another.
    fn needs_restart(&self, ground: &Ground) -> Option<Report> {
        if ground.accounts != self.ground.accounts {
            let cause = "keeper or front would run as another account than now";
            return Some(Report::new(Exit::CONFIG, "run_as, trusted_user", cause).mend("restart the daemon"));
        }
        let (now, then) = (&self.ground.config.queue.directory, &ground.config.queue.directory);
        (then != now).then(|| {
            let cause = "the queue does not move while the daemon runs";
            Report::new(Exit::CONFIG, "queue.directory", cause)
                .because("mail that waits where it is now would be left there, by a restart too")
                .mend(format!("stop the daemon; mv -T {} {}; start it", shell_quote(now), shell_quote(then)))
        })
    }

    /// What was made at the start stays where it is.
    fn comes_with_restart(&self, ground: &Ground) -> Vec<Report> {
        let (now, then) = (&self.standing, Standing::of(&ground.config));
        let moved = [
            ("control_socket", now.control_socket != then.control_socket),
            ("pid_file", now.pid_file != then.pid_file),
            ("delivery.maildirs", now.maildirs != then.maildirs),
        ];
        let moved = moved.into_iter().filter(|(_, is_moved)| *is_moved);
        moved
            .map(|(key, _)| {
                let cause = "it stays where it is until the daemon is started again";
                Report::new(Exit::CONFIG, key, cause).mend("restart the daemon")
            })
            .collect()
    }
}

/// What does not move while it is in use, whatever a configuration says that was read later.
pub(super) struct Standing {
    control_socket: PathBuf,
    pid_file: PathBuf,
    /// As the front was told at its start.
    pub(super) maildirs: PathBuf,
}

impl Standing {
    /// As at a start with this configuration.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            control_socket: config.control_socket.clone(),
            pid_file: config.pid_file.clone(),
            maildirs: config.delivery.maildirs.clone(),
        }
    }
}

pub(super) fn tell_remarks(journal: &Journal, remarks: &[Report]) {
    for remark in remarks {
        let text = format!("{}: {}", remark.subject(), remark.cause());
        journal.write(&Line::new(Priority::Warning, 8, text));
    }
}

fn objects(reports: &[Report], level: Level) -> Vec<Value> {
    reports.iter().flat_map(|report| report.to_json("gatepostd", level)).collect()
}

pub(super) fn all(reports: Vec<Report>) -> Report {
    reports.into_iter().reduce(Report::and).unwrap_or_else(unknown_fault)
}

pub(super) fn unknown_fault() -> Report {
    Report::plain(Exit::SOFTWARE, "something is wrong, and nothing says what")
}
