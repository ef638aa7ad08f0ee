//! The listening sockets. They are the opener's and stay open whoever else comes and goes, so that who connects meanwhile
//! waits and is not refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cli::{Exit, Report};
use config::{Address, Endpoint, Listener, Modifier};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use safefile::{Kind, SafeDir, Trust};
use wire::ListenerId;

/// One for each `[[listen]]`, in its order.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: Vec<Open>,
    /// How many there ever were: no number is given twice.
    given: u32,
}

#[derive(Debug)]
struct Open {
    endpoint: Endpoint,
    /// How a session begins here.
    beginning: [bool; 4],
    id: ListenerId,
    socket: OwnedFd,
}

impl Sockets {
    /// The sockets of another configuration: what was open already stays open, the rest is opened. Either all of them, or
    /// every trouble there is.
    ///
    /// A block keeps its number as long as it is listened at the same place and a session begins there as it did, so that
    /// a session that came by it finds what it says now, and never what another block says: one that came in clear is not
    /// judged by what holds where TLS comes first.
    ///
    /// `earlier` are sockets of before that are still open somewhere, the latest first.
    pub(crate) fn following<'s>(
        &'s self,
        earlier: impl Iterator<Item = &'s Self>,
        listeners: &[Listener],
        trust: &Trust,
    ) -> Result<Self, Vec<Report>> {
        let known: Vec<_> = std::iter::once(self).chain(earlier).flat_map(|sockets| &sockets.open).collect();
        let (mut sockets, mut troubles) = (Self { open: Vec::new(), given: self.given }, Vec::new());
        for listener in listeners {
            match socket(&known, &listener.endpoint, trust) {
                Ok(socket) => sockets.add(listener, socket, &known),
                Err(report) => troubles.push(report),
            }
        }
        if troubles.is_empty() {
            return Ok(sockets);
        }
        let is_new = |path: &&Path| known.iter().all(|open| open.endpoint.socket() != Some(*path));
        sockets.names().filter(is_new).for_each(|path| remove_name(path, trust));
        Err(troubles)
    }

    /// The number that a block has had, unless another block has it already: two may name one port of 0.
    fn add(&mut self, listener: &Listener, socket: OwnedFd, known: &[&Open]) {
        let (endpoint, beginning) = (listener.endpoint.clone(), BEGINNING.map(|letter| listener.has(letter)));
        let is_free = |id: ListenerId| self.open.iter().all(|open| open.id != id);
        let mut same = known.iter().filter(|open| open.endpoint == endpoint && open.beginning == beginning);
        let id = same.find(|open| is_free(open.id)).map(|open| open.id);
        let id = id.unwrap_or_else(|| self.next_id());
        self.open.push(Open { endpoint, beginning, id, socket });
    }

    /// These again, after those: what numbers were given meanwhile are not given again.
    pub(crate) fn after(self, later: &Self) -> Self {
        Self { given: self.given.max(later.given), ..self }
    }

    /// In the order of the configuration, each by its number and a descriptor.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ListenerId, BorrowedFd<'_>)> {
        self.open.iter().map(|open| (open.id, open.socket.as_fd()))
    }

    /// Where they really are: a port that was 0 is known now.
    pub(crate) fn places(&self) -> Vec<String> {
        self.open.iter().map(|open| place(&open.endpoint, &open.socket)).collect()
    }

    fn next_id(&mut self) -> ListenerId {
        self.given = self.given.wrapping_add(1);
        ListenerId(self.given)
    }

    /// The names of unix sockets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Path> {
        self.open.iter().filter_map(|open| open.endpoint.socket())
    }
}

/// Takes the name of a unix socket away, when nobody listens there any more.
pub(crate) fn remove_name(path: &Path, trust: &Trust) {
    let Ok((directory, name)) = parts(path) else { return };
    // What stays is taken away by the next start.
    let _ = SafeDir::open(directory, Kind::Configuration, trust).map(|it| it.remove(name));
}

