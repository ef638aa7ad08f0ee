//! Files without a name, for what is too large for memory: sorting. They are gone with their descriptor.

use std::fs::File;
use std::io;

use crate::open::SafeDir;

/// A nameless file of mode 0600 in this directory, for reading and writing.
///
/// # Errors
/// As open(2): no room, no permission.
pub fn scratch(dir: &SafeDir) -> io::Result<File> {
    let _ = dir;
    unimplemented!()
}
