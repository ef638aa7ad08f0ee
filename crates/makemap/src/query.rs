//! `-q KEY`, `-q -`: look-ups, as postmap answers them.

use cli::source::Source;
use cli::{Exit, Format, Io, Report};
use store::maps::{self, Map, Value};

use crate::entry::Object;
use crate::grammar::Case;
use crate::host::Host;
use crate::opened;
use crate::options::{Keys, Target};

/// Looks keys up. One key: its value alone. Keys from standard input: `KEY TAB VALUE` for each that is there, the key as
/// it was asked for. For a program an object each, with both. The exit is 1 when nothing was found.
pub(crate) fn query(io: &mut Io, host: &Host, target: &Target, keys: &Keys) -> Result<Exit, Report> {
    let map = opened::open(io, host, target)?;
    let find = |key: &[u8], case| {
        let found = map.get(&looked_up(&*map, key, case));
        found.map_err(|error| opened::damaged(&*map, target, &error))
    };
    let found = match keys {
        Keys::One(key, case) => {
            find(key, *case)?.map(|value| answer(io, key, &value, &[&value])).transpose()?
        }
        Keys::StandardInput(case) => each(io, |key| find(key, *case))?,
    };
    Ok(found.map_or(NOT_FOUND, |()| Exit::OK))
}

/// All keys of standard input; something if any was found.
fn each(io: &mut Io, find: impl Fn(&[u8]) -> Result<Option<Value>, Report>) -> Result<Option<()>, Report> {
    let mut source = Source::stdin(io)?;
    let mut found = None;
    while let Some(line) = source.next_line()? {
        if let Some(value) = find(line.octets)? {
            answer(io, line.octets, &value, &[line.octets, b"\t", &value])?;
            found = Some(());
        }
    }
    Ok(found)
}

/// The key in the case in which the map holds its keys: folded, unless `-f` or the map itself says otherwise.
fn looked_up(map: &dyn Map, key: &[u8], case: Case) -> Vec<u8> {
    if case == Case::Kept || map.keys() == maps::Keys::AsWritten {
        key.to_vec()
    } else {
        key.to_ascii_lowercase()
    }
}

/// The line of one answer: an object for a program, else these parts.
fn answer(io: &mut Io, key: &[u8], value: &[u8], parts: &[&[u8]]) -> Result<(), Report> {
    if io.format() == Format::Json {
        return io.out().json(&Object { key, value });
    }
    parts.iter().try_for_each(|part| io.out().octets(part))?;
    io.out().octets(b"\n")
}

/// postmap's exit when nothing was found.
const NOT_FOUND: Exit = Exit::code(1);
