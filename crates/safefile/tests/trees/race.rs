//! Components swapped while somebody opens. What is opened always says that it is good.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use safefile::{Kind, OpenError, SafeFile, Trust};
use tests::need;

use crate::ground::{Ground, MALLORY, ROOT, dress};

#[derive(Default)]
struct Score {
    opened: u32,
    refused: u32,
    missed: u32,
}

/// Exchanges two names without pause while the path is opened.
fn race(path: &Path, one: &Path, other: &Path) -> Score {
    race_against(path, || renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap())
}

fn race_against(path: &Path, disturb: impl Fn() + Sync) -> Score {
    let over = AtomicBool::new(false);
    let mut score = Score::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let _ends = Ends(&over);
        let until = Instant::now() + duration();
        while Instant::now() < until {
            open(path, &mut score);
        }
    });
    score
}

/// Ends the other thread, also when this one has failed.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn duration() -> Duration {
    if need::full() { Duration::from_mins(1) } else { Duration::from_millis(1200) }
}

fn open(path: &Path, score: &mut Score) {
    match SafeFile::open(path, Kind::Secret, &Trust::root()) {
        Ok(file) => {
            assert_eq!(file.read_whole(100).unwrap(), b"good");
            assert_eq!(file.facts().mode, 0o600);
            score.opened += 1;
        }
        Err(OpenError::Refused(_)) => score.refused += 1,
        Err(OpenError::Missing { .. } | OpenError::Failed { .. }) => score.missed += 1,
    }
}

fn check(score: &Score) {
    assert!(score.opened > 10 && score.refused > 10, "{} {}", score.opened, score.refused);
    assert_eq!(score.missed, 0, "an exchange leaves no gap");
}

fn good(ground: &Ground, name: &str) -> PathBuf {
    let path = ground.secret(name);
    fs::write(&path, "good").unwrap();
    path
}

fn evil(ground: &Ground, name: &str, owner: u32) -> PathBuf {
    let path = ground.file(name, owner, owner, 0o600);
    fs::write(&path, "evil").unwrap();
    path
}

#[test]
fn the_file_itself() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = good(&ground, "f");
    check(&race(&path, &path, &evil(&ground, "evil", MALLORY)));
}

#[test]
fn a_file_for_a_pipe() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = good(&ground, "f");
    check(&race(&path, &path, &ground.fifo("fifo")));
}

#[test]
fn a_file_for_a_link() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("open", MALLORY, MALLORY, 0o777);
    evil(&ground, "open/evil", ROOT);
    let path = good(&ground, "f");
    check(&race(&path, &path, &ground.link("l", "open/evil")));
}

/// The evil file is root's own and closed to others: only its directory tells.
#[test]
fn a_directory_on_the_way() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o755);
    ground.dir("evil", MALLORY, MALLORY, 0o755);
    let path = good(&ground, "d/f");
    evil(&ground, "evil/f", ROOT);
    check(&race(&path, &ground.at("d"), &ground.at("evil")));
}

#[test]
fn a_directory_for_a_link() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o755);
    ground.dir("evil", ROOT, ROOT, 0o777);
    let path = good(&ground, "d/f");
    evil(&ground, "evil/f", ROOT);
    check(&race(&path, &ground.at("d"), &ground.link("l", "evil")));
}

#[test]
fn where_a_link_leads() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("d", ROOT, ROOT, 0o755);
    ground.dir("evil", MALLORY, MALLORY, 0o755);
    good(&ground, "d/f");
    evil(&ground, "evil/f", ROOT);
    let link = ground.link("l", "d");
    check(&race(&link.join("f"), &link, &ground.link("k", "evil")));
}

/// Up again from a directory that has been moved elsewhere meanwhile.
#[test]
fn the_parent_of_a_directory() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    ground.dir("a/d", ROOT, ROOT, 0o755);
    ground.dir("evil/d", ROOT, ROOT, 0o755);
    good(&ground, "a/f");
    evil(&ground, "evil/f", ROOT);
    dress(&ground.at("evil"), MALLORY, MALLORY, 0o755);
    ground.dir("a/e", ROOT, ROOT, 0o755);
    let score = race(&ground.at("a/d/../f"), &ground.at("a/d"), &ground.at("evil/d"));
    assert!(score.opened > 10, "{}", score.opened);
}

/// Judged when it was closed, used when it is open: the descriptor that is used is judged as well.
#[test]
fn rights_given_and_taken() {
    let Ok(()) = need::root() else { return };
    let ground = Ground::new();
    let path = good(&ground, "f");
    check(&race_against(&path, || {
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }));
}
