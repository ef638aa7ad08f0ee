//! authcheck: is every file that holds secrets safe, with the whole path to it, and what is in the store?
//!
//! The walk and the verdict are `safefile`'s, the very ones that open files elsewhere; this program chooses the paths,
//! asks and shows. `authcheck server` looks at a running server instead (`server.rs`). Entry points: [`main`] for the process, [`command`] for manual page and completions.

mod config;
mod context;
mod discover;
mod files;
mod judged;
mod mechanisms;
mod mend;
mod options;
mod readers;
mod report;
mod server;
mod store;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use cli::options::{Parsed, parse};
use cli::{Exit, Format, Io, Report};
use safefile::{Kind, Verdict};

use crate::context::{Context, UNCHECKED};
use crate::judged::Judged;
use crate::mend::{Answer, Led, Plan};
use crate::options::{Command, Mending, Options};
use crate::tree::{Colour, Detail, Told};

pub use options::command;

/// The program.
pub fn main() -> ExitCode {
    cli::run("authcheck", run)
}

fn run(io: &mut Io) -> Result<Exit, Report> {
    let options: Options = match parse(io, std::env::args_os(), Exit::USAGE).map_err(unchecked)? {
        Parsed::Options(options) => options,
        Parsed::Said(exit) => return Ok(exit),
    };
    io.set_format(options.common.format);
    if let Some(contradiction) = options.contradiction() {
        return Err(Report::plain(Exit::USAGE, contradiction));
    }
    if let Some(Command::Server(asked)) = &options.command {
        return server::run(asked, options.verbose, io);
    }
    audit(&options, io)
        .and_then(|exit| unless_unheard(io.finish()).map(|()| exit))
        .map_err(|report| if report.exit() == Exit::USAGE { report } else { unchecked(report) })
}

fn unchecked(report: Report) -> Report {
    report.with_exit(UNCHECKED)
}

fn audit(options: &Options, io: &mut Io) -> Result<Exit, Report> {
    if options.fix == Some(Mending::Apply) {
        return apply(options, io);
    }
    let found = look(options, io)?;
    said(found, options, io)
}

/// What is to be shown: paths, and perhaps a store to be looked into.
struct Found {
    judged: Vec<Judged>,
    store: Option<(Judged, Context)>,
}

impl Found {
    fn paths(judged: Vec<Judged>) -> Self {
        Self { judged, store: None }
    }

    /// The store as one path among the others.
    fn all(&self) -> impl Iterator<Item = &Judged> {
        self.judged.iter().chain(self.store.iter().map(|(store, _)| store))
    }
}

/// Audits what the options ask for.
fn look(options: &Options, io: &mut Io) -> Result<Found, Report> {
    match &options.command {
        Some(Command::Files { paths }) => {
            let context = Context::lenient(options, io)?;
            Ok(Found::paths(paths.iter().map(|path| files::audit(path, options.kind, &context)).collect()))
        }
        Some(Command::Discover) => {
            let context = Context::lenient(options, io)?;
            let root = options.root.clone().unwrap_or_else(|| PathBuf::from("/"));
            let trust = |path: &std::path::Path| context.trust(path);
            Ok(Found::paths(discover::discover(&discover::Host::new(&root, &trust))))
        }
        Some(Command::Config { files }) if !files.is_empty() => {
            let audits: Result<Vec<_>, _> =
                files.iter().map(|file| config::audit(Some(file), options)).collect();
            Ok(Found::paths(audits?.into_iter().flatten().collect()))
        }
        Some(Command::Config { .. }) => {
            Ok(Found::paths(config::audit(options.common.config.as_deref(), options)?))
        }
        Some(Command::Store { file }) => {
            let context = Context::strict(options)?;
            let path = file.clone().unwrap_or_else(|| context.config.secrets.path.clone());
            let judged = Judged::new(safefile::audit(&path, Kind::Store, &context.trust(&path)));
            Ok(Found { judged: Vec::new(), store: Some((judged, context)) })
        }
        Some(Command::Server(_)) | None => config_and_store(options),
    }
}

