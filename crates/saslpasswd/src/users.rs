//! sasldblistusers: a line for each user, as sasldblistusers2 prints it, of a store or of a Cyrus sasldb.

use cli::{Exit, Io, Report, printable};
use credential::VerifierKind;
use safefile::{Kind, Trust, open_unsafe_for_audit};
use store::StoreError;
use store::secrets::{Access, SecretStore};

use crate::options::ListOptions;
use crate::sasldb;
use crate::site::Site;
use crate::trouble;

/// Lists. Like its peer it leaves 0 behind even when it fails, so that scripts work on; but it says why it failed.
pub(crate) fn run(io: &mut Io, options: &ListOptions) -> Result<Exit, Report> {
    let site = Site::to_list(options).map_err(|report| report.with_exit(Exit::code(1)))?;
    match list(io, &site) {
        Err(report) if !report.is_quiet() => {
            io.err().line("listusers failed");
            io.report(&report);
            Ok(Exit::OK)
        }
        done => done.map(|()| Exit::OK),
    }
}

fn list(io: &mut Io, site: &Site) -> Result<(), Report> {
    if is_berkeley_db(site) {
        return list_sasldb(io, site);
    }
    list_store(io, &site.open(Access::Read)?)
}

fn list_store(io: &mut Io, store: &SecretStore) -> Result<(), Report> {
    for record in store.list() {
        let record = record.map_err(|error: StoreError| trouble::report(error))?;
        let kinds = record.kinds();
        let property = match kinds.strongest() {
            _ if kinds.contains(VerifierKind::Plain) => PASSWORD,
            Some(kind) => kind.name(),
            None => "",
        };
        line(io, record.identity().to_string().as_bytes(), property.as_bytes())?;
    }
    Ok(())
}

/// Every property, in the order of the file. A key that is none of Cyrus' is passed over with a warning.
fn list_sasldb(io: &mut Io, site: &Site) -> Result<(), Report> {
    let map = sasldb::read(&site.open_secret(&site.path)?)?;
    for record in map.records() {
        let record =
            record.map_err(|error| Report::new(Exit::DATAERR, printable::path(&site.path), error))?;
        let value = zeroize::Zeroizing::new(record.value);
        let parts: Vec<&[u8]> = record.key.split(|&octet| octet == 0).collect();
        match parts[..] {
            // The version marks of SASLv1 are no users.
            [b"", b"", _] if value.len() == 4 => {}
            [user, realm, property] => line(io, &[user, b"@", realm].concat(), property)?,
            _ => io.warn(&Report::new(
                Exit::DATAERR,
                printable::path(&site.path),
                format_args!("a key without exactly two NULs: {}", printable::octets(&record.key)),
            )),
        }
    }
    Ok(())
}

fn line(io: &mut Io, user: &[u8], property: &[u8]) -> Result<(), Report> {
    io.out().line(format_args!("{}: {}", printable::octets(user), printable::octets(property)))
}

/// Only looked at to choose the reader, which then opens the file as a secret.
fn is_berkeley_db(site: &Site) -> bool {
    let seen = open_unsafe_for_audit(&site.path, Kind::Secret, &Trust::root(), LARGEST);
    let contents = seen.ok().and_then(|seen| seen.contents).map(zeroize::Zeroizing::new);
    contents.is_some_and(|contents| {
        matches!(mapfile::detect(&contents), Some(mapfile::Detected::Hash | mapfile::Detected::Btree))
    })
}

/// The property under which Cyrus keeps a password in clear.
const PASSWORD: &str = "userPassword";
const LARGEST: u64 = 1 << 30;
