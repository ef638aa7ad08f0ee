//! What the daemon makes for itself and for the front: the pid file, and directories that nobody has made yet.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use cli::{Exit, Report};
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

/// Queue and Maildirs of a new installation: the front may not make them where they belong. Where the queue is there already, a
/// directory of the Maildirs that is missing was taken away, or is not mounted yet. It is waited for: an empty one in its place
/// would say that nobody has a mailbox.
pub(crate) fn fronts_directories(ground: &Ground) -> Result<(), Report> {
    let front = Some(&ground.accounts.front).filter(|_| ground.is_divided());
    let dress = Dress {
        owner: front.map(|front| front.uid),
        group: front.and_then(|front| front.group),
        mode: 0o700,
    };
    let kind = Kind::SecretDirectory;
    let make = |path: &Path| SafeDir::create(path, kind, &ground.trust(path), &dress).map(drop);
    let (queue, maildirs) = (&ground.config.queue.directory, &ground.config.delivery.maildirs);
    let is_new = SafeDir::open(queue, kind, &ground.trust(queue)).is_err_and(|error| error.is_missing());
    if is_new {
        // First, for the queue says that it was done.
        make(maildirs)?;
    }
    Ok(make(queue)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests look at files as anybody may")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use cli::options::Common;

    use super::*;

    #[test]
    fn maildirs_that_went_away_are_not_made_anew() {
        let dir = ::tests::scratch::dir();
        let (config, queue, mail) =
            (dir.path().join("gatepost.toml"), dir.path().join("queue"), dir.path().join("mail"));
        let text = format!("[queue]\ndirectory = {queue:?}\n[delivery]\nmaildirs = {mail:?}\n");
        let accounts = if safefile::Uid::effective().is_root() {
            "trusted_user = \"daemon\"\nrun_as = \"bin\"\n"
        } else {
            ""
        };
        fs::write(&config, format!("{accounts}{text}")).unwrap();
        fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
        let ground = Ground::read(&Common { config: Some(config), ..Common::default() }).unwrap();
        fronts_directories(&ground).unwrap();
        assert!(queue.is_dir() && mail.is_dir());
        // As if its filesystem were not mounted.
        fs::remove_dir(&mail).unwrap();
        fronts_directories(&ground).unwrap();
        assert!(queue.is_dir() && !mail.exists());
    }
}
