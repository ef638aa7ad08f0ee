//! What is said when something fails, and with which number: saslpasswd2's for what saslpasswd2 does, sysexits' for the
//! rest.

use std::path::Path;

use cli::{Exit, Report, printable};
use config::ConfigError;
use credential::PasswordError;
use safefile::{Kind, ReplaceError, Trust, open_unsafe_for_audit};
use store::StoreError;
use store::secrets::import::{self, Found};
use zeroize::Zeroizing;

use crate::options::Task;
use crate::site::quoted;

/// A failure of the store, with the number of sysexits.
pub(crate) fn report(error: StoreError) -> Report {
    match error {
        StoreError::Refused(error) | StoreError::NotReplaced(ReplaceError::Open(error)) => error.into(),
        error => {
            let exit = exit(&error);
            let report = Report::plain(exit, &error);
            explained(report, &error)
        }
    }
}

fn exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Missing { .. } => Exit::NOINPUT,
        StoreError::Exists { .. } | StoreError::NotReplaced(_) => Exit::CANTCREAT,
        StoreError::Damaged { .. } | StoreError::Format { .. } | StoreError::Unstorable { .. } => {
            Exit::DATAERR
        }
        StoreError::Busy { .. } | StoreError::OtherGeneration { .. } => Exit::TEMPFAIL,
        _ => Exit::IOERR,
    }
}

fn explained(report: Report, error: &StoreError) -> Report {
    match error {
        StoreError::Damaged { path, .. } => report
            .because("a damaged store is never taken for an empty one")
            .mend(format_args!("authcheck store {}", quoted(path)))
            .mend("saslpasswd --load DUMP into a new store, or a copy made by saslpasswd --backup"),
        StoreError::Busy { .. } => report.mend("the same command with --wait SECONDS"),
        StoreError::OtherGeneration { .. } => {
            report.because("two generations of the programs cannot share one store; one has to stop first")
        }
        StoreError::Full { .. } => report.because("what was there before is intact"),
        _ => report,
    }
}

/// The store could not be opened; perhaps it is another program's database.
pub(crate) fn not_opened(error: StoreError, path: &Path) -> Report {
    let may_be_foreign = matches!(error, StoreError::Damaged { .. } | StoreError::Refused(_));
    match may_be_foreign.then(|| foreign(path)).flatten() {
        Some(report) => report,
        None => report(error),
    }
}

/// Says so when a path names a sasldb of Cyrus SASL, which is imported and never written to.
fn foreign(path: &Path) -> Option<Report> {
    let seen = open_unsafe_for_audit(path, Kind::Secret, &Trust::root(), LARGEST_SASLDB).ok()?;
    let contents = Zeroizing::new(seen.contents?);
    let start = &contents[..contents.len().min(import::Format::ENOUGH)];
    let report = |what: &str| {
        Report::new(
            Exit::DATAERR,
            printable::path(path),
            format_args!("this is a {what}, not a store of Gatepost"),
        )
        .because("another program owns this file; it is left as it is")
    };
    match import::Format::of(start) {
        Found::Readable(import::Format::Sasldb) => {
            Some(report("Berkeley DB sasldb").mend(format_args!("saslpasswd --import {}", quoted(path))))
        }
        Found::NotReadYet(what) => Some(report(&format!("{what} database, a format that is not yet read"))),
        Found::Readable(_) => None,
    }
}

/// The configuration is unsafe, missing or wrong.
pub(crate) fn of_config(error: ConfigError) -> Report {
    match error {
        ConfigError::Open(error) => Report::from(error),
        ConfigError::Read { .. } => Report::plain(Exit::IOERR, error),
        ConfigError::Faults(faults) => {
            let detail = Report::several(Exit::CONFIG, faults.complaints());
            let report = Report::plain(Exit::CONFIG, "error when parsing configuration file");
            detail.into_iter().fold(report, Report::and)
        }
    }
}

/// A password that cannot be set: saslpasswd2's word and number, and the reason.
pub(crate) fn of_password(error: &PasswordError) -> Report {
    Report::plain(REFUSED, format_args!("invalid parameter supplied: {error}"))
}

/// What saslpasswd2 does leaves saslpasswd2's numbers behind: 1 for whatever is wrong with the database, 100 for the
/// configuration. EX_TEMPFAIL stays: try again.
pub(crate) fn as_cyrus_numbers_it(task: &Task, report: Report) -> Report {
    if !matches!(task, Task::Set(..) | Task::Delete(..)) {
        return report;
    }
    match report.exit() {
        Exit::CONFIG => report.with_exit(CONFIGURATION),
        REFUSED | Exit::TEMPFAIL | Exit::OK => report,
        _ => Report::plain(GENERIC, "generic failure").and(report),
    }
}

/// A sasldb of a million users is smaller.
const LARGEST_SASLDB: u64 = 1 << 30;
/// SASL_BADPARAM.
pub(crate) const REFUSED: Exit = Exit::code(7);
/// SASL_FAIL.
const GENERIC: Exit = Exit::code(1);
/// SASL_CONFIGERR.
const CONFIGURATION: Exit = Exit::code(100);
