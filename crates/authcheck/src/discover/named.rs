//! A file that some configuration names, with what it is for. Nothing here is opened.

use std::path::{Path, PathBuf};

use safefile::Kind;

/// One file that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Absolute path, as the configuration spells it.
    pub(crate) path: PathBuf,
    /// How strictly it has to be kept.
    pub(crate) kind: Kind,
    /// What may be inside, so that clear text can be found.
    pub(crate) contents: Contents,
    /// The line that names it, counted from 1.
    pub(crate) line: usize,
    /// The option or parameter that names it.
    pub(crate) word: String,
}

impl Named {
    /// A file whose contents hold no passwords to look for.
    pub(crate) fn plain(path: impl AsRef<Path>, kind: Kind, line: usize, word: &str) -> Self {
        Self::holding(path, kind, Contents::Opaque, line, word)
    }

    /// A file in which clear-text passwords may stand.
    pub(crate) fn holding(
        path: impl AsRef<Path>,
        kind: Kind,
        contents: Contents,
        line: usize,
        word: &str,
    ) -> Self {
        Self { path: path.as_ref().to_owned(), kind, contents, line, word: word.to_owned() }
    }
}

/// The form of a file, as far as passwords inside matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Contents {
    /// Nothing that we look into.
    Opaque,
    /// sasldb or sasldb2, version 1 or 2, any container.
    Sasldb,
    /// An authinfo or access map, or its text: `AuthInfo:host "U:..." "P:..."`.
    AuthInfo,
    /// sendmail's `DefaultAuthInfo`: the third line is the password.
    DefaultAuthInfo,
    /// A Cyrus SASL application's file: `sql_passwd`, `ldapdb_pw`.
    SaslConfiguration,
    /// Postfix: `host user:password`, as text or built.
    PostfixPasswords,
    /// How Postfix logs in to a database: `password = ...`, `bind_pw = ...`.
    PostfixDatabase,
    /// Postfix main.cf: a `static:` or `inline:` table with passwords.
    PostfixMain,
    /// Dovecot's settings, also those by which a driver logs in: `connect = ... password=...`, `dnpass = ...`.
    Dovecot,
    /// Dovecot passwd-file: `user:{SCHEME}password:...`.
    PasswdFile {
        /// Whether a password without `{SCHEME}` is clear text here.
        bare: Bare,
    },
    /// Exim's passwd.client: `host:login:password`.
    EximClient,
    /// Debian's exim4 passwd: `user:crypted:password`, the last in clear text where it is there at all.
    EximPasswd,
}

/// What a password without a scheme means in a passwd-file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bare {
    /// A one-way hash of crypt(3), Dovecot's default.
    Hashed,
    /// Clear text: `scheme=PLAIN`.
    Clear,
}
