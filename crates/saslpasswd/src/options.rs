//! The command lines of saslpasswd and sasldblistusers as values: Cyrus' options by getopt's rules, ours by long names.
//!
//! One definition each, [`command`] and [`list_command`], gives help, manual, completions and parser. Nothing here
//! touches a file, the clock or the terminal.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use cli::{Format, getopt};
use credential::policy::KindSetError;
use credential::{KindSet, Label, PlainRule, State, Timestamp};
use store::secrets::import;

use crate::date;

/// What saslpasswd was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The task.
    pub task: Task,
    /// The store (`-f`), where it is not the configuration's.
    pub store: Option<PathBuf>,
    /// gatepost.toml, where it was named (`--config`).
    pub config: Option<PathBuf>,
    /// The TrustedUser, where one was named (`--trusted-user`).
    pub trusted_user: Option<String>,
    /// For whom it speaks (`--format`).
    pub format: Format,
    /// How long another writer is waited for (`--wait`).
    pub wait: Duration,
    /// The application that is recorded with a change (`-a`).
    pub app: String,
    /// Whether anything is changed (`--dry-run`).
    pub effect: Effect,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Yes.
    Change,
    /// No: it is only said what would be.
    Rehearse,
}

/// What saslpasswd can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A password is set.
    Set(Who, Setting),
    /// `-d`: a user, or the credential of one label, is deleted.
    Delete(Who, Option<Label>),
    /// `--verify`: does this password authenticate?
    Verify(Who, Input),
    /// `--list`: all users.
    List,
    /// `--show`: one user.
    Show(Who),
    /// `--disable`, `--enable`: all credentials, or that of one label.
    State(Who, Option<Label>, State),
    /// `--expires`: until when all credentials, or that of one label, may be used; `None`: for ever.
    Expires(Who, Option<Label>, Option<Timestamp>),
    /// `--keep` without a password: what the user's own list is; `None`: the policy's.
    Keep(Who, Option<KindSet>),
    /// `--import`.
    Import(Source),
    /// `--export`.
    Export(PathBuf),
    /// `--dump`.
    Dump(PathBuf),
    /// `--load`.
    Load(PathBuf, Present),
    /// `--backup`.
    Backup(PathBuf),
}

/// Whose record, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// `user` or `user@realm`.
    pub userid: OsString,
    /// The realm of a user who is named without one (`-u`); the empty one counts as not given.
    pub realm: Option<String>,
}

/// What is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The other server's file.
    pub file: PathBuf,
    /// Its format, where it is not to be found by itself (`--from`).
    pub format: Option<import::Format>,
    /// The realm of users who are named there without one (`-u`).
    pub realm: Option<String>,
    /// What happens to users who are there already (`--replace`).
    pub present: Present,
}

/// How a password is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where it comes from.
    pub input: Input,
    /// Whether a store may be made (`-c`).
    pub creation: Creation,
    /// Whether `plain` may be kept (`-n`).
    pub plain: PlainRule,
    /// Which of the user's credentials (`--label`).
    pub label: Label,
    /// The user's own list of verifiers, where `--keep` says something.
    pub keep: Option<Rule<KindSet>>,
    /// Until when it may be used, where `--expires` says something.
    pub expires: Option<Rule<Timestamp>>,
}

/// A rule of a user's own: one that is set, or lifted (`--keep policy`, `--expires never`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule<T> {
    /// It is this.
    Is(T),
    /// There is none.
    Lifted,
}

impl<T> Rule<T> {
    /// The rule, where there is one.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Lifted => None,
        }
    }
}

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A person is asked, where standard input is a terminal; else as from a pipe.
    Ask,
    /// Standard input, without prompt (`-p`).
    Pipe,
}

/// Whether a store may be made where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// Yes.
    Allowed,
    /// No.
    Refused,
}

/// What happens to users who are in the store already when others are brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// They stay; a load keeps whichever was changed later.
    Stay,
    /// They are replaced (`--replace`); an import replaces their password only.
    Replaced,
}

/// Why there are no options to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// `--help`: this text on standard output, and success.
    Shown(String),
    /// `-v`: versions on standard error, and success.
    Versions,
    /// A usage error, or `-h`: this text on standard error, and the number of whose options were misused.
    Misused(String, Grammar),
}

/// Whose options a command line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Those of Cyrus' program, and ours that may stand beside them.
    Cyrus,
    /// The long name of a task of ours, or one that is unknown and may be meant for one.
    Ours,
}

