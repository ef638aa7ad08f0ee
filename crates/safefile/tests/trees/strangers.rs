//! Trees by chance, and strangers who try what they can, for real: whoever could write a component, replace the file or
//! read a secret is never met in what was opened.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{XattrFlags, setxattr};
use rustix::io::Errno;
use safefile::{Exception, Kind, OpenError, SafeFile, Trust, Verdict, audit};
use tests::need;

use crate::ground::{Ground, MALLORY, ROOT, SMMSP, STAFF, account, acting_as, dress, group};

#[derive(Clone, Debug)]
struct Tree {
    kind: Kind,
    dirs: Vec<Node>,
    file: Node,
    has_second_name: bool,
    link: Option<Link>,
    staff_may_read: bool,
}

#[derive(Clone, Debug)]
struct Node {
    owner: u32,
    group: u32,
    mode: u32,
    named: Option<Entry>,
}

/// An entry of an access list: user (2) or group (8), its permissions, its number; and the mask.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    perms: u16,
    id: u32,
    mask: u16,
}

/// A link in a directory of its own, in the place of one component; after the last directory: of the file.
#[derive(Clone, Debug)]
struct Link {
    at: usize,
    owner: u32,
    place: Node,
    is_absolute: bool,
}

fn owner() -> impl Strategy<Value = u32> {
    prop_oneof![12 => Just(ROOT), 3 => Just(SMMSP), 1 => Just(MALLORY)]
}

fn entry() -> impl Strategy<Value = Entry> {
    let who = prop_oneof![
        4 => Just((2, MALLORY)),
        1 => Just((2, ROOT)),
        1 => Just((2, SMMSP)),
        1 => Just((8, STAFF)),
        1 => Just((8, ROOT)),
    ];
    (who, 0..8_u16, 0..8_u16).prop_map(|((tag, id), perms, mask)| Entry { tag, perms, id, mask })
}

fn node(modes: &'static [u32]) -> impl Strategy<Value = Node> {
    let group = prop_oneof![Just(ROOT), Just(STAFF)];
    let mode = prop::sample::select(modes);
    let named = prop::option::weighted(0.25, entry());
    (owner(), group, mode, named).prop_map(|(owner, group, mode, named)| Node { owner, group, mode, named })
}

fn dir() -> impl Strategy<Value = Node> {
    node(&[
        0o755, 0o755, 0o755, 0o755, 0o755, 0o755, 0o755, 0o755, 0o711, 0o711, 0o700, 0o2755, 0o750, 0o775,
        0o777, 0o1777, 0o757, 0o722,
    ])
}

fn file() -> impl Strategy<Value = Node> {
    node(&[0o600, 0o600, 0o600, 0o400, 0o640, 0o640, 0o644, 0o644, 0o604, 0o660, 0o620, 0o666, 0o602])
}

fn tree() -> impl Strategy<Value = Tree> {
    let link = (0..4_usize, owner(), dir(), any::<bool>());
    let link = link.prop_map(|(at, owner, place, is_absolute)| Link { at, owner, place, is_absolute });
    let kind = prop::sample::select(&Kind::ALL[..7]);
    let dirs = prop::collection::vec(dir(), 1..4);
    let link = prop::option::weighted(0.4, link);
    (kind, dirs, file(), prop::bool::weighted(0.05), link, any::<bool>()).prop_map(
        |(kind, dirs, file, has_second_name, link, staff_may_read)| Tree {
            kind,
            dirs,
            file,
            has_second_name,
            link,
            staff_may_read,
        },
    )
}

/// A tree as it stands: the path to open, every directory that matters, the file.
struct Built {
    ground: Ground,
    path: PathBuf,
    dirs: Vec<PathBuf>,
    file: PathBuf,
}

