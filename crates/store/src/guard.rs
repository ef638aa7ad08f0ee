//! The one place where each call into redb passes.
//!
//! redb trusts the pages of a file that was closed in order and panics where they are damaged. Here a panic becomes
//! [`Trouble::Damaged`], silently: the message on standard error would help nobody, and a tool must not look as if
//! it had crashed. Errors of redb become the few kinds that make a difference to a caller. SIGTSTP is held back and
//! the operation's deadline is in force during each call. What is *not* here: paths (the caller adds them) and
//! opening the file again ([`crate::engine`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use crate::backend::{Frozen, LockTimeout};
use crate::hold::StopHeld;
use crate::wait::{Deadline, PollError};

#[cfg(panic = "abort")]
compile_error!("damage in a store is found by catching redb's panics: build with panic = \"unwind\"");

/// What went wrong inside redb, as far as callers differ by it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The file is not what redb (or we) wrote: the reason. Drop the handle.
    Damaged(String),
    /// Nothing is known to be wrong with the file, but this handle is of no more use: open again.
    Spent,
    /// Opened for reading only, and the last writer died: opening for writing heals it.
    Unclean,
    /// Others hold the file; the limit that was in force.
    Busy(Duration),
    /// Another program holds the file in a way that does not share it with us.
    OtherGeneration,
    /// A format of redb that this version does not read.
    OldFormat(u8),
    /// Intact, but in a format of ours that this version does not know: its number.
    OtherFormat(u32),
    /// Reading or writing failed. The handle is of no more use.
    Io(io::Error),
}

impl Trouble {
    /// Whether the handle that reported this must be dropped.
    pub(crate) fn spends_handle(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Spent | Self::Io(_))
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

/// Calls redb about a file. A panic inside is damage; what `body` ran by [`foreign`] panics as it would anywhere.
pub(crate) fn call_on<T>(
    path: &Arc<Path>,
    deadline: &Deadline,
    body: impl FnOnce() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let before = FILE.replace(Some(Arc::clone(path)));
    let result = call(deadline, body);
    FILE.set(before);
    result
}

/// Calls redb. As [`call_on`], for callers whose damage never ends the process: see [`last_words`].
pub(crate) fn call<T>(deadline: &Deadline, body: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    install_hook();
    let _held = StopHeld::new();
    let _in_force = deadline.in_force();
    let _inside = Inside::enter(true);
    // Unwind safety: every Trouble of this kind makes the caller drop the handle, the only thing that `body` shares.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(panic) => match panic.downcast::<ForeignPanic>() {
            Ok(theirs) => resume_unwind(theirs.0),
            Err(_) => Err(Trouble::Damaged(panic_place())),
        },
    }
}

/// Runs code that is not redb's in the middle of a [`call`]: its panics are bugs, printed and passed on.
pub(crate) fn foreign<T>(body: impl FnOnce() -> T) -> T {
    let outside = Inside::enter(false);
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            drop(outside);
            resume_unwind(Box::new(ForeignPanic(panic)))
        }
    }
}

impl<E> From<PollError<E>> for Trouble
where
    Trouble: From<E>,
{
    fn from(error: PollError<E>) -> Self {
        match error {
            PollError::TimedOut(limit) => Self::Busy(limit),
            PollError::Failed(error) => error.into(),
        }
    }
}

macro_rules! trouble_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
trouble_from!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

