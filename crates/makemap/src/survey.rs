//! `--convert DIRECTORY`: which files below a directory are Berkeley DB's, what they are, and the command that takes each
//! out of it. Only magic numbers and keys are looked at; nothing is changed, and no value is shown.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cli::{Exit, Format, Io, Report, printable};
use mapfile::{DETECT_OCTETS, Detected, Format as FileFormat, InPlace, Limits, MapReader, Occurrence};
use safefile::{FileType, Trust, Uid, UnsafeFile, shell_quote};
use serde_json::json;
use store::maps::MapType;
use zeroize::Zeroizing;

/// Lists what is below the directory. Links are not followed; what could not be looked into is said, and the exit is
/// then EX_NOINPUT.
pub(crate) fn survey(io: &mut Io, directory: &Path) -> Result<Exit, Report> {
    let mut walk = Walk { trust: trust(), waiting: vec![directory.to_owned()], found: 0, unread: 0 };
    // The directory itself has to be there.
    walk.enter(io, true)?;
    while !walk.waiting.is_empty() {
        walk.enter(io, false)?;
    }
    if io.format() == Format::Text {
        let counted = if walk.found == 1 {
            "1 Berkeley DB file".to_owned()
        } else {
            format!("{} Berkeley DB files", walk.found)
        };
        io.out().line(format!("{counted} below {}", printable::path(directory)))?;
    }
    Ok(if walk.unread == 0 { Exit::OK } else { Exit::NOINPUT })
}

fn trust() -> Trust {
    let caller = Uid::effective();
    if caller.is_root() { Trust::root() } else { Trust::root().caller(caller) }
}

struct Walk {
    trust: Trust,
    /// Directories that have not been looked into, the next one last.
    waiting: Vec<PathBuf>,
    found: u64,
    unread: u64,
}

impl Walk {
    fn enter(&mut self, io: &mut Io, must_be_there: bool) -> Result<(), Report> {
        let Some(directory) = self.waiting.pop() else { return Ok(()) };
        let entries = match safefile::list_unsafe_for_audit(&directory, &self.trust) {
            Ok(entries) => entries,
            Err(error) if must_be_there => return Err(Report::from(error).with_exit(Exit::NOINPUT)),
            Err(error) => {
                self.unread += 1;
                io.warn(&error.into());
                return Ok(());
            }
        };
        let mut below = Vec::new();
        for entry in entries {
            let path = directory.join(&entry.name);
            match entry.file_type {
                FileType::Directory if !is_of_the_kernel(&path) => below.push(path),
                FileType::Regular => self.look(io, &path)?,
                _ => {}
            }
        }
        below.reverse();
        self.waiting.append(&mut below);
        Ok(())
    }

    fn look(&mut self, io: &mut Io, path: &Path) -> Result<(), Report> {
        let (file, detected) = match self.open(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(()),
            Err(report) => {
                self.unread += 1;
                io.warn(&report);
                return Ok(());
            }
        };
        let format = match detected.format() {
            Some(FileFormat::Hash) => MapType::Hash,
            Some(FileFormat::Btree) => MapType::Btree,
            _ => return Ok(()),
        };
        self.found += 1;
        let origin = origin(&file);
        self.unread += u64::from(matches!(origin, Origin::Unread(_)));
        tell(io, path, format, &origin)
    }

    /// The file, where its magic number is known; one that has gone meanwhile is not there.
    fn open(&self, path: &Path) -> Result<Option<(UnsafeFile, Detected)>, Report> {
        let file = match UnsafeFile::open(path, &self.trust) {
            Err(error) if error.is_missing() => return Ok(None),
            opened => opened?,
        };
        let mut start = [0; DETECT_OCTETS];
        let count = file
            .read_at(&mut start, 0)
            .map_err(|error| Report::new(Exit::IOERR, printable::path(path), error))?;
        Ok(mapfile::detect(&start[..count]).map(|detected| (file, detected)))
    }
}

