//! The control socket: `gatepostd status` and `reload` speak here with the daemon that runs.
//!
//! Who connects must be root or the daemon's own user, as the kernel says (SO_PEERCRED); the socket is 0600 besides. He writes
//! one line, `{"command": "status"}` or `{"command": "reload"}`, and gets one line of JSON; then it is over. Lines, connections
//! and the time for them are bounded.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::{Exit, Report};
use rustix::net::sockopt::socket_peercred;
use safefile::{SafeDir, Trust, Uid, display_path};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::listen::{in_place, parts};
use crate::made;

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How it is.
    Status,
    /// Read the configuration again.
    Reload,
}

/// The socket, and who is connected.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    directory: SafeDir,
    name: PathBuf,
    callers: Vec<Caller>,
}

/// Somebody who is connected.
#[derive(Debug)]
struct Caller {
    stream: UnixStream,
    line: Vec<u8>,
    until: Instant,
}

impl Control {
    /// Makes the socket, and its directory where that is missing.
    pub(crate) fn listen(path: &Path, trust: &Trust) -> Result<Self, Report> {
        let (directory, name) = (made::directory(path, trust)?, parts(path)?.1);
        let listener = directory.listen(name, 0o600).map_err(|error| in_place(path, &error))?;
        listener.set_nonblocking(true).map_err(|error| in_place(path, &error))?;
        Ok(Self { listener, directory, name: PathBuf::from(name), callers: Vec::new() })
    }

    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.callers.iter().map(|caller| caller.stream.as_fd()))
    }

    /// Until when somebody may take his time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.until).min()
    }

    /// Hears whoever has something to say, and has him answered.
    pub(crate) fn serve(&mut self, now: Instant, mut answer: impl FnMut(Request) -> Value) {
        while self.callers.len() < MOST_CALLERS
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() && is_permitted(&stream) {
                self.callers.push(Caller { stream, line: Vec::new(), until: now + PATIENCE });
            }
        }
        self.callers.retain_mut(|caller| caller.until > now && caller.is_waiting(&mut answer));
    }

    /// Takes the socket away.
    pub(crate) fn close(self) {
        // If it stays, the next start takes it away.
        let _ = self.directory.remove(self.name.as_os_str());
    }
}

impl Caller {
    /// Whether there is more to come.
    fn is_waiting(&mut self, answer: &mut impl FnMut(Request) -> Value) -> bool {
        let mut octets = [0; 512];
        loop {
            match self.stream.read(&mut octets) {
                Ok(0) => return false,
                Ok(count) => self.line.extend_from_slice(&octets[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
            if self.line.len() > LONGEST_LINE {
                return false;
            }
        }
        let Some(end) = self.line.iter().position(|octet| *octet == b'\n') else { return true };
        let said = match serde_json::from_slice(&self.line[..end]) {
            Ok(request) => answer(request),
            Err(error) => serde_json::json!({"error": error.to_string()}),
        };
        // An answer fits into what the kernel keeps for him.
        let _ = self.stream.write_all(format!("{said}\n").as_bytes());
        false
    }
}

fn is_permitted(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| {
        let uid = Uid(peer.uid.as_raw());
        uid.is_root() || uid == Uid::effective()
    })
}

/// Asks the daemon that runs.
pub(crate) fn ask(path: &Path, request: Request) -> Result<Value, Report> {
    let failed = |error: io::Error| unreached(path, &error);
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    if !is_permitted(&stream) {
        let cause = "somebody else listens there, neither root nor this user";
        return Err(Report::new(Exit::NOPERM, display_path(path), cause));
    }
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let line = serde_json::to_string(&request).map_err(|error| failed(error.into()))?;
    stream.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer).map_err(failed)?;
    serde_json::from_str(&answer).map_err(|error| failed(error.into()))
}

fn unreached(path: &Path, error: &io::Error) -> Report {
    let report = Report::new(Exit::UNAVAILABLE, display_path(path), error);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            report.because("the daemon does not run, or has another control_socket")
        }
        _ => report,
    }
}

const MOST_CALLERS: usize = 16;
const LONGEST_LINE: usize = 4096;
const LONGEST_ANSWER: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;

    use super::*;

    fn control() -> (tempfile::TempDir, PathBuf, Control) {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("run").join("control");
        let control = Control::listen(&path, &Trust::root().caller(Uid::effective())).unwrap();
        (dir, path, control)
    }

    #[test]
    fn a_question_is_answered_by_one_line() {
        let (_dir, path, mut control) = control();
        let asking = thread::spawn(move || ask(&path, Request::Status).unwrap());
        while !asking.is_finished() {
            control.serve(Instant::now(), |request| {
                assert_eq!(request, Request::Status);
                json!({"is": "well"})
            });
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(asking.join().unwrap(), json!({"is": "well"}));
    }

    #[test]
    fn nonsense_length_and_slowness_end_a_connection() {
        let (_dir, path, mut control) = control();
        let now = Instant::now();
        let serve = |control: &mut Control, now| control.serve(now, |_| panic!("answered"));
        let mut wrong = UnixStream::connect(&path).unwrap();
        wrong.write_all(b"{\"command\": \"open\", \"path\": \"/etc/shadow\"}\n").unwrap();
        let mut long = UnixStream::connect(&path).unwrap();
        long.write_all(&[b'x'; LONGEST_LINE + 1]).unwrap();
        let slow = UnixStream::connect(&path).unwrap();
        serve(&mut control, now);
        let mut answer = String::new();
        wrong.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("{\"error\":"), "{answer}");
        assert_eq!(control.callers.len(), 1);
        serve(&mut control, now + PATIENCE);
        assert_eq!(control.callers.len(), 0);
        drop(slow);
    }
}