impl Tree {
    fn build(&self) -> Built {
        let ground = Ground::new();
        let mut dirs = Vec::new();
        let mut at = ground.path().to_owned();
        for index in 0..self.dirs.len() {
            at.push(format!("d{index}"));
            fs::create_dir(&at).unwrap();
            dirs.push(at.clone());
        }
        let file = at.join("f");
        fs::write(&file, "secret").unwrap();
        if self.has_second_name {
            fs::hard_link(&file, ground.at("second")).unwrap();
        }
        let path = match &self.link {
            Some(link) => link.build(&ground, &mut dirs, &file),
            None => file.clone(),
        };
        self.file.put_on(&file);
        for (node, dir) in self.nodes().zip(&dirs) {
            node.put_on(dir);
        }
        Built { ground, path, dirs, file }
    }

    /// The directories in the order of those that were built.
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.dirs.iter().chain(self.link.as_ref().map(|link| &link.place))
    }

    fn trust(&self) -> Trust {
        let trust = Trust::root().trusted_user(account(SMMSP));
        if self.staff_may_read { trust.except(Exception::GroupReadable(group(STAFF))) } else { trust }
    }

    /// Safe beyond any doubt: to refuse it would be a mistake as well.
    fn is_plainly_safe(&self) -> bool {
        let is_trusted = |owner: u32| owner == ROOT || (owner == SMMSP && !self.kind.is_roots_alone());
        let is_closed =
            |node: &Node| is_trusted(node.owner) && node.mode & 0o022 == 0 && node.named.is_none();
        let is_private = !self.kind.is_secret() || self.file.mode & 0o044 == 0;
        let is_link_trusted = self.link.as_ref().is_none_or(|link| is_trusted(link.owner));
        self.nodes().all(is_closed)
            && is_closed(&self.file)
            && is_private
            && is_link_trusted
            && (!self.has_second_name || self.kind == Kind::Program)
    }

    /// Who is not trusted: a user and a group each.
    fn strangers(&self) -> Vec<(u32, u32)> {
        let mut strangers = vec![(MALLORY, MALLORY), (4777, STAFF), (4888, ROOT)];
        if self.kind.is_roots_alone() {
            strangers.push((SMMSP, SMMSP));
        }
        strangers
    }

    fn may_read(&self, stranger: (u32, u32)) -> bool {
        let is_excepted = self.staff_may_read && self.kind.may_have_exceptions() && stranger.1 == STAFF;
        !self.kind.is_secret() || is_excepted
    }
}

impl Link {
    /// Its directory joins the others; the way through it is what is to be opened.
    fn build(&self, ground: &Ground, dirs: &mut Vec<PathBuf>, file: &Path) -> PathBuf {
        let target = dirs.get(self.at).map_or(file, PathBuf::as_path).to_owned();
        let rest = file.strip_prefix(&target).unwrap().to_owned();
        let relative = Path::new("..").join(target.strip_prefix(ground.path()).unwrap());
        dirs.push(ground.dir("place", ROOT, ROOT, 0o755));
        let target = if self.is_absolute { target } else { relative };
        let link = ground.foreign_link("place/l", target, self.owner);
        if rest.as_os_str().is_empty() { link } else { link.join(rest) }
    }
}

impl Node {
    fn put_on(&self, path: &Path) {
        dress(path, self.owner, self.group, self.mode);
        let Some(entry) = self.named else { return };
        let bits = |shift: u32| u16::try_from(self.mode >> shift & 7).unwrap();
        let list = [
            (1, bits(6), u32::MAX),
            (
                if entry.tag == 2 { 2 } else { 4 },
                if entry.tag == 2 { entry.perms } else { bits(3) },
                entry.id,
            ),
            (
                if entry.tag == 2 { 4 } else { 8 },
                if entry.tag == 2 { bits(3) } else { entry.perms },
                entry.id,
            ),
            (16, entry.mask, u32::MAX),
            (32, bits(0), u32::MAX),
        ];
        let mut octets = vec![2, 0, 0, 0];
        for (tag, perms, id) in list {
            octets.extend([u16::to_le_bytes(tag), perms.to_le_bytes()].concat());
            octets.extend(u32::to_le_bytes(id));
        }
        match setxattr(path, "system.posix_acl_access", &octets, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => panic!("{errno} {self:?}"),
        }
    }
}

