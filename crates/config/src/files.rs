//! Every file that the configuration names, with what it is, whose it is and which exceptions it has: what `authcheck
//! config` audits, whom an opener may trust for a path, and what each process of the daemon may ask it for.

use std::path::{Path, PathBuf};

use safefile::{Account, Exception, Kind, Trust};

use crate::Config;
use crate::words::{MapName, Senders};

/// A file that the configuration names.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// The file itself, the ending of its type included.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Which process of the daemon may have it opened.
    pub owner: Owner,
    /// What is accepted of it.
    pub exceptions: Vec<Exception>,
    /// Which key names it: `secrets.path`.
    pub named_by: &'static str,
}

/// Which process of the daemon a file is for. Who may own it on the disk is another question ([`Config::trust_for`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The keeper alone: the store, and every other secret of users and peers.
    Keeper,
    /// The front alone: TLS, and what says who may relay and send, queue, mail.
    Front,
    /// Neither: the configuration itself, and files of the tools.
    Opener,
}

/// A file that keeper or front ask the opener for.
#[derive(Clone, Debug)]
pub struct DaemonFile {
    /// By which they ask.
    pub index: FileIndex,
    /// What it is for.
    pub role: FileRole,
    /// The file.
    pub path: PathBuf,
    /// What it is, as in [`Config::files`].
    pub kind: Kind,
    /// Who may ask; [`Owner::Keeper`] where two roles of different owners lead to one file.
    pub owner: Owner,
    /// What is accepted of it.
    pub exceptions: Vec<Exception>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileRole {
    /// `secrets.path`.
    Store,
    /// `client_info.default_auth_info`.
    DefaultAuthInfo,
    /// `tls.certificate`.
    Certificate,
    /// `tls.key`.
    Key,
    /// `tls.client_ca`.
    ClientCa,
    /// `tls.client_map`.
    ClientMap,
    /// `access_map`.
    AccessMap,
    /// `submission.senders`.
    Senders,
    /// `queue.directory`.
    Queue,
    /// `delivery.maildirs`.
    Maildirs,
    /// One of `client_info.maps`, counted from 0.
    ClientInfo(u16),
}

/// A [`FileRole`] as a number. It is that of the role and not of the place in some list: naming one more file in the
/// configuration does not make an old number mean another file, whoever reads it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIndex(pub u16);

impl FileRole {
    const SINGLE: [(Self, u16); 10] = [
        (Self::Store, 0),
        (Self::DefaultAuthInfo, 1),
        (Self::Certificate, 2),
        (Self::Key, 3),
        (Self::ClientCa, 4),
        (Self::ClientMap, 5),
        (Self::AccessMap, 6),
        (Self::Senders, 7),
        (Self::Queue, 8),
        (Self::Maildirs, 9),
    ];
    /// The first of `client_info.maps`; those below are left for roles to come.
    const MAPS: u16 = 64;

    /// Its number.
    pub fn index(self) -> FileIndex {
        if let Self::ClientInfo(map) = self {
            return FileIndex(Self::MAPS.saturating_add(map));
        }
        let single = Self::SINGLE.into_iter().find(|(role, _)| *role == self);
        FileIndex(single.map_or(u16::MAX, |(_, index)| index))
    }

    /// The role of a number, whether or not a file has it.
    pub fn of(index: FileIndex) -> Option<Self> {
        match index.0.checked_sub(Self::MAPS) {
            Some(map) => Some(Self::ClientInfo(map)),
            None => Self::SINGLE.into_iter().find(|(_, number)| *number == index.0).map(|(role, _)| role),
        }
    }

    /// Which process it is for.
    pub fn owner(self) -> Owner {
        match self {
            Self::Store | Self::DefaultAuthInfo | Self::ClientInfo(_) => Owner::Keeper,
            _ => Owner::Front,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Store => Kind::Store,
            Self::DefaultAuthInfo | Self::ClientInfo(_) => Kind::Secret,
            Self::Certificate | Self::ClientCa => Kind::Certificate,
            Self::Key => Kind::PrivateKey,
            Self::ClientMap | Self::AccessMap | Self::Senders => Kind::Map,
            Self::Queue | Self::Maildirs => Kind::SecretDirectory,
        }
    }

    /// The key that names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Store => "secrets.path",
            Self::DefaultAuthInfo => "client_info.default_auth_info",
            Self::Certificate => "tls.certificate",
            Self::Key => "tls.key",
            Self::ClientCa => "tls.client_ca",
            Self::ClientMap => "tls.client_map",
            Self::AccessMap => "access_map",
            Self::Senders => "submission.senders",
            Self::Queue => "queue.directory",
            Self::Maildirs => "delivery.maildirs",
            Self::ClientInfo(_) => "client_info.maps",
        }
    }
}

