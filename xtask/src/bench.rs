//! Figures beside the peers', in one run on one machine: medians of whole processes (time on the clock, and of the
//! processors), and peak memory. What no peer can be asked for, a SASL exchange, stands beside its own cryptography.
//!
//! Nothing here judges; a test that asserts a time would fail on the next machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::shell::{Outcome, cargo, root, step, target_directory, words};

pub(crate) mod auth;
mod maps;
mod peers;
mod users;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// One user created, as a whole process, beside saslpasswd2.
    Users,
    /// Maps of every type built from text, and keys looked up, beside makemap, postmap and tinycdb.
    Maps,
    /// A server's exchange by each mechanism, beside the bare cost of its cryptography.
    Sasl,
    /// Logins at the daemon, beside sendmail with its sasldb and Postfix with Dovecot, and what a session holds.
    Auth,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to measure; everything when not given.
    subject: Option<Subject>,
    /// Also with 1M users in the store and 10M entries in the map.
    #[arg(long)]
    full: bool,
    /// How often each command runs.
    #[arg(long, default_value_t = 21)]
    runs: usize,
    /// How many sessions wait while their memory is measured.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
}

/// A command's figures.
#[derive(Default)]
struct Figures {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
    peak_kib: u64,
}

/// A command that is measured, made anew for each run, with what is on its standard input.
struct Job<'a> {
    name: String,
    make: Box<dyn Fn(usize) -> (Command, Stdio) + 'a>,
}

impl<'a> Job<'a> {
    fn new(name: impl Into<String>, make: impl Fn(usize) -> (Command, Stdio) + 'a) -> Self {
        Self { name: name.into(), make: Box::new(make) }
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    let wanted = |subject| options.subject.is_none_or(|only| only == subject);
    if [Subject::Users, Subject::Maps, Subject::Auth].into_iter().any(wanted) {
        step(cargo().args(["build", "--release", "--quiet", "--workspace", "--bins"]))?;
    }
    if wanted(Subject::Auth) {
        auth::run(options.runs.min(5), options.sessions)?;
    }
    if wanted(Subject::Users) || wanted(Subject::Maps) {
        let place = Place::new()?;
        if wanted(Subject::Users) {
            users::run(&place, options)?;
        }
        if wanted(Subject::Maps) {
            maps::run(&place, options)?;
        }
    }
    if wanted(Subject::Sasl) {
        exchanges(options.runs)?;
    }
    Ok(())
}

/// Exchanges last microseconds, and are no processes: a program of `sasl`'s own measures them, built for release.
fn exchanges(runs: usize) -> Outcome {
    println!("\n== a login by each mechanism, the server's side");
    let program = ["bench", "--quiet", "--package", "sasl", "--bench", "exchanges", "--"];
    step(cargo().args(program).arg(runs.to_string()))
}

/// A directory whose whole path is safe, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Outcome<Self> {
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
        let path = home.join(format!(".gatepost-bench-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, content: &str) -> Outcome<PathBuf> {
        let path = self.file(name);
        std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn program(name: &str) -> Command {
    Command::new(target_directory().unwrap_or_else(|_| root().join("target")).join("release").join(name))
}

/// A file as standard input.
fn input(path: &Path) -> Stdio {
    File::open(path).map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Runs all jobs in turn, so that whatever else the machine does meets all alike. The first is ours, the others are
/// peers, which may be missing.
fn compare(runs: usize, jobs: &[Job<'_>]) -> Outcome {
    let mut figures: Vec<Figures> = jobs.iter().map(|_| Figures::default()).collect();
    let here: Vec<bool> = jobs.iter().map(|job| Path::new((job.make)(0).0.get_program()).exists()).collect();
    for run in 0..runs {
        for ((job, figures), _) in jobs.iter().zip(&mut figures).zip(&here).filter(|(_, here)| **here) {
            measure((job.make)(run), figures)?;
        }
    }
    for ((job, figures), here) in jobs.iter().zip(&mut figures).zip(&here) {
        if *here {
            figures.print(&job.name);
        } else {
            println!("   {}: not installed", job.name);
        }
    }
    let ours = figures[0].of_processor();
    for (job, theirs) in jobs.iter().zip(&figures).skip(1).filter(|(_, figures)| !figures.clock.is_empty()) {
        let ratio = theirs.of_processor().as_secs_f64() / ours.as_secs_f64();
        println!("   {} takes {ratio:.2} times the processor time of ours", job.name);
    }
    Ok(())
}

fn measure((mut command, input): (Command, Stdio), figures: &mut Figures) -> Outcome {
    let shown = words(&command);
    let before = of_children()?;
    let start = Instant::now();
    let mut child = command
        .stdin(input)
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    let peak = watch(&mut child);
    let status = child.wait().map_err(|error| format!("{shown}: {error}"))?;
    figures.clock.push(start.elapsed());
    figures.processor.push(of_children()?.saturating_sub(before));
    figures.peak_kib = figures.peak_kib.max(peak);
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// The processor time of all children that have ended.
fn of_children() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| format!("getrusage: {error}"))?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(microseconds.unsigned_abs()))
}

/// The child's high-water mark of memory in KiB, looked at until it ends.
fn watch(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while matches!(child.try_wait(), Ok(None)) {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(mark.unwrap_or(0));
        std::thread::sleep(Duration::from_micros(200));
    }
    peak
}

impl Figures {
    fn of_processor(&self) -> Duration {
        median(&self.processor)
    }

    fn print(&self, name: &str) {
        let least = self.clock.iter().min().copied().unwrap_or_default();
        println!(
            "   {name}: processor {:.1} ms, clock {:.1} ms (least {:.1}; medians of {} runs), peak {} MiB",
            milliseconds(self.of_processor()),
            milliseconds(median(&self.clock)),
            milliseconds(least),
            self.clock.len(),
            self.peak_kib / 1024
        );
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
