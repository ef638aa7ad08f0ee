//! The opener's answer to "open me this file": only what is the asker's, only what is safe, and nothing is kept.

use std::os::fd::OwnedFd;
use std::path::Path;

use config::{DaemonFile, FileIndex};
use safefile::{Kind, OpenError, SafeFile, Trust};
use wire::FromOpener;

use crate::ground::Ground;
use crate::journal::{Line, Priority};
use crate::role::Role;

/// What may be done for who asks.
#[derive(Debug)]
enum Verdict<'f> {
    /// Walk, judge, open.
    Open(&'f DaemonFile),
    /// It belongs to the other one.
    NotYours(&'f DaemonFile),
    /// The configuration names no such file.
    Unknown,
    /// Who owns a directory opens it himself.
    Directory(&'f DaemonFile),
}

/// The answer, and the file that goes with it.
pub(crate) struct Answer {
    pub(crate) words: FromOpener,
    pub(crate) file: Option<OwnedFd>,
}

/// Whether a process may have the file of this number.
fn verdict(files: &[DaemonFile], asker: Role, index: u16) -> Verdict<'_> {
    match files.iter().find(|file| file.index == FileIndex(index)) {
        None => Verdict::Unknown,
        Some(file) if file.owner != asker.owner() => Verdict::NotYours(file),
        Some(file) if file.kind == Kind::SecretDirectory => Verdict::Directory(file),
        Some(file) => Verdict::Open(file),
    }
}

/// The answer to a process that asks, and what the log says of it.
pub(crate) fn answer(ground: &Ground, asker: Role, request: u32, index: u16) -> (Answer, Option<Line>) {
    match verdict(&ground.config.daemon_files(), asker, index) {
        Verdict::Open(file) => {
            let answer = opened(request, &file.path, file.kind, &ground.trust(&file.path));
            let line = of_refusal(asker, &answer.words);
            (answer, line)
        }
        verdict => (denied(request), Some(of_denial(asker, index, &verdict))),
    }
}

fn of_refusal(asker: Role, answer: &FromOpener) -> Option<Line> {
    let FromOpener::Refused { words, is_missing: false, .. } = answer else { return None };
    Some(Line::new(Priority::Error, 2, format!("not opened for the {asker}: {words}")))
}

fn of_denial(asker: Role, index: u16, verdict: &Verdict<'_>) -> Line {
    let path = |file: &DaemonFile| safefile::display_path(&file.path);
    let (priority, what) = match verdict {
        Verdict::Open(file) | Verdict::NotYours(file) => {
            (Priority::Critical, format!("a file that is not its own, and did not get it: {}", path(file)))
        }
        Verdict::Directory(file) => {
            (Priority::Error, format!("a directory, which it has to open itself: {}", path(file)))
        }
        Verdict::Unknown => (Priority::Error, "a file that the configuration does not name".to_owned()),
    };
    Line::new(priority, 1, format!("the {asker} has asked for {what}")).with_number("file", index)
}

/// Walks and opens.
fn opened(request: u32, path: &Path, kind: Kind, trust: &Trust) -> Answer {
    match SafeFile::open(path, kind, trust) {
        Ok(file) => {
            Answer { words: FromOpener::Opened { request }, file: Some(OwnedFd::from(file.into_std())) }
        }
        Err(error) => not_opened(request, &error),
    }
}

/// Says no without a word of what is there.
fn denied(request: u32) -> Answer {
    let words = "this is no file that the asker may have opened".to_owned();
    Answer { words: FromOpener::Refused { request, is_missing: false, words }, file: None }
}

fn not_opened(request: u32, error: &OpenError) -> Answer {
    let (is_missing, words) = (error.is_missing(), error.to_string());
    // Whatever is in a name, the message has to be sent.
    let words = words.chars().take(LONGEST_WORDS).collect();
    Answer { words: FromOpener::Refused { request, is_missing, words }, file: None }
}

const LONGEST_WORDS: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make unsafe files on purpose")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use cli::options::Common;
    use config::{Config, FileRole, HostAccounts};
    use safefile::Uid;

    use super::*;

    const TEXT: &str = "access_map = \"hash:/etc/mail/access\"\n[tls]\nkey = \"/k\"\ncertificate = \"/c\"\n\
        [client_info]\nmaps = [\"hash:/etc/mail/authinfo\"]\n";

    #[test]
    fn each_has_its_own_files_and_no_others() {
        let config = Config::parse("/x".as_ref(), TEXT.as_bytes(), &HostAccounts).unwrap();
        let files = config.daemon_files();
        let word = |asker, role: FileRole| match verdict(&files, asker, role.index().0) {
            Verdict::Open(_) => "open",
            Verdict::NotYours(_) => "not yours",
            Verdict::Unknown => "unknown",
            Verdict::Directory(_) => "directory",
        };
        for (role, keeper, front) in [
            (FileRole::Store, "open", "not yours"),
            (FileRole::ClientInfo(0), "open", "not yours"),
            (FileRole::ClientInfo(1), "unknown", "unknown"),
            (FileRole::Key, "not yours", "open"),
            (FileRole::AccessMap, "not yours", "open"),
            (FileRole::Queue, "not yours", "directory"),
            (FileRole::ClientCa, "unknown", "unknown"),
        ] {
            assert_eq!((word(Role::Keeper, role), word(Role::Front, role)), (keeper, front), "{role:?}");
        }
        assert!(matches!(verdict(&files, Role::Front, u16::MAX), Verdict::Unknown));
    }

    #[test]
    fn what_is_opened_was_safe_and_what_was_not_is_said_in_words() {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("key");
        let trust = Trust::root().caller(Uid::effective());
        let answer = |mode: Option<u32>| {
            if let Some(mode) = mode {
                fs::write(&path, "key").unwrap();
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            }
            opened(7, &path, Kind::PrivateKey, &trust)
        };
        assert!(matches!(answer(None).words, FromOpener::Refused { request: 7, is_missing: true, .. }));
        let Answer { words: FromOpener::Refused { is_missing: false, words, .. }, file: None } =
            answer(Some(0o644))
        else {
            panic!("opened")
        };
        assert!(words.contains("unsafe") && words.contains("mode 0644"), "{words}");
        let answer = answer(Some(0o600));
        assert!(answer.words == FromOpener::Opened { request: 7 } && answer.file.is_some());
    }

    #[test]
    fn the_front_asks_for_the_store_in_vain_and_the_log_says_so() {
        let dir = ::tests::scratch::dir();
        let (path, store) = (dir.path().join("gatepost.toml"), dir.path().join("secrets.redb"));
        let accounts =
            if Uid::effective().is_root() { "trusted_user = \"daemon\"\nrun_as = \"bin\"\n" } else { "" };
        let text = format!("{accounts}[secrets]\npath = \"{}\"\n", store.display());
        for (path, text) in [(&path, text.as_str()), (&store, "store")] {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        let ground = Ground::read(&Common { config: Some(path), ..Common::default() }).unwrap();
        let index = FileRole::Store.index().0;
        let (given, line) = answer(&ground, Role::Keeper, 1, index);
        assert!(given.file.is_some() && line.is_none());
        let (given, line) = answer(&ground, Role::Front, 2, index);
        assert!(given.file.is_none() && matches!(given.words, FromOpener::Refused { request: 2, .. }));
        let said = format!("{:?}", line.unwrap());
        assert!(said.contains("Critical") && said.contains("secrets.redb"), "{said}");
        fs::set_permissions(&store, Permissions::from_mode(0o644)).unwrap();
        let (given, line) = answer(&ground, Role::Keeper, 3, index);
        assert!(given.file.is_none() && format!("{line:?}").contains("unsafe"), "{line:?}");
    }
}