/// Who made the file, by its keys; no more of it is read than that takes.
fn origin(file: &UnsafeFile) -> Origin {
    let read = |page: &mut [u8], offset| file.read_at(page, offset);
    match mapfile::open(InPlace { octets: file.len(), read }, Limits::default()) {
        Ok(map) => of(&*map),
        Err(error) => Origin::Unread(error.to_string()),
    }
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// Cyrus SASL's users.
    Sasldb,
    /// Keys without a NUL: makemap's.
    Sendmail,
    /// Keys with a NUL: postmap's, or newaliases'.
    Postfix,
    /// Whatever else.
    Unknown,
    /// It could not be read: why.
    Unread(String),
}

fn of(map: &(dyn MapReader + '_)) -> Origin {
    let (mut sasldb, mut with_nul, mut without, mut records) = (0, 0, 0, 0);
    for record in map.records().take(LOOKED_AT) {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Origin::Unread(error.to_string()),
        };
        let _value = Zeroizing::new(record.value);
        if record.occurrence == Occurrence::Shadowed {
            continue;
        }
        records += 1;
        let nuls = record.key.split(|&octet| octet == 0).count() - 1;
        match (nuls, record.key.last()) {
            (2, Some(last)) if *last != 0 => sasldb += 1,
            (1, Some(0)) => with_nul += 1,
            (0, _) => without += 1,
            _ => {}
        }
    }
    match records {
        0 => Origin::Unknown,
        _ if sasldb == records => Origin::Sasldb,
        _ if without == records => Origin::Sendmail,
        // postalias writes two records about the map without a NUL.
        _ if with_nul > 0 && with_nul + without == records && without <= 2 => Origin::Postfix,
        _ => Origin::Unknown,
    }
}

impl Origin {
    fn word(&self) -> &'static str {
        match self {
            Self::Sasldb => "sasldb",
            Self::Sendmail => "sendmail map",
            Self::Postfix => "Postfix map",
            Self::Unknown => "unknown",
            Self::Unread(_) => "unread",
        }
    }

    /// The command that takes the file out of Berkeley DB.
    fn command(&self, path: &Path, map_type: MapType) -> Option<String> {
        let old = shell_quote(path);
        let new = |suffix: &str| {
            let name = path.as_os_str().as_bytes();
            let stem = name.strip_suffix(map_type.suffix().as_bytes()).unwrap_or(name);
            shell_quote(Path::new(std::ffi::OsStr::from_bytes(&[stem, suffix.as_bytes()].concat())))
        };
        match self {
            Self::Sasldb => Some(format!("saslpasswd --import {old}")),
            Self::Sendmail => Some(format!("makemap --convert {old} {}", new(MapType::Cdb.suffix()))),
            Self::Postfix => Some(format!("makemap --convert {old} {}", new(MapType::Lmdb.suffix()))),
            Self::Unknown => Some(format!("makemap --convert {old} {}", new(MapType::Redb.suffix()))),
            Self::Unread(_) => None,
        }
    }
}

fn tell(io: &mut Io, path: &Path, map_type: MapType, origin: &Origin) -> Result<(), Report> {
    let command = origin.command(path, map_type);
    let why = if let Origin::Unread(why) = origin { Some(why) } else { None };
    if io.format() == Format::Json {
        let object = json!({
            "path": path.to_string_lossy(), "type": map_type.name(), "is": origin.word(),
            "convert": command, "why": why,
        });
        return io.out().json(&object);
    }
    io.out().line(format!("{:6} {:13} {}", map_type.name(), origin.word(), printable::path(path)))?;
    let mut further = command.into_iter().chain(why.map(|why| cli::printable::lines(why).replace('\n', " ")));
    further.try_for_each(|line| io.out().line(format!("    {line}")))
}

/// What the kernel shows there is no file of anybody's.
fn is_of_the_kernel(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    ["/proc", "/sys", "/dev"].iter().any(|of_the_kernel| path == Path::new(of_the_kernel))
}

/// So many records tell what a file is.
const LOOKED_AT: usize = 1000;
