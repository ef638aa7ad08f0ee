//! Descriptors that whoever started this program left open: files that nobody judged, which nothing here asked for, and the
//! terminal of whoever typed its name.

use std::fs;
use std::io::{self, IsTerminal};
use std::os::fd::{OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};

/// Closes every descriptor above standard error. To be called before anything else: what is open then is nobody's in this
/// program, and a process that it starts does not get it either.
///
/// # Errors
/// `/proc/self/fd` cannot be read.
pub fn close_inherited() -> io::Result<()> {
    let entries = fs::read_dir("/proc/self/fd")?;
    let numbers =
        entries.map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok())));
    // All of them before any is closed: the directory's own is among them, and is closed here already.
    let open: Vec<_> = numbers.collect::<io::Result<_>>()?;
    for descriptor in open.into_iter().flatten().filter(|descriptor| *descriptor > STANDARD_ERROR) {
        // Whatever that says, it is not open afterwards.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Standard error, where it is a terminal, opened anew so that it can only be written: a shell gives the same open terminal as
/// input and as error, and whoever has that reads what is typed. `None`: it is no terminal.
///
/// # Errors
/// The terminal is gone, or somebody else's.
pub fn terminal_to_write() -> io::Result<Option<OwnedFd>> {
    if !io::stderr().is_terminal() {
        return Ok(None);
    }
    // Not as the terminal of this session, should it have none.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open("/proc/self/fd/2", flags, Mode::empty())?;
    Ok(Some(opened))
}

const STANDARD_ERROR: RawFd = 2;
