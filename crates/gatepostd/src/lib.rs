//! The daemon: the opener, which starts keeper and front, watches over them, and opens files and listening sockets for them.
//!
//! | in here | what |
//! | --- | --- |
//! | `ground` | configuration, accounts, every file: all that is wrong at once |
//! | `daemon` | the opener's loop, which does what `supervise` says |
//! | `supervise` | when processes start, are connected, end; no I/O |
//! | `worker`, `role` | a process as the opener holds it, and as it is itself |
//! | `open`, `listen`, `made` | what is opened and made for others, and only for whom it belongs to |
//! | `control`, `client` | the control socket, from both ends |
//! | `sessions`, `held` | lists of sessions and of who is held back: their JSON and their tables |
//! | `check`, `explain`, `queue` | what is asked of files, whether or not the daemon runs |
//! | `journal`, `lines` | the log, and what stands in it |
//!
//! Absent: the network's octets, the store, and whatever root need not do. Entry points: [`main`] for the process, [`command`]
//! for manual page and completions.

mod check;
mod client;
mod control;
mod daemon;
mod explain;
mod ground;
mod held;
mod journal;
mod lines;
mod listen;
mod made;
mod notify;
mod open;
mod options;
mod queue;
mod role;
mod sessions;
mod signals;
mod supervise;
mod version;
mod worker;

use std::process::ExitCode;

use cli::options::{Parsed, parse};
use cli::{Exit, Io, Report};
use safefile::Uid;

use crate::options::{Command, Options, QueueCommand, ThrottleCommand};
use crate::role::Start;

pub use options::command;

/// The program.
pub fn main() -> ExitCode {
    // Without /proc none of the other processes can be started, and that is said where they are.
    let _ = safefile::close_inherited();
    cli::run("gatepostd", run)
}

fn run(io: &mut Io) -> Result<Exit, Report> {
    let options: Options = match parse(io, std::env::args_os(), Exit::USAGE)? {
        Parsed::Options(options) => options,
        Parsed::Said(exit) => return Ok(exit),
    };
    io.set_format(options.common.format);
    if let (Some(role), Some(style), Some(trusted)) = (options.role, options.log, options.trusted) {
        return role::run(Start { role, style, trusted: Uid(trusted) });
    }
    if options.version {
        return version::say(options.verbose, io);
    }
    match &options.command {
        None => daemon::run(&options.common),
        Some(Command::Check) => check::run(&options.common, io),
        Some(Command::Explain(mail)) => explain::run(&options.common, mail, io),
        Some(Command::Status(reaching)) => client::status(&options.common, reaching, io),
        Some(Command::Sessions(reaching)) => sessions::list(&options.common, reaching, io),
        Some(Command::Throttle(ThrottleCommand::List { all, reaching })) => {
            held::list(&options.common, reaching, *all, io)
        }
        Some(Command::Throttle(ThrottleCommand::Clear { whom, reaching, .. })) => {
            held::clear(&options.common, reaching, whom.as_deref(), io)
        }
        Some(Command::Queue(QueueCommand::List)) => queue::list(&options.common, io),
        Some(Command::Reload(reaching)) => client::reload(&options.common, reaching, io),
    }
}
