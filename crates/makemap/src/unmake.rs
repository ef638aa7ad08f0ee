//! `-u`: a map becomes text again.

use cli::progress::{Progress, Work};
use cli::{Exit, Format, Io, Report};

use crate::entry::Object;
use crate::host::Host;
use crate::opened;
use crate::options::Target;

/// Writes `KEY SEPARATOR VALUE` lines, octets as they are, each part up to its first NUL: a terminating NUL that was
/// counted does not show, as with makemap; for a program an object for each. In the order of the file.
pub(crate) fn dump(io: &mut Io, host: &Host, target: &Target, separator: u8) -> Result<Exit, Report> {
    let map = opened::open(io, host, target)?;
    // On a terminal the entries themselves show how far it has come.
    let progress = (!io.out().is_terminal()).then(|| Progress::begin(io, "entries", Work::Unknown));
    for record in map.records() {
        let record = record.map_err(|error| opened::damaged(&*map, target, &error))?;
        show(io, up_to_nul(&record.key), separator, up_to_nul(&record.value))?;
        if let Some(progress) = &progress {
            progress.advance(1);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(Exit::OK)
}

fn show(io: &mut Io, key: &[u8], separator: u8, value: &[u8]) -> Result<(), Report> {
    if io.format() == Format::Json {
        return io.out().json(&Object { key, value });
    }
    [key, &[separator], value, b"\n"].iter().try_for_each(|part| io.out().octets(part))
}

/// As a C string ends.
fn up_to_nul(octets: &[u8]) -> &[u8] {
    octets.split(|&octet| octet == 0).next().unwrap_or_default()
}
