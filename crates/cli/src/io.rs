//! Where a program speaks and listens: standard output that ends quietly when its reader has gone, standard error that
//! never fails, standard input that is taken at most once. What is said stands in `say`.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::say::Level;
use crate::{Exit, Format, Report, json};

/// The three streams of one run of a program, its name, and for whom it speaks.
pub struct Io {
    program: String,
    format: Format,
    input: Option<Stdin>,
    input_is_terminal: bool,
    out: Output,
    err: Messages,
}

/// Standard output. Writing to a pipe whose reader has gone gives [`Report::closed_pipe`], which ends the program
/// quietly and successfully, as every filter does; any other failure (a full disk) is an error with `EX_IOERR`.
pub struct Output {
    to: BufWriter<Box<dyn Write>>,
    is_terminal: bool,
    is_coloured: bool,
}

/// Standard error. When nobody can hear, nothing is said: it never fails.
pub struct Messages {
    to: Box<dyn Write>,
    is_terminal: bool,
}

/// Standard input, read straight from the descriptor: no buffer of the standard library keeps a copy of a secret.
pub struct Stdin(Feed);

enum Feed {
    Process,
    Given(io::Cursor<Vec<u8>>),
}

impl Io {
    /// The streams of this process.
    pub fn of_process(program: &str) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        Self {
            program: program.to_owned(),
            format: Format::Text,
            input: Some(Stdin(Feed::Process)),
            input_is_terminal: io::stdin().is_terminal(),
            out: Output::new(Box::new(out), out_is_terminal),
            err: Messages { to: Box::new(err), is_terminal: err_is_terminal },
        }
    }

    /// Streams for tests: `input` is what a pipe would bring; what is said can be read from the [`Rehearsal`].
    pub fn rehearse(program: &str, input: impl Into<Vec<u8>>) -> (Self, Rehearsal) {
        let rehearsal = Rehearsal::default();
        let io = Self {
            program: program.to_owned(),
            format: Format::Text,
            input: Some(Stdin(Feed::Given(io::Cursor::new(input.into())))),
            input_is_terminal: false,
            out: Output::new(Box::new(rehearsal.out.clone()), false),
            err: Messages { to: Box::new(rehearsal.err.clone()), is_terminal: false },
        };
        (io, rehearsal)
    }

    /// The program's name as its messages begin with.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// For whom the program speaks; [`Format::Text`] until the options were read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Chooses for whom the program speaks, reports of errors included.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Standard output.
    pub fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// Standard error. What stands in standard output's buffer is written before, so that the order is kept.
    pub fn err(&mut self) -> &mut Messages {
        // A failure is not lost: the next write to standard output, or the end of the program, meets it again.
        let _ = self.out.to.flush();
        &mut self.err
    }

    /// Whether a person types what standard input brings.
    pub fn input_is_terminal(&self) -> bool {
        self.input_is_terminal
    }

    /// Takes standard input, once.
    ///
    /// # Errors
    /// A usage error when it was taken before: two options named `-`, or a password and data both come from there.
    pub fn take_stdin(&mut self) -> Result<Stdin, Report> {
        self.input.take().ok_or_else(|| {
            Report::new(Exit::USAGE, "standard input", "asked for twice")
                .because("what was read once is gone; only one thing can come from there")
        })
    }

    /// Says what went wrong, on standard error.
    pub fn report(&mut self, report: &Report) {
        self.tell(report, Level::Error);
    }

    /// Warns, on standard error; the program goes on.
    pub fn warn(&mut self, report: &Report) {
        self.tell(report, Level::Warning);
    }

    /// Tells a person something by the way, on standard error as `PROGRAM: TEXT`; other programs are not told.
    pub fn note(&mut self, text: impl fmt::Display) {
        if self.format == Format::Text {
            let line = crate::printable::lines(&format!("{}: {text}", self.program));
            self.err().line(line);
        }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// As every write to [`Output`].
    pub fn finish(&mut self) -> Result<(), Report> {
        self.out.flushed()
    }

    fn tell(&mut self, report: &Report, level: Level) {
        let text = match self.format {
            Format::Text => report.to_text(&self.program, level),
            Format::Json => report.to_json_lines(&self.program, level),
        };
        self.err().text(text);
    }
}

impl Output {
    fn new(to: Box<dyn Write>, is_terminal: bool) -> Self {
        let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { to: BufWriter::with_capacity(BUFFER, to), is_terminal, is_coloured }
    }

    /// Writes a line. What it shows of other people's octets is first made [`printable`](crate::printable).
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Report> {
        let written = writeln!(self.to, "{line}");
        self.after(written)
    }

