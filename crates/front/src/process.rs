//! What the process does before it hears a word of a stranger.

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::sys::{prctl, resource};
use safefile::Uid;

/// Why the process may not be the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// It is root.
    #[error("the front does not run as root: it runs as run_as, who owns the queue and nothing else")]
    Root,
    /// What it asked of the system was refused.
    #[error("core dumps cannot be switched off: {0}")]
    Refused(#[from] Errno),
}

/// Refuses to be root; forbids core files, and with them that other processes of the same user read this one's memory,
/// where keys of TLS are; keeps what is made from everybody else; and never gains rights.
///
/// # Errors
/// [`ProcessError`].
pub fn prepare() -> Result<(), ProcessError> {
    if Uid::effective().is_root() {
        return Err(ProcessError::Root);
    }
    harden()
}

fn harden() -> Result<(), ProcessError> {
    resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_refused() {
        if ::tests::need::root().is_ok() {
            assert_eq!(prepare(), Err(ProcessError::Root));
        }
    }
}