impl Built {
    /// Everything that this user manages to do. What succeeds may spoil the tree.
    fn tried_by(&self, (uid, gid): (u32, u32)) -> Vec<String> {
        acting_as(uid, gid, || {
            let mut done = Vec::new();
            let mut note = |what: &str, path: &Path, success: bool| {
                if success {
                    done.push(format!("{uid}:{gid} can {what} {}", path.display()));
                }
            };
            note("read", &self.file, File::open(&self.file).is_ok());
            note("write", &self.file, File::options().write(true).open(&self.file).is_ok());
            note("chmod", &self.file, fs::set_permissions(&self.file, Permissions::from_mode(0o666)).is_ok());
            for dir in &self.dirs {
                note("make a file in", dir, File::create_new(dir.join("new")).is_ok());
                note("replace what is in", dir, self.can_move(dir));
                note("chmod", dir, fs::set_permissions(dir, Permissions::from_mode(0o777)).is_ok());
            }
            done
        })
    }

    fn can_move(&self, dir: &Path) -> bool {
        let inside = self.dirs.iter().chain([&self.file, &self.path]).find(|path| path.parent() == Some(dir));
        inside.is_some_and(|path| fs::rename(path, dir.join("moved")).is_ok())
    }
}

#[test]
fn no_stranger_can_do_anything_to_what_is_opened() {
    let Ok(()) = need::root() else { return };
    let cases = if need::full() { 30_000 } else { 700 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let (opened, refused) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&tree(), |tree| {
        let built = tree.build();
        let result = SafeFile::open(&built.path, tree.kind, &tree.trust());
        let report = audit(&built.path, tree.kind, &tree.trust());
        prop_assert_eq!(result.is_ok(), report.verdict() == Verdict::Safe);
        match result {
            Ok(_) => {
                opened.set(opened.get() + 1);
                for stranger in tree.strangers() {
                    let mut done = built.tried_by(stranger);
                    done.retain(|what| !(tree.may_read(stranger) && what.contains(" can read ")));
                    prop_assert!(done.is_empty(), "{:?}", done);
                }
            }
            Err(OpenError::Refused(refusal)) => {
                refused.set(refused.get() + 1);
                prop_assert!(!tree.is_plainly_safe(), "{}", refusal);
                prop_assert_eq!(
                    Some(refusal.finding.rule),
                    report.findings().next().map(|(_, one)| one.rule)
                );
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        drop(built.ground);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        opened.get() * 20 > cases && refused.get() * 20 > cases,
        "both happen: {} {}",
        opened.get(),
        refused.get()
    );
}

/// The strangers do find what there is to find; or the test above would prove nothing.
#[test]
fn strangers_try_hard_enough() {
    let Ok(()) = need::root() else { return };
    let closed = || Node { owner: ROOT, group: STAFF, mode: 0o755, named: None };
    let node = |owner, mode| Node { owner, mode, ..closed() };
    let write = Some(Entry { tag: 2, perms: 7, id: MALLORY, mask: 7 });
    for (dir, file, expected) in [
        (closed(), node(ROOT, 0o644), "read"),
        (closed(), node(ROOT, 0o602), "write"),
        (closed(), node(MALLORY, 0o600), "chmod"),
        (node(ROOT, 0o777), node(ROOT, 0o600), "replace what is in"),
        (node(ROOT, 0o1777), node(ROOT, 0o600), "make a file in"),
        (node(MALLORY, 0o755), node(ROOT, 0o600), "chmod"),
        (Node { named: write, ..closed() }, node(ROOT, 0o600), "make a file in"),
    ] {
        let tree = Tree {
            kind: Kind::Secret,
            dirs: vec![dir],
            file,
            has_second_name: false,
            link: None,
            staff_may_read: false,
        };
        let done = tree.build().tried_by((MALLORY, MALLORY));
        assert!(done.iter().any(|what| what.contains(expected)), "{expected}: {done:?}");
    }
}