/// What is open already is not opened again: nobody else may listen there meanwhile, we neither.
fn socket(known: &[&Open], endpoint: &Endpoint, trust: &Trust) -> Result<OwnedFd, Report> {
    let known = known.iter().find(|open| open.endpoint == *endpoint);
    let socket = match (known, endpoint) {
        (Some(open), _) => open.socket.try_clone(),
        (None, Endpoint::Tcp { address, port }) => tcp(*address, *port),
        (None, Endpoint::Unix(path)) => return unix(path, trust),
    };
    socket.map_err(|error| Report::new(Exit::UNAVAILABLE, format_args!("listen: {endpoint}"), error))
}

/// The first address that is possible. IPv4 in IPv6 is for `*` alone: `::` is every address of IPv6.
fn tcp(address: Address, port: u16) -> io::Result<OwnedFd> {
    let mut trouble = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in address.candidates() {
        match bound(candidate, port, address == Address::Any) {
            Ok(socket) => return Ok(socket),
            Err(errno @ (Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)) => trouble = errno.into(),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(trouble)
}

fn bound(address: IpAddr, port: u16, takes_both: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A restart does not wait for the connections of before.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !takes_both)?;
    }
    bind(&socket, &SocketAddr::new(address, port))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Whoever may search its directory may connect, as to a port of loopback.
fn unix(path: &Path, trust: &Trust) -> Result<OwnedFd, Report> {
    let (directory, name) = parts(path)?;
    let directory = SafeDir::open(directory, Kind::Configuration, trust)?;
    let socket = directory.listen(name, 0o666).map_err(|error| in_place(path, &error))?;
    Ok(OwnedFd::from(socket))
}

/// Directory and name of what the daemon makes.
pub(crate) fn parts(path: &Path) -> Result<(&Path, &std::ffi::OsStr), Report> {
    let parts = path.parent().zip(path.file_name());
    parts.ok_or_else(|| Report::new(Exit::CONFIG, safefile::display_path(path), "is no path of a file"))
}

/// Why a socket could not be made.
pub(crate) fn in_place(path: &Path, error: &io::Error) -> Report {
    let report = Report::new(Exit::UNAVAILABLE, safefile::display_path(path), error);
    match error.kind() {
        io::ErrorKind::AddrInUse => report.because("somebody listens there: is the daemon running already?"),
        io::ErrorKind::AlreadyExists => report.because("something that is no socket has this name"),
        _ => report,
    }
}

fn place(endpoint: &Endpoint, socket: &OwnedFd) -> String {
    let Endpoint::Tcp { port: 0, .. } = endpoint else { return endpoint.to_string() };
    let known = getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok());
    known.map_or_else(|| endpoint.to_string(), |address| address.to_string())
}

/// With these letters a session begins in another way, or without them.
const BEGINNING: [Modifier; 4] =
    [Modifier::RequireAuth, Modifier::NoAuth, Modifier::ImplicitTls, Modifier::NoStartTls];
