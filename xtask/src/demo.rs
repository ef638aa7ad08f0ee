//! The first ten minutes, shown: every program at work in a directory of its own, on a sasldb that the real tools made,
//! and the daemon among them, with a mail program that everybody has.
//!
//! It changes no account and nothing outside its directory (and `target/`).

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{Outcome, cargo, output, root, step, target_directory};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to put it: a directory that does not exist yet. Nobody else may be able to write to its path; where root
    /// shows it, the accounts as which the daemon runs must come there.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// End the daemon too, which else is left up to be tried.
    #[arg(long)]
    stop: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    told("Building the programs");
    step(cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    let stage = Stage::new(options, target_directory()?.join("debug"))?;
    stage.furnish()?;
    stage.import()?;
    stage.add_a_user()?;
    stage.build_a_map()?;
    stage.audit()?;
    stage.mend()?;
    let daemon = stage.serve()?;
    stage.send()?;
    stage.refuse()?;
    stage.audit_again()?;
    stage.leave(daemon, options.stop)
}

/// The directory, and the programs that play in it.
struct Stage {
    directory: PathBuf,
    programs: PathBuf,
    is_root: bool,
    /// Where the daemon listens.
    port: u16,
    /// Where daemons of earlier demonstrations are up.
    others: Vec<PathBuf>,
}

/// A daemon that ends where the demonstration fails.
struct Daemon(Option<Child>);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What is expected of a command.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// Exit 0.
    Success,
    /// Exit 1: the answer is no.
    No,
    /// Exit 67: a server did not let curl log in.
    Denied,
}

