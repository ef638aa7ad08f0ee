//! The terminal while a password is typed: echo off, line editing by the terminal as ever, and its old state back
//! before the process ends or stops for any signal.
//!
//! rpassword reads the line, but not with its own terminal mode: that one switches the signal keys off, raises SIGINT
//! while the echo is still off, ignores Ctrl-Z, and drops control characters in silence. So it reads from [`Keys`],
//! which holds the signals that end or stop a process back until the echo is on again. What remains of rpassword's
//! growing string on the heap is protected by the process being neither dumpable nor traceable.

use std::cell::Cell;
use std::io::{self, Read, Write as _};
use std::ops::Range;
use std::rc::Rc;

use credential::Secret;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::PromptError;

/// A terminal that does not show what is typed, until this is dropped.
pub(super) struct Hidden {
    keys: Keys,
}

impl Hidden {
    /// Switches the echo off. Nothing that was typed before is lost.
    pub(super) fn begin() -> io::Result<Self> {
        Ok(Self { keys: Keys { terminal: Rc::new(Terminal::begin()?), line: Line::default(), prompt: "" } })
    }

    /// Asks, and reads a line. A line that is closed by ^D gets its line end on the screen from us.
    pub(super) fn ask(&mut self, prompt: &'static str) -> Result<Secret, PromptError> {
        let ended = Rc::new(Cell::new(false));
        let line = Line { ended: Rc::clone(&ended), ..Line::default() };
        let keys = Keys { terminal: Rc::clone(&self.keys.terminal), line, prompt };
        show(prompt)?;
        let typed = read_line(keys);
        if !ended.get() {
            show("\n")?;
        }
        typed
    }
}

fn read_line(keys: Keys) -> Result<Secret, PromptError> {
    let config = rpassword::ConfigBuilder::new().input_reader(keys).output_discard().build();
    let typed = rpassword::read_password_with_config(config).map_err(prompt_error)?;
    Ok(Secret::new(typed.into_bytes()))
}

/// Finds our own error in the one that passed through rpassword.
fn prompt_error(error: io::Error) -> PromptError {
    error.downcast::<PromptError>().unwrap_or_else(PromptError::Failed)
}

/// What a person types, octet by octet, for rpassword.
struct Keys {
    terminal: Rc<Terminal>,
    line: Line,
    prompt: &'static str,
}

/// The octets of the line that the terminal has handed over and nobody has taken yet.
#[derive(Default)]
struct Line {
    octets: Zeroizing<Vec<u8>>,
    waiting: Range<usize>,
    total: usize,
    ended: Rc<Cell<bool>>,
}

impl Read for Keys {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        if self.line.waiting.is_empty() {
            self.fill()?;
        }
        let count = octets.len().min(self.line.waiting.len());
        let from = self.line.waiting.start;
        octets[..count].copy_from_slice(&self.line.octets[from..from + count]);
        self.line.waiting.start += count;
        Ok(count)
    }
}

impl Keys {
    /// Waits for a line, or the part of it before ^D; nothing at all is the end.
    fn fill(&mut self) -> io::Result<()> {
        self.line.octets.resize(TERMINAL_LINE, 0);
        self.wait()?;
        let count = rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut *self.line.octets))?;
        self.line.waiting = 0..count;
        self.line.check(count)
    }

    /// Waits until there is something to read. A signal that comes first meets a terminal as it was before.
    fn wait(&self) -> io::Result<()> {
        loop {
            let stdin = io::stdin();
            let mut both =
                [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.terminal.signals, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut both, None))?;
            if both[1].revents().is_empty() {
                return Ok(());
            }
            self.terminal.give_way()?;
            show(self.prompt)?;
        }
    }
}

