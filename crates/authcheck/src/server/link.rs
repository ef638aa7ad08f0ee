//! One connection with a server: a socket, perhaps TLS, and the session of `smtp` that says what is heard. It waits for the
//! server, and never longer than it was told to.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smtp::Reply;
use smtp::client::{ClosedBy, Command, Event, Session, Settings, Step, Waits};
use smtp::server::Layer;
use tls::client::{ClientConnection, ClientSetup, ServerFacts};
use zeroize::Zeroizing;

use super::place::{At, Place, Tls};
use super::teller::Teller;
use super::trouble::Trouble;

/// What every connection of a run is made with.
pub(crate) struct Ways<'a> {
    pub(crate) place: &'a Place,
    /// The name that the certificate has to have.
    pub(crate) name: &'a str,
    pub(crate) setup: &'a ClientSetup,
    pub(crate) timeout: Duration,
}

/// A connection behind the greeting and EHLO.
pub(crate) struct Link<'a> {
    ways: &'a Ways<'a>,
    socket: Socket,
    tls: Option<ClientConnection>,
    session: Session,
    /// What has come and the session has not taken.
    inbox: Vec<u8>,
}

enum Socket {
    Network(TcpStream),
    Local(UnixStream),
}

/// What comes of a step in an exchange of AUTH.
pub(crate) enum Answer {
    Challenge(Zeroizing<Vec<u8>>),
    Reply(Reply),
}

impl<'a> Link<'a> {
    /// Connects, with TLS where it begins at once, and hears the greeting.
    pub(crate) fn open(ways: &'a Ways<'a>, teller: &mut Teller<'_>) -> Result<Self, Trouble> {
        let (socket, name) = connect(ways, teller)?;
        let settings =
            Settings::new(&name).map(|settings| Settings { waits: Waits::all(ways.timeout), ..settings });
        let settings =
            Arc::new(settings.ok_or_else(|| Trouble::Refused(format!("not a name for EHLO: {name}")))?);
        let session = Session::new(Instant::now(), settings);
        let mut link = Self { ways, socket, tls: None, session, inbox: Vec::new() };
        if ways.place.tls == Tls::AtOnce {
            link.shake_hands(teller)?;
        }
        let greeting = link.reply()?;
        teller.heard(&greeting)?;
        if greeting.code().number() / 100 == 4 {
            return Err(Trouble::Later(format!("it has no time for us: {greeting}")));
        }
        if greeting.code().is_refusal() {
            return Err(Trouble::Refused(format!("it wants nothing to do with us: {greeting}")));
        }
        link.hello(teller)?;
        Ok(link)
    }

    /// EHLO, and HELO where the server knows nothing else.
    fn hello(&mut self, teller: &mut Teller<'_>) -> Result<(), Trouble> {
        let mut reply = self.say(Command::Hello, teller)?;
        if reply.code().number() >= 500 {
            teller.sent(&format!("HELO {}", self.session.name()))?;
            reply = self.reply()?;
            teller.heard(&reply)?;
        }
        if reply.code().number() / 100 == 4 {
            return Err(Trouble::Later(format!("it refuses to be greeted for now: {reply}")));
        }
        if reply.code().is_refusal() {
            return Err(Trouble::Refused(format!("it refuses to be greeted: {reply}")));
        }
        Ok(())
    }

    /// STARTTLS, the handshake, and EHLO again. The refusal, where there is one.
    pub(crate) fn start_tls(&mut self, teller: &mut Teller<'_>) -> Result<Option<Reply>, Trouble> {
        let reply = self.say(Command::StartTls, teller)?;
        if reply.code().is_refusal() {
            return Ok(Some(reply));
        }
        self.hand_over();
        self.ended()?;
        self.shake_hands(teller)?;
        self.session.layered(Instant::now(), Layer::Tls)?;
        self.hello(teller)?;
        Ok(None)
    }

