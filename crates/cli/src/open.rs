//! What is said of a file that was not opened or not made: what was found and where on its path, why it matters, what
//! mends it.

use safefile::{OpenError, Refusal, ReplaceError, Rule};

use crate::{Exit, Report, printable};

/// Refused is [`Exit::NOPERM`], missing [`Exit::NOINPUT`], anything else [`Exit::IOERR`] or, where the system does not
/// permit it, [`Exit::NOPERM`].
impl From<OpenError> for Report {
    fn from(error: OpenError) -> Self {
        let subject = printable::path(error.path()).to_string();
        let elsewhere = Some(error.component()).filter(|component| *component != error.path());
        let elsewhere =
            elsewhere.map(|component| format!(": {}", printable::path(component))).unwrap_or_default();
        match error {
            OpenError::Refused(refusal) => refused(&refusal),
            OpenError::Missing { .. } => {
                Self::new(Exit::NOINPUT, subject, format_args!("no such file or directory{elsewhere}"))
            }
            OpenError::Failed { source, .. } => {
                let not_permitted = source.kind() == std::io::ErrorKind::PermissionDenied;
                let exit = if not_permitted { Exit::NOPERM } else { Exit::IOERR };
                Self::new(exit, subject, format_args!("{source}{elsewhere}"))
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
            ReplaceError::Changed { path } => Self::new(
                Exit::TEMPFAIL,
                printable::path(&path),
                "the file changed while the new one was being made from it",
            )
            .because("what others did to it meanwhile would be undone; it was left alone, so do it again"),
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
    match refusal.configuration() {
        // A distribution that gives a directory to an account of its own has its reasons: the command stands behind.
        Some(lines) if finding.rule == Rule::DirectoryOwner => {
            std::iter::once(in_configuration(&lines)).chain(command).fold(report, Report::mend)
        }
        Some(lines) => command.chain([in_configuration(&lines)]).fold(report, Report::mend),
        None => command.chain(finding.fix.advice().map(str::to_owned)).fold(report, Report::mend),
    }
}

fn in_configuration(lines: &[String]) -> String {
    format!("in gatepost.toml, for this file:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make unsafe files on purpose")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use safefile::{Kind, SafeFile, Trust, Uid};

    use crate::{Exit, Report};

    fn report(path: &Path) -> Report {
        let trust = Trust::root().caller(Uid::effective());
        Report::from(SafeFile::open(path, Kind::Map, &trust).unwrap_err())
    }

    #[test]
    fn an_unsafe_file_is_named_with_what_was_found_and_the_command() {
        let dir = tests::scratch::dir();
        let file = dir.path().join("access.db");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let report = report(&file);
        assert_eq!((report.exit(), report.subject()), (Exit::NOPERM, file.to_str().unwrap()));
        assert!(report.cause().starts_with("unsafe map (group-writable): "), "{report:?}");
        assert!(report.cause().contains("mode 0666"), "{report:?}");
        assert!(report.why().is_some() && report.remedy()[0].starts_with("chmod "), "{report:?}");
    }

    #[test]
    fn a_directory_of_a_distribution_is_named_in_the_configuration_first() {
        if tests::need::root().is_err() {
            return;
        }
        let dir = tests::scratch::dir();
        let mail = dir.path().join("mail");
        fs::create_dir(&mail).unwrap();
        std::os::unix::fs::chown(&mail, Some(1), Some(1)).unwrap();
        let file = mail.join("access.db");
        fs::write(&file, "").unwrap();
        let report = report(&file);
        let [lines, command] = report.remedy() else { panic!("{report:?}") };
        let expected = format!(
            "in gatepost.toml, for this file:\n[[file]]\npath = \"{}\"\nkind = \"map\"\ndir_owner = [\"{} = daemon\"]",
            file.display(),
            mail.display()
        );
        assert_eq!(*lines, expected);
        assert_eq!(*command, format!("chown root {}", mail.display()));
        let text = report.to_text("makemap", crate::Level::Error);
        assert!(
            text.contains("\n    fix: in gatepost.toml, for this file:\n         [[file]]\n         path = "),
            "{text}"
        );
    }

    #[test]
    fn a_missing_file_is_named_by_its_real_path_too() {
        let dir = tests::scratch::dir();
        let link = dir.path().join("link");
        symlink(dir.path().join("nowhere"), &link).unwrap();
        let missing = report(&link);
        assert_eq!((missing.exit(), missing.subject()), (Exit::NOINPUT, link.to_str().unwrap()));
        assert!(missing.cause().ends_with("/nowhere"), "{missing:?}");
        assert_eq!(report(&dir.path().join("x")).cause(), "no such file or directory");
    }
}