impl Grammar {
    fn of(arguments: &[OsString]) -> Self {
        let beside: Vec<Arg> = modifier_options().into_iter().chain(common_options()).collect();
        let is_task =
            |name: &str| !name.is_empty() && beside.iter().all(|option| option.get_long() != Some(name));
        let options = arguments.iter().take_while(|argument| *argument != "--");
        let mut names = options.filter_map(|argument| {
            let name = argument.to_str()?.strip_prefix("--")?;
            Some(name.split('=').next().unwrap_or(name))
        });
        if names.any(is_task) { Self::Ours } else { Self::Cyrus }
    }
}

impl Stop {
    /// The same of a command line with these options.
    fn in_grammar(self, grammar: Grammar) -> Self {
        match self {
            Self::Misused(text, _) => Self::Misused(text, grammar),
            other => other,
        }
    }
}

/// What sasldblistusers was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// The store or sasldb (`-f FILE` or `FILE`), where it is not the configuration's store.
    pub file: Option<PathBuf>,
    /// gatepost.toml, where it was named (`--config`).
    pub config: Option<PathBuf>,
    /// The TrustedUser, where one was named (`--trusted-user`).
    pub trusted_user: Option<String>,
}

impl Options {
    /// Reads the arguments, the program's name first; `program` stands before complaints.
    pub fn parse(program: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let grammar = Grammar::of(&arguments);
        Self::read(program, arguments).map_err(|stop| stop.in_grammar(grammar))
    }

    fn read(program: &str, arguments: Vec<OsString>) -> Result<Self, Stop> {
        let matches = matches(program, command(), USAGE, arguments)?;
        let app = matches.get_one::<String>("app").cloned().unwrap_or_else(|| "saslpasswd".to_owned());
        Ok(Self {
            task: task(&matches).map_err(|misuse| misuse.stop(program))?,
            store: named_store(&matches).cloned(),
            config: matches.get_one::<PathBuf>("config").cloned(),
            trusted_user: matches.get_one::<String>("trusted-user").cloned(),
            format: matches.get_one::<Format>("format").copied().unwrap_or_default(),
            wait: Duration::from_secs(matches.get_one::<u64>("wait").copied().unwrap_or(DEFAULT_WAIT)),
            app,
            effect: if matches.get_flag("dry-run") { Effect::Rehearse } else { Effect::Change },
        })
    }
}

impl ListOptions {
    /// Reads the arguments, the program's name first.
    pub fn parse(program: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let matches = matches(program, list_command(), LIST_USAGE, arguments).map_err(|stop| match stop {
            Stop::Misused(text, grammar) if text != usage(program, LIST_USAGE) => {
                Stop::Misused(format!("{text}Unrecognized command line option\n"), grammar)
            }
            other => other,
        })?;
        let operands: Vec<&PathBuf> = matches.get_many("operands").into_iter().flatten().collect();
        let file = match (matches.get_one("store"), &operands[..]) {
            (_, []) => named_store(&matches),
            (None::<&PathBuf>, [file]) => Some(*file).filter(|file| !file.as_os_str().is_empty()),
            _ => return Err(Stop::Misused(usage(program, LIST_USAGE), Grammar::Cyrus)),
        };
        Ok(Self {
            file: file.cloned(),
            config: matches.get_one::<PathBuf>("config").cloned(),
            trusted_user: matches.get_one::<String>("trusted-user").cloned(),
        })
    }
}

