//! A full file system: an error with its name, the old state whole and readable, and who must be closed out is.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

    /// Takes away what is laid by, and says how much that was.
    fn take_room(&self) -> u64 {
        let file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        let before = file.metadata().unwrap();
        file.set_len(before.len()).unwrap();
        (before.blocks() - file.metadata().unwrap().blocks()) * 512
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

fn add(store: &SecretStore, users: u32) -> Result<(), StoreError> {
    let newcomers = 1_000_000..1_000_000 + users;
    store.write(|edit| newcomers.into_iter().try_for_each(|number| edit.put(&user(number, 1)).map(drop)))
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
    assert!(is_full(add(&store, 5000), &small.path));
    drop(store);
    assert!(small.take_room() >= 64 * 1024, "newcomers have not used it");
}

/// A load that is too large, from the only program that has the store open, keeps nobody out and takes no room, whether
/// it is found out on the way or at the end.
#[test]
fn a_load_that_does_not_fit_leaves_the_store_as_it_was() {
    for users in [99_000, 5000] {
        let Some(small) = Small::new(1024, 1) else { return };
        let before = std::fs::metadata(&small.path).unwrap();
        let store = small.open(Access::Write);
        assert!(is_full(add(&store, users), &small.path));
        let after = std::fs::metadata(&small.path).unwrap();
        assert!(after.len() <= before.len() + 16 * 4096, "{} octets for {}", after.len(), before.len());
        assert!(after.blocks() <= before.blocks() + 128, "{} for {} blocks", after.blocks(), before.blocks());
        drop(store);
        for access in [Access::Read, Access::Write] {
            assert_eq!(small.open(access).list().map(Result::unwrap).count(), 1);
        }
        small.open(Access::Write).write(|edit| edit.put(&user(2, 1))).unwrap();
        assert!(small.open(Access::Write).check_integrity().unwrap().is_sound());
    }
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
        assert!(is_full(add(&store, 99_000), &small.path), "{kib} KiB");
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

/// It was killed in the midst of a load: what is free in the file lies where nothing has been written yet.
#[test]
fn on_a_full_file_system_readers_need_nothing_that_a_killed_writer_left() {
    let Some(small) = Small::new(8 * 1024, 3) else { return };
    let mut writer = child::start("full::load_and_be_killed", "", &small.path);
    while std::fs::metadata(&small.path).unwrap().blocks() * 512 < 2 << 20 {
        assert!(writer.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    small.take_room();
    small.fill_up();
    for _ in 0..2 {
        let reader = small.open(Access::Read);
        assert_eq!(reader.list().map(Result::unwrap).count(), 3);
    }
}

#[test]
fn load_and_be_killed() {
    let Some((_, path)) = child::order() else { return };
    let store = sample::open(&path, Access::Write).unwrap();
    add(&store, 99_000).unwrap();
}

/// Stores were made without, and others use it up.
#[test]
fn room_is_laid_by_when_the_store_is_opened_and_after_each_change() {
    let Some(small) = Small::new(4096, 50) else { return };
    assert!(small.take_room() >= 256 * 1024, "when it was made");
    drop(small.open(Access::Read));
    assert_eq!(small.take_room(), 0, "a reader needs none");
    let store = small.open(Access::Write);
    assert!(small.take_room() >= 256 * 1024);
    for _ in 0..3 {
        disable(&store, 1);
        assert!(small.take_room() >= 256 * 1024);
    }
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