    /// Writes a text as it is.
    pub fn text(&mut self, text: impl fmt::Display) -> Result<(), Report> {
        let written = write!(self.to, "{text}");
        self.after(written)
    }

    /// Writes octets as they are: data for another program (`makemap -u`).
    pub fn octets(&mut self, octets: &[u8]) -> Result<(), Report> {
        let written = self.to.write_all(octets);
        self.after(written)
    }

    /// Writes a value as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Report> {
        let written = json::write(&mut self.to, value).and_then(|()| self.to.write_all(b"\n"));
        self.after(written)
    }

    /// Writes what is buffered.
    pub fn flushed(&mut self) -> Result<(), Report> {
        let flushed = self.to.flush();
        flushed.map_err(|error| output_fault(&error))
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether [`paint`](Self::paint) colours: on a terminal, unless `NO_COLOR` is set.
    pub fn is_coloured(&self) -> bool {
        self.is_coloured
    }

    /// `text` in `style` on a terminal (unless `NO_COLOR` is set), plain elsewhere.
    pub fn paint<T: fmt::Display>(&self, style: anstyle::Style, text: T) -> Painted<T> {
        Painted { style: self.is_coloured.then_some(style), text }
    }

    /// On a terminal every line is seen at once; elsewhere the buffer decides.
    fn after(&mut self, written: io::Result<()>) -> Result<(), Report> {
        let seen = if self.is_terminal { written.and_then(|()| self.to.flush()) } else { written };
        seen.map_err(|error| output_fault(&error))
    }
}

impl Messages {
    /// Writes a line.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.text(format_args!("{line}\n"));
    }

    /// Writes a text as it is, in one piece, so that the messages of several processes do not mingle.
    pub fn text(&mut self, text: impl fmt::Display) {
        // Nobody is left to be told that nobody listens.
        let _ = self.to.write_all(text.to_string().as_bytes());
        let _ = self.to.flush();
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl Read for Stdin {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Feed::Process => Ok(rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut *octets))?),
            Feed::Given(given) => given.read(octets),
        }
    }
}

/// A text that is coloured, or not.
pub struct Painted<T> {
    style: Option<anstyle::Style>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(f, "{style}{}{style:#}", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// What a program said in a rehearsal ([`Io::rehearse`]).
#[derive(Clone, Default)]
pub struct Rehearsal {
    out: Shared,
    err: Shared,
}

impl Rehearsal {
    /// Everything written to standard output so far; [`Io::finish`] first, what is buffered is not here.
    pub fn out(&self) -> Vec<u8> {
        self.out.octets()
    }

    /// Everything written to standard error so far.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err.octets()).into_owned()
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn octets(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output_fault(error: &io::Error) -> Report {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Report::closed_pipe()
    } else {
        Report::new(Exit::IOERR, "standard output", error)
    }
}

const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write};

    use super::{Io, Output};
    use crate::{Exit, Format, Report};

    /// A stream on which every write fails with this kind.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_but_a_full_disk_is() {
        let rows = [(io::ErrorKind::BrokenPipe, Exit::OK), (io::ErrorKind::StorageFull, Exit::IOERR)];
        for (kind, exit) in rows {
            let mut out = Output::new(Box::new(Broken(kind)), false);
            let trouble = out.line("text").and_then(|()| out.flushed()).unwrap_err();
            assert_eq!(trouble.exit(), exit);
            assert_eq!(trouble.is_quiet(), exit == Exit::OK);
        }
    }

    #[test]
    fn standard_input_is_taken_once() {
        let (mut io, _) = Io::rehearse("p", "data");
        let mut text = String::new();
        io.take_stdin().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "data");
        assert_eq!(io.take_stdin().err().unwrap().exit(), Exit::USAGE);
    }

    #[test]
    fn reports_follow_the_format() {
        let (mut io, said) = Io::rehearse("p", "");
        let report = Report::new(Exit::DATAERR, "line 3", "no value");
        io.warn(&report);
        io.set_format(Format::Json);
        io.note("not for programs");
        io.report(&report);
        let said = said.err();
        let (text, json) = said.split_once('\n').unwrap();
        assert_eq!(text, "p: warning: line 3: no value");
        assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["cause"], "no value");
    }

    #[test]
    fn standard_output_stands_before_what_is_said_later() {
        let (mut io, said) = Io::rehearse("p", "");
        io.out().line("first").unwrap();
        io.err().line("second");
        assert_eq!(said.out(), b"first\n");
    }
}
