//! A secret from a person or from a pipe. It goes straight into memory that is wiped; the terminal gets its echo back
//! whatever happens (`terminal`). Whether a secret is a good password is `credential`'s business.

mod terminal;

use std::io::Read as _;

use credential::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Exit, Io, Report, Stdin};

/// The longest secret that is taken, in octets, its line end not counted.
pub const LIMIT: usize = 4096;

/// Why no secret was read.
#[derive(Debug, Error)]
pub enum PromptError {
    /// The two entries differ.
    #[error("passwords don't match; aborting")]
    Mismatch,
    /// It is too long; nothing was cut off, since a password that was cut would look as if it were set.
    #[error("password is longer than {limit} octets")]
    TooLong {
        /// What would have been taken: 4096 from a pipe, what a terminal's line can hold from a terminal.
        limit: usize,
    },
    /// A key was hit that is no character (an arrow key, Tab, a quoted control character).
    #[error("password holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// The terminal sends another character set.
    #[error("password is not UTF-8 text")]
    NotUtf8,
    /// There is nobody to ask: standard input is no terminal.
    #[error("standard input is not a terminal")]
    NoTerminal,
    /// Standard input was wanted for something else too.
    #[error("standard input is asked for twice")]
    Taken,
    /// Reading or changing the terminal failed.
    #[error("standard input: {0}")]
    Failed(#[from] std::io::Error),
}

impl From<PromptError> for Report {
    fn from(error: PromptError) -> Self {
        let exit = match error {
            PromptError::Failed(_) => Exit::IOERR,
            PromptError::Taken | PromptError::NoTerminal => Exit::USAGE,
            _ => Exit::DATAERR,
        };
        let report = Self::plain(exit, &error);
        match error {
            PromptError::TooLong { .. } => report.because("cut to size it would be another password"),
            PromptError::Control(_) => {
                report.because("such a key cannot be typed in most places where it is asked for")
            }
            PromptError::NotUtf8 => report.because("the same password typed elsewhere would be other octets"),
            _ => report,
        }
    }
}

/// Asks a person for a password: `Password: ` on standard output, echo off. Nothing typed is the empty secret.
///
/// Call it while the process has no second thread: signals are held back in the calling thread alone.
pub fn password_once(io: &mut Io) -> Result<Secret, PromptError> {
    hidden(io)?.ask(PROMPT)
}

/// Asks twice, `Password: ` and `Again (for verification): `; both must be equal.
pub fn password_twice(io: &mut Io) -> Result<Secret, PromptError> {
    let mut hidden = hidden(io)?;
    let first = hidden.ask(PROMPT)?;
    let second = hidden.ask(AGAIN)?;
    if first.ct_eq(&second) { Ok(first) } else { Err(PromptError::Mismatch) }
}

/// Reads one line from a terminal as saslpasswd2's `-p` does there: no prompt, echo left on.
pub fn line_in_the_open(io: &mut Io) -> Result<Secret, PromptError> {
    let mut stdin = begin(io)?;
    let mut octets = Zeroizing::new(vec![0; LIMIT + LINE_END]);
    let count = stdin.read(&mut octets)?;
    octets.truncate(count);
    finished(octets)
}

/// Reads a secret from a pipe or file to its end, so that a writer who pauses is not misread. One LF or CRLF at the end
/// is removed; everything else, NUL included, is kept for the caller to judge.
pub fn secret_to_end(io: &mut Io) -> Result<Secret, PromptError> {
    let mut stdin = begin(io)?;
    let mut octets = Zeroizing::new(vec![0; LIMIT + LINE_END + 1]);
    let mut filled = 0;
    loop {
        let count = stdin.read(&mut octets[filled..])?;
        filled += count;
        if filled == octets.len() {
            return Err(PromptError::TooLong { limit: LIMIT });
        }
        if count == 0 {
            octets.truncate(filled);
            return finished(octets);
        }
    }
}

fn hidden(io: &mut Io) -> Result<terminal::Hidden, PromptError> {
    if !io.input_is_terminal() {
        return Err(PromptError::NoTerminal);
    }
    begin(io)?;
    Ok(terminal::Hidden::begin()?)
}

/// What was written so far is seen before anything is waited for.
fn begin(io: &mut Io) -> Result<Stdin, PromptError> {
    io.out().flushed().map_err(|report| std::io::Error::other(report.cause().to_owned()))?;
    io.take_stdin().map_err(|_| PromptError::Taken)
}

fn finished(mut octets: Zeroizing<Vec<u8>>) -> Result<Secret, PromptError> {
    if octets.last() == Some(&b'\n') {
        octets.pop();
        if octets.last() == Some(&b'\r') {
            octets.pop();
        }
    }
    if octets.len() > LIMIT { Err(PromptError::TooLong { limit: LIMIT }) } else { Ok(Secret::from(octets)) }
}

const PROMPT: &str = "Password: ";
const AGAIN: &str = "Again (for verification): ";
/// CR and LF.
const LINE_END: usize = 2;

#[cfg(test)]
mod tests {
    use super::{LIMIT, PromptError, password_twice, secret_to_end};
    use crate::Io;

    fn check(input: impl Into<Vec<u8>>) -> Result<Vec<u8>, PromptError> {
        let (mut io, _) = Io::rehearse("p", input);
        secret_to_end(&mut io).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn one_line_end_goes_and_everything_else_stays() {
        let rows: [(&[u8], &[u8]); 10] = [
            (b"secret\n", b"secret"),
            (b"secret", b"secret"),
            (b"secret\r\n", b"secret"),
            (b"secret\n\n", b"secret\n"),
            (b"secret\r", b"secret\r"),
            (b" blanks \n", b" blanks "),
            (b"ab\0cd\n", b"ab\0cd"),
            (b"caf\xe9\n", b"caf\xe9"),
            (b"\n", b""),
            (b"", b""),
        ];
        for (given, kept) in rows {
            assert_eq!(check(given).unwrap(), kept, "{given:?}");
        }
    }

    #[test]
    fn too_long_is_an_error_and_nothing_is_cut() {
        for end in ["", "\n", "\r\n"] {
            assert_eq!(check("x".repeat(LIMIT) + end).unwrap().len(), LIMIT, "{end:?}");
            let long = check("x".repeat(LIMIT + 1) + end);
            assert!(matches!(long, Err(PromptError::TooLong { limit: LIMIT })), "{end:?}");
        }
        assert!(matches!(check(vec![b'x'; 1 << 20]), Err(PromptError::TooLong { .. })));
    }

    #[test]
    fn nobody_is_asked_in_a_pipe() {
        let (mut io, _) = Io::rehearse("p", "secret\nsecret\n");
        assert!(matches!(password_twice(&mut io), Err(PromptError::NoTerminal)));
    }

    #[test]
    fn a_secret_is_not_asked_from_a_stream_that_was_given_away() {
        let (mut io, _) = Io::rehearse("p", "secret");
        let _taken = io.take_stdin().unwrap();
        assert!(matches!(secret_to_end(&mut io), Err(PromptError::Taken)));
    }
}
