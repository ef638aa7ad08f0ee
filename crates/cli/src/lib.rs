//! What every small program does the same way: exits, reports, prompts, progress.
//!
//! A program is a function from its [`Io`] to an [`Exit`] or a [`Report`]; [`run`] hardens the process around it and is
//! the one place where an error becomes a number. Nothing here knows the store, a file format or a protocol.

mod exit;
mod format;
pub mod getopt;
mod harden;
mod io;
mod json;
mod open;
pub mod options;
pub mod printable;
pub mod progress;
pub mod prompt;
mod say;
pub mod source;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

pub use exit::Exit;
pub use format::Format;
pub use io::{Io, Messages, Output, Painted, Rehearsal, Stdin};
pub use say::{Level, Report};

/// Runs a program: no core dumps and no tracing of this process from here on, then `body`, then what is left to say.
///
/// A [`Report`] is said on standard error (as text, or as JSON when `body` chose [`Format::Json`]) and its exit is the
/// program's; a reader of standard output that has gone ends it quietly, with success unless `body` came to its end and
/// knows better; a panic becomes
/// [`Exit::SOFTWARE`] and tells the place in the source, never the panic's text, which may hold what it should not.
pub fn run(program: &str, body: impl FnOnce(&mut Io) -> Result<Exit, Report>) -> ExitCode {
    harden::panics_tell_their_place_only();
    let mut io = Io::of_process(program);
    let done = harden::process().and_then(|()| guarded(&mut io, body));
    let done = done.and_then(|exit| finished(&mut io, exit));
    done.unwrap_or_else(|report| {
        io.report(&report);
        report.exit()
    })
    .into()
}

/// The name this program was called by (the last component of `argv[0]`), or `default` where there is none: installed
/// under a second name, a program speaks under that name.
pub fn program_name(default: &str) -> String {
    let called = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = called
        .as_deref()
        .and_then(std::path::Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// What the body found out stands, whether or not somebody reads it to the end.
fn finished(io: &mut Io, exit: Exit) -> Result<Exit, Report> {
    match io.finish() {
        Err(report) if !report.is_quiet() => Err(report),
        _ => Ok(exit),
    }
}

fn guarded(io: &mut Io, body: impl FnOnce(&mut Io) -> Result<Exit, Report>) -> Result<Exit, Report> {
    panic::catch_unwind(AssertUnwindSafe(|| body(io))).unwrap_or_else(|_| Err(harden::panic_report()))
}

#[cfg(test)]
mod tests {
    use super::{Exit, Io, Report, guarded};

    #[test]
    fn a_panic_is_a_fault_of_ours_and_keeps_its_text_to_itself() {
        let (mut io, _) = Io::rehearse("p", "");
        let report = guarded(&mut io, |_| panic!("secret")).unwrap_err();
        assert_eq!(report.exit(), Exit::SOFTWARE);
        assert!(!format!("{report:?}").contains("secret"));
    }

    #[test]
    fn what_the_body_says_is_what_counts() {
        let (mut io, _) = Io::rehearse("p", "");
        assert_eq!(guarded(&mut io, |_| Ok(Exit::code(3))).unwrap(), Exit::code(3));
        let refused = guarded(&mut io, |_| Err(Report::plain(Exit::NOUSER, "no such user")));
        assert_eq!(refused.unwrap_err().exit(), Exit::NOUSER);
    }
}
