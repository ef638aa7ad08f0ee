//! The names of maps and of their types. What a type is on disk is elsewhere.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::sort::Order;
use super::{bdb, cdb, gdbm, lmdb, redb};

/// A type of map.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MapType {
    /// Ours: a redb file.
    Redb,
    /// Berkeley DB hash.
    Hash,
    /// Berkeley DB btree.
    Btree,
    /// CDB.
    Cdb,
    /// LMDB.
    Lmdb,
    /// GDBM, in which some systems keep their sasldb2.
    Gdbm,
}

impl MapType {
    /// The word for it, as sendmail and Postfix have it.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// What makemap adds to the name of the map, the dot included.
    pub fn suffix(self) -> &'static str {
        self.info().suffix
    }

    /// All that is known of it.
    pub fn info(self) -> &'static TypeInfo {
        // The table is in the order of the variants; a test holds it to that.
        &TYPES[self as usize]
    }

    /// The order in which a map of the type is built.
    pub fn order(self) -> Order {
        super::joint_of(self).map_or(Order::Keys, |joint| joint.order)
    }

    /// The file of a map: the suffix is added unless the name has it.
    pub fn path(self, name: &Path) -> PathBuf {
        if ends_in(name, self.suffix()) {
            return name.to_owned();
        }
        let mut path = OsString::from(name);
        path.push(self.suffix());
        path.into()
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Exactly the names, as makemap compares them.
impl FromStr for MapType {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        TYPES
            .iter()
            .find(|info| info.name == word)
            .map(|info| info.map_type)
            .ok_or_else(|| NameError::UnknownType(word.to_owned()))
    }
}

/// What can be done with a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TypeInfo {
    /// The type.
    pub map_type: MapType,
    /// The word for it.
    pub name: &'static str,
    /// What is added to the name of the map, the dot included.
    pub suffix: &'static str,
    /// Whether such files are read.
    pub can_read: bool,
    /// Whether such files are written.
    pub can_write: bool,
    /// How many values a key may have.
    pub values: Values,
    /// Who reads such files: it decides who is to own a new one.
    pub readers: Readers,
}

/// How many values the keys of a type may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// One.
    One,
    /// Several, where the file says so.
    AsMade,
    /// Several, and no file says whether it was meant to: one without such a key is as one that was made without.
    Any,
}

/// Who reads the files of a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// Our programs alone.
    Gatepost,
    /// sendmail, Postfix and others too: they have their own mind about who may own a map.
    OtherPrograms,
}

/// Every type.
pub fn types() -> &'static [TypeInfo] {
    &TYPES
}

/// A map as it is named: a type, or none, and a path with or without suffix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MapName {
    /// The type, where it was given.
    pub map_type: Option<MapType>,
    /// The path as it was given.
    pub name: PathBuf,
}

/// `type:path`, or a path. Before the first colon stands a type, unless there is a slash in it: a path with a colon
/// in its first component is written `./a:b`.
impl FromStr for MapName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (map_type, name) = match text.split_once(':') {
            Some((word, name)) if !word.contains('/') => (Some(word.parse()?), name),
            _ => (None, text),
        };
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self { map_type, name: name.into() })
    }
}

/// Why a name names no map.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum NameError {
    /// No such type.
    #[error("unknown type of map (types: {types}): {0}", types = list(|_| true))]
    UnknownType(String),
    /// No path.
    #[error("the name of the map is empty")]
    Empty,
}

/// The names of the types that are written, for messages.
pub(super) fn writable() -> String {
    list(|info| info.can_write)
}

/// Whether the name ends in the suffix, octet by octet.
pub(super) fn ends_in(name: &Path, suffix: &str) -> bool {
    name.as_os_str().as_encoded_bytes().ends_with(suffix.as_bytes())
}

fn list(which: impl Fn(&TypeInfo) -> bool) -> String {
    let names: Vec<_> = TYPES.iter().filter(|info| which(info)).map(|info| info.name).collect();
    names.join(", ")
}

const TYPES: [TypeInfo; 6] = [redb::REDB, bdb::HASH, bdb::BTREE, cdb::CDB, lmdb::LMDB, gdbm::GDBM];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_types() {
        for info in types() {
            assert_eq!(info.map_type.info(), info);
            assert_eq!(info.name.parse(), Ok(info.map_type));
        }
    }

    #[test]
    fn a_type_is_what_stands_before_the_colon() {
        for (text, expected) in [
            ("hash:/etc/mail/access", Ok((Some(MapType::Hash), "/etc/mail/access"))),
            ("redb:m", Ok((Some(MapType::Redb), "m"))),
            ("/etc/mail/access", Ok((None, "/etc/mail/access"))),
            ("./hash:m", Ok((None, "./hash:m"))),
            ("/etc/a:b", Ok((None, "/etc/a:b"))),
            ("HASH:m", Err(NameError::UnknownType("HASH".to_owned()))),
            ("dbm:/etc/m", Err(NameError::UnknownType("dbm".to_owned()))),
            ("hash:", Err(NameError::Empty)),
            ("", Err(NameError::Empty)),
        ] {
            let found = text.parse().map(|name: MapName| (name.map_type, name.name));
            let expected = expected.map(|(map_type, name)| (map_type, PathBuf::from(name)));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_suffix_is_added_as_makemap_adds_it() {
        for (name, expected) in [
            ("m", "m.db"),
            ("m.db", "m.db"),
            ("m.DB", "m.DB.db"),
            ("db", "db.db"),
            (".db", ".db"),
            ("d/", "d/.db"),
        ] {
            assert_eq!(MapType::Hash.path(Path::new(name)), Path::new(expected));
        }
        assert_eq!(MapType::Redb.path(Path::new("m.db")), Path::new("m.db.redb"));
    }

    #[test]
    fn messages_list_what_is_possible() {
        let unknown = "dbm".parse::<MapType>().unwrap_err().to_string();
        assert_eq!(unknown, "unknown type of map (types: redb, hash, btree, cdb, lmdb, gdbm): dbm");
        assert_eq!(writable(), "redb, hash, btree, cdb, lmdb");
    }
}
