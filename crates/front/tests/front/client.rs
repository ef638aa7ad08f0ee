//! A client that follows a conversation: `C:` is said, `S:` is heard. A `*` at the end of a line stands for anything.

use std::io::{Read, Write};
use std::time::Duration;

/// A connection to the front.
pub(crate) struct Client<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Goes through a conversation. Lines of the client that follow each other are sent in one piece.
    pub(crate) fn talk(&mut self, conversation: &str) {
        let mut said = String::new();
        for line in conversation.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(words) = line.strip_prefix("C:") {
                said.push_str(words.strip_prefix(' ').unwrap_or(words));
                said.push_str("\r\n");
                continue;
            }
            let expected = line.strip_prefix("S:").unwrap().trim_start();
            self.say(&std::mem::take(&mut said));
            let heard = self.line().unwrap_or_else(|| "(the end)".to_owned());
            let matches = match expected.strip_suffix('*') {
                Some(start) => heard.starts_with(start),
                None => heard == expected,
            };
            assert!(matches, "expected {expected:?}, heard {heard:?}");
        }
        self.say(&said);
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    /// The next line; none at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
                self.buffer.drain(..end + 2);
                return Some(line);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&octets[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Greets, and gives the lines of the reply without their codes.
    pub(crate) fn ehlo(&mut self) -> Vec<String> {
        self.say("EHLO client.test\r\n");
        let mut lines = Vec::new();
        loop {
            let line = self.line().unwrap();
            assert!(line.starts_with("250"), "{line}");
            lines.push(line[4..].to_owned());
            if line.as_bytes()[3] == b' ' {
                return lines;
            }
        }
    }

    /// Logs in as alice by LOGIN.
    pub(crate) fn log_in(&mut self) {
        self.talk(
            "C: AUTH LOGIN
             S: 334 VXNlcm5hbWU6
             C: YWxpY2U=
             S: 334 UGFzc3dvcmQ6
             C: cGVuY2ls
             S: 235 2.0.0 OK Authenticated",
        );
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