/// The definition of saslpasswd's command line.
pub fn command() -> Command {
    Command::new("saslpasswd")
        .about("Set, verify, list and move the passwords of mail users")
        .long_about(LONG_ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(["saslpasswd ", USAGE, "\n       saslpasswd [options] --TASK [userid]"].concat())
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(cyrus_options())
        .args(task_options())
        .args(modifier_options())
        .args(common_options())
        .arg(
            Arg::new("operands")
                .value_name("userid")
                .num_args(0..)
                .value_parser(OsStringValueParser::new())
                .help("The user: name, or name@realm, split at the first @"),
        )
        .after_long_help(AFTER_HELP)
}

/// The definition of sasldblistusers' command line.
pub fn list_command() -> Command {
    Command::new("sasldblistusers")
        .about("List the users of a store, or of a Cyrus sasldb")
        .long_about(LIST_ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(["sasldblistusers ", LIST_USAGE].concat())
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(store_option("The store or sasldb [default: the configuration's store]"))
        .arg(flag("versions", 'v', "Print versions on standard error"))
        .arg(flag("usage", 'h', "Print the usage on standard error and exit 1"))
        .args(common_options().into_iter().filter(|arg| arg.get_id() != "format"))
        .arg(
            Arg::new("operands")
                .value_name("FILE")
                .num_args(0..)
                .value_parser(perhaps_empty())
                .help("The same as -f FILE"),
        )
}

fn cyrus_options() -> Vec<Arg> {
    vec![
        flag("pipe", 'p', "Read the password from standard input, to its end, without prompting"),
        flag("create", 'c', "Make the store where there is none"),
        flag("delete", 'd', "Delete the user; with --label only that credential"),
        flag(
            "no-plain",
            'n',
            "Never keep the password itself for this user, whatever the policy, until --keep says else",
        ),
        store_option("The store [default: secrets.path of the configuration]"),
        text(
            "realm",
            "REALM",
            "Realm of a user named without one [default: auth.realm, else the host's full name]",
        )
        .short('u'),
        text("app", "APP", "Application to record with the change; may not hold / [default: saslpasswd]")
            .short('a'),
        flag("versions", 'v', "Print versions on standard error"),
        flag("usage", 'h', "Print the usage on standard error and exit 1"),
        flag("usage-too", '?', "The same").hide(true),
    ]
}

fn task_options() -> Vec<Arg> {
    vec![
        long("verify", "Read a password and say whether it authenticates (exit 0 or 1)"),
        long("list", "List all users: verifiers, the weakest of them, labels, state, times"),
        long("show", "The same for one user, in full"),
        long("disable", "Suspend the user, or with --label one credential"),
        long("enable", "Lift that"),
        text(
            "expires",
            "DATE",
            "Until when the user may log in: 2027-01-31, 2027-01-31T12:00:00Z or never (UTC)",
        )
        .long("expires"),
        text(
            "keep",
            "LIST",
            "Keep only these verifiers of this user, now and at every new password; `policy` lifts it",
        )
        .long("keep"),
        path_option("import", "FILE", "Import the users of another server's file").long("import"),
        path_option(
            "export",
            "FILE",
            "Write the users whose passwords are kept (`plain`) to FILE, a sasldb2 for Cyrus SASL, in clear text",
        )
        .long("export"),
        path_option("dump", "FILE", "Write all users and the decoy key to FILE, as JSON lines, mode 0600")
            .long("dump"),
        path_option("load", "FILE", "Bring in a dump; of two records of a user the later change stays")
            .long("load"),
        path_option("backup", "FILE", "Copy the live store to FILE and check the copy").long("backup"),
    ]
}

fn modifier_options() -> Vec<Arg> {
    vec![
        text("label", "LABEL", "Which of the user's credentials, such as a device's [default: main]")
            .long("label"),
        text(
            "from",
            "FORMAT",
            "Format of the file to import: sasldb, passwd-file or text [default: found by itself]",
        )
        .long("from")
        .value_parser(["sasldb", "passwd-file", "text"]),
        long(
            "replace",
            "With --import: give users who are there already the password of the file; with --load: replace them",
        ),
        long("dry-run", "Say what would be done, and do nothing"),
        text("wait", "SECONDS", "How long to wait for another writer of the store [default: 5]")
            .long("wait")
            .value_parser(value_parser!(u64).range(0..=MAX_WAIT)),
    ]
}

fn common_options() -> Vec<Arg> {
    vec![
        path_option("config", "FILE", "Configuration file [default: /etc/gatepost/gatepost.toml]")
            .long("config"),
        text("trusted-user", "USER", "The account, by name or number, that may own secrets besides root")
            .long("trusted-user"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(value_parser!(Format))
            .default_value("text")
            .help("Speak to a person (text) or to a program (json)"),
        Arg::new("help").long("help").action(ArgAction::Help).help("Print this help"),
        Arg::new("version").long("version").action(ArgAction::Version).help("Print the version"),
    ]
}

fn flag(name: &'static str, letter: char, help: &'static str) -> Arg {
    Arg::new(name).short(letter).action(ArgAction::SetTrue).help(help)
}

fn long(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).help(help)
}

fn path_option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

fn store_option(help: &'static str) -> Arg {
    text("store", "FILE", help).short('f').value_parser(perhaps_empty())
}

/// A path, or the empty name, which for Cyrus' programs is none.
fn perhaps_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn named_store(matches: &ArgMatches) -> Option<&PathBuf> {
    matches.get_one::<PathBuf>("store").filter(|path| !path.as_os_str().is_empty())
}

/// Reads arguments by getopt's rules, and answers what acts at once.
fn matches(
    program: &str,
    mut command: Command,
    synopsis: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<ArgMatches, Stop> {
    let misused = |text: String| Stop::Misused(text, Grammar::Cyrus);
    let because = |cause: &str| misused(format!("{program}: {cause}\n{}", usage(program, synopsis)));
    let expanded =
        getopt::expand(&command, &['v'], arguments).map_err(|misuse| because(&misuse.to_string()))?;
    if expanded.iter().take_while(|option| *option != "--").any(names_path_as_app) {
        return Err(misused("appname must not contain /\n".to_owned()));
    }
    match command.try_get_matches_from_mut(expanded) {
        Ok(matches) if matches.get_flag("versions") => Err(Stop::Versions),
        Ok(matches) if ["usage", "usage-too"].iter().any(|name| is_set(&matches, name)) => {
            Err(misused(usage(program, synopsis)))
        }
        Ok(matches) => Ok(matches),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Err(Stop::Shown(error.to_string()))
        }
        Err(error) => {
            let cause = error.to_string();
            let cause = cause.strip_prefix("error: ").unwrap_or(&cause);
            Err(because(cause.split("\n\n").next().unwrap_or(cause)))
        }
    }
}

/// `-a` with a `/`, as [`getopt::expand`] writes it. saslpasswd2 ends at the first, whatever follows.
fn names_path_as_app(option: &OsString) -> bool {
    option.as_bytes().strip_prefix(b"-a=").is_some_and(|app| app.contains(&b'/'))
}

fn is_set(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).is_ok_and(|value| value == Some(&true))
}

fn usage(program: &str, synopsis: &str) -> String {
    let letters = if synopsis == USAGE { LETTERS } else { LIST_LETTERS };
    format!("{program}: usage: {program} {synopsis}\n{letters}\t{program} --help tells more\n")
}

/// Why options are no task.
enum Misuse {
    /// Nothing fits: the usage says it all.
    Usage,
    /// This is wrong.
    Because(String),
}

impl Misuse {
    fn stop(self, program: &str) -> Stop {
        let usage = usage(program, USAGE);
        let text = match self {
            Self::Usage => usage,
            Self::Because(what) => format!("{program}: {what}\n{usage}"),
        };
        Stop::Misused(text, Grammar::Cyrus)
    }
}

impl From<&str> for Misuse {
    fn from(what: &str) -> Self {
        Self::Because(what.to_owned())
    }
}

/// The task, of which there is one, and whose options all mean something.
fn task(matches: &ArgMatches) -> Result<Task, Misuse> {
    let operands: Vec<&OsString> = matches.get_many("operands").into_iter().flatten().collect();
    let named: Vec<&str> = TASKS.into_iter().filter(|name| is_given(matches, name)).collect();
    let name = match named[..] {
        [_, _, ..] => return Err("only one task at a time".into()),
        [name] => name,
        [] => implied_task(matches)?,
    };
    if name == "delete" && matches.get_flag("create") {
        return Err(Misuse::Usage);
    }
    if let Some((stray, _)) =
        BESIDE.iter().find(|(option, tasks)| is_given(matches, option) && !tasks.contains(&name))
    {
        return Err(Misuse::Because(format!("{} means nothing here", spelled(stray))));
    }
    match operands[..] {
        [] if STORE_TASKS.contains(&name) => store_task(matches, name),
        [userid] if !STORE_TASKS.contains(&name) => {
            user_task(matches, name, Who { userid: userid.clone(), realm: realm(matches) })
        }
        [_, ..] if STORE_TASKS.contains(&name) => Err("this task takes no userid".into()),
        _ => Err(Misuse::Usage),
    }
}

/// `--keep` and `--expires` alone change the user; beside `-c`, `-p` or `-n` they go along with a password.
fn implied_task(matches: &ArgMatches) -> Result<&'static str, Misuse> {
    let sets = ["create", "pipe", "no-plain"].into_iter().any(|name| matches.get_flag(name));
    match (is_given(matches, "keep"), is_given(matches, "expires")) {
        (true, true) if !sets => Err("only one task at a time, unless a password is set (-p)".into()),
        (true, false) if !sets => Ok("keep"),
        (false, true) if !sets => Ok("expires"),
        _ => Ok("set"),
    }
}

