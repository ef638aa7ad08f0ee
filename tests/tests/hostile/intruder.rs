//! Somebody who has taken the front over: a thread with the front's account, and what the front has open.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use safefile::Passage;
use tests::house::{FRONT, House};
use tests::peer::{PATIENCE, until};

/// Does this with the account of the front, in no other group, without any of root's rights.
pub(crate) fn as_front<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let becomes = || {
        let (uid, gid) = (Uid::from_raw(FRONT.1), Gid::from_raw(FRONT.1));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(becomes).join().unwrap())
}

/// The front, which does nothing any more, and its connections.
pub(crate) struct Taken {
    front: Pid,
    pub(crate) opener: Passage,
    pub(crate) keeper: UnixStream,
}

impl Taken {
    /// Takes it over, once all three processes know each other.
    pub(crate) fn of(house: &House) -> Self {
        let front = pid(house, "front");
        until("a connection of the front to the keeper", || connections(front, house.id()));
        kill_process(front, Signal::STOP).unwrap();
        until("a front that stands still", || {
            let status = fs::read_to_string(format!("/proc/{front}/status")).unwrap();
            status.contains("\nState:\tT ").then_some(())
        });
        let [opener, keeper] = connections(front, house.id()).unwrap();
        Self { front, opener: Passage::of(opener), keeper: UnixStream::from(keeper) }
    }

    /// Whether the opener has killed it.
    pub(crate) fn is_killed(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/status", self.front))
            .map_or(true, |status| status.contains("\nState:\tZ "))
    }
}

/// What it was told meanwhile the front does not know: there has to be another one.
impl Drop for Taken {
    fn drop(&mut self) {
        let _ = kill_process(self.front, Signal::KILL);
    }
}

/// The process in this role.
pub(crate) fn pid(house: &House, role: &str) -> Pid {
    until("a process", || {
        let number = house.process(role)["pid"].as_i64()?;
        Pid::from_raw(i32::try_from(number).ok()?)
    })
}

/// The connections of the front to opener and keeper: of what it has open, those that the opener has made. They wait for
/// an answer, but not for ever.
fn connections(front: Pid, maker: Pid) -> Option<[OwnedFd; 2]> {
    let process = pidfd_open(front, PidfdFlags::empty()).unwrap();
    let numbers = fs::read_dir(format!("/proc/{front}/fd")).unwrap();
    let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let open: Vec<OwnedFd> = numbers
        .filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok())
        .filter(|it| sockopt::socket_domain(it).is_ok_and(|family| family == AddressFamily::UNIX))
        .filter(|it| !sockopt::socket_acceptconn(it).unwrap())
        .filter(|it| sockopt::socket_peercred(it).is_ok_and(|peer| peer.pid == maker))
        .collect();
    let of_type = |kind: SocketType| {
        let found = open.iter().find(|it| sockopt::socket_type(it).unwrap() == kind)?;
        let found = found.as_fd().try_clone_to_owned().unwrap();
        sockopt::set_socket_timeout(&found, sockopt::Timeout::Recv, Some(PATIENCE)).unwrap();
        rustix::io::ioctl_fionbio(&found, false).unwrap();
        Some(found)
    };
    Some([of_type(SocketType::SEQPACKET)?, of_type(SocketType::STREAM)?])
}
