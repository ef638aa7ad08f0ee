//! Text becomes a map: read and sort everything, then write the new file beside the old one and put it in its place.
//!
//! Nothing happens to the old map before the new one is complete. The output is looked at first, so that an unsafe
//! directory is told before a long source is read, and judged again when it is written.

pub(crate) mod convert;
mod dress;
mod source;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cli::progress::{Progress, Work};
use cli::{Exit, Io, Report, printable};
use safefile::{Kind, ReplaceError, Replacement};
use store::maps::sort::{DuplicateKeys, Line, Policy, SortedRecord, Sorter};
use store::maps::{
    self, BuildError, Duplicates, Keys, Making, Map, MapError, MapName, MapType, Occurrence, Record, Values,
    Volume,
};

use crate::entry;
use crate::grammar::Case;
use crate::host::{self, Host, Ownership};
use crate::opened;
use crate::options::{Building, Target};
use source::{Secrecy, Tally};

/// Builds the map. The good entries of a source with faults are stored, as makemap does, and the exit is then
/// EX_DATAERR.
pub(crate) fn build(io: &mut Io, host: &Host, target: &Target, building: &Building) -> Result<Exit, Report> {
    let plan = Plan::make(io, host, target, building)?;
    let replacement = plan.begin(plan.secrecy)?;
    let old = if building.append { Some(plan.open_old()?) } else { None };
    let scratch = replacement.scratch().map_err(|error| plan.failed(error))?;
    let mut sorter = Sorter::new(plan.map_type.order(), SORTED_IN_MEMORY, move || Ok(scratch));
    let taken = old
        .as_deref()
        .map(|old| plan.take_old(old, target, &mut sorter, |_| {}))
        .transpose()?
        .unwrap_or_default();
    let building = &building.with_keys_of(&taken);
    let duplicates = old.as_deref().map(|old| taken.duplicates(old, building));
    let policy = policy(duplicates, building).map_err(|cause| plan.cannot(cause))?;
    let tally = source::read(io, target, building, &mut sorter)?;
    let mut replacement = plan.settle(io, replacement, taken.secrecy.max(tally.secrecy))?;
    if tally.text == Secrecy::Secret {
        source::warn_of_readers(io, &plan.ownership.trust);
    }
    if let Some(old) = &old {
        replacement.only_over(old.stamp());
    }
    let duplicates = duplicates.unwrap_or(plan.duplicates());
    let making = plan.making(old.as_deref(), duplicates, sorter.volume());
    let duplicates = plan.write(io, replacement, &making, sorter, policy)?;
    conclude(io, target, &tally, duplicates)
}

/// What is known before the source is read.
struct Plan<'a> {
    target: &'a Target,
    building: &'a Building,
    map_type: MapType,
    path: PathBuf,
    ownership: Ownership,
    secrecy: Secrecy,
}

impl<'a> Plan<'a> {
    fn make(io: &mut Io, host: &Host, target: &'a Target, building: &'a Building) -> Result<Self, Report> {
        let map_type = host.map_type.map_or_else(|| opened::type_to_build(io, host, target), Ok)?;
        if !map_type.info().can_write {
            return Err(host::cannot_open(map_type.name(), target, BuildError::CannotWrite(map_type)));
        }
        if building.duplicates && map_type.info().values == Values::One {
            return Err(host::cannot_open(map_type.name(), target, "it holds one value for each key"));
        }
        let path = map_type.path(Path::new(&target.name));
        let ownership = host.ownership(io, &path, map_type.info().readers)?;
        let is_secret = building.secret || host.is_secret(&path);
        Ok(Self {
            target,
            building,
            map_type,
            ownership,
            path,
            secrecy: if is_secret { Secrecy::Secret } else { Secrecy::Open },
        })
    }

    /// Begins the new file beside the old one; here an unsafe place is refused.
    fn begin(&self, secrecy: Secrecy) -> Result<Replacement, Report> {
        let dress = dress::of(&self.ownership, secrecy);
        let begun = Replacement::begin(&self.path, secrecy.kind(), &self.ownership.trust, dress);
        let replacement = begun.map_err(|error| self.refused(error))?;
        // Only a file that is there can give these bits: somebody runs it, and it would become a map.
        if replacement.mode() & EXECUTABLE != 0 {
            let path = safefile::shell_quote(&self.path);
            return Err(self.cannot("executable files not allowed").mend(format!("chmod a-x {path}")));
        }
        Ok(replacement)
    }

