//! Many users: nothing but listing them all may cost more because they are many.
//!
//! What is compared are octets read and written, as the kernel counts them for this thread, not times. 100,000 users;
//! a million with `GATEPOST_TEST_FULL=1`.

use std::io::{BufRead, BufReader};

use store::secrets::{Access, Secrets};

use crate::child;
use crate::sample::{self, Fixture, identity, user};

/// Octets that this thread has read and written by system calls.
fn octets_moved() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().parse::<u64>().unwrap()
    };
    (field("rchar:"), field("wchar:"))
}

/// Runs `body` and says how many octets it read and wrote.
fn moving<T>(body: impl FnOnce() -> T) -> (T, u64, u64) {
    let before = octets_moved();
    let value = body();
    let after = octets_moved();
    (value, after.0 - before.0, after.1 - before.1)
}

#[test]
fn many_users_cost_no_more_than_few() {
    let users = if tests::need::full() { 1_000_000 } else { 100_000 };
    let fixture = Fixture::with_users(users);
    let size = std::fs::metadata(&fixture.path).unwrap().len();
    assert!(size > u64::from(users) * 200);

    let ((), read, _) = moving(|| {
        let store = fixture.open(Access::Read);
        assert!(store.get(&identity(users / 3)).unwrap().is_some());
        assert!(store.get(&identity(users + 1)).unwrap().is_none());
    });
    assert!(read < 256 * 1024, "opening and looking up read {read} octets of {size}");

    let ((), read, written) = moving(|| {
        fixture.open(Access::Write).write(|edit| edit.put(&user(users / 2, 1))).unwrap();
    });
    assert!(read + written < size / 20, "changing one user moved {read} + {written} octets of {size}");

    crash(&fixture);
    let ((), read, written) = moving(|| {
        let store = fixture.open(Access::Read);
        assert!(store.get(&identity(users / 3)).unwrap().is_some());
    });
    assert!(read + written < size / 20, "opening after a crash moved {read} + {written} octets of {size}");

    let peak = peak_of_listing(&fixture, users);
    assert!(peak < 128 * 1024, "listing took {peak} KiB");
}

/// Leaves the file as a killed writer does.
fn crash(fixture: &Fixture) {
    let mut writer = child::start("large::write_and_wait", "crash", &fixture.path);
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("written") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
}

#[test]
fn write_and_wait() {
    let Some((_, path)) = child::order() else { return };
    let store = sample::open(&path, Access::Write).unwrap();
    store.write(|edit| edit.put(&user(1, 1))).unwrap();
    println!("written");
    loop {
        std::thread::park();
    }
}

/// The peak of memory, in KiB, of a process that lists all users.
fn peak_of_listing(fixture: &Fixture, users: u32) -> u64 {
    let lister = child::start("large::list_all", &users.to_string(), &fixture.path);
    let (status, text) = lister.end();
    assert!(status.success());
    let (_, peak) = text.split_once("peak ").unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn list_all() {
    let Some((order, path)) = child::order() else { return };
    let store = sample::open(&path, Access::Read).unwrap();
    assert_eq!(store.list().flatten().count(), order.parse::<usize>().unwrap());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {}", peak.trim());
}
