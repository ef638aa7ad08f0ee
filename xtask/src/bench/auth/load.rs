//! Logins one after the other by so many clients at once, and sessions that wait.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Session, Way};
use super::proof::User;
use crate::shell::Outcome;

/// How many users there are.
pub(super) const USERS: usize = 1_000;
const A_WHILE: Duration = Duration::from_secs(5);
/// How many log in at once.
pub(super) const CONCURRENCY: usize = 16;

/// What came of a while of logging in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) logins: u32,
    pub(super) took: Duration,
}

impl Done {
    pub(super) fn per_second(self) -> f64 {
        f64::from(self.logins) / self.took.as_secs_f64()
    }
}

/// So many clients log in and leave until time is up. One that fails fails the bench.
pub(super) fn log_in(way: &Way<'_>, clients: usize, lasting: Duration) -> Outcome<Done> {
    let begun = Instant::now();
    run(way, clients, |_| begun.elapsed() < lasting)
}

/// Every user once, so that whatever is made once has been made; of a slow server, as many as come in a while.
pub(super) fn everybody(way: &Way<'_>) -> Outcome<Done> {
    let begun = Instant::now();
    run(way, CONCURRENCY, |number| number < USERS && begun.elapsed() < A_WHILE)
}

fn run(way: &Way<'_>, clients: usize, goes_on: impl Fn(usize) -> bool + Sync) -> Outcome<Done> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fault: Mutex<Option<io::Error>> = Mutex::default();
    let begun = Instant::now();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if !goes_on(number) {
                return;
            }
            if let Err(error) = way.log_in(User(number % USERS)).and_then(Session::quit) {
                fault.lock().map(|mut fault| fault.replace(error)).ok();
                return;
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| (0..clients).for_each(|_| drop(scope.spawn(work))));
    let took = begun.elapsed();
    match fault.into_inner() {
        Ok(Some(error)) => {
            Err(format!("{}, {:?}, {:?}: a login failed: {error}", way.door, way.mechanism, way.transport))
        }
        _ => Ok(Done { logins: u32::try_from(done.into_inner()).unwrap_or(u32::MAX), took }),
    }
}

/// While `work` is done, so many clients log in by this way without pause; who is refused or kept waiting tries again.
pub(super) fn beside<T>(way: &Way<'_>, clients: usize, work: impl FnOnce() -> T) -> (T, u32) {
    let (next, done, ends) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let press = || {
        while !ends.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if way.log_in(User(number % USERS)).and_then(Session::quit).is_ok() {
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let worked = thread::scope(|scope| {
        (0..clients).for_each(|_| drop(scope.spawn(press)));
        // The line in front of the checks is full by then.
        thread::sleep(Duration::from_millis(500));
        done.store(0, Ordering::Relaxed);
        let worked = work();
        let checks = done.load(Ordering::Relaxed);
        ends.store(true, Ordering::Relaxed);
        (worked, checks)
    });
    (worked.0, u32::try_from(worked.1).unwrap_or(u32::MAX))
}

/// So many sessions that have logged in and wait.
pub(super) fn hold(way: &Way<'_>, sessions: usize) -> Outcome<Vec<Session>> {
    let failed = |error: io::Error| format!("{}: a session failed: {error}", way.door);
    (0..sessions).map(|number| way.log_in(User(number % USERS)).map_err(failed)).collect()
}
