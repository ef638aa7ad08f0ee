//! Figures beside the peers', in one run on one machine: medians of whole processes, and peak memory.
//!
//! Nothing here judges; a test that asserts a time would fail on the next machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{Outcome, cargo, root, step, words};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// One user created, as a whole process, beside saslpasswd2.
    Users,
    /// Maps built from text and listed again, beside the real makemap.
    Maps,
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
}

/// A command's figures.
struct Figures {
    times: Vec<Duration>,
    peak_kib: u64,
}

pub(crate) fn run(options: &Options) -> Outcome {
    step(cargo().args(["build", "--release", "--quiet", "--workspace", "--bins"]))?;
    let place = Place::new()?;
    if options.subject.is_none_or(|subject| subject == Subject::Users) {
        users(&place, options)?;
    }
    if options.subject.is_none_or(|subject| subject == Subject::Maps) {
        maps(&place, options)?;
    }
    Ok(())
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

/// A policy whose derivation is one MD5, so that what is left is the cost of everything else.
const CHEAP_POLICY: &str =
    "trusted_user = \"root\"\n[auth]\nrealm = \"bench.example\"\n[secrets]\nkeep = [\"digest-md5\"]\n";

fn users(place: &Place, options: &Options) -> Outcome {
    let policy = place.write("gatepost.toml", CHEAP_POLICY)?;
    let sizes: &[usize] = if options.full { &[1_000, 1_000_000] } else { &[1_000] };
    for size in sizes {
        println!("\n== one user created, {size} in the store (derivation: one MD5)");
        let (ours, theirs) = (place.file(&format!("{size}.redb")), place.file(&format!("{size}.sasldb2")));
        fill(place, *size, &policy, &ours)?;
        compare(
            options.runs,
            "saslpasswd",
            |run| {
                let mut command = program("saslpasswd");
                command.arg("--config").arg(&policy).args(["-p", "-c", "-u", "bench.example", "-f"]);
                command.arg(&ours).arg(format!("new{run}"));
                (command, b"secret\n".to_vec())
            },
            "saslpasswd2",
            |run| {
                let mut command = Command::new("/usr/sbin/saslpasswd2");
                command.args(["-p", "-c", "-u", "bench.example", "-f"]).arg(&theirs).arg(format!("new{run}"));
                (command, b"secret\n".to_vec())
            },
        )?;
    }
    Ok(())
}

fn fill(place: &Place, size: usize, policy: &Path, store: &Path) -> Outcome {
    let lines: Vec<String> = (0..size).map(|n| format!("user{n}@bench.example:secret{n}\n")).collect();
    let source = place.write("users.txt", &lines.concat())?;
    restrict(&source)?;
    let mut import = program("saslpasswd");
    import.arg("--config").arg(policy).arg("--import").arg(&source).args(["--from", "text", "-f"]).arg(store);
    import.stdout(Stdio::null());
    let start = Instant::now();
    step(&mut import)?;
    println!("   filled in {:.1} s", start.elapsed().as_secs_f64());
    // What is still on its way to the disk would be waited for by whoever syncs next.
    step(&mut Command::new("sync"))
}

fn restrict(path: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn maps(place: &Place, options: &Options) -> Outcome {
    let sizes: &[usize] = if options.full { &[1_000_000, 10_000_000] } else { &[1_000_000] };
    for size in sizes {
        println!("\n== a map of {size} access entries, built from text");
        let text = access(*size);
        let ours = place.file("ours");
        let theirs = place.file("theirs");
        let runs = if *size > 1_000_000 { 1 } else { options.runs.min(5) };
        compare(
            runs,
            "makemap redb",
            |_| (with(program("makemap"), &["redb"], &ours), text.clone()),
            "sendmail's makemap hash",
            |_| (with(Command::new("/usr/sbin/makemap"), &["-c", "67108864", "hash"], &theirs), text.clone()),
        )?;
        println!(
            "   sizes: {} and {} MB",
            megabytes(&place.file("ours.redb")),
            megabytes(&place.file("theirs.db"))
        );
        compare(
            runs,
            "makemap -u redb",
            |_| (with(program("makemap"), &["-u", "redb"], &ours), Vec::new()),
            "sendmail's makemap -u hash",
            |_| (with(Command::new("/usr/sbin/makemap"), &["-u", "hash"], &theirs), Vec::new()),
        )?;
    }
    Ok(())
}

/// Access-like lines, keys in no order.
fn access(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size * 48);
    for n in 0..size {
        let scattered = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
        let _ = writeln!(text, "from:user{n}@host{scattered:010x}.example\tREJECT");
    }
    text
}

fn with(mut command: Command, words: &[&str], map: &Path) -> Command {
    command.args(words).arg(map);
    command
}

fn megabytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len() / 1_000_000)
}

fn program(name: &str) -> Command {
    Command::new(root().join("target/release").join(name))
}

/// Runs both commands in turn, so that whatever else the machine does meets both alike.
fn compare(
    runs: usize,
    our_name: &str,
    ours: impl Fn(usize) -> (Command, Vec<u8>),
    their_name: &str,
    theirs: impl Fn(usize) -> (Command, Vec<u8>),
) -> Outcome {
    let mut figures =
        [Figures { times: Vec::new(), peak_kib: 0 }, Figures { times: Vec::new(), peak_kib: 0 }];
    let peer_is_here = Path::new(theirs(0).0.get_program()).exists();
    for run in 0..runs {
        measure(ours(run), &mut figures[0])?;
        if peer_is_here {
            measure(theirs(run), &mut figures[1])?;
        }
    }
    figures[0].print(our_name);
    if peer_is_here {
        figures[1].print(their_name);
    } else {
        println!("   {their_name}: not installed");
    }
    Ok(())
}

fn measure((mut command, input): (Command, Vec<u8>), figures: &mut Figures) -> Outcome {
    let shown = words(&command);
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    let pipe = child.stdin.take();
    let feeding = std::thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&input)));
    let peak = watch(&mut child);
    let status = child.wait().map_err(|error| format!("{shown}: {error}"))?;
    figures.times.push(start.elapsed());
    figures.peak_kib = figures.peak_kib.max(peak);
    let _ = feeding.join();
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
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
    fn print(&mut self, name: &str) {
        self.times.sort();
        let (Some(least), Some(most)) = (self.times.first(), self.times.last()) else { return };
        let median = self.times[self.times.len() / 2];
        println!(
            "   {name}: median {:.2} ms (least {:.2}, most {:.2}, {} runs), peak {} MiB",
            median.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3,
            most.as_secs_f64() * 1e3,
            self.times.len(),
            self.peak_kib / 1024
        );
    }
}
