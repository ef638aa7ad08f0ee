//! The octets of a session between its machine and the socket: through a security layer of SASL and TLS, where they are.
//! When both are, TLS is the outer one (RFC 4954, section 4).
//!
//! Nothing is read while something that was read is not taken, and every buffer is gone when it is empty: a session that
//! waits holds none.

use std::io;

use sasl::layer::{LayerError, LayerKeys, SecurityLayer};
use tls::{Connection, ConnectionError, ServerSetup};
use zeroize::{Zeroize, Zeroizing};

use crate::socket::Socket;

pub(crate) struct Pipe {
    socket: Socket,
    tls: Option<Box<Connection>>,
    sasl: Option<Box<SecurityLayer>>,
    /// What the client said and the machine has not taken.
    plain: Zeroizing<Vec<u8>>,
    /// How much of it the machine has taken.
    taken: usize,
    /// What is on its way to the client.
    out: Vec<u8>,
    has_ended: bool,
}

/// Why nothing more can be said or heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] ConnectionError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error("the client is gone")]
    Gone,
}

impl Pipe {
    pub(crate) fn new(socket: Socket) -> Self {
        let plain = Zeroizing::default();
        Self { socket, tls: None, sasl: None, plain, taken: 0, out: Vec::new(), has_ended: false }
    }

    /// What the client said.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain[self.taken..]
    }

    /// So much of it was taken.
    pub(crate) fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.plain.len() {
            self.drop_plain();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn facts(&self) -> Option<&tls::Facts> {
        self.tls.as_ref().and_then(|tls| tls.facts())
    }

    pub(crate) fn has_layer(&self) -> bool {
        self.sasl.is_some()
    }

    pub(crate) async fn readable(&self) -> Result<(), Broken> {
        Ok(self.socket.readable().await?)
    }

    /// Takes in what has arrived.
    pub(crate) fn read(&mut self) -> Result<(), Broken> {
        let mut buffer = [0; READ];
        match self.socket.try_read(&mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(count) => {
                let taken_in = self.take_in(&buffer[..count]);
                buffer[..count].zeroize();
                return taken_in;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Says something. It is on its way with the next [`Pipe::flush`].
    pub(crate) fn say(&mut self, plain: &[u8]) -> Result<(), Broken> {
        match &mut self.sasl {
            Some(layer) => {
                let mut packets = Vec::new();
                layer.wrap.wrap(plain, &mut packets)?;
                self.say_below(&packets)
            }
            None => self.say_below(plain),
        }
    }

    /// Whether so much is on its way that it had better be sent.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= MOST_OUT
    }

    /// Whether anything is on its way.
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Sends everything, in as few pieces as the socket takes.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        let mut sent = 0;
        while sent < self.out.len() {
            match self.socket.try_write(&self.out[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.out = Vec::new();
        Ok(())
    }

    /// The handshake. What came before it is forgotten: anybody on the way could have put it there.
    pub(crate) async fn begin_tls(&mut self, setup: &ServerSetup) -> Result<(), Broken> {
        self.drop_plain();
        self.tls = Some(Box::new(setup.connection()?));
        while self.facts().is_none() {
            self.flush().await?;
            if self.has_ended {
                return Err(Broken::Gone);
            }
            self.readable().await?;
            if let Err(fault) = self.read() {
                // The alert tells the client.
                let _ = self.flush().await;
                return Err(fault);
            }
        }
        Ok(())
    }

    /// From here on everything is in packets of the layer.
    pub(crate) fn begin_layer(&mut self, keys: LayerKeys) {
        self.drop_plain();
        self.sasl = Some(Box::new(SecurityLayer::new(keys)));
    }

    /// Says that nothing more comes.
    pub(crate) fn say_the_end(&mut self) -> Result<(), Broken> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.close();
        Ok(tls.take_output(&mut self.out)?)
    }

    fn take_in(&mut self, octets: &[u8]) -> Result<(), Broken> {
        let Some(tls) = &mut self.tls else { return self.unwrap(octets) };
        let mut rest = octets;
        let mut inner = Zeroizing::new(Vec::new());
        while !rest.is_empty() {
            let fed = tls.feed(rest);
            tls.take_output(&mut self.out)?;
            rest = &rest[fed?..];
            tls.read_plain(&mut inner);
        }
        self.has_ended |= tls.peer_closed();
        self.unwrap(&inner)
    }

    fn unwrap(&mut self, octets: &[u8]) -> Result<(), Broken> {
        match &mut self.sasl {
            Some(layer) => {
                let opened = layer.unwrap.unwrap(octets)?;
                self.keep(&opened);
            }
            None => self.keep(octets),
        }
        Ok(())
    }

    /// A new buffer each time, of the right size, so that none is left behind where it grew.
    fn keep(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(self.plain().len() + octets.len()));
        plain.extend_from_slice(self.plain());
        plain.extend_from_slice(octets);
        self.plain = plain;
        self.taken = 0;
    }

    fn say_below(&mut self, octets: &[u8]) -> Result<(), Broken> {
        let Some(tls) = &mut self.tls else {
            self.out.extend_from_slice(octets);
            return Ok(());
        };
        let mut rest = octets;
        while !rest.is_empty() {
            let taken = tls.write_plain(rest)?;
            tls.take_output(&mut self.out)?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn drop_plain(&mut self) {
        self.plain = Zeroizing::default();
        self.taken = 0;
    }
}

/// On the stack while it is used, and no longer. A command is far shorter, and each reading clears all of it.
const READ: usize = 4 << 10;
const MOST_OUT: usize = 64 << 10;
