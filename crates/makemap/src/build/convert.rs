//! `--convert OLD NEW`: a map of any type becomes one of another, record by record and octet by octet, and is read back.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report, printable};
use serde_json::json;
use store::maps::sort::{Policy, Sorter};
use store::maps::{self, Duplicates, Map, MapName, MapType, Occurrence, Record, Values, types};

use super::{Plan, SORTED_IN_MEMORY, Taken};
use crate::host::Host;
use crate::opened;
use crate::options::{Building, Named, Options, Target};

/// Converts the map. The new one has its name only when it is complete; the old one is not touched.
pub(crate) fn convert(io: &mut Io, options: &Options, old: &Named, new: &Named) -> Result<Exit, Report> {
    let source = old.target();
    let target = Target { kind: type_of(new)?, ..new.target() };
    let host = Host::ask(io, options, &source)?;
    let map = opened::open(io, &host, &source)?;
    let host = Host::ask(io, options, &target)?;
    let conversion = Conversion { map: &*map, source: &source, options, print: Print::new() };
    conversion.run(io, &host, &target)
}

struct Conversion<'a> {
    map: &'a dyn Map,
    source: &'a Target,
    options: &'a Options,
    print: Print,
}

impl Conversion<'_> {
    fn run(&self, io: &mut Io, host: &Host, target: &Target) -> Result<Exit, Report> {
        let building = Building::copying();
        let plan = Plan::make(io, host, target, &building)?;
        let begun = plan.begin(plan.secrecy)?;
        let scratch = begun.scratch().map_err(|error| plan.failed(error))?;
        let mut sorter = Sorter::new(plan.map_type.order(), SORTED_IN_MEMORY, move || Ok(scratch));
        let (taken, read) = self.take(io, &plan, &mut sorter)?;
        let can_duplicate = plan.map_type.info().values != Values::One;
        if taken.further > 0 && !can_duplicate {
            return Err(several(&plan, taken.further));
        }
        let duplicates = match taken.duplicates(self.map, &building) {
            Duplicates::Allowed if can_duplicate => Duplicates::Allowed,
            _ => Duplicates::Refused,
        };
        let replacement = plan.settle(io, begun, taken.secrecy)?;
        let making = plan.making(Some(self.map), duplicates, sorter.volume());
        drop(plan.write(io, replacement, &making, sorter, Policy::AllStay)?);
        self.compare(io, &plan, read)?;
        self.conclude(io, &plan, &taken)
    }

    /// Reads all records of the old map.
    fn take(&self, io: &mut Io, plan: &Plan<'_>, sorter: &mut Sorter) -> Result<(Taken, Sum), Report> {
        let progress = Progress::begin(io, "entries read", Work::Unknown);
        let mut sum = Sum::default();
        let taken = plan.take_old(self.map, self.source, sorter, |record| {
            sum.add(self.print.of(record));
            progress.advance(1);
        })?;
        progress.finish();
        Ok((taken, sum))
    }

    /// Reads the new map back: it has to hold what the old one gave.
    fn compare(&self, io: &mut Io, plan: &Plan<'_>, expected: Sum) -> Result<(), Report> {
        let name = MapName { map_type: Some(plan.map_type), name: plan.path.clone() };
        let (kind, trust) = (plan.secrecy.kind(), &plan.ownership.trust);
        let new = maps::open_named(&name, kind, trust).map_err(|error| plan.unreadable(error))?;
        let progress = Progress::begin(io, "entries compared", Work::Count(expected.records));
        let mut sum = Sum::default();
        for record in new.records() {
            sum.add(self.print.of(&record.map_err(|error| plan.unreadable(error))?));
            progress.advance(1);
        }
        progress.finish();
        if sum == expected {
            return Ok(());
        }
        let cause = "the new map does not hold what the old one does";
        Err(Report::new(Exit::SOFTWARE, printable::path(&plan.path), cause)
            .because("this is a fault of makemap; the old map is as it was"))
    }

    fn conclude(&self, io: &mut Io, plan: &Plan<'_>, taken: &Taken) -> Result<Exit, Report> {
        let (old, new) = (self.map.path(), plan.path.as_path());
        let (old_type, new_type) = (self.map.map_type().name(), plan.map_type.name());
        if self.options.common.format == Format::Json {
            let object = json!({
                "old": old.to_string_lossy(), "old_type": old_type, "new": new.to_string_lossy(),
                "new_type": new_type, "records": taken.records, "never_found": taken.shadowed,
            });
            return io.out().json(&object).map(|()| Exit::OK);
        }
        let without = match taken.shadowed {
            0 => String::new(),
            shadowed => format!(", without {shadowed} that no look-up found"),
        };
        let (count, old, new) = (taken.records, printable::path(old), printable::path(new));
        let line = format!("converted {count} records: {old_type}:{old} to {new_type}:{new}{without}");
        io.out().line(line).map(|()| Exit::OK)
    }
}

fn several(plan: &Plan<'_>, further: u64) -> Report {
    let holding =
        types().iter().filter(|info| info.can_write && info.values != Values::One).map(|info| info.name);
    let holding: Vec<_> = holding.collect();
    let cause =
        format!("the old map has {further} further values of keys, and this type holds one for each key");
    plan.cannot(cause).because(format!("types that hold them: {}", holding.join(", ")))
}

/// The type that the new map is to have: the one that is named, or that its suffix names.
fn type_of(new: &Named) -> Result<String, Report> {
    if let Some(word) = &new.map_type {
        return Ok(word.clone());
    }
    let path = Path::new(&new.name);
    let fitting: Vec<MapType> = types()
        .iter()
        .filter(|info| info.can_write && info.map_type.path(path) == *path)
        .map(|info| info.map_type)
        .collect();
    if let [only] = fitting[..] {
        return Ok(only.name().to_owned());
    }
    let name = printable::path(path);
    let examples = if fitting.is_empty() { vec![MapType::Redb] } else { fitting };
    let mend = examples.iter().map(|one| format!("makemap --convert OLD {one}:{name}"));
    let report = Report::new(Exit::USAGE, name, "of which type is the new map to be?");
    Err(mend.fold(report, Report::mend))
}

/// An order-free sum over records, under a key of this run: equal sums, equal records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    records: u64,
    first: u64,
    second: u64,
}

impl Sum {
    fn add(&mut self, (first, second): (u64, u64)) {
        self.records += 1;
        self.first = self.first.wrapping_add(first);
        self.second = self.second.wrapping_add(second);
    }
}

/// What a record adds to a sum.
struct Print(RandomState, RandomState);

impl Print {
    fn new() -> Self {
        Self(RandomState::new(), RandomState::new())
    }

    fn of(&self, record: &Record) -> (u64, u64) {
        let what = (&*record.key, record.value.as_slice(), record.occurrence == Occurrence::First);
        (self.0.hash_one(what), self.1.hash_one(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_names_the_type_where_only_one_has_it() {
        let named = |name: &str| Named { map_type: None, name: name.into() };
        assert_eq!(type_of(&named("m.cdb")).unwrap(), "cdb");
        assert_eq!(type_of(&named("m.redb")).unwrap(), "redb");
        assert_eq!(type_of(&Named { map_type: Some("hash".to_owned()), name: "m".into() }).unwrap(), "hash");
        for (name, expected) in [("m.db", "hash:m.db"), ("m", "redb:m"), ("m.gdbm", "redb:m.gdbm")] {
            let report = type_of(&named(name)).unwrap_err();
            assert!(report.remedy()[0].ends_with(expected), "{report:?}");
        }
    }
}
