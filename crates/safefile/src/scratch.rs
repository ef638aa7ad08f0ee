//! Files without a name, for what is too large for memory: sorting. They are gone with their descriptor.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use crate::dir::SafeDir;
use crate::temporary::unique;
use crate::walk::Place;

/// A nameless file of mode 0600 in this directory, for reading and writing.
///
/// # Errors
/// As open(2): no room, no permission.
pub fn scratch(dir: &SafeDir) -> io::Result<File> {
    in_place(dir.place())
}

/// Not every filesystem has files that never had a name (`O_TMPFILE`); there the name is taken away at once.
pub(crate) fn in_place(place: &Place) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(place, ".", flags, PRIVATE) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => named_for_a_moment(place),
        answer => Ok(File::from(answer?)),
    }
}

fn named_for_a_moment(place: &Place) -> io::Result<File> {
    let name = unique("scratch");
    let fd = place.open(&name, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR, PRIVATE)?;
    unlinkat(place, &name, AtFlags::empty())?;
    Ok(File::from(fd))
}

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