fn store_task(matches: &ArgMatches, name: &str) -> Result<Task, Misuse> {
    if name == "list" {
        return Ok(Task::List);
    }
    let file = matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    if file.as_os_str() == "-" {
        return Err("this takes a file, whose owner and mode can be looked at, and no stream".into());
    }
    let present = if matches.get_flag("replace") { Present::Replaced } else { Present::Stay };
    Ok(match name {
        "import" => Task::Import(Source { file, format: format(matches), realm: realm(matches), present }),
        "load" => Task::Load(file, present),
        "export" => Task::Export(file),
        "dump" => Task::Dump(file),
        _ => Task::Backup(file),
    })
}

fn user_task(matches: &ArgMatches, name: &str, who: Who) -> Result<Task, Misuse> {
    let label = label(matches)?;
    Ok(match name {
        "delete" => Task::Delete(who, label),
        "verify" => Task::Verify(who, input(matches)),
        "show" => Task::Show(who),
        "disable" => Task::State(who, label, State::Suspended),
        "enable" => Task::State(who, label, State::Enabled),
        "expires" => Task::Expires(who, label, expires(matches)?.and_then(Rule::into_option)),
        "keep" => Task::Keep(who, keep(matches)?.and_then(Rule::into_option)),
        _ => Task::Set(who, setting(matches, label)?),
    })
}

