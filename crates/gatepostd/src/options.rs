//! The command line, defined once. Options become a value before anything happens; nothing here touches a file.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use cli::options::Common;

use crate::journal::Style;
use crate::role::Role;

/// Mail submission with SMTP AUTH over the store of saslpasswd.
///
/// Without a command the daemon runs in the foreground and writes its log to standard error; systemd or a terminal keeps it.
/// It is three processes: this one opens files and ports, and as root does nothing else; the keeper, which runs as the
/// TrustedUser, holds the store; the front, which runs as run_as, holds the network. Started by somebody who is not root it
/// tries everything out with that one account.
///
/// Signals: HUP reads the configuration again, as `gatepostd reload` does; TERM and INT end the daemon when what is under way
/// is done, a second one at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "gatepostd", version, disable_version_flag = true, after_help = EXITS)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Print the version; with --verbose mechanisms, kinds of maps, limits and paths too
    #[arg(short = 'V', long)]
    pub(crate) version: bool,

    /// Say more of it
    #[arg(short, long, requires = "version")]
    pub(crate) verbose: bool,

    /// Which process of the daemon to be; standard input is the way to the opener
    #[arg(long, value_enum, hide = true, requires = "log")]
    pub(crate) role: Option<Role>,

    /// How that process writes its log
    #[arg(long, hide = true, requires = "trusted")]
    pub(crate) log: Option<Style>,

    /// Whose files that process may use beside root's
    #[arg(long, value_name = "UID", hide = true)]
    pub(crate) trusted: Option<u32>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is to be done instead of being the daemon.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything that is wrong with the configuration and the files that it names, and start nothing
    ///
    /// Shows what would keep the daemon from starting, what is allowed and had better be known, and which mechanisms are
    /// offered before and after TLS, and why the others are not.
    #[command(after_help = CHECK_EXITS)]
    Check,
    /// Say which rule decides about a mail, and how: each step, what is looked up for it and found, and the reply
    ///
    /// Whether or not the daemon runs; the same files are read, and judged, as it would. Nobody is connected and nothing is
    /// queued; that USER can log in is taken for granted, and a name is believed.
    #[command(after_help = EXPLAIN_EXITS)]
    Explain(Explaining),
    /// Say how the running daemon is: its processes, since when they run, how often they were restarted
    Status(Reaching),
    /// List the SMTP sessions of the running daemon: since when, from where, over what, who has logged in, what they do
    ///
    /// One line for each, in the order of their numbers, which are those of the log (session=). STATE is beginning, ready,
    /// auth, mail (a sender was named) or data (a message comes in); MAILS counts the messages that were accepted.
    Sessions(Reaching),
    /// See whom the running daemon holds back because of failed logins, and let him go
    #[command(subcommand)]
    Throttle(ThrottleCommand),
    /// Look at the queue, whether or not the daemon runs
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Let the running daemon read its configuration again; one with faults is refused, and the one before stays
    Reload(Reaching),
}

/// What is to be seen and done of who is held back.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ThrottleCommand {
    /// Say who is held back: networks (/32 and /24, /64 and /48) and identities, how many failures count, and until when
    ///
    /// Failures fade, so their numbers have fractions. An identity need not exist: it is what somebody called himself. It is
    /// slow for networks from which it has never logged in, and for no other; a network that is refused may not try at all.
    List {
        /// Also those against whom something counts, and who are not held back yet
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        reaching: Reaching,
    },
    /// Forget the failures of an identity or a network, or all of them
    #[command(
        after_help = "Exit status: 0 they are forgotten, or there were none; 64 wrong usage; 69 the daemon does not run"
    )]
    Clear {
        /// Identity (alice, alice@example.org), address, /24 or /48; a /24 or /48 stands for its addresses too
        #[arg(value_name = "IDENTITY|NETWORK", required_unless_present = "all", conflicts_with = "all")]
        whom: Option<String>,
        /// All failures of everybody
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        reaching: Reaching,
    },
}

/// What is to be seen of the queue.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Say for each message that waits: its name, size, age, from whom and to whom, and why it was not delivered last time
    List,
}

/// A mail, and who sends it from where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Explaining {
    /// Address of the client [default: none, as over a unix socket]
    #[arg(long, value_name = "ADDR")]
    pub(crate) client: Option<IpAddr>,
    /// Name of the client, as if it led back to the address
    #[arg(long, value_name = "NAME", requires = "client")]
    pub(crate) name: Option<String>,
    /// Who has logged in [default: nobody]
    #[arg(long, value_name = "USER[@REALM]")]
    pub(crate) user: Option<String>,
    /// By which mechanism [default: the first that is offered]
    #[arg(long, value_name = "MECHANISM", requires = "user")]
    pub(crate) mechanism: Option<String>,
    /// Name of the listener [default: the first one]
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,
    /// Under TLS
    #[arg(long)]
    pub(crate) tls: bool,
    /// Address of the sender; an empty one is the null sender
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: String,
    /// Address of the recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
}

/// How the running daemon is reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reaching {
    /// Control socket [default: the one of the configuration]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
}

/// The command line as clap has it: for manual page and completions.
pub fn command() -> clap::Command {
    Options::command()
}

const EXITS: &str = "\
Exit status: 0 it has ended as it was told to, or the command was done; 64 wrong usage; 69 it is not running, or did not \
start; 77 a file is unsafe; 78 the configuration has faults";

const CHECK_EXITS: &str = "Exit status: 0 all is well, 1 something is unsafe, 2 something is wrong otherwise or could not be \
checked, 64 wrong usage";

const EXPLAIN_EXITS: &str = "Exit status: 0 the mail would be taken, 1 it would be refused (5yz), 75 it would be put off \
(4yz), 64 wrong usage, 65 a map is damaged, 77 a file is unsafe, 78 the configuration has faults";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        let words = std::iter::once("gatepostd").chain(line.split_whitespace());
        Options::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_what_the_help_says() {
        command().debug_assert();
        assert!(parsed("").unwrap().command.is_none());
        let options = parsed("check --config /c --format json").unwrap();
        assert!(matches!(options.command, Some(Command::Check)));
        assert_eq!(options.common.config.unwrap().as_os_str(), "/c");
        let reload = parsed("reload --control /run/x").unwrap();
        assert!(matches!(reload.command, Some(Command::Reload(Reaching { control: Some(_) }))));
        assert!(parsed("--verbose").is_err() && parsed("-V --verbose").unwrap().verbose);
        assert!(parsed("--role keeper").is_err());
        assert_eq!(parsed("--role keeper --log text:9:dated --trusted 1").unwrap().role, Some(Role::Keeper));
        assert!(parsed("throttle clear").is_err() && parsed("throttle clear x --all").is_err());
        let clear = parsed("throttle clear 192.0.2.0/24 --control /run/x").unwrap();
        assert!(matches!(
            clear.command,
            Some(Command::Throttle(ThrottleCommand::Clear { whom: Some(_), .. }))
        ));
        let help = command().render_long_help().to_string();
        assert!(!help.contains("--role") && help.contains("three processes"), "{help}");
    }
}
