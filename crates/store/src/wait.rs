//! How long a call waits for other processes, and how the person at the terminal learns that it does.
//!
//! redb's own locks wait for ever. Here each wait has an end, and it is the end of the whole operation, not of each
//! lock on the way.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an operation on the store may wait for other processes before it is [`Busy`], and who is told.
///
/// [`Busy`]: crate::StoreError::Busy
#[derive(Clone)]
pub struct Wait {
    limit: Duration,
    on_wait: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Wait {
    /// Waits up to `limit` for each operation; opening and the first write after it count as one.
    pub fn up_to(limit: Duration) -> Self {
        Self { limit, on_wait: None }
    }

    /// Calls `tell` once per operation when it has waited for a quarter of a second, so that a tool can say why
    /// nothing happens.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Arc::new(tell));
        self
    }

    /// The longest an operation waits.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// The patience of one operation, of which `spent` has been used up already.
    pub(crate) fn start(&self, spent: Duration) -> Deadline {
        Deadline(Rc::new(Running {
            waited: Cell::new(spent),
            limit: self.limit,
            on_wait: RefCell::new(self.on_wait.clone()),
        }))
    }
}

/// Five seconds, as `--wait` has it.
impl Default for Wait {
    fn default() -> Self {
        Self::up_to(Duration::from_secs(5))
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The end of one operation's patience. Shared by all that it does, on one thread. Only time spent waiting counts, not
/// what the operation takes itself.
#[derive(Clone)]
pub(crate) struct Deadline(Rc<Running>);

struct Running {
    waited: Cell<Duration>,
    limit: Duration,
    on_wait: RefCell<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl Deadline {
    /// Makes this the deadline of every lock that redb takes on this thread until the result is dropped: redb's
    /// trait for storage has no room for an argument of ours.
    pub(crate) fn in_force(&self) -> InForce {
        InForce { before: CURRENT.replace(Some(self.clone())) }
    }

    /// The deadline in force on this thread; with none, a fresh one with the default limit.
    pub(crate) fn current() -> Self {
        CURRENT.with_borrow(Clone::clone).unwrap_or_else(|| Wait::default().start(Duration::ZERO))
    }

    /// Tries until `attempt` answers, or until the patience is used up.
    pub(crate) fn poll<T, E>(
        &self,
        mut attempt: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<T, PollError<E>> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(value) = attempt().map_err(PollError::Failed)? {
                return Ok(value);
            }
            if self.waited() >= self.0.limit {
                return Err(PollError::TimedOut(self.0.limit));
            }
            self.tell();
            let begun = Instant::now();
            std::thread::sleep(pause.min(self.0.limit.saturating_sub(self.waited())));
            self.0.waited.set(self.waited() + begun.elapsed());
            let longest = if self.waited() < SHORT_WAIT { SHORT_PAUSE } else { LONGEST_PAUSE };
            pause = (pause * 2).min(longest);
        }
    }

    /// How long the operation has waited so far.
    pub(crate) fn waited(&self) -> Duration {
        self.0.waited.get()
    }

    fn tell(&self) {
        if self.waited() >= PATIENCE_OF_A_PERSON
            && let Some(tell) = self.0.on_wait.take()
        {
            tell();
        }
    }
}

/// Why [`Deadline::poll`] gave up.
#[derive(Debug)]
pub(crate) enum PollError<E> {
    /// The time is up; the limit that was in force.
    TimedOut(Duration),
    /// Trying failed.
    Failed(E),
}

/// Restores the deadline that was in force before.
pub(crate) struct InForce {
    before: Option<Deadline>,
}

impl Drop for InForce {
    fn drop(&mut self) {
        CURRENT.replace(self.before.take());
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Deadline>> = const { RefCell::new(None) };
}

/// Locks on the header are held for microseconds, the writer's for a millisecond or more: the pauses begin near the
/// first and end near the second, so that waiting neither spins nor sleeps long past its turn.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const SHORT_PAUSE: Duration = Duration::from_micros(200);
const SHORT_WAIT: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);
const PATIENCE_OF_A_PERSON: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn gives_up_in_time_and_tells_once() {
        let told = Arc::new(AtomicU32::new(0));
        let wait = Wait::up_to(Duration::from_millis(600)).telling({
            let told = Arc::clone(&told);
            move || {
                told.fetch_add(1, Ordering::SeqCst);
            }
        });
        let deadline = wait.start(Duration::ZERO);
        let result = deadline.poll(|| Ok::<Option<()>, ()>(None));
        assert!(matches!(result, Err(PollError::TimedOut(limit)) if limit == Duration::from_millis(600)));
        let again = deadline.poll(|| Ok::<Option<()>, ()>(None));
        assert!(again.is_err(), "the deadline is the operation's, not each lock's");
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_was_spent_before_counts() {
        let wait = Wait::up_to(Duration::from_hours(1));
        let result = wait.start(Duration::from_hours(1)).poll(|| Ok::<Option<()>, ()>(None));
        assert!(matches!(result, Err(PollError::TimedOut(_))));
    }

    #[test]
    fn the_deadline_in_force_is_restored() {
        let outer = Wait::up_to(Duration::from_secs(1)).start(Duration::ZERO);
        let inner = Wait::up_to(Duration::from_secs(2)).start(Duration::ZERO);
        let one = outer.in_force();
        {
            let _two = inner.in_force();
            assert_eq!(Deadline::current().0.limit, Duration::from_secs(2));
        }
        assert_eq!(Deadline::current().0.limit, Duration::from_secs(1));
        drop(one);
        assert_eq!(Deadline::current().0.limit, Wait::default().limit());
    }
}
