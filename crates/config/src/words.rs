//! sendmail's words as gatepost.toml uses them: letters of AuthOptions and of listeners, log levels, names of mechanisms
//! and of maps, domains, times and sizes.
//! They are parsed and checked here; what they do is decided where they are used.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

mod choice;
mod domain;
pub(crate) mod measure;
mod modifier;

pub use choice::{BareLineEnds, ChoiceError, DigestCipher, LogFormat, Senders};
pub use domain::{Domain, DomainError, Network, NetworkError};
pub use modifier::{Modifier, ModifierError, Modifiers};

/// How much is logged, with sendmail's meaning (`O LogLevel`): 0 almost nothing, 9 the default, 14 everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(u8);

/// One letter of `auth.options`, as sendmail's `O AuthOptions` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthOption {
    /// `A`: as a client, send AUTH= only where authentication succeeded.
    OnlyIfAuthenticated,
    /// `a`: mechanisms that resist active attacks.
    NoActive,
    /// `c`: mechanisms that pass the client's credentials.
    PassCredentials,
    /// `d`: mechanisms that resist passive dictionary attacks.
    NoDictionary,
    /// `f`: forward secrecy.
    ForwardSecrecy,
    /// `m`: mutual authentication.
    Mutual,
    /// `p`: no clear-text password unless a security layer is active.
    NoPlain,
    /// `y`: no ANONYMOUS.
    NoAnonymous,
}

/// The letters of `auth.options`; `p y` by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthOptions(BTreeSet<AuthOption>);

/// The name of a SASL mechanism (RFC 4422, section 3.1): 1 to 20 of upper-case letters, digits, `-` and `_`. Whether we
/// have it is another question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MechanismName(String);

/// A map as it is named: `hash:/etc/mail/access`, or a path alone whose type is found by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapName {
    map_type: Option<&'static str>,
    path: PathBuf,
}

/// All that is wrong with a word of several letters; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<E>(pub Vec<E>);

/// Why a word is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A number that is no log level.
    #[error("log level is not between 0 and {max}: {0}", max = LogLevel::MAX)]
    LogLevel(i64),
    /// A letter that is no option.
    #[error("unknown option (known: {known}): {0}", known = AuthOptions::LETTERS)]
    AuthOption(String),
    /// Letters written together: sendmail would take the first and leave out the others without a word.
    #[error("options are letters with blanks or commas between them: {0}")]
    RunOfLetters(String),
    /// Not the name of a mechanism.
    #[error("a mechanism's name has 1 to 20 letters, digits, - and _: {0}")]
    Mechanism(String),
    /// A type of map that nobody has.
    #[error("unknown type of map (known: {known}): {0}", known = known_types())]
    MapType(String),
    /// The path of a map does not begin at the root.
    #[error("path is not absolute: {0}")]
    RelativePath(String),
    /// Neither a word nor a map.
    #[error("senders are any, own, or a map as TYPE:NAME: {0:?}")]
    Senders(String),
}

impl LogLevel {
    /// The highest level that says more than the one below it.
    pub const MAX: u8 = 14;

    /// The level as a number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self(9)
    }
}

impl TryFrom<i64> for LogLevel {
    type Error = WordError;

    fn try_from(number: i64) -> Result<Self, WordError> {
        let level = u8::try_from(number).ok().filter(|level| *level <= Self::MAX);
        level.map(Self).ok_or(WordError::LogLevel(number))
    }
}

impl AuthOption {
    const ALL: [(char, Self); 8] = [
        ('A', Self::OnlyIfAuthenticated),
        ('a', Self::NoActive),
        ('c', Self::PassCredentials),
        ('d', Self::NoDictionary),
        ('f', Self::ForwardSecrecy),
        ('m', Self::Mutual),
        ('p', Self::NoPlain),
        ('y', Self::NoAnonymous),
    ];
}

impl AuthOptions {
    const LETTERS: &'static str = "A a c d f m p y";

    /// Whether an option is set.
    pub fn contains(&self, option: AuthOption) -> bool {
        self.0.contains(&option)
    }
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self(BTreeSet::from([AuthOption::NoPlain, AuthOption::NoAnonymous]))
    }
}

/// Letters with blanks, tabs or commas between them, in any order. The empty text sets none.
impl FromStr for AuthOptions {
    type Err = Several<WordError>;

    fn from_str(text: &str) -> Result<Self, Several<WordError>> {
        let words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        let (options, faults) = sorted(words.map(option));
        if faults.is_empty() { Ok(Self(options)) } else { Err(Several(faults)) }
    }
}

/// What is right, and all that is not.
fn sorted<T: Ord, E>(words: impl Iterator<Item = Result<T, E>>) -> (BTreeSet<T>, Vec<E>) {
    let (mut right, mut faults) = (BTreeSet::new(), Vec::new());
    for word in words {
        match word {
            Ok(word) => drop(right.insert(word)),
            Err(fault) => faults.push(fault),
        }
    }
    (right, faults)
}

impl<E: std::error::Error> std::error::Error for Several<E> {}

/// With `; ` between them.
impl<E: fmt::Display> fmt::Display for Several<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for AuthOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = AuthOption::ALL.iter().filter(|(_, option)| self.contains(*option));
        let letters: Vec<_> = letters.map(|(letter, _)| letter.to_string()).collect();
        f.write_str(&letters.join(" "))
    }
}

impl MechanismName {
    /// The name, in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Any case is taken, as sendmail does; kept is upper case.
impl FromStr for MechanismName {
    type Err = WordError;

