//! The first ten minutes, shown: every program at work in a private directory, on a sasldb that the real tools made.
//!
//! It changes no account and nothing outside its directory (and `target/`).

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, cargo, root, step, target_directory};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to put it: a directory that does not exist yet. Nobody else may be able to write to its path.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
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
    stage.leave();
    Ok(())
}

/// The directory, and the programs that play in it.
struct Stage {
    directory: PathBuf,
    programs: PathBuf,
}

/// What is expected of a command.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// Exit 0.
    Success,
    /// Exit 1: the answer is no.
    No,
}

impl Stage {
    /// Makes the directory, once it is sure that the programs can play: those of another version, which PATH may lead to,
    /// would be shown in their place.
    fn new(options: &Options, programs: PathBuf) -> Outcome<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|name| !programs.join(name).is_file()) {
            return Err(format!("{} is not built", programs.join(missing).display()));
        }
        let directory = match &options.directory {
            Some(directory) => std::path::absolute(directory).map_err(|error| error.to_string())?,
            None => free_name()?,
        };
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(Self { directory, programs })
    }

    fn furnish(&self) -> Outcome {
        told(
            "A private directory with a configuration, a sasldb of Cyrus SASL and a text of client-info entries",
        );
        println!("$ cd {}", self.directory.display());
        self.write("gatepost.toml", &CONFIGURATION.replace("DIR", &self.directory.display().to_string()))?;
        self.write("authinfo", AUTHINFO)?;
        let fixture = root().join("tests/fixtures/maps/sasldb2.db");
        let sasldb = std::fs::read(&fixture).map_err(|error| format!("{}: {error}", fixture.display()))?;
        self.put("sasldb2", &sasldb)?;
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
        self.show("authcheck files --kind secret authinfo.redb", Expected::No)?;
        self.show("authcheck files --kind secret --fix=apply --yes authinfo.redb", Expected::Success)
    }

    fn leave(&self) {
        told("What to type next");
        println!("export PATH={}:$PATH", self.programs.display());
        println!("cd {}", self.directory.display());
        for (command, what) in NEXT {
            println!("{command:<62} # {what}");
        }
        println!("rm -r {}", self.directory.display());
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
        let code = i32::from(expected == Expected::No);
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

/// `gatepost-demo` in the home directory, or the first name behind it that is free. Not below /tmp: whoever may write
/// there may replace what is in it, and the programs would refuse it.
fn free_name() -> Outcome<PathBuf> {
    let home = std::env::var_os("HOME").ok_or("HOME is not set; say where with --directory")?;
    let names =
        std::iter::once("gatepost-demo".to_owned()).chain((2..1000).map(|n| format!("gatepost-demo-{n}")));
    let mut paths = names.map(|name| Path::new(&home).join(name));
    paths.find(|path| !path.exists()).ok_or_else(|| "no name is free; say where with --directory".to_owned())
}

const PROGRAMS: [&str; 4] = ["saslpasswd", "sasldblistusers", "makemap", "authcheck"];

const CONFIGURATION: &str = r#"# What the programs agree on. An empty file is a safe configuration too.

[auth]
realm = "demo.example"

[secrets]
path = "DIR/secrets.redb"
keep = ["argon2id", "scram-sha-256"]

[client_info]
maps = ["redb:DIR/authinfo"]
"#;

const AUTHINFO: &str = r#"# host, then who we are there: user, password, mechanisms
AuthInfo:smarthost.example	"U:relay@demo.example" "P:a secret of the demonstration" "M:SCRAM-SHA-256 PLAIN"
AuthInfo:192.0.2.25	"U:relay" "P=YW5vdGhlciBzZWNyZXQ="
"#;

const NEXT: [(&str, &str); 7] = [
    ("saslpasswd --config gatepost.toml bob", "asks for a password, twice"),
    ("saslpasswd --config gatepost.toml --list --format json", "what is known of each user"),
    ("saslpasswd --config gatepost.toml --disable bob", "until --enable"),
    ("saslpasswd --config gatepost.toml --backup copy.redb", "a checked copy of the live store"),
    ("makemap -u redb authinfo", "the map as text again"),
    ("authcheck discover", "what the mail servers of this host keep, and who can read it"),
    ("saslpasswd --help; makemap --help; authcheck --help", "everything else"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_before_every_program_is_there() {
        let place = std::env::temp_dir().join(format!("gatepost-demo-test-{}", std::process::id()));
        let options = Options { directory: Some(place.join("demo")) };
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
