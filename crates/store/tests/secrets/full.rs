//! A full file system: an error with its name, the old state whole and readable, and who must be closed out is.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use credential::State;
use store::StoreError;
use store::secrets::{Access, SecretStore, Secrets};
use tests::scratch::SmallFileSystem;

use crate::child;
use crate::sample::{self, Fixture, identity, user};

/// A store of some users on a file system of its own.
struct Small {
    file_system: SmallFileSystem,
    path: PathBuf,
}

impl Small {
    fn new(kib: u32, users: u32) -> Option<Self> {
        let file_system = tests::scratch::small_file_system(kib).ok()?;
        let path = file_system.path().join("secrets.redb");
        sample::create(&path).unwrap();
        let store = sample::open(&path, Access::Write).unwrap();
        sample::fill(&store, 0..users);
        store.close().unwrap();
        Some(Self { file_system, path })
    }

    fn open(&self, access: Access) -> SecretStore {
        sample::open(&self.path, access).unwrap()
    }

    /// Leaves no block to anybody.
    fn fill_up(&self) {
        let mut other = std::fs::File::create(self.file_system.path().join("mail")).unwrap();
        let error = loop {
            if let Err(error) = other.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}

fn is_full<T>(result: Result<T, StoreError>, path: &Path) -> bool {
    matches!(result, Err(StoreError::Full { path: named }) if named == path)
}

fn add_many(store: &SecretStore) -> Result<(), StoreError> {
    store.write(|edit| (1000..100_000).try_for_each(|number| edit.put(&user(number, 1)).map(drop)))
}

/// Disables a user, as the tools do.
fn disable(store: &SecretStore, number: u32) {
    let mut stored = store.look_up(&identity(number)).unwrap().unwrap();
    stored.record.set_state(None, State::Suspended, user(number, 9).changed()).unwrap();
    assert!(store.put(&stored.record, Some(stored.revision)).unwrap());
}

fn is_disabled(store: &SecretStore, number: u32) -> bool {
    let record = store.get(&identity(number)).unwrap().unwrap();
    record.credentials().iter().all(|credential| credential.state == State::Suspended)
}

#[test]
fn what_does_not_fit_is_refused_and_the_rest_stays() {
    let Some(small) = Small::new(2048, 0) else { return };
    let (store, reader) = (small.open(Access::Write), small.open(Access::Read));
    let mut users = 0;
    loop {
        let batch = users..users + 50;
        match store.write(|edit| batch.clone().try_for_each(|number| edit.put(&user(number, 1)).map(drop))) {
            Ok(()) => users += 50,
            error => break assert!(is_full(error, &small.path)),
        }
        assert!(users < 100_000, "the file system is not that large");
    }
    assert!(users > 200);
    for store in [&store, &reader] {
        assert_eq!(store.counts().unwrap().users, u64::from(users));
        let ones = store.list().filter(|record| record.as_ref().is_ok_and(|r| r.changed().seconds() == 1));
        assert_eq!(ones.count(), users as usize);
    }
    // No room was made for that.
    assert!(store.remove(&identity(0)).unwrap());
    disable(&store, 1);
    assert!(store.check_integrity().unwrap().is_sound());
    assert!(reader.get(&identity(0)).unwrap().is_none());
    assert!(is_disabled(&reader, 1));
}

/// A load that is too large, from the only program that has the store open, keeps nobody out and takes no room.
#[test]
fn a_load_that_does_not_fit_leaves_the_store_as_it_was() {
    let Some(small) = Small::new(1024, 1) else { return };
    let before = std::fs::metadata(&small.path).unwrap();
    let store = small.open(Access::Write);
    assert!(is_full(add_many(&store), &small.path));
    drop(store);
    let after = std::fs::metadata(&small.path).unwrap();
    assert_eq!(after.len(), before.len());
    assert!(after.blocks() <= before.blocks() + 8, "{} of {} blocks", after.blocks(), before.blocks());
    for access in [Access::Read, Access::Write] {
        assert_eq!(small.open(access).list().map(Result::unwrap).count(), 1);
    }
    small.open(Access::Write).write(|edit| edit.put(&user(2, 1))).unwrap();
    assert!(small.open(Access::Write).check_integrity().unwrap().is_sound());
}

/// Each change by a process of its own as it were: opened, changed, closed.
#[test]
fn on_a_full_file_system_accounts_are_closed() {
    for (kib, users) in [(400, 1), (1024, 30), (16 * 1024, 5000)] {
        let Some(small) = Small::new(kib, users) else { return };
        small.fill_up();
        disable(&small.open(Access::Write), 0);
        assert!(is_disabled(&small.open(Access::Read), 0));
        for number in 0..users.min(20) {
            assert!(small.open(Access::Write).remove(&identity(number)).unwrap());
            assert!(small.open(Access::Read).get(&identity(number)).unwrap().is_none());
        }
        let store = small.open(Access::Write);
        assert!(is_full(add_many(&store), &small.path), "{kib} KiB");
        assert_eq!(store.counts().unwrap().users, u64::from(users - users.min(20)));
    }
}

/// A daemon does not close the store between two changes.
#[test]
fn on_a_full_file_system_a_daemon_closes_accounts() {
    let Some(small) = Small::new(4096, 500) else { return };
    let store = small.open(Access::Write);
    small.fill_up();
    for number in 0..100 {
        disable(&store, number);
        assert!(store.remove(&identity(number)).unwrap(), "{number}");
    }
    assert_eq!(small.open(Access::Read).list().flatten().count(), 400);
}

#[test]
fn on_a_full_file_system_readers_need_nothing_that_a_killed_writer_left() {
    let Some(small) = Small::new(1024, 3) else { return };
    let mut writer = child::start("full::open_and_be_killed", "", &small.path);
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("open") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child ended early");
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    small.fill_up();
    // As if what is laid by had been used.
    let store = std::fs::OpenOptions::new().write(true).open(&small.path).unwrap();
    store.set_len(store.metadata().unwrap().len()).unwrap();
    small.fill_up();
    for _ in 0..2 {
        let reader = small.open(Access::Read);
        assert_eq!(reader.list().map(Result::unwrap).count(), 3);
    }
}

#[test]
fn open_and_be_killed() {
    let Some((_, path)) = child::order() else { return };
    let store = sample::open(&path, Access::Write).unwrap();
    sample::fill(&store, 0..2);
    println!("\nopen");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Stores were made without, and others use it up.
#[test]
fn room_is_laid_by_with_the_next_opening() {
    let fixture = Fixture::with_users(50);
    let spare = || {
        let found = std::fs::metadata(&fixture.path).unwrap();
        (found.blocks() * 512).saturating_sub(found.len())
    };
    assert!(spare() >= 256 * 1024);
    let file = std::fs::OpenOptions::new().write(true).open(&fixture.path).unwrap();
    file.set_len(file.metadata().unwrap().len()).unwrap();
    drop(fixture.open(Access::Read));
    assert!(spare() < 64 * 1024, "a reader needs none");
    drop(fixture.open(Access::Write));
    assert!(spare() >= 256 * 1024);
}

#[test]
fn a_copy_that_does_not_fit_is_not_made() {
    let Ok(small) = tests::scratch::small_file_system(256) else { return };
    let fixture = Fixture::with_users(1000);
    let to = small.path().join("backup.redb");
    let error = fixture.open(Access::Write).backup(&to, &sample::trust()).unwrap_err();
    assert!(matches!(&error, StoreError::Full { path } if *path == to), "{error:?}");
    assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 0, "nothing half-made is left");
}
