//! makemap: lookup maps from text, text from maps, and look-ups.
//!
//! [`options`] turns arguments into a value, [`grammar`] reads source lines as sendmail does, `host` finds out
//! whom to trust for which type of map, `opened` which file is meant, `entry` shows keys and entries, and `build`,
//! `build::convert`, `unmake`, `query`, `list` and `survey` are the things that can be asked for. What a type of map
//! looks like on disk is not known here: `store::maps` lists the types and has the readers and
//! builders, so a new type needs no change in this program.

mod build;
mod entry;
pub mod grammar;
mod host;
mod list;
mod opened;
pub mod options;
mod query;
mod survey;
mod unmake;

use std::ffi::OsString;

use cli::{Exit, Io, Report};

use host::Host;
use options::{Options, Remark, Stop, Task};

/// Runs makemap with these arguments, the program's name first.
///
/// # Errors
/// A [`Report`] with the exit that sendmail's makemap leaves with for the same trouble.
pub fn run(io: &mut Io, arguments: impl IntoIterator<Item = OsString>) -> Result<Exit, Report> {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(Stop::Shown(text)) => return io.out().text(text).map(|()| Exit::OK),
        Err(Stop::Misused(text)) => {
            io.err().text(text);
            return Ok(Exit::USAGE);
        }
    };
    io.set_format(options.common.format);
    options.remarks.iter().for_each(|remark| say(io, *remark));
    match &options.task {
        Task::Convert(old, new) => build::convert::convert(io, &options, old, new),
        Task::Survey(directory) => survey::survey(io, directory),
        Task::List(listing) => list::list(io, *listing),
        Task::Build(target, building) => {
            let host = Host::ask(io, &options, target)?;
            build::build(io, &host, target, building)
        }
        Task::Dump(target, separator) => {
            let host = Host::ask(io, &options, target)?;
            unmake::dump(io, &host, target, *separator)
        }
        Task::Query(target, keys) => {
            let host = Host::ask(io, &options, target)?;
            query::query(io, &host, target, keys)
        }
    }
}

fn say(io: &mut Io, remark: Remark) {
    match remark {
        Remark::InvalidSeparator => io.note("Invalid separator: blanks go on separating"),
        Remark::ChecksStay => io.warn(
            &Report::new(Exit::OK, "-s", "accepted, but every file is checked all the same")
                .because("who can put a link or a file in the place of a map decides where mail goes"),
        ),
    }
}