    fn from_str(name: &str) -> Result<Self, WordError> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        if (1..=20).contains(&name.len()) && name.bytes().all(fits) {
            Ok(Self(name.to_ascii_uppercase()))
        } else {
            Err(WordError::Mechanism(name.to_owned()))
        }
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MapName {
    /// A map of another name in the same directory, of the same type where it can be built, else `hash`.
    pub(crate) fn beside(&self, name: &str) -> Self {
        let map_type = self.map_type.filter(|word| *word != "gdbm").or(Some("hash"));
        Self { map_type, path: self.path.with_file_name(name) }
    }

    /// The type, where one was named.
    pub fn map_type(&self) -> Option<&str> {
        self.map_type
    }

    /// The name as it was written, without the type: what map programs are called with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file: the name with the ending of its type, which is added unless it is there already; the name itself
    /// where no type was named.
    pub fn file(&self) -> PathBuf {
        let Some((_, ending)) = TYPES.into_iter().find(|(name, _)| Some(*name) == self.map_type) else {
            return self.path.clone();
        };
        if self.path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes()) {
            return self.path.clone();
        }
        let mut file = self.path.clone().into_os_string();
        file.push(ending);
        PathBuf::from(file)
    }
}

impl FromStr for MapName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (map_type, path) = match text.split_once(':') {
            Some((word, path)) if !word.contains('/') => (Some(known_type(word)?), path),
            _ => (None, text),
        };
        if path.starts_with('/') {
            Ok(Self { map_type, path: PathBuf::from(path) })
        } else {
            Err(WordError::RelativePath(path.to_owned()))
        }
    }
}

impl fmt::Display for MapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map_type.map_or(Ok(()), |word| write!(f, "{word}:"))?;
        write!(f, "{}", safefile::display_path(&self.path))
    }
}

fn option(word: &str) -> Result<AuthOption, WordError> {
    let mut letters = word.chars();
    let known =
        letters.next().and_then(|first| AuthOption::ALL.into_iter().find(|(letter, _)| *letter == first));
    match known {
        Some((_, option)) if letters.next().is_none() => Ok(option),
        Some(_) => Err(WordError::RunOfLetters(word.to_owned())),
        None => Err(WordError::AuthOption(word.to_owned())),
    }
}

fn known_type(word: &str) -> Result<&'static str, WordError> {
    let known = TYPES.into_iter().find(|(name, _)| *name == word);
    known.map(|(name, _)| name).ok_or_else(|| WordError::MapType(word.to_owned()))
}

/// The types of map that a configuration may name.
pub fn known_types() -> String {
    TYPES.map(|(name, _)| name).join(", ")
}

/// The types of map that a configuration may name, with the ending of their files, as makemap writes them.
const TYPES: [(&str, &str); 5] =
    [("redb", ".redb"), ("hash", ".db"), ("btree", ".db"), ("cdb", ".cdb"), ("lmdb", ".lmdb")];

#[cfg(test)]
mod tests {
    use super::{AuthOption, AuthOptions, LogLevel, MapName, MechanismName, Several, WordError};

    #[test]
    fn options_are_letters_apart() {
        let rows = [("p y", Ok("p y")), ("y,p", Ok("p y")), ("", Ok("")), (" A\ta ", Ok("A a"))];
        for (text, shown) in rows {
            assert_eq!(
                text.parse::<AuthOptions>().map(|options| options.to_string()),
                shown.map(str::to_owned)
            );
        }
        let run = "py".parse::<AuthOptions>();
        assert_eq!(
            run,
            Err(Several(vec![WordError::RunOfLetters("py".to_owned())])),
            "sendmail would set p alone"
        );
        let unknown = ["q", "z"].map(|word| WordError::AuthOption(word.to_owned()));
        assert_eq!("q p z".parse::<AuthOptions>(), Err(Several(unknown.into())));
        assert!(AuthOptions::default().contains(AuthOption::NoPlain));
    }

    #[test]
    fn letters_in_the_message_are_all_there_are() {
        let letters: Vec<_> = AuthOption::ALL.iter().map(|(letter, _)| letter.to_string()).collect();
        assert_eq!(letters.join(" "), AuthOptions::LETTERS);
    }

    #[test]
    fn log_levels_are_bounded() {
        assert_eq!(LogLevel::try_from(14).unwrap().number(), 14);
        for wrong in [-1, 15, 300, i64::MAX] {
            assert_eq!(LogLevel::try_from(wrong), Err(WordError::LogLevel(wrong)));
        }
    }

    #[test]
    fn mechanisms_have_names_of_rfc_4422() {
        assert_eq!("scram-sha-256-plus".parse::<MechanismName>().unwrap().as_str(), "SCRAM-SHA-256-PLUS");
        for wrong in ["", "PLAIN LOGIN", "a.b", "ABCDEFGHIJKLMNOPQRSTU", "CRAM\u{2212}MD5"] {
            assert!(wrong.parse::<MechanismName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn maps_have_a_type_and_a_file() {
        let rows = [
            ("hash:/etc/mail/access", "/etc/mail/access.db"),
            ("hash:/etc/mail/access.db", "/etc/mail/access.db"),
            ("redb:/etc/mail/authinfo", "/etc/mail/authinfo.redb"),
            ("/etc/mail/authinfo.db", "/etc/mail/authinfo.db"),
            ("/etc/a:b", "/etc/a:b"),
        ];
        for (text, file) in rows {
            assert_eq!(text.parse::<MapName>().unwrap().file().to_str().unwrap(), file);
        }
        assert_eq!("dbm:/x".parse::<MapName>(), Err(WordError::MapType("dbm".to_owned())));
        assert_eq!("hash:access".parse::<MapName>(), Err(WordError::RelativePath("access".to_owned())));
        assert_eq!("access".parse::<MapName>(), Err(WordError::RelativePath("access".to_owned())));
    }
}
