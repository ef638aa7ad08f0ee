//! Unix sockets in a safe directory: made there and nowhere else, and taken away again.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, chmodat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::dir::SafeDir;
use crate::facts::{FileType, name_in_proc};

impl SafeDir {
    /// Listens on a new socket of this name and mode. One that was left behind, on which nobody listens any more, is taken
    /// away first; what is no socket never is.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] where somebody listens, [`io::ErrorKind::AlreadyExists`] where something else has the
    /// name, or what the system says.
    pub fn listen(&self, name: &OsStr, mode: u32) -> io::Result<UnixListener> {
        let address = SocketAddrUnix::new(self.by_descriptor(name)?)?;
        if self.has_socket(name)? {
            Self::must_be_forsaken(&address)?;
            unlinkat(self, name, AtFlags::empty())?;
        }
        let socket = stream(SocketFlags::CLOEXEC)?;
        // Nobody can connect before it listens, and by then it has its mode.
        bind(&socket, &address)?;
        chmodat(self, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        listen(&socket, BACKLOG)?;
        Ok(UnixListener::from(socket))
    }

    /// Takes a name away, which may be gone already: of a socket, or of a file of ours that tells of a running process.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(self, one_name(name)?, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A path that leads through the descriptor which was judged.
    fn by_descriptor(&self, name: &OsStr) -> io::Result<PathBuf> {
        Ok(PathBuf::from(name_in_proc(self)).join(one_name(name)?))
    }

    fn has_socket(&self, name: &OsStr) -> io::Result<bool> {
        match statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::of_mode(stat.st_mode) == FileType::Socket => Ok(true),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn must_be_forsaken(address: &SocketAddrUnix) -> io::Result<()> {
        match connect(&stream(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?, address) {
            Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
            // Its queue is full.
            Ok(()) | Err(Errno::AGAIN) => Err(io::ErrorKind::AddrInUse.into()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn stream(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn one_name(name: &OsStr) -> io::Result<&OsStr> {
    let is_one = !name.is_empty() && !name.as_encoded_bytes().contains(&b'/') && name != "." && name != "..";
    if is_one { Ok(name) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// As many as the system allows (net.core.somaxconn).
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::account::Uid;
    use crate::kind::Kind;
    use crate::trust::Trust;

    #[test]
    fn a_socket_takes_the_place_of_a_forsaken_one_and_of_nothing_else() {
        let dir = ::tests::scratch::dir();
        let trust = Trust::root().caller(Uid::effective());
        let safe = SafeDir::open(dir.path(), Kind::Configuration, &trust).unwrap();
        let listen = |name: &str| safe.listen(OsStr::new(name), 0o600).map_err(|error| error.kind());
        let first = listen("control").unwrap();
        let mode = fs::metadata(dir.path().join("control")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        UnixStream::connect(dir.path().join("control")).unwrap();
        assert_eq!(listen("control").unwrap_err(), io::ErrorKind::AddrInUse);
        drop(first);
        let second = listen("control").unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(listen("file").unwrap_err(), io::ErrorKind::AlreadyExists);
        assert_eq!(listen("../x").unwrap_err(), io::ErrorKind::InvalidInput);
        drop(second);
        safe.remove(OsStr::new("control")).unwrap();
        safe.remove(OsStr::new("control")).unwrap();
        assert!(!dir.path().join("control").exists());
    }
}
