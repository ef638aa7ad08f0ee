//! Arguments as getopt(3) reads them, written out in the one form that clap reads the same way.
//!
//! Scripts written for saslpasswd2 and makemap rely on getopt: `-dr` is two options, `-t:` and `-t=` carry their
//! value behind the letter (clap would drop the `=`), the argument after `-t` is its value whatever it looks like,
//! options may follow operands, and a flag may be given twice. [`expand`] knows from clap's definition which letters
//! exist and which take a value; what an option means stays with clap. Nothing here ends the process or prints.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction, Command};

/// What getopt itself complains of; in its words, which people know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A letter that is no option.
    #[error("invalid option -- '{}'", .0.escape_ascii())]
    Unknown(u8),
    /// The last argument is an option that takes a value.
    #[error("option requires an argument -- '{}'", .0.escape_ascii())]
    Missing(u8),
    /// The same for a long option.
    #[error("option '--{0}' requires an argument")]
    MissingLong(String),
}

/// Writes `arguments` (the program's name first) out for `command`: one option per argument, values attached with
/// `=`, operands last, behind `--`.
///
/// Reading stops at the first option of `immediate`: such an option acts when it is reached, whatever follows it, and
/// operands do not matter to it. Unknown long options are left to clap, which suggests the nearest.
pub fn expand(
    command: &Command,
    immediate: &[char],
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Misuse> {
    let mut arguments = arguments.into_iter();
    let mut expansion = Expansion { command, immediate, options: Vec::new(), operands: Vec::new() };
    let program = arguments.next();
    while let Some(argument) = arguments.next() {
        match argument.as_bytes() {
            b"--" => expansion.operands.extend(arguments.by_ref()),
            [b'-', b'-', ..] => expansion.long(argument, &mut arguments)?,
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                if expansion.cluster(cluster, &mut arguments)? == Cluster::Immediate {
                    return Ok(program.into_iter().chain(expansion.options).collect());
                }
            }
            _ => expansion.operands.push(argument),
        }
    }
    let Expansion { options, operands, .. } = expansion;
    Ok(program.into_iter().chain(options).chain(["--".into()]).chain(operands).collect())
}

struct Expansion<'a> {
    command: &'a Command,
    immediate: &'a [char],
    options: Vec<OsString>,
    operands: Vec<OsString>,
}

#[derive(PartialEq, Eq)]
enum Cluster {
    Read,
    Immediate,
}

impl Expansion<'_> {
    fn long(&mut self, argument: OsString, rest: &mut impl Iterator<Item = OsString>) -> Result<(), Misuse> {
        let name = argument.as_bytes()[2..].to_vec();
        let takes_value =
            self.find(|arg| arg.get_long().map(str::as_bytes) == Some(&name)).is_some_and(has_value);
        let mut written = argument;
        if takes_value {
            let value = rest
                .next()
                .ok_or_else(|| Misuse::MissingLong(String::from_utf8_lossy(&name).into_owned()))?;
            written.push("=");
            written.push(value);
        }
        self.options.push(written);
        Ok(())
    }

    /// One argument of letters: flags, up to the first that takes a value.
    fn cluster(
        &mut self,
        letters: &[u8],
        rest: &mut impl Iterator<Item = OsString>,
    ) -> Result<Cluster, Misuse> {
        for (at, &letter) in letters.iter().enumerate() {
            let name = char::from(letter);
            let arg = self
                .find(|arg| letter.is_ascii() && arg.get_short() == Some(name))
                .ok_or(Misuse::Unknown(letter))?;
            let mut written = vec![b'-', letter];
            if has_value(arg) {
                let attached = &letters[at + 1..];
                written.push(b'=');
                written.extend(match attached {
                    [] => rest.next().ok_or(Misuse::Missing(letter))?.into_vec(),
                    _ => attached.to_vec(),
                });
                self.options.push(OsString::from_vec(written));
                return Ok(Cluster::Read);
            }
            self.options.push(OsString::from_vec(written));
            if self.immediate.contains(&name) {
                return Ok(Cluster::Immediate);
            }
        }
        Ok(Cluster::Read)
    }

    fn find(&self, wanted: impl Fn(&Arg) -> bool) -> Option<&Arg> {
        self.command.get_arguments().find(|arg| wanted(arg))
    }
}

