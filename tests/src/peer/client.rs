//! Somebody who brings mail to a server, from an address of his choice: a server decides by it.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::PATIENCE;

/// A session.
#[derive(Debug)]
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects from that address of the loopback network, and greets.
    ///
    /// # Errors
    /// Whatever keeps the two from speaking.
    pub fn connect(to: SocketAddrV4, from: Ipv4Addr) -> Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(from, 0))?;
        connect(&socket, &to)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
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

    fn try_to_say(&mut self, line: &str) -> Result<String> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}