    /// Sends a command and waits for its reply; both are told.
    pub(crate) fn say(&mut self, command: Command, teller: &mut Teller<'_>) -> Result<Reply, Trouble> {
        self.ended()?;
        teller.sent(&match command {
            Command::Hello => format!("EHLO {}", self.session.name()),
            _ => command.to_string(),
        })?;
        self.session.send(Instant::now(), command)?;
        let reply = self.reply()?;
        teller.heard(&reply)?;
        Ok(reply)
    }

    /// Ends the session. How the server takes it is no matter any more.
    pub(crate) fn quit(mut self, teller: &mut Teller<'_>) -> Result<(), Trouble> {
        match self.say(Command::Quit, teller) {
            Err(Trouble::Ours(report)) => Err(Trouble::Ours(report)),
            _ => Ok(()),
        }
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// What the server offers now.
    pub(crate) fn offer(&self) -> &smtp::client::Offer {
        self.session.offer()
    }

    /// What is known of TLS, where there is.
    pub(crate) fn facts(&self) -> Option<&ServerFacts> {
        self.tls.as_ref()?.facts()
    }

    /// The next challenge, or the reply that ends an exchange.
    pub(crate) fn answer(&mut self, teller: &mut Teller<'_>) -> Result<Answer, Trouble> {
        loop {
            match self.event()? {
                Event::Challenge { code, octets } => {
                    teller.challenged(code, octets.len())?;
                    if code.number() != 334 {
                        teller.known("RFC 4954 has 334 here; taken all the same")?;
                    }
                    return Ok(Answer::Challenge(octets));
                }
                Event::BadChallenge => teller.known("a challenge that is no base64: given up")?,
                Event::Reply { to: Step::Auth, reply } => {
                    teller.heard(&reply)?;
                    return Ok(Answer::Reply(reply));
                }
                Event::Reply { .. } | Event::Closed(_) => {}
            }
        }
    }

    fn reply(&mut self) -> Result<Reply, Trouble> {
        loop {
            if let Event::Reply { reply, .. } = self.event()? {
                return Ok(reply);
            }
        }
    }

    /// The next event; the last one is a trouble.
    fn event(&mut self) -> Result<Event, Trouble> {
        loop {
            self.flush()?;
            self.hand_over();
            match self.session.poll_event() {
                Some(Event::Closed(by)) => return Err(Trouble::Ended(by)),
                Some(event) => return Ok(event),
                None => {}
            }
            self.flush()?;
            if self.inbox.is_empty() {
                self.receive()?;
            }
        }
    }

    /// To the session, as much as it takes.
    fn hand_over(&mut self) {
        let taken = self.session.receive(Instant::now(), &self.inbox);
        self.inbox.drain(..taken);
    }

    fn ended(&mut self) -> Result<(), Trouble> {
        match self.session.closed_by() {
            Some(by) => Err(Trouble::Ended(by.clone())),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        while let Some(output) = self.session.poll_output() {
            let mut rest = output.as_slice();
            while let Some(tls) = self.tls.as_mut().filter(|_| !rest.is_empty()) {
                let taken = tls.write_plain(rest)?;
                rest = &rest[taken..];
                let mut sealed = Vec::new();
                tls.take_output(&mut sealed)?;
                self.socket.write(&sealed)?;
            }
            if self.tls.is_none() {
                self.socket.write(rest)?;
            }
        }
        Ok(())
    }

    /// Waits for octets, or for the time that the session has.
    fn receive(&mut self) -> Result<(), Trouble> {
        let deadline = self.session.poll_timeout().unwrap_or_else(|| Instant::now() + self.ways.timeout);
        let mut room = [0; 4096];
        match self.socket.read(&mut room, deadline)? {
            Some(0) => self.session.end_of_input(Instant::now()),
            Some(count) => self.unseal(&room[..count])?,
            None => self.session.expire(Instant::now()),
        }
        Ok(())
    }

    fn unseal(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let Some(tls) = &mut self.tls else {
            self.inbox.extend_from_slice(octets);
            return Ok(());
        };
        let mut rest = octets;
        while !rest.is_empty() {
            let fed = tls.feed(rest);
            tls.read_plain(&mut self.inbox);
            let mut alert = Vec::new();
            tls.take_output(&mut alert)?;
            self.socket.write(&alert)?;
            rest = &rest[fed?..];
        }
        if tls.peer_closed() && self.inbox.is_empty() {
            self.session.end_of_input(Instant::now());
        }
        Ok(())
    }

    /// The handshake of TLS. What the server is, is known behind it, and told.
    fn shake_hands(&mut self, teller: &mut Teller<'_>) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.ways.timeout;
        let mut tls = self.ways.setup.connection(self.ways.name)?;
        let mut room = [0; 4096];
        while tls.facts().is_none() {
            let mut output = Vec::new();
            tls.take_output(&mut output)?;
            self.socket.write(&output)?;
            let fed = match self.socket.read(&mut room, deadline)? {
                Some(0) => return Err(Trouble::Ended(ClosedBy::Peer { awaited: Some(Step::StartTls) })),
                Some(count) => tls.feed(&room[..count]),
                None => return Err(Trouble::Ended(ClosedBy::Timeout { awaited: Step::StartTls })),
            };
            if let Err(fault) = fed {
                let mut alert = Vec::new();
                tls.take_output(&mut alert)?;
                // Who does not want to hear why may have gone already.
                let _ = self.socket.write(&alert);
                return Err(fault.into());
            }
        }
        let mut output = Vec::new();
        tls.take_output(&mut output)?;
        self.socket.write(&output)?;
        tls.read_plain(&mut self.inbox);
        if let Some(facts) = tls.facts() {
            teller.shook_hands(facts)?;
        }
        self.tls = Some(tls);
        Ok(())
    }
}

impl Socket {
    fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let written = match self {
            Self::Network(socket) => socket.write_all(octets),
            Self::Local(socket) => socket.write_all(octets),
        };
        written.map_err(Trouble::Broken)
    }

    /// So many octets; none at all when the time is over.
    fn read(&mut self, room: &mut [u8], deadline: Instant) -> Result<Option<usize>, Trouble> {
        // A timeout of 0 would be none.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let read = match self {
            Self::Network(socket) => socket.set_read_timeout(Some(left)).and_then(|()| socket.read(room)),
            Self::Local(socket) => socket.set_read_timeout(Some(left)).and_then(|()| socket.read(room)),
        };
        match read.map_err(|error| (error.kind(), error)) {
            Ok(count) => Ok(Some(count)),
            Err((io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted, _)) => {
                Ok(None)
            }
            // A server that has gone without a word.
            Err((io::ErrorKind::ConnectionReset, _)) => Ok(Some(0)),
            Err((_, error)) => Err(Trouble::Broken(error)),
        }
    }
}

