//! Users of another server's file are brought in: with progress, and a report at the end.

use std::num::NonZeroUsize;
use std::path::Path;

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report, printable};
use safefile::SafeFile;
use serde_json::json;
use store::StoreError;
use store::secrets::import::{self, Event, Existing, Found, ImportFault, ImportedUser, Mode, Plan, Skip};
use store::secrets::{Access, SecretStore};
use zeroize::Zeroizing;

use crate::options::{Effect, Present};
use crate::sasldb;
use crate::site::{self, Site, quoted};
use crate::trouble;

/// Imports a file, whose format is found by itself where it is not given.
pub(crate) fn run(
    io: &mut Io,
    site: &Site,
    path: &Path,
    format: Option<import::Format>,
    present: Present,
) -> Result<Exit, Report> {
    let file = site.open_secret(path)?;
    let format = format.map_or_else(|| find_format(&file), Ok)?;
    let store = store(site)?;
    let plan = plan(site, path, present)?;
    let report = match format {
        import::Format::Sasldb => {
            let map = sasldb::read(&file)?;
            let work = Work::Count(map.records().count() as u64);
            bring_in(io, import::sasldb::read(map.as_ref()), store.as_ref(), &plan, work)?
        }
        import::Format::PasswdFile => {
            let scheme = import::passwd_file::DEFAULT_SCHEME;
            let realm = site.realm()?;
            let users = import::passwd_file::read(file, realm, scheme);
            bring_in(io, users, store.as_ref(), &plan, Work::Unknown)?
        }
        import::Format::Text => {
            let realm = site.realm()?;
            let users = import::text::read(file, realm);
            bring_in(io, users, store.as_ref(), &plan, Work::Unknown)?
        }
    };
    say(io, site, path, format, &report)?;
    Ok(if report.failed == 0 { Exit::OK } else { Exit::DATAERR })
}

