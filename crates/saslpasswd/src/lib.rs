//! saslpasswd and sasldblistusers: users' secrets, by hand and in bulk.
//!
//! A command line becomes a value (`options`), the value a place to work in (`site`), and each task its effects, one
//! file each. What a verifier is, how the store keeps it and when a file is safe is known elsewhere.

mod date;
mod delete;
mod export;
mod import;
mod listing;
mod moving;
pub mod options;
mod sasldb;
mod set;
mod site;
mod state;
mod trouble;
mod users;
mod verify;

use std::ffi::OsString;

use cli::{Exit, Io, Report};
use options::{Grammar, ListOptions, Options, Stop, Task};
use site::Site;

/// Runs saslpasswd; the program's name is the first argument.
pub fn saslpasswd(io: &mut Io, arguments: impl IntoIterator<Item = OsString>) -> Result<Exit, Report> {
    let options = match Options::parse(io.program(), arguments) {
        Ok(options) => options,
        Err(stop) => return said(io, stop),
    };
    io.set_format(options.format);
    let site = Site::find(io.program(), &options).map_err(|report| trouble::told(&options.task, report))?;
    let done = match &options.task {
        Task::Set(who, setting) => set::run(io, &site, who, setting),
        Task::Delete(who, label) => delete::run(io, &site, who, label.as_ref()),
        Task::Verify(who, input) => verify::run(io, &site, who, *input),
        Task::List => listing::all(io, &site),
        Task::Show(who) => listing::one(io, &site, who),
        Task::State(who, label, state) => state::set_state(io, &site, who, label.as_ref(), *state),
        Task::Expires(who, label, end) => state::set_expires(io, &site, who, label.as_ref(), *end),
        Task::Keep(who, kinds) => state::keep(io, &site, who, *kinds),
        Task::Import(source) => import::run(io, &site, source),
        Task::Export(file) => export::run(io, &site, file),
        Task::Dump(file) => moving::dump(io, &site, file),
        Task::Load(file, present) => moving::load(io, &site, file, *present),
        Task::Backup(file) => moving::backup(io, &site, file),
    };
    done.map_err(|report| trouble::told(&options.task, report))
}

/// Runs sasldblistusers; the program's name is the first argument.
pub fn sasldblistusers(io: &mut Io, arguments: impl IntoIterator<Item = OsString>) -> Result<Exit, Report> {
    match ListOptions::parse(io.program(), arguments) {
        Ok(options) => users::run(io, &options),
        Err(stop) => said(io, stop),
    }
}

fn said(io: &mut Io, stop: Stop) -> Result<Exit, Report> {
    match stop {
        Stop::Shown(text) => io.out().text(text).map(|()| Exit::OK),
        Stop::Misused(text, grammar) => {
            io.err().text(text);
            Ok(match grammar {
                Grammar::Cyrus => MISUSED,
                // A script that asks for a verdict must not take a slip of its own for "wrong".
                Grammar::Ours => Exit::USAGE,
            })
        }
        Stop::Versions => {
            io.err().line(concat!(
                "Gatepost ",
                env!("CARGO_PKG_VERSION"),
                ", in the place of Cyrus SASL's tools"
            ));
            Ok(Exit::OK)
        }
    }
}

/// What saslpasswd2 leaves behind after a usage error.
const MISUSED: Exit = Exit::code(1);
