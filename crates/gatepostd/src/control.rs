//! The control socket: `gatepostd status`, `reload`, `sessions` and `throttle` speak here with the daemon that runs.
//!
//! Who connects must be root or the daemon's own user, as the kernel says (SO_PEERCRED); the socket is 0600 besides. He writes
//! one line, as `{"command": "status"}`, and gets one line of JSON; then it is over. What keeper or front know is asked of
//! them, and he waits for it while everything else goes on. Lines, connections and the time for them are bounded; a list that
//! is longer than a line may be comes in parts, each asked for by itself.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::{Exit, Report};
use rustix::net::sockopt::socket_peercred;
use safefile::{SafeDir, Trust, Uid, display_path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::Whom;

use crate::listen::{in_place, parts};
use crate::made;
use crate::role::Role;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How it is.
    Status,
    /// Read the configuration again.
    Reload,
    /// What became of a configuration.
    Fate {
        /// Its number, as the answer to [`Request::Reload`] has it.
        generation: u32,
    },
    /// Which sessions there are.
    Sessions {
        /// Those with greater numbers than this.
        after: u64,
    },
    /// Against whom failures count.
    Throttled {
        /// Where the part before ended.
        from: u32,
        /// Also who is not held back yet.
        all: bool,
    },
    /// Forget failures.
    Forget {
        /// Whose.
        whom: Whom,
    },
}

/// What somebody who asks gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This.
    Now(Value),
    /// What another process says, when it does.
    Later(Ticket),
}

/// A question to keeper or front that somebody here waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Who was asked.
    pub(crate) role: Role,
    /// By which number.
    pub(crate) request: u32,
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
    /// What he waits for, when he has said what he wants.
    ticket: Option<Ticket>,
}

impl Control {
    /// Makes the socket, and its directory where that is missing.
    pub(crate) fn listen(path: &Path, trust: &Trust) -> Result<Self, Report> {
        let (directory, name) = (made::directory(path, trust)?, parts(path)?.1);
        let listener = directory.listen(name, 0o600).map_err(|error| in_place(path, &error))?;
        listener.set_nonblocking(true).map_err(|error| in_place(path, &error))?;
        Ok(Self { listener, directory, name: PathBuf::from(name), callers: Vec::new() })
    }

    /// What to wait for. Who has said everything says nothing more, and while all places are taken nobody is let in.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let door = Some(self.listener.as_fd()).filter(|_| self.has_room());
        let talking = self.callers.iter().filter(|caller| caller.ticket.is_none());
        door.into_iter().chain(talking.map(|caller| caller.stream.as_fd()))
    }

    fn has_room(&self) -> bool {
        self.callers.len() < MOST_CALLERS
    }

    /// Until when somebody may take his time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.until).min()
    }

    /// Hears whoever has something to say, and has him answered.
    pub(crate) fn serve(&mut self, now: Instant, mut answer: impl FnMut(Request) -> Answer) {
        while self.has_room()
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() && is_permitted(&stream) {
                self.callers.push(Caller { stream, line: Vec::new(), until: now + PATIENCE, ticket: None });
            }
        }
        self.callers.retain_mut(|caller| caller.until > now && caller.is_waiting(&mut answer));
    }

    /// Whether somebody waits for this.
    pub(crate) fn awaits(&self, ticket: Ticket) -> bool {
        self.callers.iter().any(|caller| caller.ticket == Some(ticket))
    }

    /// What another process said.
    pub(crate) fn answer(&mut self, ticket: Ticket, said: &Value) {
        self.answer_those(|waiting| waiting == ticket, said);
    }

    /// Nothing comes from that process any more.
    pub(crate) fn has_left(&mut self, role: Role) {
        self.answer_those(|waiting| waiting.role == role, &error(format!("the {role} has ended")));
    }

    fn answer_those(&mut self, is_meant: impl Fn(Ticket) -> bool, said: &Value) {
        self.callers.retain_mut(|caller| {
            let is_answered = caller.ticket.is_some_and(&is_meant);
            if is_answered {
                caller.say(said);
            }
            !is_answered
        });
    }

    /// Takes the socket away.
    pub(crate) fn close(self) {
        // If it stays, the next start takes it away.
        let _ = self.directory.remove(self.name.as_os_str());
    }
}

impl Caller {
    /// Whether there is more to come.
    fn is_waiting(&mut self, answer: &mut impl FnMut(Request) -> Answer) -> bool {
        if self.ticket.is_some() {
            return true;
        }
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
        match serde_json::from_slice(&self.line[..end]) {
            Ok(request) => match answer(request) {
                Answer::Now(said) => self.say(&said),
                Answer::Later(ticket) => self.ticket = Some(ticket),
            },
            Err(fault) => self.say(&error(fault)),
        }
        self.ticket.is_some()
    }