impl From<redb::Error> for Trouble {
    fn from(error: redb::Error) -> Self {
        use redb::Error as E;
        match error {
            E::Io(error) => error.into(),
            E::PreviousIo | E::DatabaseClosed | E::LockPoisoned(_) => Self::Spent,
            E::RepairAborted => Self::Unclean,
            E::DatabaseAlreadyOpen | E::LockProtocolMismatch => Self::OtherGeneration,
            E::UpgradeRequired(version) => Self::OldFormat(version),
            E::Unsupported => Self::Io(io::Error::from(io::ErrorKind::Unsupported)),
            E::Backend(error) => Self::Io(io::Error::other(error)),
            // Corrupted, tables that are absent or of another type: all of them say that the file is not ours
            // any more.
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if let Some(timeout) = inner::<LockTimeout>(&error) {
            return Self::Busy(timeout.0);
        }
        if inner::<Frozen>(&error).is_some() {
            return Self::Spent;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::damaged("the file ends too early"),
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

fn inner<T: std::error::Error + 'static>(error: &io::Error) -> Option<&T> {
    error.get_ref()?.downcast_ref()
}

/// Keeps quiet about panics inside redb; all others go to the hook that was there before. Set once: hooks are the
/// process's, so which thread is inside is the thread's own note.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                let place = info.location().map(|at| format!("{}:{}", short(at.file()), at.line()));
                if PLACE.replace(Some(place.unwrap_or_default())).is_some() {
                    last_words();
                }
            } else {
                before(info);
            }
        }));
    });
}

/// A second panic while the first still unwinds: the process ends, and nothing can prevent that. Seen where a whole page
/// came to stand in the place of another and a change is then written (once in 400 such files). It shall end as a tool
/// ends that has found damage, and not as if it had crashed.
fn last_words() -> ! {
    let file = FILE.take().map(|path| format!(": {}", path.display())).unwrap_or_default();
    let _ = writeln!(io::stderr(), "the store is damaged: its pages contradict each other{file}");
    std::process::exit(EX_DATAERR)
}

/// Where redb stopped, for the report. Not the panic's own text: it may print values, and values hold verifiers.
fn panic_place() -> String {
    match PLACE.take() {
        Some(place) if !place.is_empty() => format!("its pages contradict each other (redb {place})"),
        _ => "its pages contradict each other".to_owned(),
    }
}

fn short(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Notes that this thread is inside redb (or, for [`foreign`], outside again) until dropped.
struct Inside {
    before: bool,
}

impl Inside {
    fn enter(inside: bool) -> Self {
        Self { before: INSIDE.replace(inside) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

/// Of sysexits.h: the input data was incorrect.
const EX_DATAERR: i32 = 65;

/// A panic of a caller's closure, on its way through redb's frames.
struct ForeignPanic(Box<dyn Any + Send>);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where redb has panicked, from then until the panic is caught.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static FILE: RefCell<Option<Arc<Path>>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Wait;

    fn now() -> Deadline {
        Wait::default().start(Duration::ZERO)
    }

    #[test]
    fn a_panic_is_damage_and_names_its_place_only() {
        let result: Result<(), _> = call(&now(), || panic!("value: hunter2"));
        let Err(Trouble::Damaged(what)) = result else { panic!("{result:?}") };
        assert!(what.contains("guard.rs:"), "{what}");
        assert!(!what.contains("hunter2"));
    }

    #[test]
    fn a_callers_panic_passes_through() {
        let caught = catch_unwind(|| {
            let _: Result<(), _> = call(&now(), || {
                foreign(|| resume_unwind(Box::new("theirs")));
                Ok(())
            });
        });
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "theirs");
        assert!(!INSIDE.get());
    }

    #[test]
    fn errors_become_what_callers_tell_apart() {
        let timed_out = io::Error::new(io::ErrorKind::TimedOut, LockTimeout(Duration::from_secs(5)));
        assert!(matches!(Trouble::from(timed_out), Trouble::Busy(limit) if limit.as_secs() == 5));
        assert!(matches!(Trouble::from(redb::Error::PreviousIo), Trouble::Spent));
        assert!(matches!(Trouble::from(redb::DatabaseError::DatabaseAlreadyOpen), Trouble::OtherGeneration));
        assert!(matches!(Trouble::from(redb::DatabaseError::RepairAborted), Trouble::Unclean));
        let full = io::Error::from_raw_os_error(28);
        assert!(matches!(Trouble::from(full), Trouble::Io(_)));
        let short = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(matches!(Trouble::from(short), Trouble::Damaged(_)));
    }
}