/// What plain `authcheck` looks at. Where the configuration is wrong nobody knows which store is meant.
fn config_and_store(options: &Options) -> Result<Found, Report> {
    let judged = config::audit(options.common.config.as_deref(), options)?;
    let Ok(context) = Context::strict(options) else { return Ok(Found::paths(judged)) };
    let is_store = |one: &Judged| one.audit.path == context.config.secrets.path;
    let (mut stores, judged): (Vec<_>, Vec<_>) = judged.into_iter().partition(is_store);
    Ok(Found { judged, store: stores.pop().map(|store| (store, context)) })
}

/// Mends until nothing is left that a command could mend (where somebody has to be asked: once), then shows what there
/// is.
fn apply(options: &Options, io: &mut Io) -> Result<Exit, Report> {
    for _ in 0..ROUNDS {
        let plan = Plan::of(look(options, io)?.all());
        if plan.is_empty() || plan.confirm(io, options)? == Answer::No {
            break;
        }
        plan.apply(io)?;
        if !options.yes || plan.led() == Led::Astray {
            // What was said yes to is done; anything else is shown, not run.
            break;
        }
    }
    let found = look(options, io)?;
    said(found, options, io)
}

/// Shows everything, or only the commands that mend it, the store last. The exit is the same whether or not somebody reads to the end, but that a store which
/// nobody hears of is not checked.
fn said(found: Found, options: &Options, io: &mut Io) -> Result<Exit, Report> {
    let mut verdicts = verdicts(&found.judged);
    let shown = show(found, &mut verdicts, options, io);
    unless_unheard(shown)?;
    Ok(exit(&verdicts))
}

fn show(found: Found, verdicts: &mut Vec<Verdict>, options: &Options, io: &mut Io) -> Result<(), Report> {
    // Until it is.
    verdicts.extend(found.store.iter().map(|_| Verdict::Error));
    let only_commands = options.fix == Some(Mending::Print);
    if only_commands {
        Plan::of(found.all()).show(io)?;
    } else {
        paths(&found.judged, options, io)?;
    }
    if let Some((judged, context)) = found.store {
        let verdict = store::check(io, judged, &context, options)?;
        verdicts.pop();
        verdicts.push(verdict);
    }
    if io.format() == Format::Text && !only_commands {
        let colour = Colour::of(io);
        io.out().text(tree::summary(verdicts, colour))?;
    }
    Ok(())
}

fn paths(judged: &[Judged], options: &Options, io: &mut Io) -> Result<(), Report> {
    let (colour, detail, mut told) = (Colour::of(io), detail(options), Told::default());
    for judged in judged {
        match io.format() {
            Format::Text => io.out().text(tree::text(judged, detail, &mut told, colour))?,
            Format::Json => io.out().json(&report::Object::of(judged))?,
        }
    }
    Ok(())
}

/// A reader of standard output that has gone changes no verdict.
fn unless_unheard(shown: Result<(), Report>) -> Result<(), Report> {
    match shown {
        Err(report) if report.is_quiet() => Ok(()),
        shown => shown,
    }
}

fn verdicts(judged: &[Judged]) -> Vec<Verdict> {
    judged.iter().map(Judged::verdict).collect()
}

/// `files` was asked about each path; elsewhere the safe ones are many.
fn detail(options: &Options) -> Detail {
    if options.verbose || matches!(options.command, Some(Command::Files { .. })) {
        Detail::Whole
    } else {
        Detail::UnsafeOnly
    }
}

/// What is unsafe is certain, so it counts before what could not be checked.
fn exit(verdicts: &[Verdict]) -> Exit {
    if verdicts.contains(&Verdict::Unsafe) {
        UNSAFE
    } else if verdicts.contains(&Verdict::Error) {
        UNCHECKED
    } else {
        Exit::OK
    }
}

/// Something is unsafe.
const UNSAFE: Exit = Exit::code(1);

/// A command may uncover what another one mends (an access list below a mode); more rounds than this are a fault.
const ROUNDS: usize = 8;