/// The socket, and the name that we have as seen from there: an address literal (RFC 5321, section 4.1.4).
fn connect(ways: &Ways<'_>, teller: &mut Teller<'_>) -> Result<(Socket, String), Trouble> {
    match &ways.place.at {
        At::Socket(path) => {
            let socket = UnixStream::connect(path).map_err(Trouble::Unreachable)?;
            socket.set_write_timeout(Some(ways.timeout)).map_err(Trouble::Broken)?;
            teller.connected(&cli::printable::path(path).to_string())?;
            Ok((Socket::Local(socket), "localhost".to_owned()))
        }
        At::Host { name, port } => {
            let addresses = (name.as_str(), *port).to_socket_addrs().map_err(Trouble::NoHost)?;
            let mut last = io::Error::other("the host has no address");
            for address in addresses {
                match TcpStream::connect_timeout(&address, ways.timeout) {
                    Ok(socket) => {
                        socket.set_nodelay(true).map_err(Trouble::Broken)?;
                        socket.set_write_timeout(Some(ways.timeout)).map_err(Trouble::Broken)?;
                        let own = socket.local_addr().map_err(Trouble::Broken)?.ip();
                        teller.connected(&address.to_string())?;
                        let literal =
                            if own.is_ipv6() { format!("[IPv6:{own}]") } else { format!("[{own}]") };
                        return Ok((Socket::Network(socket), literal));
                    }
                    Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
                }
            }
            Err(Trouble::Unreachable(last))
        }
    }
}