impl Stage {
    /// Makes the directory, once it is sure that the programs can play: those of another version, which PATH may lead to,
    /// would be shown in their place.
    fn new(options: &Options, programs: PathBuf) -> Outcome<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|name| !programs.join(name).is_file()) {
            return Err(format!("{} is not built", programs.join(missing).display()));
        }
        let is_root = output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0");
        let directory = match &options.directory {
            Some(directory) => std::path::absolute(directory).map_err(|error| error.to_string())?,
            None => free_name(is_root)?,
        };
        let others = usual_names(is_root)?.into_iter().filter(|path| has_daemon(&programs, path)).collect();
        let stage = Self { directory, programs, is_root, port: free_port()?, others };
        // What root's daemon does, it does as others, who come to what is theirs.
        stage.make("", if is_root { 0o755 } else { 0o700 }, None)?;
        Ok(stage)
    }

    fn furnish(&self) -> Outcome {
        told(
            "A directory with a configuration, a sasldb of Cyrus SASL, a text of client-info entries and a letter",
        );
        println!("$ cd {}", self.directory.display());
        let text = CONFIGURATION
            .replace("DIR", &self.directory.display().to_string())
            .replace("PORT", &self.port.to_string())
            .replace("ACCOUNTS\n", if self.is_root { ACCOUNTS } else { "" });
        self.write("gatepost.toml", &text)?;
        self.write("authinfo", AUTHINFO)?;
        self.write("letter", LETTER)?;
        self.make("store", 0o700, Some(KEEPER))?;
        self.make("mail", 0o700, Some(FRONT))?;
        self.make("mail/alice@demo.example", 0o700, Some(FRONT))?;
        let fixture = root().join("tests/fixtures/maps/sasldb2.db");
        let sasldb = std::fs::read(&fixture).map_err(|error| format!("{}: {error}", fixture.display()))?;
        self.put("sasldb2", &sasldb)?;
        self.show(CERTIFICATE, Expected::Success)?;
        self.show("ls -l", Expected::Success)
    }

    fn import(&self) -> Outcome {
        told("The users of the sasldb: clear text goes in, verifiers are kept");
        self.show("saslpasswd --config gatepost.toml --import sasldb2", Expected::Success)?;
        self.show("sasldblistusers --config gatepost.toml | head -4", Expected::Success)
    }

    fn add_a_user(&self) -> Outcome {
        told("One user more; a script for saslpasswd2 does it the same way");
        self.show(
            "printf 'correct horse' | saslpasswd --config gatepost.toml -p -c alice",
            Expected::Success,
        )?;
        self.show(
            "printf 'correct horse' | saslpasswd --config gatepost.toml --verify alice",
            Expected::Success,
        )?;
        self.show(
            "printf 'battery staple' | saslpasswd --config gatepost.toml --verify alice",
            Expected::No,
        )?;
        self.show("saslpasswd --config gatepost.toml --show alice", Expected::Success)
    }

    fn build_a_map(&self) -> Outcome {
        told("A client-info map: the passwords for other servers, as sendmail's FEATURE(authinfo) has them");
        self.show("makemap --config gatepost.toml redb authinfo < authinfo", Expected::Success)?;
        self.show(
            "makemap --config gatepost.toml -q AuthInfo:smarthost.example redb authinfo",
            Expected::Success,
        )?;
        self.show("ls -l authinfo.redb", Expected::Success)
    }

    fn audit(&self) -> Outcome {
        told("Is every file safe, and what is in the store?");
        self.show("authcheck --config gatepost.toml", Expected::Success)
    }

    fn mend(&self) -> Outcome {
        told("Somebody opens the map to the world; authcheck says so, and mends it");
        self.show("chmod 0666 authinfo.redb", Expected::Success)?;
        self.show("authcheck --config gatepost.toml files --kind secret authinfo.redb", Expected::No)?;
        self.show(
            "authcheck --config gatepost.toml files --kind secret --fix=apply --yes authinfo.redb",
            Expected::Success,
        )
    }

    fn serve(&self) -> Outcome<Daemon> {
        told(
            "The daemon: one process opens the files, a keeper reads the store, a front speaks with the network",
        );
        self.show("gatepostd check --config gatepost.toml | grep -v 'left out'", Expected::Success)?;
        println!("$ {START}");
        let log = self.directory.join("log");
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new(self.programs.join("gatepostd"))
            .args(["--config", "gatepost.toml"])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("gatepostd: {error}"))?;
        let daemon = Daemon(Some(child));
        let says = |words| std::fs::read_to_string(&log).is_ok_and(|text| text.contains(words));
        if !wait(|| says("ready") && says("the store is open")) {
            return Err(format!("the daemon does not start: {}", log.display()));
        }
        self.show("gatepostd status --config gatepost.toml", Expected::Success)?;
        Ok(daemon)
    }

    fn send(&self) -> Outcome {
        told(
            "Mail: alice logs in over STARTTLS with a program that everybody has, and the letter lies in her Maildir",
        );
        self.show(&self.letter_by("correct horse"), Expected::Success)?;
        let mail = self.directory.join("mail/alice@demo.example/new");
        if !wait(|| std::fs::read_dir(&mail).is_ok_and(|mut found| found.next().is_some())) {
            return Err(format!("no mail in {}", mail.display()));
        }
        self.show("cat mail/alice@demo.example/new/*", Expected::Success)
    }

    fn refuse(&self) -> Outcome {
        told("A wrong password, and a user who is disabled while the daemon runs: both hear the same");
        self.show(&self.letter_by("battery staple"), Expected::Denied)?;
        self.show("saslpasswd --config gatepost.toml --disable alice", Expected::Success)?;
        self.show(&self.letter_by("correct horse"), Expected::Denied)?;
        self.show("saslpasswd --config gatepost.toml --enable alice", Expected::Success)?;
        self.show("grep -o 'AUTH=server.*' log", Expected::Success)
    }

    fn letter_by(&self, password: &str) -> String {
        format!(
            "curl -sS --ssl-reqd --cacert cert.pem --user 'alice:{password}' --mail-from alice@demo.example \
             --mail-rcpt alice@demo.example --upload-file letter smtp://127.0.0.1:{}/laptop.demo.example",
            self.port
        )
    }

    fn audit_again(&self) -> Outcome {
        told("And every file is as safe as before");
        self.show("authcheck --config gatepost.toml | tail -1", Expected::Success)
    }

    fn leave(&self, mut daemon: Daemon, is_to_end: bool) -> Outcome {
        if is_to_end {
            told("The daemon ends; without --stop it would stay");
            self.show(STOP, Expected::Success)?;
            if let Some(mut child) = daemon.0.take() {
                let status = child.wait().map_err(|error| format!("gatepostd: {error}"))?;
                if !status.success() {
                    return Err(format!("gatepostd: {status}"));
                }
            }
        } else {
            told("The daemon stays up");
            self.show("gatepostd status --config gatepost.toml", Expected::Success)?;
            // It goes on without us.
            drop(daemon.0.take());
        }
        told("What to try next");
        println!("export PATH={}:$PATH", self.programs.display());
        println!("cd {}", self.directory.display());
        let start = [(START, "the daemon again")];
        let start = if is_to_end { &start } else { &[][..] };
        for (command, what) in start.iter().chain(&NEXT) {
            println!("{command:<62} # {what}");
        }
        println!("{} # another letter", self.letter_by("correct horse"));
        told("How to stop the daemon, and to be rid of it all");
        println!("{STOP}");
        println!("rm -r {}", self.directory.display());
        for directory in &self.others {
            println!(
                "\nThat of an earlier demonstration is up, too: kill $(cat {}/run/pid)",
                directory.display()
            );
        }
        Ok(())
    }

    /// Makes a directory, of this account where root shows it.
    fn make(&self, name: &str, mode: u32, owner: Option<(&str, u32)>) -> Outcome {
        let path = self.directory.join(name);
        let made = std::fs::DirBuilder::new().mode(mode).create(&path).and_then(|()| match owner {
            Some((_, id)) if self.is_root => chown(&path, Some(id), Some(id)),
            _ => Ok(()),
        });
        made.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn write(&self, name: &str, content: &str) -> Outcome {
        self.put(name, content.as_bytes())
    }

    fn put(&self, name: &str, content: &[u8]) -> Outcome {
        let path = self.directory.join(name);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(content)
        })
        .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Shows a command line and runs it as a person at a shell in that directory would.
    fn show(&self, line: &str, expected: Expected) -> Outcome {
        println!("$ {line}");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path)))
                .map_err(|error| error.to_string())?;
        let status = Command::new("/bin/sh")
            .args(["-c", line])
            .current_dir(&self.directory)
            .env("PATH", path)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("cannot run a shell: {error}"))?;
        let code = match expected {
            Expected::Success => 0,
            Expected::No => 1,
            Expected::Denied => 67,
        };
        if status.code() == Some(code) {
            Ok(())
        } else {
            Err(format!("`{line}`: {status}, where {code} was expected"))
        }
    }
}

