//! Accepts connections, and begins a session for each.

use std::io;
use std::net::{IpAddr, TcpListener as StdTcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{AddressFamily, getsockname};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use wire::ListenerId;

use crate::event::{Event, Peer};
use crate::session::{self, Arrival};
use crate::site::{Front, Phase};
use crate::socket::Socket;

/// A listening socket, which somebody else has bound.
pub enum Listening {
    /// IPv4 or IPv6.
    Tcp(StdTcpListener),
    /// A unix socket.
    Unix(StdUnixListener),
}

impl Listening {
    /// What a descriptor is that was handed over.
    ///
    /// # Errors
    /// It is no socket of these families.
    pub fn of(descriptor: OwnedFd) -> io::Result<Self> {
        match getsockname(&descriptor)?.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => Ok(Self::Tcp(descriptor.into())),
            AddressFamily::UNIX => Ok(Self::Unix(descriptor.into())),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "no listening socket of TCP or unix")),
        }
    }
}

impl Front {
    /// Serves a listening socket until the front shuts down.
    ///
    /// # Errors
    /// The descriptor is no such socket.
    pub fn listen(&self, listener: ListenerId, listening: Listening) -> io::Result<JoinHandle<()>> {
        let door = Door::of(listening)?;
        Ok(tokio::spawn(self.clone().serve(listener, door)))
    }

    async fn serve(self, listener: ListenerId, door: Door) {
        let mut phase = self.phase();
        loop {
            let accepted = tokio::select! {
                accepted = door.accept() => accepted,
                _ = phase.wait_for(|phase| *phase == Phase::Finishing) => return,
            };
            match accepted {
                Ok((socket, address)) => self.welcome(listener, socket, address),
                Err(error) => self.cannot_accept(listener, &error).await,
            }
        }
    }

    fn welcome(&self, listener: ListenerId, socket: Socket, address: Option<IpAddr>) {
        let site = self.site();
        let Some(settings) = site.settings.listener(listener).map(Arc::clone) else { return };
        let client = client_words(address);
        let session = self.next_session();
        let peer = Peer { session, listener: &settings.name, client: &client };
        match self.seat(&site.settings, &settings, address) {
            Ok(seat) => {
                self.journal().note(&Event::Connected(peer));
                let entry = self.register().enter(session, Arc::clone(&settings), address);
                let (front, site, listener) = (self.clone(), Arc::clone(&site), settings);
                let arrival =
                    Arrival { front, site, seat, entry, listener, session, address, client, socket };
                tokio::spawn(session::run(arrival));
            }
            Err(why) => {
                self.journal().note(&Event::TurnedAway { peer, why });
                // A socket that is new has room for a line; if not, closing says enough.
                let _ = socket.try_write(too_many(&site.settings.host).as_bytes());
            }
        }
    }

    /// Mostly too many descriptors: they come free when sessions end.
    async fn cannot_accept(&self, listener: ListenerId, error: &io::Error) {
        let site = self.site();
        let name = site.settings.listener(listener).map_or("", |one| &one.name);
        self.journal().note(&Event::CannotAccept { listener: name, error });
        tokio::time::sleep(PAUSE).await;
    }
}

enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    fn of(listening: Listening) -> io::Result<Self> {
        match listening {
            Listening::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                // Each of our writes is all there is to say: nothing is won by waiting for more. Sockets that are accepted
                // inherit it.
                set_tcp_nodelay(&listener, true)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Listening::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Some(address.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

/// sendmail's relay= of a client whose name is not known.
pub(crate) fn client_words(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => format!("[{address}]"),
        Some(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        None => "local socket".to_owned(),
    }
}

fn too_many(host: &str) -> String {
    format!("421 4.3.2 {host} Too many connections, try again later\r\n")
}

const PAUSE: Duration = Duration::from_millis(200);