    /// An answer fits into what the kernel keeps for him.
    fn say(&mut self, said: &Value) {
        let _ = self.stream.write_all(format!("{said}\n").as_bytes());
    }
}

/// What is said to who gets no answer.
pub(crate) fn error(words: impl fmt::Display) -> Value {
    json!({"error": words.to_string()})
}

fn is_permitted(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| {
        let uid = Uid(peer.uid.as_raw());
        uid.is_root() || uid == Uid::effective()
    })
}

/// Asks the daemon that runs.
pub(crate) fn ask(path: &Path, request: &Request) -> Result<Value, Report> {
    let failed = |error: io::Error| unreached(path, &error);
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    if !is_permitted(&stream) {
        let cause = "somebody else listens there, neither root nor this user";
        return Err(Report::new(Exit::NOPERM, display_path(path), cause));
    }
    stream.set_read_timeout(Some(2 * PATIENCE)).map_err(failed)?;
    let line = serde_json::to_string(request).map_err(|error| failed(error.into()))?;
    stream.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer).map_err(failed)?;
    if answer.is_empty() {
        return Err(Report::new(Exit::UNAVAILABLE, display_path(path), "the daemon does not answer")
            .because("it, or the one of its processes that knows, has too much to do"));
    }
    let answer: Value = serde_json::from_str(&answer).map_err(|error| failed(error.into()))?;
    match answer["error"].as_str() {
        Some(words) => Err(Report::new(Exit::UNAVAILABLE, display_path(path), words)),
        None => Ok(answer),
    }
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
    use std::os::fd::AsRawFd;
    use std::thread;

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
        let asking = thread::spawn(move || ask(&path, &Request::Status).unwrap());
        while !asking.is_finished() {
            control.serve(Instant::now(), |request| {
                assert_eq!(request, Request::Status);
                Answer::Now(json!({"is": "well"}))
            });
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(asking.join().unwrap(), json!({"is": "well"}));
    }

    #[test]
    fn who_waits_for_another_process_holds_up_nobody_and_hears_only_what_he_asked_for() {
        let (_dir, path, mut control) = control();
        let caller = |request: &Request| {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(format!("{}\n", serde_json::to_string(request).unwrap()).as_bytes()).unwrap();
            stream
        };
        let heard = |mut stream: UnixStream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let ticket = |role, request| Ticket { role, request };
        let now = Instant::now();
        let mut waiting = Vec::new();
        for (number, request) in (1..).zip([
            Request::Sessions { after: 7 },
            Request::Throttled { from: 0, all: true },
            Request::Forget { whom: Whom::Identity("alice".to_owned()) },
        ]) {
            waiting.push(caller(&request));
            let role = if number == 1 { Role::Front } else { Role::Keeper };
            control.serve(now, |asked| {
                assert_eq!(asked, request);
                Answer::Later(ticket(role, number))
            });
        }
        assert_eq!((control.callers.len(), control.descriptors().count()), (3, 1));
        let well = caller(&Request::Status);
        control.serve(now, |_| Answer::Now(json!("well")));
        assert_eq!(heard(well), "\"well\"\n");
        control.answer(ticket(Role::Keeper, 1), &json!("of another"));
        assert_eq!(control.callers.len(), 3);
        control.answer(ticket(Role::Front, 1), &json!("sessions"));
        assert_eq!(heard(waiting.remove(0)), "\"sessions\"\n");
        control.answer(ticket(Role::Keeper, 2), &json!("who"));
        assert_eq!(heard(waiting.remove(0)), "\"who\"\n");
        control.has_left(Role::Keeper);
        assert_eq!(heard(waiting.remove(0)), "{\"error\":\"the keeper has ended\"}\n");
        drop(caller(&Request::Status));
    }

    #[test]
    fn while_all_places_are_taken_nobody_waits_for_the_next_one() {
        let (_dir, path, mut control) = control();
        let now = Instant::now();
        let callers: Vec<_> = (0..=MOST_CALLERS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        control.serve(now, |_| panic!("answered"));
        let door = control.listener.as_fd().as_raw_fd();
        let is_watched = |control: &Control| control.descriptors().any(|it| it.as_raw_fd() == door);
        assert_eq!((control.callers.len(), is_watched(&control)), (MOST_CALLERS, false));
        drop(callers);
        control.serve(now, |_| panic!("answered"));
        assert!(is_watched(&control));
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
