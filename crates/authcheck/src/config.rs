//! `authcheck config`: gatepost.toml and every file that it names, each as the kind that it is there, with the exceptions
//! that it has.

use std::path::Path;

use cli::Report;
use config::{Config, ConfigError};
use safefile::Kind;

use crate::context::{Context, trust_for_configuration};
use crate::judged::{Fault, Judged, Note, NoteWord, Subject};
use crate::mechanisms::left_out;
use crate::options::Options;

/// Audits one configuration, and what it names where it can be read. `None` is the default place, where nothing need be.
pub(crate) fn audit(path: Option<&Path>, options: &Options) -> Result<Vec<Judged>, Report> {
    let itself = itself(path);
    match Config::load(path, &trust_for_configuration()) {
        Ok(config) => Ok(named(itself, &Context::with(config, options)?)),
        // The audit says the same, component by component.
        Err(ConfigError::Open(_)) => Ok(vec![itself]),
        Err(ConfigError::Read { path, source }) => {
            let (subject, what) = (Subject::Path(path), source.to_string());
            Ok(vec![itself.faulty([Fault { rule: "failed", subject, what }])])
        }
        Err(ConfigError::Faults(faults)) => {
            let faults = faults.complaints().map(|(subject, cause, hint)| {
                let what = hint.map_or_else(|| cause.to_owned(), |hint| format!("{cause} ({hint})"));
                Fault { rule: "configuration", subject: Subject::Words(subject), what }
            });
            Ok(vec![itself.faulty(faults)])
        }
    }
}

/// The configuration file itself, judged by root alone.
fn itself(path: Option<&Path>) -> Judged {
    let file = path.unwrap_or(Path::new(config::DEFAULT_PATH));
    let judged = Judged::new(safefile::audit(file, Kind::Configuration, &trust_for_configuration()));
    if path.is_none() { judged.may_be_absent() } else { judged }
}

/// The configuration itself and the files that it names; the store among them is the caller's to leave out.
fn named(mut itself: Judged, context: &Context) -> Vec<Judged> {
    itself.notes.extend(left_out(&context.config).map(|text| Note::new(NoteWord::LeftOut, text)));
    let files = context.config.files().into_iter().filter(|file| file.path != context.config.path);
    let others = files.map(|file| {
        let audit = safefile::audit(&file.path, file.kind, &context.trust(&file.path));
        let judged = Judged::new(audit).named_by([file.named_by.to_owned()]);
        // Only `saslpasswd -c` makes a store; before that there is none.
        if file.kind == Kind::Store { judged.may_be_absent() } else { judged }
    });
    std::iter::once(itself).chain(others).collect()
}