fn setting(matches: &ArgMatches, label: Option<Label>) -> Result<Setting, Misuse> {
    Ok(Setting {
        input: input(matches),
        creation: if matches.get_flag("create") { Creation::Allowed } else { Creation::Refused },
        plain: if matches.get_flag("no-plain") { PlainRule::Never } else { PlainRule::ByPolicy },
        label: label.unwrap_or_else(Label::main),
        keep: keep(matches)?,
        expires: expires(matches)?,
    })
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
}

/// An option as it is typed, for complaints.
fn spelled(name: &str) -> String {
    let command = command();
    let arg = command.get_arguments().find(|arg| arg.get_id() == name);
    let long = arg.and_then(Arg::get_long).map(|long| format!("--{long}"));
    let short = || arg.and_then(Arg::get_short).map(|letter| format!("-{letter}"));
    long.or_else(short).unwrap_or_else(|| name.to_owned())
}

fn input(matches: &ArgMatches) -> Input {
    if matches.get_flag("pipe") { Input::Pipe } else { Input::Ask }
}

fn realm(matches: &ArgMatches) -> Option<String> {
    matches.get_one::<String>("realm").filter(|realm| !realm.is_empty()).cloned()
}

fn label(matches: &ArgMatches) -> Result<Option<Label>, Misuse> {
    let label = matches.get_one::<String>("label").map(|label| label.parse());
    label
        .transpose()
        .map_err(|_| "a label is 1 to 64 octets of printable text without blanks at its ends".into())
}

fn keep(matches: &ArgMatches) -> Result<Option<Rule<KindSet>>, Misuse> {
    match matches.get_one::<String>("keep").map(String::as_str) {
        None => Ok(None),
        Some("policy") => Ok(Some(Rule::Lifted)),
        Some(list) => list
            .parse()
            .map(|kinds| Some(Rule::Is(kinds)))
            .map_err(|error: KindSetError| Misuse::Because(format!("--keep: {error}, or `policy`"))),
    }
}

fn expires(matches: &ArgMatches) -> Result<Option<Rule<Timestamp>>, Misuse> {
    match matches.get_one::<String>("expires").map(String::as_str) {
        None => Ok(None),
        Some("never") => Ok(Some(Rule::Lifted)),
        Some(text) => date::parse(text).map(|time| Some(Rule::Is(time))).ok_or_else(|| {
            "--expires takes a date (2027-01-31), a time (2027-01-31T12:00:00Z) or `never`".into()
        }),
    }
}

fn format(matches: &ArgMatches) -> Option<import::Format> {
    match matches.get_one::<String>("from")?.as_str() {
        "sasldb" => Some(import::Format::Sasldb),
        "passwd-file" => Some(import::Format::PasswdFile),
        _ => Some(import::Format::Text),
    }
}

