//! The command line as a value: sendmail's options by getopt's rules, ours by long names.
//!
//! One definition, [`command`], gives the help, the manual and the completions and reads the arguments. Nothing here
//! touches a file or the terminal.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use cli::getopt;
use cli::options::Common;

use crate::grammar::{Case, EmptyValue, Grammar, Separator};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The task.
    pub task: Task,
    /// sendmail.cf, where it was named (`-C`).
    pub sendmail_cf: Option<PathBuf>,
    /// `--config`, `--trusted-user` and `--format`, as every program has them.
    pub common: Common,
    /// What is worth saying before the work begins; no failure.
    pub remarks: Vec<Remark>,
}

/// What makemap can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// `-l`, `-L`, `-x`: the types of maps.
    List(Listing),
    /// Neither of the others: text becomes a map.
    Build(Target, Building),
    /// `-u`: a map becomes text, with this octet between key and value.
    Dump(Target, u8),
    /// `-q`: keys are looked up.
    Query(Target, Keys),
    /// `--convert OLD NEW`: a map becomes one of another type.
    Convert(Named, Named),
    /// `--convert DIRECTORY`: the Berkeley DB files below it are listed, with the command that converts each.
    Survey(PathBuf),
}

/// A map as `--convert` names it: `TYPE:NAME`, or NAME alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// TYPE.
    pub map_type: Option<String>,
    /// NAME.
    pub name: OsString,
}

impl Named {
    /// Before the first colon stands a type, unless there is a slash in it.
    fn read(word: &OsString) -> Self {
        let octets = word.as_bytes();
        let colon =
            octets.iter().position(|&octet| octet == b':').filter(|&at| !octets[..at].contains(&b'/'));
        match colon {
            Some(at) => Self {
                map_type: Some(String::from_utf8_lossy(&octets[..at]).into_owned()),
                name: OsString::from_vec(octets[at + 1..].to_vec()),
            },
            None => Self { map_type: None, name: word.clone() },
        }
    }

    /// The same as two operands; without a type it is found out from the file.
    pub(crate) fn target(&self) -> Target {
        let kind = self.map_type.clone().unwrap_or_else(|| IMPLICIT.to_owned());
        Target { kind, name: self.name.clone(), fallback: None }
    }
}

/// Which list of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// `-l`: what can be named as TYPE for a file.
    Types,
    /// `-L`: the same and the two that look the type up in sendmail.cf.
    All,
    /// `-x`: each with its file suffix, `NAME:SUFFIX`.
    Suffixes,
}

/// A map: its operands as typed, and what finds the type where that is left to sendmail.cf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// TYPE.
    pub kind: String,
    /// NAME.
    pub name: OsString,
    /// The type to take when TYPE is `cf` or `CF` and sendmail.cf does not tell (`-i`).
    pub fallback: Option<String>,
}

/// How a map is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an independent flag of the command line, named as there"
)]
pub struct Building {
    /// How the source is read.
    pub grammar: Grammar,
    /// Whether entries are added to those that are there (`-o`).
    pub append: bool,
    /// Whether one key may have several values (`-d`).
    pub duplicates: bool,
    /// Whether a later value replaces an earlier one (`-r`).
    pub replace: bool,
    /// Whether key and value are stored with a terminating NUL (`-N`).
    pub terminating_nul: bool,
    /// Whether each entry is printed (`-v`).
    pub verbose: bool,
    /// Whether the map is a secret whatever is in it (`--secret`).
    pub secret: bool,
}

impl Building {
    /// Records go from one map into another as they are.
    pub(crate) fn copying() -> Self {
        let grammar = Grammar {
            separator: Separator::Blank,
            comment: None,
            empty_value: EmptyValue::Allowed,
            case: Case::Kept,
        };
        Self {
            grammar,
            duplicates: false,
            append: false,
            replace: false,
            terminating_nul: false,
            verbose: false,
            secret: false,
        }
    }
}

/// The keys to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// This one.
    One(Vec<u8>, Case),
    /// One on each line of standard input.
    StandardInput(Case),
}

/// Something about the options that is worth saying and fails nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// `-t ''`: blanks go on separating.
    InvalidSeparator,
    /// `-s`: accepted for old scripts; files are checked all the same.
    ChecksStay,
}

/// Why there are no options to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// `--help` or `--version`: this text on standard output, and success.
    Shown(String),
    /// A usage error: this text on standard error, and EX_USAGE.
    Misused(String),
}

