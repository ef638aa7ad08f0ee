//! The command line, defined once: help, manual page and completions are made from it. Options become a value before
//! anything happens; nothing here touches a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use cli::options::Common;
use safefile::Kind;

use crate::server::ServerOptions;

/// Says whether files that hold secrets, and the whole path to them, are safe, and what is in the store.
///
/// Without a command it audits every file that gatepost.toml names, and then the store.
#[derive(Clone, Debug, Parser)]
#[command(name = "authcheck", version, after_help = EXITS)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Take TrustedUser from this sendmail.cf
    #[arg(short = 'C', long, value_name = "FILE", global = true)]
    pub(crate) sendmail_cf: Option<PathBuf>,

    /// Print only the commands that mend what is unsafe, or run those for owners, modes and access lists after confirmation;
    /// no access is ever widened
    #[arg(long, value_enum, value_name = "HOW", global = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "print")]
    pub(crate) fix: Option<Mending>,

    /// Run the commands of --fix=apply without asking
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,

    /// Show every component of every path, also of the safe ones; of a server every step of every login
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// What the paths of `files` are, instead of what they look like
    #[arg(long, value_name = "KIND", global = true, value_parser = kind_values())]
    pub(crate) kind: Option<Kind>,

    /// How long to wait for another program that writes to the store
    #[arg(long, value_name = "SECONDS", global = true, default_value = "5", value_parser = seconds)]
    pub(crate) wait: Duration,

    /// Look below this directory as if it were the host's root
    #[arg(long, value_name = "DIR", global = true, hide = true)]
    pub(crate) root: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is to be looked at.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Audit any path: every component with owner, mode and verdict
    #[command(after_help = EXITS)]
    Files {
        /// Files or directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Audit every file that gatepost.toml names, and gatepost.toml
    #[command(after_help = EXITS)]
    Config {
        /// Configuration files
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Audit what sendmail, Cyrus SASL, Postfix, Dovecot and Exim left on this host
    ///
    /// Reads their configuration, follows it to the files that it names, says which of these hold passwords in clear text
    /// and who can read them, and what the words of Sendmail.conf are in gatepost.toml.
    #[command(after_help = EXITS)]
    Discover,
    /// Check the store: integrity, weak verifiers, policy, expired and disabled users, counts
    #[command(after_help = EXITS)]
    Store {
        /// The store [default: the one of the configuration]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Look at a running mail server: what it offers before and under TLS, its certificate, dangers; and log in
    ///
    /// Connects as a mail client does and shows each command and each reply. Then it says what is dangerous: passwords in
    /// clear, no TLS or a certificate that is not the server's, relaying for anybody, words injected before TLS, commands that tell who
    /// is there. With --user it logs in, each step shown with its secrets hidden, and says what a refusal means.
    #[command(after_help = crate::server::EXITS)]
    Server(Box<ServerOptions>),
}

/// What `--fix` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mending {
    /// Print the commands.
    Print,
    /// Run them.
    Apply,
}

impl Options {
    /// Why these options make no sense together, where they do not.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let files = matches!(self.command, Some(Command::Files { .. }));
        let discover = matches!(self.command, Some(Command::Discover));
        let server = matches!(self.command, Some(Command::Server(_)));
        if self.yes && self.fix != Some(Mending::Apply) {
            Some("--yes answers the question of --fix=apply, which is not given")
        } else if self.fix.is_some() && server {
            Some("--fix is for files; what mends a server is said with what was found")
        } else if self.kind.is_some() && !files {
            Some("--kind is for `authcheck files`; elsewhere the kind is known")
        } else if self.root.is_some() && !discover {
            Some("--root is for `authcheck discover`")
        } else {
            None
        }
    }
}

/// The definition, for manual page and completions.
pub fn command() -> clap::Command {
    Options::command()
}

fn kind_values() -> impl clap::builder::TypedValueParser<Value = Kind> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Kind::ALL.map(Kind::word)).try_map(|word| word.parse::<Kind>())
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

const EXITS: &str = "Exit status: 0 everything is safe, 1 something is unsafe, 2 something could not be checked, 64 \
                     the command line is wrong.";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once("authcheck").chain(line.split_ascii_whitespace()))
    }

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_help_says_what_the_exit_status_means() {
        for line in [
            "--help",
            "-h",
            "files --help",
            "config -h",
            "discover --help",
            "discover -h",
            "store --help",
            "server --help",
            "server -h",
        ] {
            let help = parse(line).unwrap_err();
            assert_eq!(help.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
            assert_eq!(help.to_string().matches("Exit status: 0").count(), 1, "{line}");
        }
    }

    #[test]
    fn options_stand_before_and_after_the_command() {
        for line in [
            "--format json --fix=apply --yes --kind map --trusted-user mail -C /x.cf files /a /b",
            "files --format json --fix=apply --yes --kind map --trusted-user mail -C /x.cf /a /b",
            "files /a /b --format json --fix=apply --yes --kind map --trusted-user mail -C /x.cf",
            "--format json --kind=map -y files /a --fix=apply /b --trusted-user=mail --sendmail-cf /x.cf",
        ] {
            let options = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(options.common.format, cli::Format::Json, "{line}");
            assert_eq!(options.common.trusted_user.as_deref(), Some("mail"), "{line}");
            assert_eq!(options.fix, Some(Mending::Apply), "{line}");
            assert_eq!(options.kind, Some(Kind::Map), "{line}");
            assert_eq!(options.sendmail_cf.as_deref(), Some("/x.cf".as_ref()), "{line}");
            assert!(options.yes, "{line}");
            let Some(Command::Files { ref paths }) = options.command else { panic!("{line}") };
            assert_eq!(paths, &["/a", "/b"].map(PathBuf::from), "{line}");
            assert_eq!(options.contradiction(), None, "{line}");
        }
    }

    #[test]
    fn fix_takes_its_argument_only_after_an_equals_sign() {
        assert_eq!(parse("--fix files /a").unwrap().fix, Some(Mending::Print));
        assert_eq!(parse("files --fix /a").unwrap().fix, Some(Mending::Print));
        assert_eq!(parse("files /a --fix=print").unwrap().fix, Some(Mending::Print));
    }

    #[test]
    fn what_is_refused() {
        for line in [
            "files",
            "files --kind secrets /a",
            "files --fix=now /a",
            "store /a /b",
            "discover /a",
            "file /a",
            "--format xml",
            "--wait long",
            "server",
            "server imap://a",
            "server a --mechanism PLAIN",
            "server a --user u --mechanism NONE",
            "server a --send-password-unprotected",
            "server a --timeout 0",
            "server a --rcpt-to nobody",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in
            ["--yes", "--fix --yes files /a", "--kind map config", "--root /x files /a", "--fix server a"]
        {
            assert!(parse(line).unwrap().contradiction().is_some(), "{line}");
        }
    }
}