fn told(what: &str) {
    println!("\n# {what}");
}

/// Looks until it is so, for a while.
fn wait(is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// `gatepost-demo` in the home directory, or the first name behind it that is free. Not below /tmp: whoever may write
/// there may replace what is in it, and the programs would refuse it. Nor in the home of root, where nobody else comes.
fn free_name(is_root: bool) -> Outcome<PathBuf> {
    let mut names = usual_names(is_root)?.into_iter();
    names.find(|path| !path.exists()).ok_or_else(|| "no name is free; say where with --directory".to_owned())
}

fn usual_names(is_root: bool) -> Outcome<Vec<PathBuf>> {
    let home = std::env::var_os("HOME").ok_or("HOME is not set; say where with --directory")?;
    let home = if is_root { "/srv".into() } else { home };
    let names =
        std::iter::once("gatepost-demo".to_owned()).chain((2..100).map(|n| format!("gatepost-demo-{n}")));
    Ok(names.map(|name| Path::new(&home).join(name)).collect())
}

/// Whether a daemon answers that was started there.
fn has_daemon(programs: &Path, directory: &Path) -> bool {
    let config = directory.join("gatepost.toml");
    let mut status = Command::new(programs.join("gatepostd"));
    status.args(["status", "--config"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    config.exists() && status.status().is_ok_and(|status| status.success())
}

/// The first of some ports on which nobody listens.
fn free_port() -> Outcome<u16> {
    let mut ports = 2587..2687;
    ports
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| "no port from 2587 on is free".to_owned())
}

const PROGRAMS: [&str; 5] = ["saslpasswd", "sasldblistusers", "makemap", "authcheck", "gatepostd"];

/// Accounts that every host has and nobody uses.
const KEEPER: (&str, u32) = ("daemon", 1);
const FRONT: (&str, u32) = ("bin", 2);

const ACCOUNTS: &str = r#"
# Here accounts that are there already; on a real host, gatepost and gatepost-front.
trusted_user = "daemon"
run_as = "bin"
"#;

const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=mail.demo.example -addext subjectAltName=DNS:mail.demo.example,IP:127.0.0.1 -keyout key.pem -out cert.pem 2> /dev/null";

const START: &str = "gatepostd --config gatepost.toml 2>> log &";
const STOP: &str = "kill $(cat run/pid)";

const CONFIGURATION: &str = r#"# What the programs agree on. An empty file is a safe configuration too.
ACCOUNTS
host_name = "mail.demo.example"
local_domains = ["demo.example"]
pid_file = "DIR/run/pid"
control_socket = "DIR/run/control"

[auth]
realm = "demo.example"

[secrets]
path = "DIR/store/secrets.redb"
keep = ["argon2id", "scram-sha-256"]

[client_info]
maps = ["redb:DIR/authinfo"]

[tls]
certificate = "DIR/cert.pem"
key = "DIR/key.pem"

[[listen]]
address = "127.0.0.1"
port = PORT

[queue]
directory = "DIR/queue"

[delivery]
maildirs = "DIR/mail"
"#;

const LETTER: &str = "\
From: alice@demo.example\r
To: alice@demo.example\r
Subject: a letter\r
\r
To myself.\r
";

const AUTHINFO: &str = r#"# host, then who we are there: user, password, mechanisms
AuthInfo:smarthost.example	"U:relay@demo.example" "P:a secret of the demonstration" "M:SCRAM-SHA-256 PLAIN"
AuthInfo:192.0.2.25	"U:relay" "P=YW5vdGhlciBzZWNyZXQ="
"#;

const NEXT: [(&str, &str); 9] = [
    ("gatepostd status --config gatepost.toml", "who listens where"),
    ("saslpasswd --config gatepost.toml bob", "asks for a password, twice"),
    ("saslpasswd --config gatepost.toml --list --format json", "what is known of each user"),
    ("saslpasswd --config gatepost.toml --disable bob", "until --enable"),
    ("saslpasswd --config gatepost.toml --backup copy.redb", "a checked copy of the live store"),
    ("makemap --config gatepost.toml -u redb authinfo", "the map as text again"),
    ("gatepostd queue list --config gatepost.toml", "mail for other hosts, which waits"),
    ("authcheck discover", "what the mail servers of this host keep, and who can read it"),
    ("saslpasswd --help; makemap --help; authcheck --help", "everything else"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_before_every_program_is_there() {
        let place = std::env::temp_dir().join(format!("gatepost-demo-test-{}", std::process::id()));
        let options = Options { directory: Some(place.join("demo")), stop: false };
        std::fs::create_dir(&place).unwrap();
        for name in PROGRAMS {
            let refused = Stage::new(&options, place.clone()).err();
            let missing = format!("{} is not built", place.join(name).display());
            assert_eq!(refused, Some(missing));
            assert!(!place.join("demo").exists(), "{name}");
            std::fs::write(place.join(name), "").unwrap();
        }
        let made = Stage::new(&options, place.clone()).is_ok();
        std::fs::remove_dir_all(&place).unwrap();
        assert!(made);
    }
}