    /// Begins anew, closed to others, where the source turned out to hold secrets; and says so where that takes
    /// something from who could read the old map.
    fn settle(&self, io: &mut Io, begun: Replacement, found: Secrecy) -> Result<Replacement, Report> {
        let secrecy = self.secrecy.max(found);
        let replacement = if secrecy == self.secrecy {
            begun
        } else {
            drop(begun);
            self.begin(secrecy)?
        };
        if let Some(old) = replacement.narrowed_from() {
            let now = replacement.mode();
            let why = match secrecy {
                Secrecy::Secret => "it holds passwords, which others could read",
                Secrecy::Open => "others could write it, and so decide where mail goes",
            };
            let cause = format!("made with mode {now:04o}, not {old:04o} as before");
            io.warn(&Report::new(Exit::OK, printable::path(&self.path), cause).because(why));
        }
        Ok(replacement)
    }

    fn open_old(&self) -> Result<Box<dyn Map>, Report> {
        let name = MapName { map_type: Some(self.map_type), name: PathBuf::from(&self.target.name) };
        // As a map, not as a secret: one that others can read is narrowed, as it is without -o.
        maps::open_named(&name, Kind::Map, &self.ownership.trust).map_err(|error| self.unreadable(error))
    }

    /// The entries of a map that go into the new one; `each` sees them too.
    fn take_old(
        &self,
        old: &dyn Map,
        source: &Target,
        sorter: &mut Sorter,
        mut each: impl FnMut(&Record),
    ) -> Result<Taken, Report> {
        let mut taken = Taken::default();
        for record in old.records() {
            let record = record.map_err(|error| opened::damaged(old, source, &error))?;
            if taken.add(&record) {
                each(&record);
                sorter.push(&record.key, &record.value, Line::Old).map_err(|error| self.failed(error))?;
            }
        }
        Ok(taken)
    }

    /// Whether a new map is to have several values for a key.
    fn duplicates(&self) -> Duplicates {
        if self.building.duplicates { Duplicates::Allowed } else { Duplicates::Refused }
    }