/// Options that name a task by themselves; at most one of them.
const TASKS: [&str; 11] =
    ["delete", "verify", "list", "show", "disable", "enable", "import", "export", "dump", "load", "backup"];
/// Of these, the ones that are about the whole store.
const STORE_TASKS: [&str; 6] = ["list", "import", "export", "dump", "load", "backup"];

/// Beside which tasks an option means something. Elsewhere it is an error, so that nobody believes that it was heeded;
/// only what saslpasswd2 takes in silence beside `-d` is taken so here.
const BESIDE: [(&str, &[&str]); 10] = [
    ("create", &["set"]),
    ("pipe", &["set", "verify", "delete"]),
    ("no-plain", &["set", "delete"]),
    ("realm", &["set", "delete", "verify", "show", "disable", "enable", "expires", "keep", "import"]),
    ("label", &["set", "delete", "disable", "enable", "expires"]),
    ("expires", &["set", "expires"]),
    ("keep", &["set", "keep"]),
    ("from", &["import"]),
    ("replace", &["import", "load"]),
    (
        "dry-run",
        &[
            "set", "delete", "disable", "enable", "expires", "keep", "import", "export", "dump", "load",
            "backup",
        ],
    ),
];

const DEFAULT_WAIT: u64 = 5;
const MAX_WAIT: u64 = 86_400;

const USAGE: &str = "[-v] [-c [-p] [-n]] [-d] [-a appname] [-f store] [-u REALM] userid";
const LIST_USAGE: &str = "[-v] [[-f] file]";

/// What saslpasswd2 prints below its usage, with what is true here.
const LETTERS: &str = "\
\t-p\tpipe mode -- no prompt, password read on stdin
\t-c\tcreate -- make the store where there is none
\t-d\tdelete the user
\t-n\tnever keep the password itself, only verifiers
\t-f file\tuse this file as store
\t-a appname\trecord appname with the change
\t-u REALM\trealm of a userid without one
\t-v\tprint versions and exit
";
const LIST_LETTERS: &str = "\
\t-f file\tlist this store or sasldb
\t-v\tprint versions and exit
";

const LONG_ABOUT: &str = "\
Sets the password of a mail user in Gatepost's store, and does what else is to be done with users' secrets.

Without --verify, --list or another task, the password is asked for twice on a terminal, or read from standard input to \
its end; one line end is removed. It is prepared by SASLprep (RFC 4013), turned into the verifiers that the policy \
`[secrets] keep` names, and forgotten: the store keeps no password unless the policy says `plain`.

The user's other credentials, state and own list of verifiers stay as they are. --keep and --expires change a user \
without the password; beside -c, -p or -n they go along with a new one.

Scripts written for saslpasswd2 work unchanged; README.md lists the differences.";

const AFTER_HELP: &str = "\
Examples:
  saslpasswd -c alice                        make the store if there is none, set alice's password
  saslpasswd -p bob@example.org < secret     set it from a file
  saslpasswd --label phone alice             a second password, for a device
  saslpasswd --verify alice                  is this her password?
  saslpasswd --keep argon2id,scram-sha-256 alice
  saslpasswd --import sasldb2                bring in the users of Cyrus SASL
  saslpasswd --export sasldb2                and give those back whose passwords are kept
  saslpasswd --backup /var/backups/secrets.redb

Exit status: 0 done (or right); 1 usage, or the store is missing, damaged or unsafe (or the password is wrong); 7 the \
password or the name was refused; 75 another program was writing, try again; 100 faults in the configuration. --verify \
and the tasks with long names leave the numbers of sysexits(3) when they could not be done, 64 when they were used \
wrongly, --import also (65) when it left users out.

An --import that was interrupted can be run again: who was imported from this file before is passed over. With --replace \
everybody is imported again from the beginning, for the file may have other passwords by then.";

const LIST_ABOUT: &str = "\
Prints a line `user@realm: userPassword` for each user of a Gatepost store, as sasldblistusers2 does for a user who has a \
password, whatever is kept of it; saslpasswd --list tells what. Of a Cyrus sasldb (Berkeley DB, GDBM or LMDB) it prints each \
property that is there.

Exit status: 0, also when there is no such file (sasldblistusers2 leaves 0 too); 1 usage, or the file could not be \
listed; 75 another program held the store, try again.";

#[cfg(test)]
mod tests;
