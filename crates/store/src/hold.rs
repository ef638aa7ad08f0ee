//! Ctrl-Z held back while the shared file is locked. It does not, and cannot, hold back SIGSTOP.
//!
//! A process that is stopped inside a transaction keeps its locks, and with them every other program waiting, until
//! somebody continues it. SIGTSTP is what a person at a terminal sends by accident.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// While this lives, this thread is not stopped by SIGTSTP; one that arrived meanwhile takes effect when it is
/// dropped.
///
/// A signal to the process goes to any thread that does not block it, so a program with several threads starts the
/// others while it holds one of these: threads inherit what is blocked.
#[derive(Debug)]
#[must_use = "stopping is possible again as soon as this is dropped"]
pub struct StopHeld {
    before: Option<SigSet>,
}

impl StopHeld {
    /// Holds SIGTSTP back from this thread.
    pub fn new() -> Self {
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTSTP);
        // Fails only for an unknown "how"; then nothing was changed and nothing is restored.
        Self { before: stop.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok() }
    }
}

impl Default for StopHeld {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for StopHeld {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked() -> bool {
        SigSet::thread_get_mask().unwrap().contains(Signal::SIGTSTP)
    }

    #[test]
    fn held_while_alive_and_inherited_by_threads() {
        let outer = StopHeld::new();
        {
            let _inner = StopHeld::new();
            assert!(is_blocked());
        }
        assert!(is_blocked(), "the inner one gives back what it found, not more");
        assert!(std::thread::spawn(is_blocked).join().unwrap());
        drop(outer);
        assert!(!is_blocked());
    }
}