impl Line {
    fn check(&mut self, count: usize) -> io::Result<()> {
        let octets = &self.octets[..count];
        let (text, ended) = octets.strip_suffix(b"\n").map_or((octets, false), |text| (text, true));
        self.ended.set(ended);
        self.total += text.len();
        if self.total >= TERMINAL_LINE - 1 {
            return Err(io::Error::other(PromptError::TooLong { limit: TERMINAL_LINE - 2 }));
        }
        // rpassword would wait for the rest of a character that is none, and take the line end for it.
        let text = std::str::from_utf8(text).map_err(|_| io::Error::other(PromptError::NotUtf8))?;
        let control = text.chars().find(|c| c.is_control());
        control.map_or(Ok(()), |control| Err(io::Error::other(PromptError::Control(control))))
    }
}

/// The terminal with its echo off, and the signals that must not come in between held back.
struct Terminal {
    signals: SignalFd,
    held: SigSet,
    before: SigSet,
    shown: Cell<Option<Termios>>,
}

impl Terminal {
    fn begin() -> io::Result<Self> {
        let held: SigSet = HELD.into_iter().collect();
        let signals = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)?;
        let before = held.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let terminal = Self { signals, held, before, shown: Cell::new(None) };
        terminal.hide()?;
        Ok(terminal)
    }

    fn hide(&self) -> io::Result<()> {
        let shown = tcgetattr(io::stdin())?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK);
        hidden.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        self.shown.set(Some(shown));
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?)
    }

    fn show(&self) -> io::Result<()> {
        match self.shown.take() {
            Some(shown) => Ok(tcsetattr(io::stdin(), OptionalActions::Now, &shown)?),
            None => Ok(()),
        }
    }

    /// Lets a signal do what it does, with the echo on. Where the process lives on (it was stopped and continued, or
    /// the signal is ignored) the echo goes off again.
    fn give_way(&self) -> io::Result<()> {
        let signal =
            self.signals.read_signal()?.and_then(|info| Signal::try_from(info.ssi_signo.cast_signed()).ok());
        self.show()?;
        self.before.thread_set_mask()?;
        let raised = signal.map_or(Ok(()), raise);
        self.held.thread_block()?;
        raised?;
        self.hide()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // First the echo, then the signals that may have waited for it. There is nobody to tell of a failure.
        let _ = self.show();
        let _ = self.before.thread_set_mask();
    }
}

/// Standard output, past every buffer: a prompt is seen before anything is waited for.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// What ends or stops a process and can be held back.
const HELD: [Signal; 5] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];

/// What a terminal's line can hold on Linux, its line end included; longer lines are cut by the kernel in silence.
const TERMINAL_LINE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{Line, TERMINAL_LINE, prompt_error};
    use crate::prompt::PromptError;

    fn check(typed: &[u8]) -> Result<bool, PromptError> {
        let mut line = Line::default();
        line.octets.extend_from_slice(typed);
        line.check(typed.len()).map(|()| line.ended.get()).map_err(prompt_error)
    }

    #[test]
    fn what_is_typed_is_a_line_of_characters() {
        assert!(check(b"secret\n").unwrap());
        assert!(!check(b"secret").unwrap(), "closed by ^D");
        assert!(!check(b"").unwrap(), "the end");
        assert!(matches!(check(b"sec\x1b[Aret\n"), Err(PromptError::Control('\x1b'))));
        assert!(matches!(check(b"\0\n"), Err(PromptError::Control('\0'))));
        assert!(matches!(check("\u{9b}\n".as_bytes()), Err(PromptError::Control('\u{9b}'))));
        assert!(matches!(check(b"caf\xe9\n"), Err(PromptError::NotUtf8)));
    }

    #[test]
    fn a_line_that_the_terminal_may_have_cut_is_refused() {
        let longest = vec![b'x'; TERMINAL_LINE - 2];
        assert!(check(&longest).is_ok());
        let cut = [longest.as_slice(), b"x\n"].concat();
        assert!(matches!(check(&cut), Err(PromptError::TooLong { .. })));
    }

    #[test]
    fn a_line_in_parts_is_counted_as_one() {
        let mut line = Line::default();
        line.octets.resize(TERMINAL_LINE, b'x');
        line.check(3000).unwrap();
        assert!(line.check(3000).is_err());
    }
}
