//! Maps: files in which a mail program looks a key up. Written once, complete, and then only read and replaced.
//!
//! A type is a file of its own below, a variant of [`MapType`] and a line in the table of each. Its octets are
//! `mapfile`'s, but for redb. What keys and values mean is not known here, nor how a source text is read (`makemap`).

mod bdb;
mod cdb;
mod gdbm;
mod joint;
mod lmdb;
mod name;
mod redb;
pub mod sort;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mapfile::{MapBuildError, MapFileError};
use safefile::{Kind, OpenError, ReplaceError, Replacement, SafeFile, Stamp, Trust, display_path};
use thiserror::Error;
use zeroize::Zeroizing;

pub use name::{MapName, MapType, NameError, Readers, TypeInfo, Values, types};

/// Opens a map: `hash:/etc/mail/access`, or a path without a type, which the magic number then decides.
///
/// With a type its suffix is added unless the name has it, as makemap does. Without one, a name that ends in a
/// known suffix is taken as it is; for any other, the files with a suffix are looked for first, and two that both
/// exist are an error rather than a choice.
///
/// # Errors
/// [`MapError`], which always names the file.
pub fn open(name: &str, kind: Kind, trust: &Trust) -> Result<Box<dyn Map>, MapError> {
    open_named(&name.parse()?, kind, trust)
}

/// The same for a name that has been read.
///
/// # Errors
/// [`MapError`], which always names the file.
pub fn open_named(name: &MapName, kind: Kind, trust: &Trust) -> Result<Box<dyn Map>, MapError> {
    open_with(name, kind, trust, &joint::Settings::default())
}

/// The same for a file that somebody else has opened and judged, under the name that it has there.
///
/// # Errors
/// [`MapError`], which always names the file.
pub fn open_judged(file: SafeFile, name: &MapName) -> Result<Box<dyn Map>, MapError> {
    open_typed(file, name.map_type, &joint::Settings::default())
}

fn open_with(
    name: &MapName,
    kind: Kind,
    trust: &Trust,
    settings: &joint::Settings,
) -> Result<Box<dyn Map>, MapError> {
    open_typed(find(name, kind, trust)?, name.map_type, settings)
}

fn open_typed(
    file: SafeFile,
    named: Option<MapType>,
    settings: &joint::Settings,
) -> Result<Box<dyn Map>, MapError> {
    let map = open_file(file, named, settings)?;
    match named {
        Some(named) if named != map.map_type() => {
            Err(MapError::OtherType { path: map.path().to_owned(), named, found: map.map_type().name() })
        }
        _ => Ok(map),
    }
}

/// Begins to build a map in the place of the file that `replacement` is for.
///
/// # Errors
/// [`BuildError::CannotWrite`] for a type that is only read, or not even that.
pub fn build(
    map_type: MapType,
    replacement: Replacement,
    making: &Making,
) -> Result<Box<dyn MapBuilder>, BuildError> {
    match joint_of(map_type) {
        _ if !map_type.info().can_write => Err(BuildError::CannotWrite(map_type)),
        Some(joint) => joint::build(joint, replacement, making),
        None => redb::build(replacement, making),
    }
}

/// A map that was opened. It is a snapshot: [`stamp`](Map::stamp) tells whether the file is still the same.
pub trait Map: Send + Sync {
    /// What it is on disk.
    fn map_type(&self) -> MapType;

    /// The file, suffix included.
    fn path(&self) -> &Path;

    /// Which file it is, in which state; another stamp at the path means: open it again.
    fn stamp(&self) -> Stamp;

    /// Whether a key may have several values.
    fn duplicates(&self) -> Duplicates;

    /// How the keys were treated when the map was made, as far as the file says.
    fn keys(&self) -> Keys;

    /// Looks a key up as mail programs do: as it is, then with a terminating NUL counted (which the value then loses
    /// too). The first value, where there are several. The key is not folded: see [`keys`](Map::keys).
    ///
    /// # Errors
    /// [`MapError::Damaged`], [`MapError::Changed`], [`MapError::Busy`], [`MapError::Read`].
    fn get(&self, key: &[u8]) -> Result<Option<Value>, MapError>;

    /// All records as they are, NULs included; several values of a key in their order. Streamed; after an error there
    /// is nothing more.
    fn records(&self) -> Records<'_>;

