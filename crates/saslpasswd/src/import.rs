//! Users of another server's file are brought in: with progress, and a report at the end.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report, printable};
use credential::ChangedBy;
use safefile::{SafeFile, shell_quote};
use serde_json::json;
use store::StoreError;
use store::secrets::import::{self, Event, Existing, Found, ImportFault, ImportedUser, Mode, Plan, Skip};
use store::secrets::{Access, SecretStore};
use zeroize::Zeroizing;

use crate::options::{Effect, Present, Source};
use crate::sasldb;
use crate::site::{self, Site};
use crate::trouble;

/// Imports a file, whose format is found by itself where it is not given.
pub(crate) fn run(io: &mut Io, site: &Site, source: &Source) -> Result<Exit, Report> {
    let path = &source.file;
    let file = site.open_secret(path)?;
    let format = source.format.map_or_else(|| find_format(&file), Ok)?;
    let plan = plan(site, source)?;
    let report = if format == import::Format::Sasldb {
        let map = sasldb::read(&file, site.patience())?;
        let store = store(site)?;
        let work = Work::Count(map.records().count() as u64);
        bring_in(io, import::sasldb::read(map.as_ref()), store.as_ref(), &plan, work)?
    } else {
        let realm = site.realm(source.realm.as_deref())?;
        let store = store(site)?;
        let work = Work::Count(lines(&file)?);
        let scheme = import::passwd_file::DEFAULT_SCHEME;
        match format {
            import::Format::PasswdFile => {
                let users = import::passwd_file::read(file, realm, scheme);
                bring_in(io, users, store.as_ref(), &plan, work)?
            }
            _ => bring_in(io, import::text::read(file, realm), store.as_ref(), &plan, work)?,
        }
    };
    say(io, site, path, format, &report)?;
    Ok(if report.failed == 0 { Exit::OK } else { Exit::DATAERR })
}

/// How much there is to do, without moving the place where reading begins.
fn lines(file: &SafeFile) -> Result<u64, Report> {
    let mut buffer = Zeroizing::new(vec![0; import::Format::ENOUGH]);
    let (mut count, mut offset) = (0, 0);
    loop {
        let read = file.read_at(&mut buffer, offset);
        match read.map_err(|error| Report::new(Exit::IOERR, printable::path(file.path()), error))? {
            0 => return Ok(count),
            octets => {
                count += buffer[..octets].iter().map(|octet| u64::from(*octet == b'\n')).sum::<u64>();
                offset += octets as u64;
            }
        }
    }
}

fn find_format(file: &SafeFile) -> Result<import::Format, Report> {
    let path = printable::path(file.path());
    let mut start = Zeroizing::new(vec![0; import::Format::ENOUGH]);
    let count = file.read_at(&mut start, 0).map_err(|error| Report::new(Exit::IOERR, path, error))?;
    let found = match import::Format::of(&start[..count]) {
        Found::Readable(import::Format::Text) => import::Format::of_text(FromStart { file, offset: 0 }),
        found => found,
    };
    match found {
        Found::Readable(format) => Ok(format),
        other => Err(not_imported(file.path(), other)),
    }
}

/// A file read from its beginning, without moving the place where others read on.
struct FromStart<'a> {
    file: &'a SafeFile,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// What is no other server's file of users, or may be one of two, and what to do instead.
fn not_imported(path: &Path, found: Found) -> Report {
    let quoted = shell_quote(path);
    let report = |cause: &str| Report::new(Exit::DATAERR, printable::path(path), cause);
    match found {
        Found::NotRead(what) => report(&format!("this is a database ({what}); its format is not read")),
        Found::Redb => report("this is a store or a map of Gatepost, which is not imported")
            .mend(format_args!("saslpasswd -f {quoted} --dump DUMP"))
            .mend("saslpasswd --load DUMP"),
        Found::Dump => report("this is a dump of a store, which is loaded and not imported")
            .mend(format_args!("saslpasswd --load {quoted}")),
        Found::Unclear(line) => report(&format!(
            "line {line} has a hash, as in a passwd-file, or a password that looks like one"
        ))
        .because("a hash that is taken for a password lets in all who have seen it; say which format it is")
        .mend(format_args!("saslpasswd --from passwd-file --import {quoted}"))
        .mend(format_args!("saslpasswd --from text --import {quoted}")),
        Found::NotText | Found::Readable(_) => {
            report("this is no text, and no database of a format that is known")
        }
    }
}

/// The store to import into, made where none is; `None` in a rehearsal without one.
fn store(site: &Site) -> Result<Option<SecretStore>, Report> {
    if let Some(store) = site.try_open(Access::Write)? {
        return Ok(Some(store));
    }
    if site.effect == Effect::Rehearse {
        return site.rehearse_creation().map(|()| None);
    }
    match site.create(|_| Ok(())) {
        Ok(()) | Err(StoreError::Exists { .. }) => site.open(Access::Write).map(Some),
        Err(error) => Err(trouble::report(error)),
    }
}

fn plan(site: &Site, source: &Source) -> Result<Plan, Report> {
    Ok(Plan {
        policy: *site.policy(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        batch: BATCH,
        existing: match source.present {
            Present::Stay => Existing::Keep,
            Present::Replaced => Existing::Replace,
        },
        mode: match site.effect {
            Effect::Change => Mode::Import,
            Effect::Rehearse => Mode::DryRun,
        },
        by: site::changed_with(&with(&source.file))?,
        now: site.now,
    })
}

/// What is recorded with each user: the import of this file, by which one that is run again knows its own. The end of a
/// path says more than its beginning.
fn with(file: &Path) -> String {
    let file = printable::path(file).to_string();
    let mut start = file.len().saturating_sub(ChangedBy::MAX - IMPORT_OF.len());
    while !file.is_char_boundary(start) {
        start += 1;
    }
    [IMPORT_OF, &file[start..]].concat()
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
    let done = import::run(users, store, plan, &mut observe);
    progress.finish();
    done.map_err(|error| {
        let report = trouble::report(error.source);
        report.because(format_args!(
            "{} users were imported before; what is there stays, and the same import can be run again",
            error.report.imported
        ))
    })
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
            shell_quote(path)
        ))?;
    }
    Ok(())
}

fn details(report: &import::Report) -> [(u64, &'static str); 8] {
    [
        (report.replaced, "of them were there before and have a new password"),
        (report.hashed, "of them with the other server's hash, until the password is set anew"),
        (report.raw, "of them with a password that SASLprep refuses, taken as its octets stand"),
        (report.already_imported, "skipped: already imported from this file"),
        (report.existing, "skipped: in the store already (--replace gives them the password of the file)"),
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
const IMPORT_OF: &str = "import of ";
