//! sasldblistusers: a line for each user, as sasldblistusers2 prints it, of a store or of a Cyrus sasldb.

use cli::{Exit, Io, Report, printable};
use safefile::{Kind, Trust, peek_unsafe};
use store::secrets::Access;
use store::secrets::import::{Format, Found};
use zeroize::Zeroizing;

use crate::options::ListOptions;
use crate::sasldb;
use crate::site::Site;
use crate::trouble;

/// Lists. Where there is no such file it leaves 0 behind, as its peer does; but it says why it failed, and a file that is
/// there and cannot be listed, which a script must not take for one without users, is a failure; one that is held by others
/// is to be tried again.
pub(crate) fn run(io: &mut Io, options: &ListOptions) -> Result<Exit, Report> {
    let site = Site::to_list(io.program(), options).map_err(|report| report.with_exit(FAILED))?;
    match list(io, &site) {
        Err(report) if !report.is_quiet() => {
            io.err().line("listusers failed");
            io.report(&report);
            Ok(match report.exit() {
                Exit::NOINPUT => Exit::OK,
                Exit::TEMPFAIL => Exit::TEMPFAIL,
                _ => FAILED,
            })
        }
        done => done.map(|()| Exit::OK),
    }
}

fn list(io: &mut Io, site: &Site) -> Result<(), Report> {
    if is_sasldb(site) {
        return list_sasldb(io, site);
    }
    let store = site.open(Access::Read)?;
    for record in store.list() {
        let identity = record.map_err(trouble::report)?.identity().to_string();
        line(io, identity.as_bytes(), PASSWORD)?;
    }
    Ok(())
}

/// Every property, in the order of the file. A key that is none of Cyrus' is passed over with a warning.
fn list_sasldb(io: &mut Io, site: &Site) -> Result<(), Report> {
    let map = sasldb::read(&site.open_secret(&site.path)?, site.patience())?;
    for record in map.records() {
        let record =
            record.map_err(|error| Report::new(Exit::DATAERR, printable::path(&site.path), error))?;
        let value = Zeroizing::new(record.value);
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

/// Octets as they stand, which is what a script compares; but nothing that a terminal would obey reaches one, and no
/// name makes lines of its own.
fn line(io: &mut Io, user: &[u8], property: &[u8]) -> Result<(), Report> {
    let line = [user, b": ", property].concat();
    if io.out().is_terminal() || line.iter().any(u8::is_ascii_control) {
        return io.out().line(printable::octets(&line));
    }
    io.out().octets(&line)?;
    io.out().octets(b"\n")
}

/// Only looked at to choose the reader, which then opens the file as a secret.
fn is_sasldb(site: &Site) -> bool {
    let start = peek_unsafe(&site.path, Kind::Secret, &Trust::root(), Format::ENOUGH).map(Zeroizing::new);
    start.is_ok_and(|start| Format::of(&start) == Found::Readable(Format::Sasldb))
}

/// The property of a user who has a password, in Cyrus' words.
const PASSWORD: &[u8] = b"userPassword";
/// What sasldblistusers2 leaves behind when it could not begin.
const FAILED: Exit = Exit::code(1);
