//! The whole store, moved: dump and load as JSON lines, backup as a checked copy.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use cli::{Exit, Format, Io, Report, printable};
use credential::DecoyKey;
use safefile::{Dress, Kind, OldFile, Replacement};
use serde_json::json;
use store::StoreError;
use store::secrets::dump::{self, Dump, DumpError, LoadError, Loaded, Merge};
use store::secrets::{Access, Edit, NewStore, SecretStore};

use crate::options::{Effect, Present};
use crate::site::Site;
use crate::trouble;

/// `--dump`: to a file that nobody else may read, complete or not at all.
pub(crate) fn dump(io: &mut Io, site: &Site, to: &Path) -> Result<Exit, Report> {
    let store = site.open(Access::Read)?;
    if site.effect == Effect::Rehearse {
        let users = store::secrets::Secrets::counts(&store).map_err(trouble::report)?.users;
        return moved(io, site, "dumped", users, to);
    }
    let not_made = |error: safefile::ReplaceError| Report::from(error).with_exit(Exit::CANTCREAT);
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let file = Replacement::begin(to, Kind::Secret, &site.trust_for(to), dress).map_err(not_made)?;
    let mut out = BufWriter::new(file);
    let users = dump::write(&store, &mut out).map_err(|error| match error {
        DumpError::Store(error) => trouble::report(error),
        DumpError::Out(error) => Report::new(Exit::IOERR, printable::path(to), error),
    })?;
    out.flush().map_err(|error| Report::new(Exit::IOERR, printable::path(to), error))?;
    let file =
        out.into_inner().map_err(|error| Report::new(Exit::IOERR, printable::path(to), error.error()))?;
    file.commit(OldFile::Leave).map_err(not_made)?;
    moved(io, site, "dumped", users, to)
}

/// `--load`: all of a dump or nothing, in one transaction; makes the store where none is.
pub(crate) fn load(io: &mut Io, site: &Site, from: &Path, present: Present) -> Result<Exit, Report> {
    let file = site.open_secret(from)?;
    let refused = |fault: dump::DumpFault| Report::new(Exit::DATAERR, printable::path(from), fault);
    let dump = Dump::begin(file).map_err(refused)?;
    let merge = match present {
        Present::Stay => Merge::LaterChangeWins,
        Present::Replaced => Merge::DumpWins,
    };
    let store = site.try_open(Access::Write)?;
    if site.effect == Effect::Rehearse {
        let users = { dump }.try_fold(0, |users, record| record.map(|_| users + 1)).map_err(refused)?;
        return moved(io, site, "loaded", users, from);
    }
    let loaded = match store {
        Some(store) => store.write(|edit| dump.load(edit, merge)),
        None => into_new(site, dump, merge),
    };
    let loaded = loaded.map_err(|error| match error {
        LoadError::Dump(fault) => refused(fault),
        LoadError::Store(error) => trouble::report(error),
    })?;
    say_loaded(io, from, loaded)?;
    Ok(Exit::OK)
}

fn into_new<R: std::io::Read>(site: &Site, dump: Dump<R>, merge: Merge) -> Result<Loaded, LoadError> {
    let new = NewStore {
        decoy_key: DecoyKey::new(*dump.header().decoy_key.expose()),
        created: dump.header().created,
    };
    let fill = |edit: &mut Edit<'_>| dump.load(edit, merge);
    SecretStore::create::<Loaded, LoadError>(&site.path, site.trust(), new, fill)
}

fn say_loaded(io: &mut Io, from: &Path, loaded: Loaded) -> Result<(), Report> {
    let Loaded { added, replaced, kept } = loaded;
    if io.format() == Format::Json {
        let source = printable::path(from).to_string();
        return io
            .out()
            .json(&json!({ "source": source, "added": added, "replaced": replaced, "kept": kept }));
    }
    io.out().line(format_args!(
        "loaded {}: {added} added, {replaced} replaced, {kept} kept",
        printable::path(from)
    ))
}

/// `--backup`.
pub(crate) fn backup(io: &mut Io, site: &Site, to: &Path) -> Result<Exit, Report> {
    let store = site.open(Access::Write)?;
    if site.effect == Effect::Rehearse {
        let users = store::secrets::Secrets::counts(&store).map_err(trouble::report)?.users;
        return moved(io, site, "copied", users, to);
    }
    let backup = store.backup(to, &site.trust_for(to)).map_err(|error| match error {
        StoreError::Exists { .. } => trouble::report(error)
            .because("a store is never replaced by a copy; name a file that does not exist"),
        error => trouble::report(error),
    })?;
    moved(io, site, "copied", backup.users, to)
}

fn moved(io: &mut Io, site: &Site, what: &str, users: u64, file: &Path) -> Result<Exit, Report> {
    let rehearsal = site.effect == Effect::Rehearse;
    let file = printable::path(file);
    if io.format() == Format::Json {
        io.out()
            .json(&json!({ "done": what, "users": users, "file": file.to_string(), "dry_run": rehearsal }))?;
    } else {
        let would = if rehearsal { "would be " } else { "" };
        io.out().line(format_args!("{users} users {would}{what}: {file}"))?;
    }
    Ok(Exit::OK)
}
