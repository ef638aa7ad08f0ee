//! Locks that others hold: every wait has an end, readers do not wait, and who waits is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use store::secrets::{Access, SecretStore, Secrets};
use store::{StoreError, Wait};

use crate::child::{self, Running};
use crate::sample::{self, Fixture, identity, user};

/// A child that holds a write transaction until it is told to end, one way or another.
struct Holder(Running);

impl Holder {
    fn start(path: &Path) -> Self {
        let mut child = child::start("waiting::hold_a_write_transaction", "hold", path);
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains("held") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child ended early");
        }
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// Lets the child commit, and waits for it.
    fn let_go(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn hold_a_write_transaction() {
    let Some((order, path)) = child::order() else { return };
    assert_eq!(order, "hold");
    let store = sample::open(&path, Access::Write).unwrap();
    store
        .write(|edit| {
            edit.put(&user(500, 1))?;
            println!("held");
            std::io::stdout().flush().unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

fn patient(limit: Duration) -> (Wait, Arc<AtomicU32>) {
    let told = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&told);
    let wait = Wait::up_to(limit).telling(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    (wait, told)
}

fn is_busy<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(error @ StoreError::Busy { .. }) if error.is_temporary())
}

#[test]
fn a_writer_waits_and_gives_up_and_the_handle_stays_good() {
    let fixture = Fixture::with_users(1);
    let (wait, told) = patient(Duration::from_millis(400));
    let store = SecretStore::open(&fixture.path, &sample::trust(), Access::Write, wait).unwrap();
    let holder = Holder::start(&fixture.path);
    let begun = Instant::now();
    assert!(is_busy(store.write(|edit| edit.put(&user(1, 1)))));
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert!(store.get(&identity(0)).unwrap().is_some(), "readers do not wait");
    assert!(store.get(&identity(500)).unwrap().is_none(), "nothing is seen before it is committed");
    holder.let_go();
    store.write(|edit| edit.put(&user(1, 1))).unwrap();
    assert!(store.get(&identity(500)).unwrap().is_some());
}

/// Opening for writing waits as well (it may have to heal), and both waits come out of one purse.
#[test]
fn opening_waits_too() {
    let fixture = Fixture::with_users(1);
    let holder = Holder::start(&fixture.path);
    let (wait, told) = patient(Duration::from_millis(400));
    assert!(is_busy(SecretStore::open(&fixture.path, &sample::trust(), Access::Write, wait)));
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let (wait, _) = patient(Duration::from_mins(1));
    let waiting = std::thread::spawn({
        let path = fixture.path.clone();
        move || SecretStore::open(&path, &sample::trust(), Access::Write, wait).unwrap().counts().unwrap()
    });
    std::thread::sleep(Duration::from_millis(50));
    holder.let_go();
    assert_eq!(waiting.join().unwrap().users, 2);
}

#[test]
fn a_reader_opens_and_reads_beside_a_writer() {
    let fixture = Fixture::with_users(3);
    let holder = Holder::start(&fixture.path);
    let (wait, told) = patient(Duration::ZERO);
    let store = SecretStore::open(&fixture.path, &sample::trust(), Access::Read, wait).unwrap();
    assert_eq!(store.list().count(), 3);
    assert_eq!(told.load(Ordering::SeqCst), 0);
    holder.let_go();
    assert_eq!(store.list().count(), 4);
}

#[test]
fn a_stopped_holder_blocks_no_longer_than_the_wait() {
    let fixture = Fixture::with_users(1);
    let store = SecretStore::open(
        &fixture.path,
        &sample::trust(),
        Access::Write,
        patient(Duration::from_millis(300)).0,
    );
    let store = store.unwrap();
    let holder = Holder::start(&fixture.path);
    kill(holder.pid(), Signal::SIGSTOP).unwrap();
    assert!(is_busy(store.write(|edit| edit.put(&user(1, 1)))));
    assert!(store.get(&identity(0)).unwrap().is_some());
    kill(holder.pid(), Signal::SIGCONT).unwrap();
    holder.let_go();
    store.write(|edit| edit.put(&user(1, 1))).unwrap();
}

#[test]
fn ctrl_z_waits_for_the_end_of_the_transaction() {
    let is_held = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGTSTP);
    let store = Fixture::with_users(1).open(Access::Write);
    store
        .write(|edit| {
            assert!(is_held(), "who is stopped in a transaction keeps everybody waiting");
            edit.put(&user(1, 1))
        })
        .unwrap();
    assert!(!is_held(), "and afterwards the key works again");
}

#[test]
fn a_killed_holder_leaves_nothing_behind() {
    let fixture = Fixture::with_users(1);
    let store = fixture.open(Access::Write);
    let reader = fixture.open(Access::Read);
    Holder::start(&fixture.path).kill();
    assert!(reader.get(&identity(500)).unwrap().is_none());
    store.write(|edit| edit.put(&user(1, 1))).unwrap();
    assert!(reader.get(&identity(1)).unwrap().is_some());
}

#[test]
fn a_reader_heals_what_the_last_writer_left() {
    let fixture = Fixture::with_users(3);
    Holder::start(&fixture.path).kill();
    // Nobody has it open for writing now, and redb refuses to read it before somebody has.
    let store = fixture.open(Access::Read);
    assert_eq!(store.list().flatten().count(), 3);
    drop(store);
    assert!(fixture.open(Access::Write).check_integrity().unwrap().is_sound());
}

#[test]
fn threads_of_one_process_wait_with_an_end_too() {
    let fixture = Fixture::with_users(1);
    let (wait, _) = patient(Duration::from_millis(100));
    let store = SecretStore::open(&fixture.path, &sample::trust(), Access::Write, wait).unwrap();
    store
        .write(|edit| {
            edit.put(&user(1, 1))?;
            std::thread::scope(|scope| {
                let other = scope.spawn(|| is_busy(store.write(|edit| edit.put(&user(2, 1)))));
                assert!(other.join().unwrap());
            });
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert_eq!(store.counts().unwrap().users, 2);
}

/// One who writes without a pause, as an import does, leaves room for others.
#[test]
fn a_writer_without_pause_lets_others_write() {
    let fixture = Fixture::with_users(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = fixture.open(Access::Write);
        let busy = scope.spawn({
            let done = &done;
            move || {
                (1..)
                    .take_while(|_| !done.load(Ordering::SeqCst))
                    .try_for_each(|version| busy.write(|edit| edit.put(&user(1, version)).map(drop)))
            }
        });
        let others = (2..5).map(|number| {
            let tool = fixture.open(Access::Write);
            scope.spawn(move || {
                (1..20).try_for_each(|version| tool.write(|edit| edit.put(&user(number, version)).map(drop)))
            })
        });
        let others: Vec<_> = others.collect();
        let results: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        busy.join().unwrap().unwrap();
    });
}