impl Options {
    /// Reads the arguments, the program's name first.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let mut command = command();
        let expanded = getopt::expand(&command, &IMMEDIATE, arguments)
            .map_err(|misuse| misused(&mut command, &format!("makemap: {misuse}\n")))?;
        match command.try_get_matches_from_mut(expanded) {
            Ok(matches) => Self::from_matches(&matches).ok_or_else(|| misused(&mut command, "")),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Err(Stop::Shown(error.to_string()))
            }
            Err(error) => {
                let cause = error.to_string();
                let cause = cause.strip_prefix("error: ").unwrap_or(&cause);
                let cause = cause.split("\n\nUsage:").next().unwrap_or(cause);
                Err(misused(&mut command, &format!("makemap: {cause}\n")))
            }
        }
    }

    /// None where the operands are not exactly TYPE and NAME, or two tasks were asked for.
    fn from_matches(matches: &ArgMatches) -> Option<Self> {
        let mut remarks = Vec::new();
        let separator = first_octet(matches, "separator");
        if matches.contains_id("separator") && separator.is_none() {
            remarks.push(Remark::InvalidSeparator);
        }
        if matches.get_flag("skip-checks") {
            remarks.push(Remark::ChecksStay);
        }
        Some(Self {
            task: task(matches, separator)?,
            sendmail_cf: matches.get_one::<PathBuf>("sendmail-cf").cloned(),
            common: Common::from_arg_matches(matches).ok()?,
            remarks,
        })
    }
}

