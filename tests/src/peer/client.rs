//! Somebody who brings mail to a server, from an address of his choice: a server decides by it.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::PATIENCE;

/// A session.
#[derive(Debug)]
pub struct Client(BufReader<Box<dyn Stream>>);

trait Stream: Read + Write + Debug + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

impl Client {
    /// Connects from that address of the loopback network, and greets.
    ///
    /// # Errors
    /// Whatever keeps the two from speaking.
    pub fn connect(to: SocketAddrV4, from: Ipv4Addr) -> Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(from, 0))?;
        connect(&socket, &to)?;
        Self::over(TcpStream::from(socket))
    }

    /// Greets on this connection.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn over(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Self::greet(Box::new(stream))
    }

    /// Connects to a unix socket, and greets.
    ///
    /// # Errors
    /// Whatever keeps the two from speaking.
    pub fn connect_unix(to: &Path) -> Result<Self> {
        let stream = UnixStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::greet(Box::new(stream))
    }

    fn greet(stream: Box<dyn Stream>) -> Result<Self> {
        let mut client = Self(BufReader::new(stream));
        client.answer()?;
        client.try_to_say("EHLO client.test")?;
        Ok(client)
    }

    /// Says a line; the last line of the answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn say(&mut self, line: &str) -> String {
        self.try_to_say(line).expect("an answer of the server")
    }

    /// Says a line; every line of the answer.
    ///
    /// # Panics
    /// As [`Self::say`].
    pub fn lines(&mut self, line: &str) -> Vec<String> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("a server that listens");
        let mut lines = Vec::new();
        loop {
            let line = self.line().expect("an answer of the server");
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Brings a message; the first answer that is no assent, or the last.
    ///
    /// # Panics
    /// As [`Self::say`].
    pub fn send(&mut self, sender: &str, recipient: &str) -> String {
        let mut answer = String::new();
        for line in [
            &format!("MAIL FROM:<{sender}>"),
            &format!("RCPT TO:<{recipient}>"),
            "DATA",
            "Subject: peers\r\n\r\nA message.\r\n.",
        ] {
            answer = self.say(line);
            if !answer.starts_with(['2', '3']) {
                break;
            }
        }
        answer
    }

    /// Says a line; the last line of the answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn try_to_say(&mut self, line: impl AsRef<[u8]>) -> Result<String> {
        self.0.get_mut().write_all(&[line.as_ref(), b"\r\n"].concat())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        loop {
            let line = self.line()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}
