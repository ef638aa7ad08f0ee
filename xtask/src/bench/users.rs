//! One user created, as a whole process, beside saslpasswd2.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Job, Options, Place, compare, input, program};
use crate::shell::{Outcome, step};

/// A policy whose derivation is one MD5, so that what is left is the cost of everything else.
const CHEAP_POLICY: &str =
    "trusted_user = \"root\"\n[auth]\nrealm = \"bench.example\"\n[secrets]\nkeep = [\"digest-md5\"]\n";

pub(super) fn run(place: &Place, options: &Options) -> Outcome {
    let policy = place.write("gatepost.toml", CHEAP_POLICY)?;
    let sizes: &[usize] = if options.full { &[1_000, 1_000_000] } else { &[1_000] };
    for size in sizes {
        println!("\n== one user created, {size} in the store (derivation: one MD5)");
        let (ours, theirs) = (place.file(&format!("{size}.redb")), place.file(&format!("{size}.sasldb2")));
        fill(place, *size, &policy, &ours)?;
        let secret = place.write("secret", "secret\n")?;
        let user = |mut command: Command, store: &Path, run: usize| {
            command.args(["-p", "-c", "-u", "bench.example", "-f"]).arg(store).arg(format!("new{run}"));
            (command, input(&secret))
        };
        let our_program = || {
            let mut command = program("saslpasswd");
            command.arg("--config").arg(&policy);
            command
        };
        compare(
            options.runs,
            &[
                Job::new("saslpasswd", |run| user(our_program(), &ours, run)),
                Job::new("saslpasswd2", |run| user(Command::new("/usr/sbin/saslpasswd2"), &theirs, run)),
            ],
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
