//! A file that somebody else opened and gave to this process as standard input: there is no path to walk, but the
//! descriptor says whose the file is and who may read it. That is told, never enforced: the octets are here already.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::readlink;
use rustix::io::Errno;

use crate::facts::{Facts, FileType, name_in_proc};
use crate::judge::judge;
use crate::kind::{Kind, Role};
use crate::refusal::Finding;
use crate::trust::Trust;

/// A regular file on standard input.
#[derive(Clone, Debug)]
pub struct InputFile {
    path: PathBuf,
    facts: Facts,
}

/// What stands on standard input, where that is a regular file; `None` for a pipe, a terminal or nothing.
///
/// # Errors
/// As fstat(2), but for a descriptor that is not open.
pub fn standard_input() -> io::Result<Option<InputFile>> {
    match InputFile::of(io::stdin().as_fd()) {
        Err(error) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => Ok(None),
        file => file,
    }
}

impl InputFile {
    fn of(fd: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let facts = Facts::of(fd, None)?;
        let is_file = facts.file_type == FileType::Regular;
        Ok(is_file.then(|| Self { path: path_for_people(fd), facts }))
    }

    /// Where the file is, as far as the system can tell: for messages, not for opening.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the descriptor said of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What would be wrong with the file itself if it were opened as this kind. The directories above it are not looked
    /// at.
    pub fn findings(&self, kind: Kind, trust: &Trust) -> Vec<Finding> {
        let judgement = judge(kind, Role::Last, &self.path, &self.facts, trust);
        let finding = |breach| Finding::new(kind, &self.path, &self.facts, breach, trust);
        judgement.breaches.into_iter().map(finding).collect()
    }
}

fn path_for_people(fd: BorrowedFd<'_>) -> PathBuf {
    let target = readlink(name_in_proc(fd), Vec::new());
    target.map_or_else(|_| "standard input".into(), |path| OsString::from_vec(path.into_bytes()).into())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::rule::Rule;

    #[test]
    fn a_file_says_who_reads_it_and_a_pipe_nothing() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let trust = Trust::root().caller(crate::Uid::effective());
        let rules = |file: &File| -> Vec<Rule> {
            let input = InputFile::of(file.as_fd()).unwrap().unwrap();
            input.findings(Kind::Secret, &trust).iter().map(|finding| finding.rule).collect()
        };
        assert_eq!(rules(file.as_file()), []);
        file.as_file_mut().set_permissions(Permissions::from_mode(0o644)).unwrap();
        assert_eq!(rules(file.as_file()), [Rule::GroupReadable, Rule::WorldReadable]);
        let input = InputFile::of(file.as_fd()).unwrap().unwrap();
        assert_eq!(input.path(), file.path());

        let (reader, _writer) = io::pipe().unwrap();
        assert!(InputFile::of(reader.as_fd()).unwrap().is_none());
    }
}