/// The definition of the command line: help, manual page, completions and parser are made from it.
pub fn command() -> Command {
    // First what is common, since it brings a description of its own.
    Common::augment_args(Command::new("makemap"))
        .about("Build a lookup map from text, write one out as text, or look keys up in one")
        .long_about(LONG_ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(USAGE)
        .after_help(EXITS)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(sendmail_options())
        .args(listing_options())
        .args(our_options())
        .arg(
            Arg::new("operands")
                .value_names(["TYPE", "NAME"])
                .num_args(0..)
                .value_parser(OsStringValueParser::new())
                .help("Type of the map (see -l) and its name; the type's suffix is added to the name"),
        )
}

fn sendmail_options() -> Vec<Arg> {
    vec![
        path(
            "sendmail-cf",
            'C',
            "CFFILE",
            "Take TrustedUser, and for TYPE cf the type, from this sendmail.cf",
        ),
        flag("terminating-nul", 'N', "Store key and value with a terminating NUL"),
        text("cache", 'c', "SIZE", "Accepted and ignored: memory is bounded without it"),
        flag("duplicates", 'd', "Allow several values for one key"),
        text("comment", 'D', "CHAR", "Lines that begin with this character are comments").default_value("#"),
        flag("empty-values", 'e', "Allow keys without a value"),
        flag("keep-case", 'f', "Do not fold keys to lower case, neither when building nor when looking up"),
        text(
            "fallback",
            'i',
            "TYPE",
            "With TYPE cf: the type to take when sendmail.cf does not name the map",
        ),
        flag("append", 'o', "Add to the map that is there"),
        flag("replace", 'r', "A later value replaces an earlier one"),
        flag("skip-checks", 's', "Accepted, with a warning: every file is checked all the same"),
        text("separator", 't', "DELIMITER", "This character, not blanks, stands between key and value"),
        flag("dump", 'u', "Write the map out as text"),
        flag("verbose", 'v', "Print each entry"),
    ]
}

fn listing_options() -> Vec<Arg> {
    vec![
        flag("list", 'l', "List the types of maps and what can be done with each"),
        flag("list-all", 'L', "The same, with cf and CF, which look the type up in sendmail.cf"),
        flag("list-suffixes", 'x', "List the types with the suffix of their files"),
    ]
}

fn our_options() -> Vec<Arg> {
    vec![
        text("query", 'q', "KEY", "Look KEY up and print its value; with - the keys on standard input"),
        Arg::new("convert").long("convert").action(ArgAction::SetTrue).help(
            "Turn the map OLD into the map NEW (each TYPE:NAME, or a name whose type can be told), and read it back; \
             with a directory alone, list the Berkeley DB files below it and how to convert each",
        ),
        Arg::new("secret")
            .long("secret")
            .action(ArgAction::SetTrue)
            .help("The map holds secrets: only its owner may read it"),
        Arg::new("help").long("help").action(ArgAction::Help).help("Print this help"),
        Arg::new("version").long("version").action(ArgAction::Version).help("Print the version"),
    ]
}

fn flag(name: &'static str, letter: char, help: &'static str) -> Arg {
    Arg::new(name).short(letter).action(ArgAction::SetTrue).help(help)
}

fn text(name: &'static str, letter: char, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).short(letter).value_name(value).value_parser(OsStringValueParser::new()).help(help)
}

fn path(name: &'static str, letter: char, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).short(letter).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

fn task(matches: &ArgMatches, separator: Option<u8>) -> Option<Task> {
    let listings =
        [("list", Listing::Types), ("list-all", Listing::All), ("list-suffixes", Listing::Suffixes)];
    if let Some((_, listing)) = listings.into_iter().find(|(name, _)| matches.get_flag(name)) {
        return Some(Task::List(listing));
    }
    if matches.get_flag("convert") {
        return conversion(matches);
    }
    let target = target(matches)?;
    let case = if matches.get_flag("keep-case") { Case::Kept } else { Case::Folded };
    match (matches.get_flag("dump"), matches.get_one::<OsString>("query")) {
        (true, Some(_)) => None,
        (true, None) => Some(Task::Dump(target, separator.unwrap_or(b'\t'))),
        (false, Some(key)) if key == "-" => Some(Task::Query(target, Keys::StandardInput(case))),
        (false, Some(key)) => Some(Task::Query(target, Keys::One(key.as_bytes().to_vec(), case))),
        (false, None) => Some(Task::Build(target, building(matches, separator, case))),
    }
}

/// One operand or two, and nothing else that is to be done.
fn conversion(matches: &ArgMatches) -> Option<Task> {
    if matches.get_flag("dump") || matches.contains_id("query") || matches.get_flag("append") {
        return None;
    }
    let operands: Vec<&OsString> = matches.get_many("operands")?.collect();
    match operands[..] {
        [directory] => Some(Task::Survey(directory.into())),
        [old, new] => Some(Task::Convert(Named::read(old), Named::read(new))),
        _ => None,
    }
}

/// Exactly two operands, else none. A type is a word of ASCII; one that is not is no type, and reported as such.
fn target(matches: &ArgMatches) -> Option<Target> {
    let operands: Vec<&OsString> = matches.get_many("operands")?.collect();
    let [kind, name] = operands[..] else { return None };
    let lossy = |word: &OsString| word.to_string_lossy().into_owned();
    Some(Target {
        kind: lossy(kind),
        name: name.clone(),
        fallback: matches.get_one::<OsString>("fallback").map(lossy),
    })
}

fn building(matches: &ArgMatches, separator: Option<u8>, case: Case) -> Building {
    let allowed = matches.get_flag("empty-values");
    Building {
        grammar: Grammar {
            separator: separator.map_or(Separator::Blank, Separator::Octet),
            comment: first_octet(matches, "comment"),
            empty_value: if allowed { EmptyValue::Allowed } else { EmptyValue::Refused },
            case,
        },
        append: matches.get_flag("append"),
        duplicates: matches.get_flag("duplicates"),
        replace: matches.get_flag("replace"),
        terminating_nul: matches.get_flag("terminating-nul"),
        verbose: matches.get_flag("verbose"),
        secret: matches.get_flag("secret"),
    }
}

/// The first octet of an option's value: none where the option is absent or its value empty.
fn first_octet(matches: &ArgMatches, name: &str) -> Option<u8> {
    matches.get_one::<OsString>(name)?.as_bytes().first().copied()
}

fn misused(command: &mut Command, complaint: &str) -> Stop {
    Stop::Misused(format!("{complaint}{}\n", command.render_usage()))
}

/// What acts as soon as it is reached, whatever follows.
const IMMEDIATE: [char; 3] = ['l', 'L', 'x'];

const USAGE: &str = "makemap [-C cffile] [-N] [-c cachesize] [-D commentchar]
               [-d] [-e] [-f] [-i type] [-l] [-o] [-q key] [-r] [-s] [-t delimiter]
               [-u] [-v] [--secret] [--trusted-user user] [--config file]
               [--format text|json] type mapname
       makemap --convert old new
       makemap --convert directory";

/// The type that is found out from the file.
pub(crate) const IMPLICIT: &str = "implicit";

const LONG_ABOUT: &str = "\
Reads keys and values from standard input, one entry a line, as sendmail's makemap does, and builds the map NAME of \
the given TYPE. The new map is complete and on disk before it takes the place of the old one; a build that fails \
leaves the old map as it was.

TYPE `implicit` is the type that the file has, and `hash` for a new map; `cf` and `CF` \
take the type from the K line of sendmail.cf that names the map.

A map that holds secrets (--secret, the configuration, a key that begins with AuthInfo:, a value with a \"P: or \"P= \
token) is made so that only its owner may read it.";

const EXITS: &str = "\
Exit status: 0 done; 1 with -q, nothing was found; 64 usage; 65 faulty lines were dropped and the others stored, or a map \
is damaged; 66 sendmail.cf cannot be read; 67 --trusted-user names nobody; 70 a fault of makemap; 71 the accounts of the \
host cannot be asked; 73 the map cannot be made or opened, or is not safe; 74 reading or writing failed; 75 the map \
changed while -o added to it, do it again; 78 gatepost.toml is wrong, not safe, or was named and is not there.";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Stop> {
        Options::parse(["makemap"].iter().chain(arguments).map(OsString::from))
    }

    fn built(arguments: &[&str]) -> Building {
        match parse(arguments).unwrap().task {
            Task::Build(_, building) => building,
            other => panic!("not a build: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn options_may_stand_anywhere_and_together() {
        for arguments in
            [&["-dr", "-t:", "redb", "m"][..], &["redb", "-d", "m", "-rt:"], &["redb", "m", "-drt", ":"]]
        {
            let building = built(arguments);
            assert!(building.duplicates && building.replace, "{arguments:?}");
            assert_eq!(building.grammar.separator, Separator::Octet(b':'), "{arguments:?}");
        }
    }

    #[test]
    fn only_the_first_octet_of_a_character_option_counts() {
        assert_eq!(built(&["-t", ":;", "redb", "m"]).grammar.separator, Separator::Octet(b':'));
        assert_eq!(built(&["-t=", "redb", "m"]).grammar.separator, Separator::Octet(b'='));
        assert_eq!(built(&["-D", ";x", "redb", "m"]).grammar.comment, Some(b';'));
        assert_eq!(built(&["-D", "", "redb", "m"]).grammar.comment, None);
        assert_eq!(built(&["redb", "m"]).grammar.comment, Some(b'#'));
        let empty = parse(&["-t", "", "redb", "m"]).unwrap();
        assert_eq!(empty.remarks, [Remark::InvalidSeparator]);
    }

    #[test]
    fn the_task_follows_from_the_options() {
        let task = |arguments: &[&str]| parse(arguments).unwrap().task;
        assert_eq!(task(&["-d", "-l", "--nonsense"]), Task::List(Listing::Types));
        assert_eq!(task(&["-L"]), Task::List(Listing::All));
        assert_eq!(task(&["-x"]), Task::List(Listing::Suffixes));
        assert!(matches!(task(&["-u", "redb", "m"]), Task::Dump(_, b'\t')));
        assert!(matches!(task(&["-ut:", "redb", "m"]), Task::Dump(_, b':')));
        assert!(matches!(task(&["-q", "-", "redb", "m"]), Task::Query(_, Keys::StandardInput(Case::Folded))));
        let Task::Query(target, Keys::One(key, Case::Kept)) = task(&["-fq", "Key", "redb", "m"]) else {
            panic!()
        };
        assert_eq!((target.kind.as_str(), key.as_slice()), ("redb", b"Key".as_slice()));
    }

    #[test]
    fn misuse_shows_the_usage() {
        let text = |arguments: &[&str]| match parse(arguments).unwrap_err() {
            Stop::Misused(text) => text,
            Stop::Shown(text) => panic!("shown: {text}"),
        };
        let cases: [(&[&str], &str); 8] = [
            (&["-z", "redb", "m"], "makemap: invalid option -- 'z'\n"),
            (&["-h"], "makemap: invalid option -- 'h'\n"),
            (&["redb", "m", "-t"], "makemap: option requires an argument -- 't'\n"),
            (&["redb"], ""),
            (&[], ""),
            (&["redb", "m", "n"], ""),
            (&["-u", "-q", "k", "redb", "m"], ""),
            (
                &["--secrte", "redb", "m"],
                "makemap: unexpected argument '--secrte' found\n\n  tip: a similar argument",
            ),
        ];
        for (arguments, complaint) in cases {
            let text = text(arguments);
            assert!(text.starts_with(complaint), "{arguments:?}: {text}");
            let usage = text.find("Usage: makemap [-C cffile] [-N]").expect("the usage text");
            assert!(complaint.len() <= usage, "{arguments:?}: {text}");
            assert!(text.ends_with("makemap --convert directory\n"), "{arguments:?}: {text}");
        }
        let Err(Stop::Shown(help)) = parse(&["--help"]) else { panic!("no help") };
        assert!(
            help.starts_with("Reads keys and values from standard input") && help.contains("-t <DELIMITER>")
        );
        let exits = help.split_once("Exit status: ").expect("the exits").1;
        for exit in [0, 1, 64, 65, 66, 67, 70, 71, 73, 74, 75, 78] {
            assert!(exits.split_whitespace().any(|word| word == exit.to_string()), "{exit}: {exits}");
        }
        assert!(
            matches!(parse(&["--version"]), Err(Stop::Shown(version)) if version.starts_with("makemap "))
        );
    }
}
