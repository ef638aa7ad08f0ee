//! Signals as something that is read (signalfd), so that they are heard in the one loop and interrupt nothing.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What somebody wants by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// HUP.
    Reload,
    /// TERM, INT.
    End,
    /// CHLD: a process of ours has ended.
    Reap,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Takes them; before there is a second thread. Who is started by us has to give them back to itself.
    pub(crate) fn take() -> Result<Self, Errno> {
        let mut mask = SigSet::empty();
        for (signal, _) in WISHES {
            mask.add(signal);
        }
        mask.thread_block()?;
        SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Self)
    }

    /// The next of them.
    pub(crate) fn next(&mut self) -> Option<Wish> {
        let signal = self.0.read_signal().ok().flatten()?;
        let known = WISHES.iter().find(|(known, _)| i64::from(*known as i32) == i64::from(signal.ssi_signo));
        known.map(|(_, wish)| *wish)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const WISHES: [(Signal, Wish); 4] = [
    (Signal::SIGHUP, Wish::Reload),
    (Signal::SIGTERM, Wish::End),
    (Signal::SIGINT, Wish::End),
    (Signal::SIGCHLD, Wish::Reap),
];
