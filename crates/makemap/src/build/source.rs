//! The source of a map: lines from standard input, checked one by one, into the sorter.

use std::io::Read;

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report, printable};
use credential::{ClientInfo, ClientInfoError, client_info};
use safefile::{Kind, Trust};
use store::maps::sort::{Line, Sorter};
use zeroize::Zeroizing;

use crate::entry::{self, Object};
use crate::grammar::{Entry, Fault, Piece, Splitter};
use crate::options::{Building, Target};

/// What was found in a source.
#[derive(Default)]
pub(super) struct Tally {
    /// How many lines were dropped.
    pub(super) faults: u64,
    /// Whether there is a password in what goes into the map.
    pub(super) secrecy: Secrecy,
    /// Whether there is one in the text, the lines that were dropped included.
    pub(super) text: Secrecy,
}

/// Whether something may be read by others than its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secrecy {
    /// Nothing in it is secret.
    #[default]
    Open,
    /// There is a password in it.
    Secret,
}

impl Secrecy {
    /// By what is in an entry.
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        if client_info::holds_secret(key, value) { Self::Secret } else { Self::Open }
    }

    /// As what a map of this secrecy is opened and made.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Open => Kind::Map,
            Self::Secret => Kind::Secret,
        }
    }
}

/// Reads all of standard input. Faulty lines are told and dropped.
pub(super) fn read(
    io: &mut Io,
    target: &Target,
    building: &Building,
    sorter: &mut Sorter,
) -> Result<Tally, Report> {
    let mut input = io.take_stdin()?;
    let progress = begin_progress(io);
    let mut splitter = Splitter::new();
    let mut taker = Taker { io, target, building, sorter, progress, tally: Tally::default() };
    loop {
        let octets = input.read(splitter.space()).map_err(|error| unread(&error))?;
        splitter.filled(octets);
        while let Some((number, piece)) = splitter.next_piece() {
            taker.take(number, piece)?;
        }
        taker.advance(octets as u64);
        if octets == 0 {
            return Ok(taker.end());
        }
    }
}

/// Warns where the file on standard input, which has passwords in it, may be read by others: the map is closed, and the
/// text beside it is not. A pipe or terminal has no mode to look at.
pub(super) fn warn_of_readers(io: &mut Io, trust: &Trust) {
    let Ok(Some(file)) = safefile::standard_input() else { return };
    for finding in file.findings(Kind::Secret, trust) {
        let cause = format!("the text holds passwords and is not safe ({}): {}", finding.rule, finding.found);
        let report = Report::new(Exit::OK, printable::path(file.path()), cause).because(finding.why);
        io.warn(&finding.fix.command.iter().fold(report, Report::mend));
    }
}

/// Tells what is wrong with a line: `makemap: NAME: line N: CAUSE`.
pub(super) fn complain(io: &mut Io, target: &Target, line: u64, cause: impl std::fmt::Display) {
    let name = printable::octets(target.name.as_encoded_bytes());
    io.report(&Report::new(Exit::DATAERR, format!("{name}: line {line}"), cause));
}

struct Taker<'a> {
    io: &'a mut Io,
    target: &'a Target,
    building: &'a Building,
    sorter: &'a mut Sorter,
    progress: Option<Progress>,
    tally: Tally,
}

impl Taker<'_> {
    fn advance(&self, octets: u64) {
        if let Some(progress) = &self.progress {
            progress.advance(octets);
        }
    }

    fn end(self) -> Tally {
        if let Some(progress) = self.progress {
            progress.finish();
        }
        self.tally
    }

    fn take(&mut self, number: u64, piece: Piece<'_>) -> Result<(), Report> {
        let line = match piece {
            Piece::Line(line) => line,
            Piece::TooLong(octets) => {
                self.fault(number, Secrecy::of(octets, b""), Fault::TooLong);
                return Ok(());
            }
        };
        match self.building.grammar.read(line) {
            Ok(None) => {}
            Ok(Some(entry)) => match malformed(entry) {
                Some(error) => {
                    let cause = format!("key {}: {error}", entry::key(entry.key));
                    self.fault(number, Secrecy::of(entry.key, entry.value), cause);
                }
                None => self.entry(number, entry)?,
            },
            Err(fault) => self.fault(number, Secrecy::of(line, b""), fault),
        }
        Ok(())
    }

    /// A line that is dropped; a password in it still stands in the text.
    fn fault(&mut self, number: u64, secrecy: Secrecy, cause: impl std::fmt::Display) {
        self.tally.faults += 1;
        self.tally.text = self.tally.text.max(secrecy);
        beside(self.progress.as_ref(), || complain(self.io, self.target, number, cause));
    }

    fn entry(&mut self, number: u64, entry: Entry<'_>) -> Result<(), Report> {
        let secrecy = Secrecy::of(entry.key, entry.value);
        self.tally.secrecy = self.tally.secrecy.max(secrecy);
        self.tally.text = self.tally.text.max(secrecy);
        if self.building.verbose {
            beside(self.progress.as_ref(), || show(self.io, entry, secrecy))?;
        }
        let line = Line::Number(number);
        let pushed = if self.building.terminating_nul {
            self.sorter.push(&terminated(entry.key), &terminated(entry.value), line)
        } else {
            self.sorter.push(entry.key, entry.value, line)
        };
        pushed.map_err(|error| Report::new(Exit::IOERR, "sorting", error).because(UNCHANGED))
    }
}

/// A bar, with the time left where the source is a file. Who types the source at the terminal sees what they type.
fn begin_progress(io: &mut Io) -> Option<Progress> {
    if io.input_is_terminal() {
        return None;
    }
    let size = safefile::standard_input().ok().flatten().map(|file| file.facts().size);
    Some(Progress::begin(io, "octets read", size.map_or(Work::Unknown, Work::Count)))
}

/// Says something without tearing the bar.
fn beside<R>(progress: Option<&Progress>, say: impl FnOnce() -> R) -> R {
    match progress {
        Some(progress) => progress.aside(say),
        None => say(),
    }
}

/// What is wrong with a client-info entry, if it is one.
fn malformed(entry: Entry<'_>) -> Option<ClientInfoError> {
    client_info::is_authinfo_key(entry.key).then(|| ClientInfo::parse(entry.value).err()).flatten()
}

/// An entry as `-v` shows it, in makemap's form; what holds a password is not shown.
fn show(io: &mut Io, entry: Entry<'_>, secrecy: Secrecy) -> Result<(), Report> {
    let key = &*entry::without_password(entry.key);
    let value = match secrecy {
        Secrecy::Open => entry.value,
        Secrecy::Secret => b"(secret)",
    };
    if io.format() == Format::Json {
        return io.out().json(&Object { key, value });
    }
    if io.out().is_terminal() {
        let (key, value) = (printable::octets(key), printable::octets(value));
        return io.out().line(format_args!("key=`{key}', val=`{value}'"));
    }
    for part in [b"key=`", key, b"', val=`", value, b"'\n"] {
        io.out().octets(part)?;
    }
    Ok(())
}

/// With the NUL that ends a C string.
fn terminated(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(octets.len() + 1));
    whole.extend_from_slice(octets);
    whole.push(0);
    whole
}

fn unread(error: &std::io::Error) -> Report {
    Report::new(Exit::IOERR, "standard input", error).because(UNCHANGED)
}

const UNCHANGED: &str = "the source was not read to its end, so the map is left as it was";
