//! A tree of files from lines of text, and the program run on it.
//!
//! ```text
//! dir   PATH  USER:GROUP MODE
//! file  PATH  USER:GROUP MODE  [contents, with \n, \t and ROOT]
//! copy  PATH  USER:GROUP MODE  FIXTURE            (below tests/fixtures/maps)
//! host  PATH  USER:GROUP MODE                     (the same path below tests/host)
//! link  PATH  USER:GROUP TARGET                   (ROOT in TARGET is the tree's directory)
//! name  PATH  OTHER                               (a hard link to OTHER)
//! fifo  PATH  USER:GROUP MODE
//! acl   PATH  ENTRY                               (as setfacl takes it)
//! ```
//!
//! Directories that are not named are made as root's, 0755.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safefile::account::{Account, Group};
use tempfile::TempDir;

pub(crate) struct Tree {
    dir: TempDir,
}

impl Tree {
    /// Makes the tree. Needs root, and setfacl where there is an access list.
    pub(crate) fn of(lines: &str) -> Self {
        let tree = Self { dir: tests::scratch::dir() };
        chmod(tree.root(), 0o755);
        lines.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| tree.line(line));
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// The text with every `ROOT` made the tree's directory.
    pub(crate) fn rooted(&self, text: &str) -> String {
        text.replace("ROOT", self.root().to_str().unwrap())
    }

    /// The text with the tree's directory made `ROOT` again.
    pub(crate) fn unrooted(&self, octets: &[u8]) -> String {
        String::from_utf8(octets.to_vec()).unwrap().replace(self.root().to_str().unwrap(), "ROOT")
    }

    /// Runs authcheck with words that blanks part.
    pub(crate) fn authcheck(&self, line: &str) -> Output {
        let line = self.rooted(line);
        Command::new(env!("CARGO_BIN_EXE_authcheck"))
            .args(line.split_ascii_whitespace())
            .current_dir(self.root())
            .output()
            .unwrap()
    }

    fn line(&self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {line}"));
        let (what, path) = (word(), self.at(word()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let arguments: Vec<&str> = words.collect();
        match (what, arguments.as_slice()) {
            ("dir", [owner, mode]) => {
                fs::create_dir_all(&path).unwrap();
                own(&path, owner, mode);
            }
            ("file", [owner, mode, contents @ ..]) => {
                let contents = self.rooted(&contents.join(" ")).replace("\\n", "\n").replace("\\t", "\t");
                fs::write(&path, contents).unwrap();
                own(&path, owner, mode);
            }
            ("copy", [owner, mode, fixture]) => {
                fs::copy(format!("{MANIFEST_DIR}/../../tests/fixtures/maps/{fixture}"), &path).unwrap();
                own(&path, owner, mode);
            }
            ("host", [owner, mode]) => {
                let ours = path.strip_prefix(self.root()).unwrap();
                fs::copy(Path::new(MANIFEST_DIR).join("tests/host").join(ours), &path).unwrap();
                own(&path, owner, mode);
            }
            ("link", [owner, target]) => {
                symlink(self.rooted(target), &path).unwrap();
                let (uid, gid) = ids(owner);
                lchown(&path, Some(uid), Some(gid)).unwrap();
            }
            ("name", [other]) => fs::hard_link(self.at(other), &path).unwrap(),
            ("fifo", [owner, mode]) => {
                run(Command::new("mkfifo").arg(&path));
                own(&path, owner, mode);
            }
            ("acl", [entry]) => run(Command::new("setfacl").args(["-m", entry]).arg(&path)),
            _ => panic!("not a line of a tree: {line}"),
        }
    }
}

/// Owner first: a change of owner clears set-uid bits.
fn own(path: &Path, owner: &str, mode: &str) {
    let (uid, gid) = ids(owner);
    chown(path, Some(uid), Some(gid)).unwrap();
    chmod(path, u32::from_str_radix(mode, 8).unwrap());
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn ids(owner: &str) -> (u32, u32) {
    let (user, group) = owner.split_once(':').unwrap();
    let user = Account::by_name(user).unwrap().unwrap_or_else(|| panic!("no user {user}"));
    let group = Group::by_name(group).unwrap().unwrap_or_else(|| panic!("no group {group}"));
    (user.uid.0, group.gid.0)
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