/// As many as the system allows (net.core.somaxconn).
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests look at files as anybody may")]

    use std::iter;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use config::{Config, HostAccounts};
    use safefile::Uid;

    use super::*;

    fn listeners(text: &str) -> Vec<Listener> {
        Config::parse("/x".as_ref(), text.as_bytes(), &HostAccounts).unwrap().listen
    }

    #[test]
    fn a_block_keeps_its_number_wherever_it_stands_and_nobody_else_gets_it() {
        let dir = ::tests::scratch::dir();
        let trust = Trust::root().caller(Uid::effective());
        let socket = |name: &str| {
            format!("[[listen]]\nsocket = \"{}/{name}\"\nname = \"{name}\"\n", dir.path().display())
        };
        let following =
            |before: &Sockets, text: &str| before.following(iter::empty(), &listeners(text), &trust).unwrap();
        let numbers = |sockets: &Sockets| sockets.iter().map(|(id, _)| id.0).collect::<Vec<_>>();
        let (one, two, three) = (socket("one"), socket("two"), socket("three"));
        let first = following(&Sockets::default(), &format!("{one}{two}"));
        assert_eq!(numbers(&first), [1, 2]);
        let turned = following(&first, &format!("{three}{two}{one}"));
        assert_eq!(numbers(&turned), [3, 2, 1]);
        let less = following(&turned, &two);
        drop((first, turned));
        assert_eq!(numbers(&following(&less, &format!("{one}{two}"))), [4, 2], "it was away");
    }

    #[test]
    fn a_block_where_a_session_begins_in_another_way_is_another_one() {
        let trust = Trust::root().caller(Uid::effective());
        let block = |letters: &str| {
            let tls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
            format!("{tls}[[listen]]\naddress = \"127.0.0.1\"\nport = 0\nmodifiers = \"{letters}\"\n")
        };
        let mut sockets = Sockets::default();
        let mut places = Vec::new();
        for (letters, number) in
            [("a", 1), ("a E", 1), ("", 2), ("E", 2), ("a s", 3), ("S", 4), ("A", 5), ("a", 6)]
        {
            sockets = sockets.following(iter::empty(), &listeners(&block(letters)), &trust).unwrap();
            assert_eq!(sockets.open[0].id, ListenerId(number), "{letters}");
            places.extend(sockets.places());
        }
        places.dedup();
        assert_eq!(places.len(), 1, "it is the same socket all the time");
    }

    #[test]
    fn what_is_put_back_gives_no_number_twice_and_finds_what_is_still_open() {
        let trust = Trust::root().caller(Uid::effective());
        let port = |name: &str, port: &str| {
            listeners(&format!("[[listen]]\naddress = \"127.0.0.1\"\nport = {port}\nname = \"{name}\"\n"))
        };
        let probe = Sockets::default().following(iter::empty(), &port("one", "0"), &trust).unwrap();
        let number = probe.places()[0].rsplit(':').next().unwrap().to_owned();
        drop(probe);
        let first = Sockets::default().following(iter::empty(), &port("one", &number), &trust).unwrap();
        let second = first.following(iter::empty(), &port("two", "0"), &trust).unwrap();
        assert_eq!(second.open[0].id, ListenerId(2));
        // The port is still open: the front has not taken the second yet.
        let third = second.following([&first].into_iter(), &port("one", &number), &trust).unwrap();
        assert_eq!(third.open[0].id, ListenerId(1));
        let again = first.after(&second);
        let next = again.following(iter::empty(), &port("three", "0"), &trust).unwrap();
        assert_eq!(next.open[0].id, ListenerId(3));
    }

    #[test]
    fn what_was_open_stays_open_and_what_is_not_wanted_any_more_is_closed() {
        let dir = ::tests::scratch::dir();
        let trust = Trust::root().caller(Uid::effective());
        let socket = format!("[[listen]]\nsocket = \"{}/smtp\"\n", dir.path().display());
        let port = "[[listen]]\naddress = \"127.0.0.1\"\nport = 0\n";
        let first = Sockets::default()
            .following(iter::empty(), &listeners(&format!("{port}{socket}")), &trust)
            .unwrap();
        let places = first.places();
        TcpStream::connect(&places[0]).unwrap();
        UnixStream::connect(dir.path().join("smtp")).unwrap();

        let second = first.following(iter::empty(), &listeners(port), &trust).unwrap();
        drop(first);
        assert_eq!(second.places(), places[..1]);
        TcpStream::connect(&places[0]).unwrap();
        assert!(UnixStream::connect(dir.path().join("smtp")).is_err());

        let taken = format!(
            "[[listen]]\naddress = \"127.0.0.1\"\nport = {}\n",
            places[0].rsplit(':').next().unwrap()
        );
        let troubles = Sockets::default().following(iter::empty(), &listeners(&taken), &trust).unwrap_err();
        assert!(
            troubles.len() == 1 && troubles[0].subject().starts_with("listen: 127.0.0.1:"),
            "{troubles:?}"
        );
        let half = socket.replace("smtp", "half") + &taken;
        Sockets::default().following(iter::empty(), &listeners(&half), &trust).unwrap_err();
        assert!(std::fs::symlink_metadata(dir.path().join("half")).is_err(), "nobody listens there");
    }
}