    fn making(&self, old: Option<&dyn Map>, duplicates: Duplicates, volume: Volume) -> Making {
        Making {
            duplicates,
            keys: keys(old, self.building.grammar.case),
            volume,
            made_by: concat!("makemap ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    fn write(
        &self,
        io: &mut Io,
        replacement: Replacement,
        making: &Making,
        sorter: Sorter,
        policy: Policy,
    ) -> Result<DuplicateKeys, Report> {
        let not_built = |error: BuildError| self.not_built(error);
        let mut builder = maps::build(self.map_type, replacement, making).map_err(not_built)?;
        let mut sorted = sorter.finish(policy).map_err(|error| self.failed(error))?;
        let progress = Progress::begin(io, "entries written", Work::Count(sorted.total()));
        let mut record = SortedRecord::default();
        while sorted.read(&mut record).map_err(|error| self.failed(error))? {
            builder.add(&record.key, &record.value).map_err(|error| self.not_added(&record, error))?;
            progress.reach(sorted.taken());
        }
        builder.finish().map_err(not_built)?;
        progress.finish();
        sorted.into_duplicates().map_err(|error| self.failed(error))
    }

    fn cannot(&self, cause: impl std::fmt::Display) -> Report {
        host::cannot_open(self.map_type.name(), self.target, cause)
    }

    fn refused(&self, error: ReplaceError) -> Report {
        if matches!(error, ReplaceError::Changed { .. }) {
            return error.into();
        }
        host::cannot_open_because(self.map_type.name(), self.target, &Report::from(error))
    }

    fn unreadable(&self, error: MapError) -> Report {
        opened::unreadable(self.map_type.name(), self.target, error)
    }

    /// A record that the type cannot hold is told with its line; anything else is no fault of the record.
    fn not_added(&self, record: &SortedRecord, error: BuildError) -> Report {
        let (BuildError::Format(_) | BuildError::TooLong(_)) = error else { return self.not_built(error) };
        let name = printable::octets(self.target.name.as_encoded_bytes());
        let subject = match record.line {
            Line::Old => format!("{name}: an entry of the old map"),
            Line::Number(line) => format!("{name}: line {line}"),
        };
        let start = &record.key[..record.key.len().min(SHOWN_OF_A_KEY)];
        let cause = format!("key {}: {error}", entry::key(start));
        Report::new(Exit::DATAERR, subject, cause).because("the map is left as it was")
    }

    fn not_built(&self, error: BuildError) -> Report {
        match error {
            BuildError::Replace(error) => self.refused(error),
            error => Report::new(Exit::IOERR, printable::octets(self.target.name.as_encoded_bytes()), error),
        }
    }

    fn failed(&self, error: std::io::Error) -> Report {
        Report::new(Exit::IOERR, printable::path(&self.path), error).because("the map is left as it was")
    }
}

/// What was found in a map whose records go into a new one.
#[derive(Default)]
struct Taken {
    secrecy: Secrecy,
    /// Records that were taken.
    records: u64,
    /// Of these, how many are further values of their key.
    further: u64,
    /// Keys that end in a NUL, and all others.
    with_nul: u64,
    without_nul: u64,
    /// Records that no look-up ever found.
    shadowed: u64,
}

impl Taken {
    /// Counts a record; whether it is to go into the new map.
    fn add(&mut self, record: &Record) -> bool {
        match record.occurrence {
            Occurrence::Shadowed => {
                self.shadowed += 1;
                return false;
            }
            Occurrence::Further => self.further += 1,
            Occurrence::First => {}
        }
        self.records += 1;
        self.secrecy = self.secrecy.max(Secrecy::of(&record.key, &record.value));
        let is_mark = MARKS.contains(&&*record.key);
        match record.key.last() {
            Some(0) => self.with_nul += 1,
            _ if is_mark => {}
            _ => self.without_nul += 1,
        }
        true
    }

    /// Whether the map was made to hold several values for a key; where its type does not tell, by what is in it and
    /// what is wished.
    fn duplicates(&self, map: &dyn Map, building: &Building) -> Duplicates {
        match map.map_type().info().values {
            Values::One | Values::AsMade => map.duplicates(),
            Values::Any if self.further > 0 || building.duplicates => Duplicates::Allowed,
            Values::Any => Duplicates::Refused,
        }
    }
}

impl Building {
    /// Postfix and newaliases count a terminating NUL, and who reads a map decides by the first key he finds: what is
    /// added to a map gets the form of what is there.
    fn with_keys_of(&self, old: &Taken) -> Self {
        let terminating_nul = self.terminating_nul || (old.with_nul > 0 && old.without_nul == 0);
        Self { terminating_nul, ..*self }
    }
}

/// What becomes of a key that is there already. A map keeps the kind it was made as: `-d` does not turn one without
/// duplicates into one with, and in one with them `-r` adds (sendmail's makemap does the same).
fn policy(old: Option<Duplicates>, building: &Building) -> Result<Policy, &'static str> {
    match old {
        Some(Duplicates::Refused) if building.duplicates => {
            Err("Invalid argument: the map was made without -d, so it takes one value for each key")
        }
        Some(Duplicates::Allowed) if building.duplicates || building.replace => Ok(Policy::AllStay),
        None if building.duplicates => Ok(Policy::AllStay),
        _ if building.replace => Ok(Policy::LastStays),
        _ => Ok(Policy::FirstStays),
    }
}

/// How the keys of the new map were treated; unknown where old and new were treated in two ways.
fn keys(old: Option<&dyn Map>, case: Case) -> Keys {
    let new = match case {
        Case::Folded => Keys::Folded,
        Case::Kept => Keys::AsWritten,
    };
    match old.map(Map::keys) {
        Some(old) if old != new => Keys::Unknown,
        _ => new,
    }
}

/// Tells the keys that were given twice, and what came of it all.
fn conclude(io: &mut Io, target: &Target, tally: &Tally, duplicates: DuplicateKeys) -> Result<Exit, Report> {
    let mut is_whole = tally.faults == 0;
    for duplicate in duplicates {
        let duplicate = duplicate.map_err(|error| Report::new(Exit::IOERR, "duplicate keys", error))?;
        // As it was written: a key of a source has no NUL of its own.
        let key = entry::key(duplicate.key.strip_suffix(&[0]).unwrap_or(&duplicate.key));
        source::complain(io, target, duplicate.line, format!("key {key}: duplicate key"));
        is_whole = false;
    }
    Ok(if is_whole { Exit::OK } else { Exit::DATAERR })
}

/// Records about an alias map, which postalias writes without a NUL whatever the others have.
const MARKS: [&[u8]; 2] = [b"YP_LAST_MODIFIED", b"YP_MASTER_NAME"];

/// Of a key that is too long.
const SHOWN_OF_A_KEY: usize = 64;

/// The x bits of owner, group and others.
const EXECUTABLE: u32 = 0o111;

/// What is sorted in memory; more goes to a nameless file beside the map.
const SORTED_IN_MEMORY: usize = 256 << 20;