fn has_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("p")
            .args_override_self(true)
            .arg(Arg::new("d").short('d').action(ArgAction::SetTrue))
            .arg(Arg::new("r").short('r').action(ArgAction::SetTrue))
            .arg(Arg::new("l").short('l').action(ArgAction::SetTrue))
            .arg(Arg::new("t").short('t').long("separator").value_parser(clap::value_parser!(OsString)))
            .arg(Arg::new("operands").num_args(0..).value_parser(clap::value_parser!(OsString)))
    }

    fn words(arguments: &[&[u8]]) -> impl Iterator<Item = OsString> {
        [b"p".as_slice()]
            .into_iter()
            .chain(arguments.iter().copied())
            .map(|word| OsString::from_vec(word.to_vec()))
    }

    fn check(arguments: &[&[u8]], separator: Option<&[u8]>, operands: &[&[u8]]) {
        let expanded = expand(&command(), &['l'], words(arguments)).unwrap();
        let matches = command().try_get_matches_from(expanded).unwrap();
        let found = matches.get_one::<OsString>("t").map(|value| value.as_bytes());
        assert_eq!(found, separator, "{arguments:?}");
        let found: Vec<_> = matches
            .get_many::<OsString>("operands")
            .unwrap_or_default()
            .map(|word| word.as_bytes())
            .collect();
        assert_eq!(found, operands, "{arguments:?}");
    }

    #[test]
    fn values_are_taken_as_getopt_takes_them() {
        check(&[b"-t:", b"a"], Some(b":"), &[b"a"]);
        check(&[b"-t", b":", b"a"], Some(b":"), &[b"a"]);
        check(&[b"-drt:x"], Some(b":x"), &[]);
        check(&[b"-t=", b"a"], Some(b"="), &[b"a"]);
        check(&[b"-t=x"], Some(b"=x"), &[]);
        check(&[b"-t", b"", b"a"], Some(b""), &[b"a"]);
        check(&[b"-t", b"--", b"a"], Some(b"--"), &[b"a"]);
        check(&[b"-t", b"-d", b"a"], Some(b"-d"), &[b"a"]);
        check(&[b"-t\xa0"], Some(b"\xa0"), &[]);
        check(&[b"-tx", b"-ty"], Some(b"y"), &[]);
        check(&[b"--separator", b"-d", b"a"], Some(b"-d"), &[b"a"]);
        check(&[b"--separator=;"], Some(b";"), &[]);
    }

    #[test]
    fn options_may_follow_operands_until_two_dashes() {
        check(&[b"a", b"-d", b"b", b"-t:"], Some(b":"), &[b"a", b"b"]);
        check(&[b"a", b"--", b"-d", b"-t:"], None, &[b"a", b"-d", b"-t:"]);
        check(&[b"-", b"-d"], None, &[b"-"]);
        check(&[b"-d", b"-d", b"-dd"], None, &[]);
    }

    #[test]
    fn an_immediate_option_hides_what_follows_but_not_what_precedes() {
        let expanded = |arguments: &[&[u8]]| expand(&command(), &['l'], words(arguments));
        assert_eq!(expanded(&[b"a", b"-d", b"-lz", b"-z"]), Ok(vec!["p".into(), "-d".into(), "-l".into()]));
        assert_eq!(expanded(&[b"-z", b"-l"]), Err(Misuse::Unknown(b'z')));
    }

    #[test]
    fn complaints_are_those_of_getopt() {
        let complaint = |arguments: &[&[u8]]| {
            expand(&command(), &[], words(arguments)).map_err(|misuse| misuse.to_string()).unwrap_err()
        };
        assert_eq!(complaint(&[b"-dz"]), "invalid option -- 'z'");
        assert_eq!(complaint(&[b"-d", b"-t"]), "option requires an argument -- 't'");
        assert_eq!(complaint(&[b"-\xa0"]), "invalid option -- '\\xa0'");
        assert_eq!(complaint(&[b"--separator"]), "option '--separator' requires an argument");
    }
}
