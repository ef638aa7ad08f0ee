//! What the process does before it touches a secret: no core file, no tracing by other processes of the same user, and
//! panics that tell where but not what.

use std::panic;
use std::sync::{Mutex, PoisonError};

use nix::sys::{prctl, resource};

use crate::{Exit, Report};

/// Forbids core files (limit 0, which children inherit) and makes the process undumpable, which also keeps other
/// processes of the same user from reading its memory through `/proc` or ptrace.
pub(crate) fn process() -> Result<(), Report> {
    resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0)
        .and_then(|()| prctl::set_dumpable(false))
        .map_err(|errno| {
            Report::new(
                Exit::OSERR,
                "this process",
                format_args!("core dumps cannot be switched off: {errno}"),
            )
            .because("a core file would hold passwords")
        })
}

/// From here on a panic prints nothing by itself; its place is kept for [`panic_report`]. A panic that is caught on
/// purpose (in the store, around damaged pages) then leaves no trace.
pub(crate) fn panics_tell_their_place_only() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

/// What is said of the last panic.
pub(crate) fn panic_report() -> Report {
    let place = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let place = place.unwrap_or_else(|| "a place unknown".to_owned());
    Report::plain(Exit::SOFTWARE, format_args!("internal error at {place}"))
        .because("this is a fault of the program itself; nothing was finished after it")
}

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);
