//! What the process does before it touches a secret. In a binary of its own, since all of it concerns the whole process.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]

use keeper::process::{ProcessError, prepare};
use nix::sys::stat::{Mode, umask};
use nix::sys::{prctl, resource};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

#[test]
fn root_is_refused_and_nobody_else_looks_into_the_process() {
    if Uid::effective().is_root() {
        assert_eq!(prepare(), Err(ProcessError::Root));
        setgroups(&[]).unwrap();
        setgid(Gid::from_raw(65534)).unwrap();
        // Of this thread and of all others.
        setuid(Uid::from_raw(65534)).unwrap();
    }
    prepare().unwrap();
    assert_eq!(resource::getrlimit(resource::Resource::RLIMIT_CORE).unwrap(), (0, 0));
    assert!(!prctl::get_dumpable().unwrap());
    assert!(prctl::get_no_new_privs().unwrap());
    assert_eq!(umask(Mode::empty()), Mode::from_bits_truncate(0o077));
}
