//! What is said when something fails, and with which number: saslpasswd2's for what saslpasswd2 does, sysexits' for the
//! rest. This is the one place that knows saslpasswd2's words and numbers.

use std::fmt::Display;
use std::path::Path;

use cli::prompt::PromptError;
use cli::{Exit, Report, printable};
use config::ConfigError;
use safefile::{Kind, ReplaceError, Trust, peek_unsafe, shell_quote};
use store::StoreError;
use store::secrets::import::{self, Found};
use zeroize::Zeroizing;

use crate::options::Task;

/// A failure of the store, with the number of sysexits.
pub(crate) fn report(error: StoreError) -> Report {
    match error {
        StoreError::Refused(error) => error.into(),
        StoreError::NotReplaced(ReplaceError::Open(error)) if error.is_missing() => {
            let parent = error.component().to_owned();
            Report::from(error).mend(format_args!("install -d -m 0755 {}", shell_quote(parent)))
        }
        StoreError::NotReplaced(error) => error.into(),
        error => explained(Report::plain(exit(&error), &error), &error),
    }
}

fn exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Missing { .. } => Exit::NOINPUT,
        StoreError::Exists { .. } | StoreError::Full { .. } => Exit::CANTCREAT,
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
            .mend(format_args!("authcheck store {}", shell_quote(path)))
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
    let foreign = may_be_foreign.then(|| foreign(path)).flatten();
    foreign.unwrap_or_else(|| report(error))
}

/// Says so when a path names a sasldb of Cyrus SASL, which is imported and never written to. It may be unsafe: then the
/// import says what to do about that.
fn foreign(path: &Path) -> Option<Report> {
    let start = peek_unsafe(path, Kind::Secret, &Trust::root(), import::Format::ENOUGH).ok()?;
    let start = Zeroizing::new(start);
    let what = mapfile::detect(&start)?.name();
    let is_readable = import::Format::of(&start) == Found::Readable(import::Format::Sasldb);
    let whether = if is_readable { ", as a sasldb may be" } else { "; its format is not read" };
    let cause = format_args!("this is another program's database ({what}{whether}), not a store of Gatepost");
    let report = Report::new(Exit::DATAERR, printable::path(path), cause)
        .because("it belongs to that program and is left as it is");
    Some(if is_readable {
        report.mend(format_args!("saslpasswd --import {}", shell_quote(path)))
    } else {
        report
    })
}

/// The configuration is unsafe, missing or wrong.
pub(crate) fn of_config(error: ConfigError) -> Report {
    match error {
        ConfigError::Open(error) => Report::from(error),
        ConfigError::Read { .. } => Report::plain(Exit::IOERR, error),
        ConfigError::Faults(faults) => Report::several(Exit::CONFIG, faults.complaints())
            .unwrap_or_else(|| Report::plain(Exit::CONFIG, &faults)),
    }
}

/// A name or password that cannot be used: saslpasswd2's words, and the reason that it does not give.
pub(crate) fn refused(reason: impl Display) -> Report {
    Report::plain(REFUSED, "invalid parameter supplied").because(reason)
}

/// No password was to be had. Standard input that fails is another matter than a password that is refused.
pub(crate) fn of_prompt(error: PromptError) -> Report {
    match error {
        PromptError::Mismatch => Report::from(error).with_exit(REFUSED),
        PromptError::TooLong { .. } | PromptError::Control(_) | PromptError::NotUtf8 => {
            let report = Report::from(error);
            refused(match report.why() {
                Some(why) => format!("{}; {why}", report.cause()),
                None => report.cause().to_owned(),
            })
        }
        PromptError::NoTerminal | PromptError::Taken | PromptError::Failed(_) => error.into(),
    }
}

/// What saslpasswd2 does too leaves saslpasswd2's words and numbers, before our own words: 7 for what is refused, 1 for
/// whatever is wrong with the database, 100 for the configuration. `EX_TEMPFAIL` stays: try again. What saslpasswd2
/// cannot do leaves the numbers of sysexits.
pub(crate) fn told(task: &Task, report: Report) -> Report {
    let is_cyrus = matches!(task, Task::Set(..) | Task::Delete(..));
    match report.exit() {
        Exit::OK | Exit::TEMPFAIL => report,
        REFUSED if is_cyrus => report,
        REFUSED => report.with_exit(Exit::DATAERR),
        _ if !is_cyrus => report,
        Exit::CONFIG => Report::plain(CONFIGURATION, "error when parsing configuration file").and(report),
        _ => Report::plain(GENERIC, "generic failure").and(report),
    }
}

/// SASL_BADPARAM.
const REFUSED: Exit = Exit::code(7);
/// SASL_FAIL.
const GENERIC: Exit = Exit::code(1);
/// SASL_CONFIGERR.
const CONFIGURATION: Exit = Exit::code(100);