fn find_format(file: &SafeFile) -> Result<import::Format, Report> {
    let mut start = Zeroizing::new(vec![0; import::Format::ENOUGH]);
    let mut filled = 0;
    loop {
        match file.read_at(&mut start[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(Report::new(Exit::IOERR, printable::path(file.path()), error)),
        }
    }
    match import::Format::of(&start[..filled]) {
        Found::Readable(format) => Ok(format),
        Found::NotReadYet(what) => Err(Report::new(
            Exit::DATAERR,
            printable::path(file.path()),
            format_args!("this is a {what} database, a format that is not yet read"),
        )),
    }
}

/// The store to import into, made where none is; `None` in a rehearsal without one.
fn store(site: &Site) -> Result<Option<SecretStore>, Report> {
    if let Some(store) = site.try_open(Access::Write)? {
        return Ok(Some(store));
    }
    if site.effect == Effect::Rehearse {
        return Ok(None);
    }
    match site.create(|_| Ok(())) {
        Ok(()) | Err(StoreError::Exists { .. }) => site.open(Access::Write).map(Some),
        Err(error) => Err(trouble::report(error)),
    }
}

fn plan(site: &Site, path: &Path, present: Present) -> Result<Plan, Report> {
    let app = format!("import of {}", printable::path(path));
    let app: String = app.chars().take(LONGEST_APP).collect();
    Ok(Plan {
        policy: *site.policy(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        batch: BATCH,
        existing: match present {
            Present::Stay => Existing::Keep,
            Present::Replaced => Existing::Replace,
        },
        mode: match site.effect {
            Effect::Change => Mode::Import,
            Effect::Rehearse => Mode::DryRun,
        },
        by: site::changed_with(&app)?,
        now: site.now,
    })
}

fn bring_in(
    io: &mut Io,
    users: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
    store: Option<&SecretStore>,
    plan: &Plan,
    work: Work,
) -> Result<import::Report, Report> {
    let progress = Progress::begin(io, "users", work);
    let mut observe = |event: &Event<'_>| {
        progress.advance(1);
        if let Some(report) = complaint(event) {
            progress.aside(|| io.warn(&report));
        }
    };
    let done = match store {
        Some(store) => import::run(users, store, plan, &mut observe),
        None => Ok(rehearse(users, &mut observe)),
    };
    progress.finish();
    done.map_err(|error| {
        let report = trouble::report(error.source);
        report.because(format_args!(
            "{} users were imported before; what is there stays, and the same import can be run again",
            error.report.imported
        ))
    })
}

/// Reads a source through where there is no store that it could meet.
fn rehearse(
    users: impl Iterator<Item = Result<ImportedUser, ImportFault>>,
    observe: &mut dyn FnMut(&Event<'_>),
) -> import::Report {
    let mut report = import::Report::default();
    for user in users {
        match user {
            Ok(user) => {
                report.imported += 1;
                observe(&Event::Imported(&user.identity));
            }
            Err(fault) => {
                report.failed += 1;
                observe(&Event::Failed(&fault));
            }
        }
    }
    report
}

/// What a person has to know of one user. Who was imported before, or is there, is only counted.
fn complaint(event: &Event<'_>) -> Option<Report> {
    match event {
        Event::Failed(fault) => Some(Report::plain(Exit::DATAERR, format_args!("not imported: {fault}"))),
        Event::Skipped(identity, skip @ (Skip::RealmCase(_) | Skip::Duplicate)) => {
            let user = printable::octets(&identity.to_string()).to_string();
            Some(Report::new(Exit::DATAERR, user, format_args!("skipped: {skip}")))
        }
        _ => None,
    }
}

fn say(
    io: &mut Io,
    site: &Site,
    path: &Path,
    format: import::Format,
    report: &import::Report,
) -> Result<(), Report> {
    if io.format() == Format::Json {
        return io.out().json(&json!({
            "source": printable::path(path).to_string(),
            "format": word(format),
            "dry_run": site.effect == Effect::Rehearse,
            "imported": report.imported,
            "replaced": report.replaced,
            "raw": report.raw,
            "hashed": report.hashed,
            "already_imported": report.already_imported,
            "existing": report.existing,
            "duplicates": report.duplicates,
            "realm_case": report.realm_case,
            "failed": report.failed,
            "unsupported": report.unsupported,
            "realms_that_differ_in_case": report.realms,
        }));
    }
    let verb = if site.effect == Effect::Rehearse { "would import" } else { "imported" };
    io.out().line(format_args!(
        "{verb} {} users from {} ({})",
        report.imported,
        printable::path(path),
        word(format)
    ))?;
    for (count, what) in details(report) {
        if count > 0 {
            io.out().line(format_args!("  {count} {what}"))?;
        }
    }
    for (name, count) in &report.unsupported {
        io.out().line(format_args!("  {count} of these: {} is not supported", printable::octets(name)))?;
    }
    for spellings in report.realms.values() {
        let spellings: Vec<String> =
            spellings.iter().map(|realm| printable::octets(realm).to_string()).collect();
        io.out().line(format_args!("  realms that differ only in case: {}", spellings.join(", ")))?;
    }
    if site.effect == Effect::Change && report.imported + report.already_imported > 0 {
        io.out().line(format_args!(
            "{} is as it was. When no program reads it any more, remove it: shred -u {}",
            printable::path(path),
            quoted(path)
        ))?;
    }
    Ok(())
}

fn details(report: &import::Report) -> [(u64, &'static str); 8] {
    [
        (report.replaced, "of them were there before and are replaced"),
        (report.hashed, "of them with the other server's hash, until their next good login"),
        (report.raw, "of them with a password that SASLprep refuses, taken as its octets stand"),
        (report.already_imported, "skipped: already imported from this file"),
        (report.existing, "skipped: in the store already (--replace replaces them)"),
        (report.duplicates, "skipped: a second time in the source"),
        (report.realm_case, "skipped: there in a realm that differs only in case"),
        (report.failed, "not imported, for the reasons above"),
    ]
}

fn word(format: import::Format) -> &'static str {
    match format {
        import::Format::Sasldb => "sasldb",
        import::Format::PasswdFile => "passwd-file",
        import::Format::Text => "text",
    }
}

/// A transaction of a thousand users takes milliseconds; others wait no longer.
const BATCH: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");
/// Within the limit of a record.
const LONGEST_APP: usize = 60;