    /// Reads everything and checks all that can be checked. The number of records.
    ///
    /// # Errors
    /// As [`get`](Map::get).
    fn verify(&self) -> Result<u64, MapError>;
}

/// A value; it may be a secret, so it is wiped.
pub type Value = Zeroizing<Vec<u8>>;

/// What [`Map::records`] gives.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record, MapError>> + Send + 'a>;

/// One key with one value.
pub struct Record {
    /// The key, shared by all its values.
    pub key: Arc<[u8]>,
    /// The value.
    pub value: Value,
    /// Whether an earlier record has the same key.
    pub occurrence: Occurrence,
}

pub use mapfile::{Occurrence, Volume};

/// Whether a key may have several values.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Duplicates {
    /// One value for each key.
    #[default]
    Refused,
    /// Any number, in the order in which they were added (or, in some Berkeley DB files, sorted).
    Allowed,
}

/// How keys were treated when a map was made, and so how a key that is looked up has to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keys {
    /// ASCII letters in lower case, as makemap does unless `-f`.
    Folded,
    /// As they were written.
    AsWritten,
    /// The file does not say.
    #[default]
    Unknown,
}

/// What a new map is to say of itself.
#[derive(Clone, Debug)]
pub struct Making {
    /// Whether a key may have several values.
    pub duplicates: Duplicates,
    /// How the keys were treated.
    pub keys: Keys,
    /// How much will come: as [`Sorter::volume`](sort::Sorter::volume) tells.
    pub volume: Volume,
    /// The program and its version.
    pub made_by: String,
    /// When, in seconds since the epoch.
    pub made_at: u64,
}

/// A map in the making. Dropped without [`finish`](MapBuilder::finish) nothing has happened to the file in its place.
pub trait MapBuilder {
    /// Adds a record. Keys come in the type's [`order`](MapType::order) (see [`sort`]); equal ones only where duplicates
    /// are allowed, in the order in which they are to be kept.
    ///
    /// # Errors
    /// [`BuildError`]; the builder is of no more use then.
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError>;

    /// Completes the map, makes it durable and puts it in its place.
    ///
    /// # Errors
    /// [`BuildError`]; the old file is then untouched.
    fn finish(self: Box<Self>) -> Result<Stamp, BuildError>;
}

/// Why a map was not opened or read.
#[derive(Debug, Error)]
pub enum MapError {
    /// The name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Unsafe, missing, or out of reach.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Two files could be meant.
    #[error("two maps of that name, say which by a type or a suffix: {} and {}", display_path(.0), display_path(.1))]
    Ambiguous(PathBuf, PathBuf),
    /// The file is of another type than was asked for.
    #[error("the map is {found}, not {named}: {}", display_path(path))]
    OtherType {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        named: MapType,
        /// What it is.
        found: &'static str,
    },
    /// The file is of a type that is known, but not read.
    #[error("the map is {found}, which is not read: {}", display_path(path))]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// An empty file: makemap and postmap leave one between creating and writing.
    #[error("the map is empty, it may be being written: {}", display_path(path))]
    BeingWritten {
        /// The file.
        path: PathBuf,
    },
    /// A program that writes the map holds its lock.
    #[error("the map is being written: {}", display_path(path))]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file was written in place since it was opened: open it again.
    #[error("the map has been changed since it was opened: {}", display_path(path))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what its format asks for: truncated, altered, empty or foreign.
    #[error("the map is damaged ({what}): {}", display_path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Reading failed.
    #[error("cannot read the map ({source}): {}", display_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a map was not built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The type is not written. The message lists those that are.
    #[error("maps of this type are not written (types that are: {types}): {0}", types = name::writable())]
    CannotWrite(MapType),
    /// A key that is not after the one before it, or the same where duplicates are refused.
    #[error("keys out of order")]
    Order,
    /// A key or value longer than the type can hold.
    #[error("a record is too long, octets: {0}")]
    TooLong(usize),
    /// A record, or all of them, that the format cannot hold.
    #[error(transparent)]
    Format(MapBuildError),
    /// The new file could not be written.
    #[error("cannot write the map ({source}): {}", display_path(path))]
    Write {
        /// The file in whose place it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The new file could not be put in its place.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl MapError {
    /// Whether the same may succeed a moment later: somebody is writing the map.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::BeingWritten { .. } | Self::Busy { .. } | Self::Changed { .. })
    }
}

