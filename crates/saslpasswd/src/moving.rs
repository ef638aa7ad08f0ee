//! The whole store, moved: dump and load as JSON lines, backup as a checked copy.

use std::io::{BufWriter, Read, Write as _};
use std::path::Path;

use cli::{Exit, Format, Io, Report, printable};
use credential::DecoyKey;
use safefile::{Dress, Kind, OldFile, OpenError, Replacement, Trust, peek_unsafe};
use serde_json::json;
use store::StoreError;
use store::secrets::dump::{self, Dump, DumpError, DumpFault, LoadError, Loaded, Merge};
use store::secrets::import::{self, Found};
use store::secrets::{Access, Edit, NewStore, SecretStore};
use zeroize::Zeroizing;

use crate::options::{Effect, Present};
use crate::site::{self, Site};
use crate::trouble;

/// `--dump`: to a file that nobody else may read, complete or not at all.
pub(crate) fn dump(io: &mut Io, site: &Site, to: &Path) -> Result<Exit, Report> {
    let store = site.open(Access::Read)?;
    may_be_replaced(to)?;
    if site.effect == Effect::Rehearse {
        Replacement::rehearse(to, Kind::Secret, &site.trust_for(to)).map_err(Report::from)?;
        let users = store::secrets::Secrets::counts(&store).map_err(trouble::report)?.users;
        return moved(io, site, "dumped", users, to);
    }
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let file = Replacement::begin(to, Kind::Secret, &site.trust_for(to), dress).map_err(Report::from)?;
    let mut out = BufWriter::new(file);
    let users = dump::write(&store, &mut out).map_err(|error| match error {
        DumpError::Store(error) => trouble::report(error),
        DumpError::Out(error) => Report::new(Exit::IOERR, printable::path(to), error),
    })?;
    out.flush().map_err(|error| Report::new(Exit::IOERR, printable::path(to), error))?;
    let file =
        out.into_inner().map_err(|error| Report::new(Exit::IOERR, printable::path(to), error.error()))?;
    file.commit(OldFile::Leave).map_err(Report::from)?;
    moved(io, site, "dumped", users, to)
}

/// A dump takes the place of an earlier dump, or of an empty file. Whatever else is there stays, above all a store.
fn may_be_replaced(to: &Path) -> Result<(), Report> {
    let start = match peek_unsafe(to, Kind::Secret, &Trust::root(), import::Format::ENOUGH) {
        Ok(start) => Zeroizing::new(start),
        // A refusal is told by whoever makes the dump.
        Err(OpenError::Missing { .. } | OpenError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if start.is_empty() || import::Format::of(&start) == Found::Dump {
        return Ok(());
    }
    Err(Report::new(Exit::CANTCREAT, printable::path(to), "something that is no dump exists already")
        .because("a dump replaces nothing but an earlier dump; name another file"))
}

/// `--load`: all of a dump or nothing, in one transaction; makes the store where none is.
pub(crate) fn load(io: &mut Io, site: &Site, from: &Path, present: Present) -> Result<Exit, Report> {
    let file = site.open_secret(from)?;
    let refused = |fault: DumpFault| Report::new(Exit::DATAERR, printable::path(from), fault);
    let dump = Dump::begin(file).map_err(refused)?;
    let merge = match present {
        Present::Stay => Merge::LaterChangeWins,
        Present::Replaced => Merge::DumpWins,
    };
    let store = site.try_open(Access::Write)?;
    if store.is_none() && site.effect == Effect::Rehearse {
        site.rehearse_creation()?;
    }
    let loaded = match (store, site.effect) {
        (Some(store), Effect::Change) => store.write(|edit| dump.load(edit, merge)),
        (None, Effect::Change) => into_new(site, dump, merge),
        (store, Effect::Rehearse) => rehearse(dump, store.as_ref(), merge),
    };
    let loaded = loaded.map_err(|error| match error {
        LoadError::Dump(fault) => refused(fault),
        LoadError::Store(error) => trouble::report(error),
    })?;
    say_loaded(io, site, from, loaded)?;
    Ok(Exit::OK)
}

/// What a load would do, found out without a transaction, so that nobody has to wait for it.
fn rehearse<R: Read>(dump: Dump<R>, store: Option<&SecretStore>, merge: Merge) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    for record in dump {
        let record = record?;
        let found = store.map(|store| store.look_up(record.identity())).transpose()?.flatten();
        match found {
            None => loaded.added += 1,
            Some(stored)
                if merge == Merge::LaterChangeWins && stored.record.changed() >= record.changed() =>
            {
                loaded.kept += 1;
            }
            Some(_) => loaded.replaced += 1,
        }
    }
    Ok(loaded)
}

fn into_new<R: Read>(site: &Site, dump: Dump<R>, merge: Merge) -> Result<Loaded, LoadError> {
    let new = NewStore {
        decoy_key: DecoyKey::new(*dump.header().decoy_key.expose()),
        created: dump.header().created,
    };
    let fill = |edit: &mut Edit<'_>| dump.load(edit, merge);
    SecretStore::create::<Loaded, LoadError>(&site.path, site.trust(), new, fill)
}

fn say_loaded(io: &mut Io, site: &Site, from: &Path, loaded: Loaded) -> Result<(), Report> {
    let Loaded { added, replaced, kept } = loaded;
    let rehearsal = site.effect == Effect::Rehearse;
    let source = printable::path(from).to_string();
    if io.format() == Format::Json {
        return io.out().json(&json!({
            "done": "loaded", "file": source, "dry_run": rehearsal,
            "added": added, "replaced": replaced, "kept": kept,
        }));
    }
    let verb = if rehearsal { "would load" } else { "loaded" };
    io.out().line(format_args!("{verb} {source}: {added} added, {replaced} replaced, {kept} kept"))
}

/// `--backup`.
pub(crate) fn backup(io: &mut Io, site: &Site, to: &Path) -> Result<Exit, Report> {
    let store = site.open(Access::Write)?;
    let not_made = |error| match error {
        StoreError::Exists { .. } => trouble::report(error)
            .because("a store is never replaced by a copy; name a file that does not exist"),
        error => trouble::report(error),
    };
    if site.effect == Effect::Rehearse {
        site::rehearse_new(to, &site.trust_for(to)).map_err(not_made)?;
        let users = store::secrets::Secrets::counts(&store).map_err(trouble::report)?.users;
        return moved(io, site, "copied", users, to);
    }
    let backup = store.backup(to, &site.trust_for(to)).map_err(not_made)?;
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
