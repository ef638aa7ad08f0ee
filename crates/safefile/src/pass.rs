//! Handing a judged file, or a socket, to another process of the same program: over a unix socket of packets (SCM_RIGHTS).

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::fstat;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::facts::Facts;
use crate::kind::{Kind, Role};
use crate::open::{OpenError, SafeFile};
use crate::request::Request;
use crate::stamp::Stamp;
use crate::trust::Trust;

/// One end of a connection between two of our processes, which keeps packets apart.
#[derive(Debug)]
pub struct Passage(OwnedFd);

/// A packet as it came.
#[derive(Debug)]
pub struct Packet {
    /// What it says; empty when the other end is closed.
    pub octets: Vec<u8>,
    /// What came with it.
    pub descriptor: Option<OwnedFd>,
}

impl Passage {
    /// Both ends of a new connection. No child inherits them but by intent.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// The end that a parent has put in a place agreed on (standard input).
    pub fn of(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Sends a packet, and a descriptor with it.
    pub fn send(&self, octets: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let rights = descriptor.map(|descriptor| [descriptor]);
        if let Some(rights) = &rights {
            ancillary.push(SendAncillaryMessage::ScmRights(rights));
        }
        loop {
            match sendmsg(&self.0, &[IoSlice::new(octets)], &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(sent) if sent == octets.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Waits for a packet of at most `most` octets. A longer one, or one with several descriptors, is an error.
    pub fn receive(&self, most: usize) -> io::Result<Packet> {
        let mut octets = vec![0; most + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut into = [IoSliceMut::new(&mut octets)];
            match recvmsg(&self.0, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => break received,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let descriptor = descriptors.next();
        let is_cut = received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
        if is_cut || received.bytes > most || descriptors.next().is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        octets.truncate(received.bytes);
        Ok(Packet { octets, descriptor })
    }
}

impl AsFd for Passage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl SafeFile {
    /// A file that another process of ours has opened and judged. What the descriptor says of itself is judged again; the
    /// path was the other's to walk.
    ///
    /// # Errors
    /// [`OpenError`]: unsafe by itself, or no regular file.
    pub fn received(path: &Path, kind: Kind, trust: &Trust, descriptor: OwnedFd) -> Result<Self, OpenError> {
        let request = Request { path, kind, trust };
        let failed = |source| request.failed(path, source);
        let facts = Facts::of(descriptor.as_fd(), None).map_err(failed)?;
        request.must_be_safe(Role::Last, path, &facts)?;
        let stamp = Stamp::of(&fstat(&descriptor).map_err(|errno| failed(errno.into()))?);
        Ok(Self::judged(path, kind, File::from(descriptor), facts, stamp))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::account::Uid;

    #[test]
    fn a_file_that_was_passed_is_read_and_judged_again() {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("key");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let trust = Trust::root().caller(Uid::effective());
        let file = SafeFile::open(&path, Kind::PrivateKey, &trust).unwrap();
        let (here, there) = Passage::pair().unwrap();
        let pass = || {
            here.send(b"7", Some(file.as_file().as_fd())).unwrap();
            let packet = there.receive(10).unwrap();
            assert_eq!(packet.octets, b"7");
            SafeFile::received(&path, Kind::PrivateKey, &trust, packet.descriptor.unwrap())
        };
        assert_eq!(pass().unwrap().read_whole(10).unwrap(), b"secret");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(pass(), Err(OpenError::Refused(_))));
    }

    #[test]
    fn packets_keep_apart_and_have_an_end() {
        let (here, there) = Passage::pair().unwrap();
        here.send(b"one", None).unwrap();
        here.send(b"two", None).unwrap();
        here.send(b"too long", None).unwrap();
        assert_eq!(there.receive(4).unwrap().octets, b"one");
        assert!(matches!(there.receive(4).unwrap(), Packet { octets, descriptor: None } if octets == b"two"));
        assert!(there.receive(4).is_err());
        drop(here);
        assert!(there.receive(4).unwrap().octets.is_empty());
    }
}