/// Opens the file that a name stands for.
fn find(name: &MapName, kind: Kind, trust: &Trust) -> Result<SafeFile, MapError> {
    let open = |path: &Path| SafeFile::open(path, kind, trust);
    if let Some(map_type) = name.map_type {
        return Ok(open(&map_type.path(&name.name))?);
    }
    let mut found: Option<SafeFile> = None;
    for path in candidates(&name.name) {
        match open(&path) {
            Ok(file) => match found.take() {
                Some(other) => return Err(MapError::Ambiguous(other.path().to_owned(), path)),
                None => found = Some(file),
            },
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.map_or_else(|| Ok(open(&name.name)?), Ok)
}

/// The paths that a name without a type may stand for, itself left out: none when it has a suffix.
fn candidates(name: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for map_type in types().iter().filter(|info| info.can_read).map(|info| info.map_type) {
        let path = map_type.path(name);
        if path == name {
            return Vec::new();
        }
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Decides by the magic number; CDB has none and is known by its name or type.
fn open_file(
    file: SafeFile,
    named: Option<MapType>,
    settings: &joint::Settings,
) -> Result<Box<dyn Map>, MapError> {
    let path = file.path().to_owned();
    let mut start = [0; MAGIC_OCTETS];
    let octets =
        file.read_at(&mut start, 0).map_err(|source| MapError::Read { path: path.clone(), source })?;
    let by_suffix = || [MapType::Redb, MapType::Cdb].into_iter().find(|known| known.path(&path) == path);
    let found = magic(&start[..octets]);
    match (named, found) {
        (Some(named), Some(found)) if named != found && named != MapType::Cdb => {
            Err(MapError::OtherType { path, named, found: found.name() })
        }
        (Some(named), _) => open_as(file, named, octets, settings),
        (None, Some(found)) => open_as(file, found, octets, settings),
        (None, None) => match (by_suffix(), mapfile::detect(&start[..octets])) {
            (Some(named), None) => open_as(file, named, octets, settings),
            (_, Some(other)) => Err(MapError::NotRead { path, found: other.name() }),
            // Somebody may be about to write it.
            (None, None) if octets == 0 => open_as(file, MapType::Hash, octets, settings),
            (None, None) => Err(MapError::Damaged { path, what: MapFileError::Unknown.to_string() }),
        },
    }
}

fn open_as(
    file: SafeFile,
    map_type: MapType,
    octets: usize,
    settings: &joint::Settings,
) -> Result<Box<dyn Map>, MapError> {
    match joint_of(map_type) {
        Some(joint) => joint::open(file, joint, settings),
        None if octets == 0 => {
            Err(MapError::Damaged { path: file.path().to_owned(), what: "the file is empty".to_owned() })
        }
        None => redb::open(file),
    }
}

/// The type that a magic number names.
fn magic(start: &[u8]) -> Option<MapType> {
    if start.starts_with(redb::MAGIC) {
        return Some(MapType::Redb);
    }
    mapfile::detect(start)?.format().map(type_of)
}

fn type_of(format: mapfile::Format) -> MapType {
    let joint = JOINTS.iter().find(|joint| joint.format == format);
    // A test holds the table to every format.
    joint.map_or(MapType::Redb, |joint| joint.map_type)
}

/// How files of a type are read and replaced; none for our own.
fn joint_of(map_type: MapType) -> Option<&'static joint::Joint> {
    JOINTS.iter().find(|joint| joint.map_type == map_type)
}

static JOINTS: [joint::Joint; 5] = [bdb::HASH_JOINT, bdb::BTREE_JOINT, cdb::JOINT, lmdb::JOINT, gdbm::JOINT];

/// What the magic numbers of all types take.
const MAGIC_OCTETS: usize = mapfile::DETECT_OCTETS;

/// A look-up as mail programs do it: the key as it is, then with a terminating NUL, which the value then loses too.
fn get_as_mail(
    key: &[u8],
    find: impl Fn(&[u8]) -> Result<Option<Value>, MapError>,
) -> Result<Option<Value>, MapError> {
    if let Some(value) = find(key)? {
        return Ok(Some(value));
    }
    let counted = [key, &[0]].concat();
    Ok(find(&counted)?.map(|mut value| {
        if value.last() == Some(&0) {
            value.pop();
        }
        value
    }))
}

#[cfg(test)]
mod tests;
