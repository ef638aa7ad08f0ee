//! Opening a map to read it, and finding out which file and type `implicit` means.

use std::path::{Path, PathBuf};

use cli::{Exit, Io, Report, printable};
use safefile::{Kind, OpenError, Refusal, Rule};
use store::maps::{self, Map, MapError, MapName, MapType, NameError, Readers, TypeInfo, types};

use crate::host::{self, Host};
use crate::options::{IMPLICIT, Target};

/// Opens the map that is named, of the type that is named or, for `implicit`, that it has.
pub(crate) fn open(io: &mut Io, host: &Host, target: &Target) -> Result<Box<dyn Map>, Report> {
    let named = host.map_type.map_or(IMPLICIT, MapType::name);
    let opened = match host.map_type {
        Some(map_type) => {
            let path = map_path(target, map_type.info());
            attempt(io, host, target, map_type.info(), path, Some(map_type), Purpose::Read)?
        }
        None => find(io, host, target, Purpose::Read)?,
    };
    opened.map_err(|error| unreadable(named, target, error))
}

/// The type that `implicit` means for a map that is to be built: the one it has, so that who reads it can go on
/// reading; for a new one hash, as with makemap.
pub(crate) fn type_to_build(io: &mut Io, host: &Host, target: &Target) -> Result<MapType, Report> {
    match find(io, host, target, Purpose::Replace)? {
        Ok(map) => Ok(map.map_type()),
        Err(error) if is_missing(&error) => Ok(MapType::Hash),
        Err(error) => Err(unreadable(IMPLICIT, target, error)),
    }
}

/// The report of a map that was not opened or not read to its end.
pub(crate) fn unreadable(map_type: &str, target: &Target, error: MapError) -> Report {
    match error {
        MapError::Open(error) => host::cannot_open_because(map_type, target, &Report::from(error)),
        error => host::cannot_open(map_type, target, error),
    }
}

/// The report of a map that was opened and then turned out to be damaged, or could not be read.
pub(crate) fn damaged(map: &dyn Map, target: &Target, error: &MapError) -> Report {
    let exit = if matches!(error, MapError::Damaged { .. }) { Exit::DATAERR } else { Exit::IOERR };
    let name = printable::octets(target.name.as_encoded_bytes());
    Report::plain(exit, format!("error reading type {} map {name}: {error}", map.map_type()))
}

/// Why a map is opened.
#[derive(Clone, Copy)]
enum Purpose {
    /// For its contents: a secret that others can read is refused.
    Read,
    /// It is to be replaced, and is then narrowed.
    Replace,
}

type Opened = Result<Box<dyn Map>, MapError>;

/// The one file there is of that name, whatever its suffix.
fn find(io: &mut Io, host: &Host, target: &Target, purpose: Purpose) -> Result<Opened, Report> {
    let mut found: Option<Box<dyn Map>> = None;
    let mut missing = None;
    for info in candidates(Path::new(&target.name)) {
        match attempt(io, host, target, info, map_path(target, info), None, purpose)? {
            Ok(map) => {
                if let Some(other) = found.replace(map) {
                    return Ok(Err(MapError::Ambiguous(other.path().into(), map_path(target, info))));
                }
            }
            Err(error) if is_missing(&error) => missing = missing.or(Some(error)),
            Err(error) => return Ok(Err(error)),
        }
    }
    match (found, purpose) {
        (Some(map), _) => Ok(Ok(map)),
        // A file that somebody gave another name, or none that names a type.
        (None, Purpose::Read) => {
            attempt(io, host, target, MapType::Hash.info(), PathBuf::from(&target.name), None, purpose)
        }
        (None, Purpose::Replace) => Ok(Err(missing.unwrap_or(NameError::Empty.into()))),
    }
}

/// One type for each suffix that the file may have: that of the name, where it has one.
fn candidates(name: &Path) -> Vec<&'static TypeInfo> {
    let mut candidates: Vec<&TypeInfo> = Vec::new();
    for info in types().iter().filter(|info| info.can_read) {
        if !candidates.iter().any(|other| other.suffix == info.suffix) {
            candidates.push(info);
        }
    }
    match candidates.iter().find(|info| info.map_type.path(name) == name) {
        Some(named) => vec![named],
        None => candidates,
    }
}

fn attempt(
    io: &mut Io,
    host: &Host,
    target: &Target,
    info: &TypeInfo,
    path: PathBuf,
    map_type: Option<MapType>,
    purpose: Purpose,
) -> Result<Opened, Report> {
    let kind = match purpose {
        Purpose::Read if host.is_secret(&path) => Kind::Secret,
        _ => Kind::Map,
    };
    let trust = host.trust(io, &path)?;
    let name = MapName { map_type, name: path };
    match maps::open_named(&name, kind, &trust) {
        Err(MapError::Open(OpenError::Refused(refusal))) if is_for_sendmail_to_say(info, &refusal) => {
            match host.trust_as_sendmail(io, &name.name, &refusal)? {
                Ok(trust) => Ok(maps::open_named(&name, kind, &trust)),
                Err(doubt) => {
                    let named = map_type.map_or(IMPLICIT, MapType::name);
                    Err(unreadable(named, target, OpenError::Refused(refusal).into()).and(doubt))
                }
            }
        }
        opened => Ok(opened),
    }
}

/// Whether the file, or a directory on its path, belongs to somebody whom sendmail may trust.
fn is_for_sendmail_to_say(info: &TypeInfo, refusal: &Refusal) -> bool {
    info.readers == Readers::OtherPrograms
        && matches!(refusal.finding.rule, Rule::Owner | Rule::DirectoryOwner | Rule::LinkOwner)
}

fn map_path(target: &Target, info: &TypeInfo) -> PathBuf {
    info.map_type.path(Path::new(&target.name))
}

fn is_missing(error: &MapError) -> bool {
    matches!(error, MapError::Open(error) if error.is_missing())
}
