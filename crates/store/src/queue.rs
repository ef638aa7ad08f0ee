//! How writers make room for one another.
//!
//! Whoever tries again and again to get a lock has no chance against one who gives it back and takes it in the same
//! breath, as an import does with each batch. So who has waited for a while says so, by a shared lock on a byte that
//! redb leaves to backends, and who has just written looks for such a lock and lets the other go first. It is a
//! courtesy: nothing depends on it but how long others wait.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::wait::{Deadline, PollError};

/// The queue of one open file, shared by the backend, which redb owns, and the handle around redb.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    file: Arc<FileBackend>,
    /// Threads that wait with this description, whose lock does not show to itself.
    waiting: Arc<Mutex<u32>>,
}

impl Queue {
    pub(crate) fn new(file: &Arc<FileBackend>) -> Self {
        Self { file: Arc::clone(file), waiting: Arc::default() }
    }

    /// Tries until `attempt` answers or the deadline has passed; after some attempts, says that it waits.
    pub(crate) fn wait<T, E>(
        &self,
        deadline: &Deadline,
        mut attempt: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<T, PollError<E>> {
        let (mut attempts, mut announced) = (0, None);
        deadline.poll(|| {
            attempts += 1;
            if attempts > QUIET_ATTEMPTS && announced.is_none() {
                announced = Some(Announced::new(self));
            }
            attempt()
        })
    }

    /// Lets somebody go first who waits, for a few milliseconds at most: whoever waits tries that often.
    pub(crate) fn let_others_go_first(&self) {
        for _ in 0..POLITE_PAUSES {
            if !self.somebody_waits() {
                return;
            }
            std::thread::sleep(POLITE_PAUSE);
        }
    }

    fn somebody_waits(&self) -> bool {
        *self.lock() > 0 || self.file.query_lock_range(WAITING.0, WAITING.1).unwrap_or(false)
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, others can see that one waits.
struct Announced<'q>(&'q Queue);

impl<'q> Announced<'q> {
    fn new(queue: &'q Queue) -> Self {
        let mut waiting = queue.lock();
        *waiting += 1;
        if *waiting == 1 {
            let _ = queue.file.try_lock_shared_range(WAITING.0, WAITING.1);
        }
        drop(waiting);
        Self(queue)
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        *waiting -= 1;
        if *waiting == 0 {
            let _ = self.0.file.unlock_range(WAITING.0, WAITING.1);
        }
    }
}

/// One of the bytes that redb's design leaves to backends: 2^62 + 896 and the 127 behind it, of which its own backend
/// uses the first two.
const WAITING: (Bound<u64>, Bound<u64>) = (Bound::Included(WAITING_BYTE), Bound::Included(WAITING_BYTE));
const WAITING_BYTE: u64 = (1 << 62) + 1000;

/// Attempts in the first millisecond: most waits are for a lock on the header and over by then.
const QUIET_ATTEMPTS: u32 = 8;

/// Together longer than the longest pause between two attempts of who waits.
const POLITE_PAUSES: u32 = 12;
const POLITE_PAUSE: Duration = Duration::from_micros(250);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a nameless file of the test's own")]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::wait::Wait;

    fn queues_of_one_file() -> (Queue, Queue) {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let open = || {
            let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            Queue::new(&Arc::new(FileBackend::new(file).unwrap()))
        };
        (open(), open())
    }

    #[test]
    fn who_waits_is_seen_by_others_and_by_threads_of_its_own() {
        let (one, other) = queues_of_one_file();
        assert!(!one.somebody_waits() && !other.somebody_waits());
        let first = Announced::new(&one);
        let second = Announced::new(&one);
        assert!(one.somebody_waits() && other.somebody_waits());
        drop(first);
        assert!(one.somebody_waits() && other.somebody_waits());
        drop(second);
        assert!(!one.somebody_waits() && !other.somebody_waits());
    }

    #[test]
    fn a_wait_is_announced_while_it_lasts_only() {
        let (one, other) = queues_of_one_file();
        let mut seen = Vec::new();
        let wait = Wait::up_to(Duration::from_secs(5)).start(Duration::ZERO);
        let result = one.wait(&wait, || {
            seen.push(other.somebody_waits());
            Ok::<_, ()>((seen.len() == 12).then_some(()))
        });
        assert!(result.is_ok());
        assert_eq!(seen.iter().filter(|seen| **seen).count(), 12 - QUIET_ATTEMPTS as usize);
        assert!(!other.somebody_waits());
    }

    #[test]
    fn politeness_has_an_end() {
        let (one, other) = queues_of_one_file();
        let _waits_for_ever = Announced::new(&one);
        let begun = Instant::now();
        other.let_others_go_first();
        assert!(begun.elapsed() >= POLITE_PAUSE * POLITE_PAUSES);
    }
}
