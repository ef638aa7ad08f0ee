//! `authcheck config`: gatepost.toml and every file that it names, each as the kind that it is there, with the exceptions
//! that it has.

use std::path::{Path, PathBuf};

use cli::Report;
use config::{Config, ConfigError, Delivery, MapName, NamedFile, Owner, Queue};
use credential::client_info::holds_secret;
use safefile::{Kind, Reached, Trust, Verdict};
use store::maps::{self, MapError};

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
    let config = &context.config;
    let remarks = config.remarks.iter().map(|remark| Note::new(NoteWord::Remark, remark.to_string()));
    itself.notes.extend(remarks.chain(front_is_missing(context)));
    itself.notes.extend(left_out(config).map(|text| Note::new(NoteWord::LeftOut, text)));
    let files = config.files().into_iter().filter(|file| file.path != config.path);
    let others = files.map(|file| {
        let audit = safefile::audit(&file.path, file.kind, &context.trust(&file.path));
        let judged = Judged::new(audit).named_by([file.named_by.to_owned()]);
        let judged = fronts_map(judged, &file, context);
        if comes_later(&file) { judged.may_be_absent() } else { judged }
    });
    let others = others.filter(|judged| !is_of_no_daemon(judged));
    std::iter::once(itself).chain(others).collect()
}

/// A map by which the process goes that faces the network is looked into, where it is safe: it holds no client-info.
fn fronts_map(judged: Judged, file: &NamedFile, context: &Context) -> Judged {
    let config = &context.config;
    let mut maps = config.front_maps().into_iter().map(|(_, map)| map);
    let named = maps.find(|map| map.file() == file.path && file.kind == Kind::Map);
    let Some(map) = named.filter(|_| judged.verdict() == Verdict::Safe) else { return judged };
    match has_client_info(map, &context.trust(&file.path)) {
        Ok(false) => judged,
        Ok(true) => {
            let split = config.split(file.named_by, map);
            let note = Note::new(NoteWord::ClearText, "client-info does not belong into this map");
            let subject = Subject::Path(split.path);
            let what = format!("{}; {}", split.cause, split.why);
            let mut judged = judged.faulty([Fault { rule: "client-info", subject, what }]);
            judged.notes.push(note.answered(split.commands.join("\n")));
            judged
        }
        Err(error) => {
            let fault =
                Fault { rule: "damaged", subject: Subject::Path(map.file()), what: error.to_string() };
            judged.faulty([fault])
        }
    }
}

fn has_client_info(map: &MapName, trust: &Trust) -> Result<bool, MapError> {
    let map_type = map.map_type().map(str::parse).transpose()?;
    let name = maps::MapName { map_type, name: PathBuf::from(map.path()) };
    let map = maps::open_named(&name, Kind::Map, trust)?;
    for record in map.records() {
        let record = record?;
        if holds_secret(&record.key, &record.value) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Only `saslpasswd -c` makes a store, and where the daemon was never set up there is neither queue nor Maildir.
fn comes_later(file: &NamedFile) -> bool {
    file.kind == Kind::Store || (file.kind == Kind::SecretDirectory && file.owner == Owner::Front)
}

/// A directory of the daemon that nobody named, nobody made, and nothing is to be said of.
fn is_of_no_daemon(judged: &Judged) -> bool {
    let (queue, delivery) = (Queue::default().directory, Delivery::default().maildirs);
    let is_missing = matches!(judged.audit.reached, Reached::Missing { .. });
    [queue, delivery].contains(&judged.audit.path) && is_missing && judged.verdict() == Verdict::Safe
}

/// An account that was named and is not there; the one of the default is missing on every host without the daemon.
fn front_is_missing(context: &Context) -> Option<Note> {
    let name = context.config.run_as.as_ref().filter(|_| context.front.is_none())?;
    Some(Note::new(
        NoteWord::Missing,
        format!("run_as: there is no account {name}: gatepostd will not start"),
    ))
}
