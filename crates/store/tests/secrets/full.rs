//! A full file system: an error with its name, the old state whole, and all is well once there is room again.

use store::StoreError;
use store::secrets::{Access, Secrets};

use crate::sample::{self, identity, user};

#[test]
fn what_does_not_fit_is_refused_and_the_rest_stays() {
    let Ok(small) = tests::scratch::small_file_system(2048) else { return };
    let path = small.path().join("secrets.redb");
    sample::create(&path).unwrap();
    // What admins are told to keep: a little that can be freed, for deleting needs room as well.
    let reserve = small.path().join("reserve");
    std::fs::write(&reserve, vec![0; 512 * 1024]).unwrap();
    let store = sample::open(&path, Access::Write).unwrap();
    let reader = sample::open(&path, Access::Read).unwrap();
    let mut users = 0;
    let error = loop {
        match store
            .write(|edit| (users..users + 50).try_for_each(|number| edit.put(&user(number, 1)).map(drop)))
        {
            Ok(()) => users += 50,
            Err(error) => break error,
        }
        assert!(users < 100_000, "the file system is not that large");
    };
    assert!(matches!(&error, StoreError::Full { path: named } if *named == path), "{error:?}");
    for store in [&store, &reader] {
        assert_eq!(store.counts().unwrap().users, u64::from(users));
        assert_eq!(
            store.list().filter(|record| record.as_ref().is_ok_and(|r| r.changed().seconds() == 1)).count(),
            users as usize
        );
    }
    std::fs::remove_file(reserve).unwrap();
    assert!(store.remove(&identity(0)).unwrap());
    store.write(|edit| edit.put(&user(7_000_000, 1))).unwrap();
    assert!(store.check_integrity().unwrap().is_sound());
    assert!(reader.get(&identity(0)).unwrap().is_none());
}

#[test]
fn a_copy_that_does_not_fit_is_not_made() {
    let Ok(small) = tests::scratch::small_file_system(256) else { return };
    let fixture = sample::Fixture::with_users(1000);
    let to = small.path().join("backup.redb");
    let error = fixture.open(Access::Write).backup(&to, &sample::trust()).unwrap_err();
    assert!(matches!(&error, StoreError::Full { path } if *path == to), "{error:?}");
    assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 0, "nothing half-made is left");
}
