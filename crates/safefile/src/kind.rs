//! What a file is to whoever opens it, and what a component is to the path. Rules are not here but in `judge`.

use std::fmt;
use std::str::FromStr;

/// What a file is, which decides who may own it, read it and write it.
///
/// The words (`store`, `secret`, ... `secret-directory`) are those of the configuration, of `authcheck --kind` and of
/// every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Our own store of users' secrets: as [`Kind::Secret`], but no exception is ever accepted, because whoever may
    /// read it may also lock it.
    Store,
    /// A file that holds secrets (a foreign sasldb, a client-info map, its text source): owned by root, the
    /// TrustedUser or the caller; nobody else reads or writes it.
    Secret,
    /// A map without secrets (access, aliases): owned as a secret, not writable by others.
    Map,
    /// The configuration: owned by root (or by who tries the programs out), not writable by others. No exception is
    /// ever accepted: they are written in it.
    Configuration,
    /// The private key of a certificate: as [`Kind::Secret`].
    PrivateKey,
    /// A certificate or another public file whose content must be right: not writable by others.
    Certificate,
    /// A program or library: owned by root (or by who tries the programs out), not writable by others. It may have
    /// several names.
    Program,
    /// A directory that holds secrets or sockets (a spool): nobody else lists, searches or writes it.
    SecretDirectory,
}

impl Kind {
    /// Every kind, in the order of the reports.
    pub const ALL: [Self; 8] = [
        Self::Store,
        Self::Secret,
        Self::Map,
        Self::Configuration,
        Self::PrivateKey,
        Self::Certificate,
        Self::Program,
        Self::SecretDirectory,
    ];

    /// Its word, as the configuration and the reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Secret => "secret",
            Self::Map => "map",
            Self::Configuration => "configuration",
            Self::PrivateKey => "private-key",
            Self::Certificate => "certificate",
            Self::Program => "program",
            Self::SecretDirectory => "secret-directory",
        }
    }

    /// Whether others may not even read it.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Store | Self::Secret | Self::PrivateKey | Self::SecretDirectory)
    }

    /// Whether only root, and who tries the programs out, may own it and its directories: what root obeys or runs
    /// must not belong to the TrustedUser, who would then be root.
    pub fn is_roots_alone(self) -> bool {
        matches!(self, Self::Configuration | Self::Program)
    }

    /// Whether the configuration may name exceptions for it.
    pub fn may_have_exceptions(self) -> bool {
        !matches!(self, Self::Store | Self::Configuration)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// A word that names no [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown kind of file (known: store, secret, map, configuration, private-key, certificate, program, secret-directory): {0}"
)]
pub struct UnknownKind(pub String);

/// What a component is to the path that was walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A directory on the way.
    Directory,
    /// A symbolic link that was followed.
    Link,
    /// What the path leads to.
    Last,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Last => "last",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("secrets".parse::<Kind>(), Err(UnknownKind("secrets".to_owned())));
    }
}
