//! What the daemon makes for itself and for the front: the pid file, and directories that nobody has made yet.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use cli::{Exit, Report};
use config::Owner;
use safefile::{Dress, Kind, OldFile, Replacement, SafeDir, Trust, display_path};

use crate::ground::Ground;
use crate::listen::parts;

/// The file that says which process this is; gone with it.
#[derive(Debug)]
pub(crate) struct PidFile {
    directory: SafeDir,
    name: OsString,
}

impl PidFile {
    /// Writes it.
    pub(crate) fn write(path: &Path, trust: &Trust) -> Result<Self, Report> {
        let directory = directory(path, trust)?;
        let dress = Dress { owner: None, group: None, mode: 0o644 };
        let mut file = Replacement::begin(path, Kind::Configuration, trust, dress)?;
        let written = writeln!(file, "{}", std::process::id());
        written.map_err(|error| Report::new(Exit::CANTCREAT, display_path(path), error))?;
        file.commit(OldFile::Leave)?;
        Ok(Self { directory, name: parts(path)?.1.to_owned() })
    }

    /// Takes it away.
    pub(crate) fn remove(&self) {
        // If it stays, it tells of a process that is no more, as it would after a crash.
        let _ = self.directory.remove(&self.name);
    }
}

/// The directory of what the daemon makes, itself made where it is missing.
pub(crate) fn directory(path: &Path, trust: &Trust) -> Result<SafeDir, Report> {
    let dress = Dress { owner: None, group: None, mode: 0o755 };
    Ok(SafeDir::create(parts(path)?.0, Kind::Configuration, trust, &dress)?)
}

/// Queue and Maildirs, where they are missing: the front may not make them where they belong.
pub(crate) fn fronts_directories(ground: &Ground) -> Result<(), Report> {
    let front = Some(&ground.accounts.front).filter(|_| ground.is_divided());
    let dress = Dress {
        owner: front.map(|front| front.uid),
        group: front.and_then(|front| front.group),
        mode: 0o700,
    };
    let files = ground.config.daemon_files().into_iter();
    for file in files.filter(|file| file.kind == Kind::SecretDirectory && file.owner == Owner::Front) {
        SafeDir::create(&file.path, file.kind, &ground.trust(&file.path), &dress)?;
    }
    Ok(())
}
