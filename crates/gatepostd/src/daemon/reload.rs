//! The configuration read again while the daemon runs.

use cli::{Exit, Level, Report};
use serde_json::Value;
use wire::Generation;

use super::Daemon;
use crate::ground::Ground;
use crate::journal::{Journal, Line, Priority};
use crate::made;
use crate::role::Role;

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
        self.journal.write(&line.with("generation", self.generation.0));
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
        made::fronts_directories(&ground)?;
        let sockets = self.sockets.following(&ground.config.listen, ground.own_trust()).map_err(all)?;
        self.journal.follow(ground.config.log_level, ground.config.log_format);
        (self.ground, self.sockets) = (ground, sockets);
        self.generation = Generation(self.generation.0.wrapping_add(1));
        for role in Role::ALL {
            self.configure(role);
        }
        Ok(remarks)
    }

    /// Processes do not change their accounts; and mail that waits in one queue would be nobody's in another.
    fn needs_restart(&self, ground: &Ground) -> Option<Report> {
        let refused = |key, cause| Report::new(Exit::CONFIG, key, cause).mend("restart the daemon");
        if ground.accounts != self.ground.accounts {
            return Some(refused(
                "run_as, trusted_user",
                "keeper or front would run as another account than now",
            ));
        }
        let is_moved = ground.config.queue.directory != self.ground.config.queue.directory;
        is_moved.then(|| {
            refused("queue.directory", "mail that waits where it is now would be left there: empty it first")
        })
    }

    /// What was made at the start stays where it is.
    fn comes_with_restart(&self, ground: &Ground) -> Vec<Report> {
        let (now, then) = (&self.ground.config, &ground.config);
        let moved = [
            ("control_socket", now.control_socket != then.control_socket),
            ("pid_file", now.pid_file != then.pid_file),
            ("queue.directory", now.queue != then.queue),
            ("delivery.maildirs", now.delivery != then.delivery),
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
