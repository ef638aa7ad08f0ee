//! What is said of a file that was not opened or not made: what was found and where on its path, why it matters, what mends it.

use safefile::{OpenError, Refusal, ReplaceError};

use crate::{Exit, Report, printable};

/// Refused is [`Exit::NOPERM`], missing [`Exit::NOINPUT`], anything else [`Exit::IOERR`] or, where the system does not
/// permit it, [`Exit::NOPERM`].
impl From<OpenError> for Report {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(refusal) => refused(&refusal),
            OpenError::Missing { path, component } => {
                let missing = if component == path {
                    String::new()
                } else {
                    format!(": {}", printable::path(&component))
                };
                Self::new(
                    Exit::NOINPUT,
                    printable::path(&path),
                    format_args!("no such file or directory{missing}"),
                )
            }
            OpenError::Failed { path, component, source } => {
                let not_permitted = source.kind() == std::io::ErrorKind::PermissionDenied;
                let exit = if not_permitted { Exit::NOPERM } else { Exit::IOERR };
                let at = if component == path {
                    String::new()
                } else {
                    format!("{}: ", printable::path(&component))
                };
                Self::new(exit, printable::path(&path), format_args!("{at}{source}"))
            }
        }
    }
}

/// What is unsafe, missing or out of reach as for [`OpenError`]; all else is [`Exit::CANTCREAT`].
impl From<ReplaceError> for Report {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Open(error) => error.into(),
            ReplaceError::Exists { path } => {
                Self::new(Exit::CANTCREAT, printable::path(&path), "file exists")
            }
            ReplaceError::Failed { path, step, source } => {
                Self::new(Exit::CANTCREAT, printable::path(&path), format_args!("cannot {step}: {source}"))
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Report {
    let finding = &refusal.finding;
    let cause = format_args!(
        "unsafe {} ({}): {}: {}",
        refusal.kind,
        finding.rule,
        printable::path(&refusal.component),
        finding.found,
    );
    let report = Report::new(Exit::NOPERM, printable::path(&refusal.path), cause).because(finding.why);
    let command = finding.fix.command.iter().map(ToString::to_string);
    command.chain(finding.fix.otherwise.clone()).fold(report, Report::mend)
}
