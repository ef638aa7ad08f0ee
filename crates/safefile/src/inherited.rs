//! Descriptors that whoever started this program left open: files that nobody judged, which nothing here asked for.

use std::fs;
use std::io;
use std::os::fd::RawFd;

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

const STANDARD_ERROR: RawFd = 2;
