//! A terminal with a program in front of it: what a person would type goes in, what a person would see comes out, and
//! whether the terminal echoes can be asked at any moment.
//!
//! The program gets a pseudo-terminal as its controlling one through setsid(1), so that the signal keys work.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// A program that runs in front of a terminal of its own.
pub struct Terminal {
    keys: File,
    program: Child,
    screen: Vec<u8>,
    seen: usize,
    /// Kept open, so that what was written last is not lost when the program ends, and the modes can be asked then.
    line: File,
}

/// How long a program may keep a test waiting before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The key that ends input where it is typed, with [`Terminal::press`].
pub const CTRL_D: &str = "\x04";
/// The key that interrupts.
pub const CTRL_C: &str = "\x03";
/// The key that stops the program until it is continued.
pub const CTRL_Z: &str = "\x1a";
/// The key that makes the next one be taken as it is.
pub const CTRL_V: &str = "\x16";
/// The key that quits.
pub const CTRL_BACKSLASH: &str = "\x1c";

impl Terminal {
    /// Starts a program with these arguments.
    ///
    /// # Panics
    /// When there is no pseudo-terminal or no such program: a test cannot go on then.
    pub fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        let (keys, line) = pair();
        let stdio = || Stdio::from(OwnedFd::from(line.try_clone().expect("a descriptor")));
        let program = Command::new("setsid")
            .arg("-c")
            .arg(program.as_ref())
            .args(arguments)
            .env("TERM", "xterm")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("setsid of util-linux");
        Self { keys, program, screen: Vec::new(), seen: 0, line }
    }

    /// Presses keys, whether anybody waits for them or not.
    ///
    /// # Panics
    /// When the terminal has gone.
    pub fn press(&mut self, keys: impl AsRef<[u8]>) {
        self.keys.write_all(keys.as_ref()).expect("a terminal to type at");
    }

    /// Waits until this text is on the screen, after what was waited for before.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        loop {
            let new = &self.screen[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.seen += at + text.len();
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no {text:?} on the screen: {:?}", self.screen());
            self.look(Duration::from_millis(50));
        }
    }

    /// Whether what is typed is shown at this moment.
    ///
    /// # Panics
    /// When the terminal cannot be asked.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.line).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    /// Sends a signal to the program.
    ///
    /// # Panics
    /// When it has gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a program to signal");
    }

    /// Everything on the screen so far, line ends as the terminal shows them (CR LF).
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    /// Waits for the end of the program; what the screen showed, and how it ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        loop {
            self.look(Duration::from_millis(10));
            if let Some(status) = self.program.try_wait().expect("a program to wait for") {
                while self.look(Duration::ZERO) {}
                return (status, self.screen());
            }
            if began.elapsed() > PATIENCE {
                let _ = self.program.kill();
                panic!("the program does not end; screen: {:?}", self.screen());
            }
        }
    }

    /// Takes what is new on the screen; whether there was anything.
    fn look(&mut self, patience: Duration) -> bool {
        let mut ready = [PollFd::new(&self.keys, PollFlags::IN)];
        let patience = patience.try_into().expect("a short time");
        if poll(&mut ready, Some(&patience)).is_err() || !ready[0].revents().contains(PollFlags::IN) {
            return false;
        }
        let mut new = [0; 4096];
        match self.keys.read(&mut new) {
            Ok(count) => self.screen.extend_from_slice(&new[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("the screen cannot be read: {error}"),
        }
        true
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.program)
    }
}

impl Drop for Terminal {
    /// A test that failed leaves no program behind.
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Both ends: where a person sits, and the line to which the program is joined.
fn pair() -> (File, File) {
    let keys =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
    grantpt(&keys).and_then(|()| unlockpt(&keys)).expect("a pseudo-terminal of ours");
    let name = ptsname(&keys, Vec::new()).expect("a pseudo-terminal with a name");
    let name = name.into_string().expect("a name in ASCII");
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let line = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).expect("the other end");
    (File::from(keys), File::from(line))
}