impl Config {
    /// Every file that the configuration names, itself first. One that is named twice stands here once, as the kind
    /// that asks for more, and for the keeper where it is the keeper's too.
    pub fn files(&self) -> Vec<NamedFile> {
        let mut files: Vec<NamedFile> = Vec::new();
        for (path, kind, owner, named_by) in self.named() {
            match files.iter_mut().find(|file| file.path == path) {
                Some(file) if kind.is_secret() && !file.kind.is_secret() => {
                    (file.kind, file.owner, file.named_by) = (kind, owner, named_by);
                }
                Some(_) => {}
                None => {
                    let exceptions = self.exceptions(&path).to_vec();
                    files.push(NamedFile { path, kind, owner, exceptions, named_by });
                }
            }
        }
        files
    }

    /// Every file that keeper or front may ask the opener for, by its number. Both ends make this list of the same
    /// configuration. The sockets and the pid file are not here: the opener makes them.
    pub fn daemon_files(&self) -> Vec<DaemonFile> {
        let files = self.files();
        let mut asked: Vec<_> = self
            .roles()
            .into_iter()
            .filter_map(|(role, path)| {
                let file = files.iter().find(|file| file.path == path)?;
                let (kind, owner, exceptions) = (file.kind, file.owner, file.exceptions.clone());
                Some(DaemonFile { index: role.index(), role, path, kind, owner, exceptions })
            })
            .collect();
        asked.sort_by_key(|file| file.index);
        asked
    }

    /// What the configuration says a file is; `None` where it does not name it.
    pub fn kind_of(&self, path: &Path) -> Option<Kind> {
        self.files().into_iter().find(|file| file.path == path).map(|file| file.kind)
    }

    /// The exceptions of one file.
    pub fn exceptions(&self, path: &Path) -> &[Exception] {
        self.files.iter().find(|rule| rule.path == path).map_or(&[], |rule| &rule.exceptions)
    }

    /// Whom to trust for one file: `base` (root, the TrustedUser, the caller) and the exceptions of this file.
    pub fn trust_for(&self, path: &Path, base: Trust) -> Trust {
        self.exceptions(path).iter().cloned().fold(base, Trust::except)
    }

    /// The same for whoever knows the front's account: queue and Maildirs are its own, and not the TrustedUser's. Where
    /// there is no such account they are root's.
    pub fn trust_beside(&self, path: &Path, base: Trust, front: Option<&Account>) -> Trust {
        let is_fronts =
            [&self.queue.directory, &self.delivery.maildirs].iter().any(|own| path.starts_with(own));
        let front = || front.cloned().unwrap_or_else(Account::root);
        self.trust_for(path, if is_fronts { base.trusted_user(front()) } else { base })
    }

    /// The keeper's before the front's: of a file that both name, the first is kept.
    fn named(&self) -> Vec<(PathBuf, Kind, Owner, &'static str)> {
        let mut named = vec![(self.path.clone(), Kind::Configuration, Owner::Opener, "--config")];
        let roles = self.roles().into_iter();
        named.extend(roles.map(|(role, path)| (path, role.kind(), role.owner(), role.key())));
        let rules =
            self.files.iter().filter_map(|rule| Some((rule.path.clone(), rule.kind?, Owner::Opener, "file")));
        named.extend(rules);
        named
    }

    /// The maps that the front reads, and the role of each.
    pub fn front_maps(&self) -> Vec<(FileRole, &MapName)> {
        let senders = match &self.submission.senders {
            Senders::Map(map) => Some(map),
            Senders::Any | Senders::Own => None,
        };
        let maps = [
            (FileRole::ClientMap, self.tls.client_map.as_ref()),
            (FileRole::AccessMap, self.access_map.as_ref()),
            (FileRole::Senders, senders),
        ];
        maps.into_iter().filter_map(|(role, map)| Some((role, map?))).collect()
    }

    fn roles(&self) -> Vec<(FileRole, PathBuf)> {
        let maps = (0..).zip(&self.client_info.maps);
        let mut roles = vec![(FileRole::Store, self.secrets.path.clone())];
        roles
            .extend(self.client_info.default_auth_info.clone().map(|path| (FileRole::DefaultAuthInfo, path)));
        roles.extend(maps.map(|(number, map)| (FileRole::ClientInfo(number), map.file())));
        let fronts = [
            (FileRole::Certificate, self.tls.certificate.clone()),
            (FileRole::Key, self.tls.key.clone()),
            (FileRole::ClientCa, self.tls.client_ca.clone()),
        ];
        roles.extend(fronts.into_iter().filter_map(|(role, path)| Some((role, path?))));
        roles.extend(self.front_maps().into_iter().map(|(role, map)| (role, map.file())));
        roles.push((FileRole::Queue, self.queue.directory.clone()));
        roles.push((FileRole::Maildirs, self.delivery.maildirs.clone()));
        roles
    }
}
