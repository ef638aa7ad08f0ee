//! Options that all programs spell the same way, and one way to read a command line: help and usage errors go where
//! they belong and leave the number that the program's peers leave.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser};

use crate::{Exit, Format, Io, Report};

/// The options that every program has, before or after its other arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Configuration file [default: /etc/gatepost/gatepost.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Account, by name or number, that may own secrets besides root
    #[arg(long, value_name = "USER", global = true)]
    pub trusted_user: Option<String>,

    /// Speak to a person (text) or to a program (json)
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", global = true)]
    pub format: Format,
}

/// What came of a command line.
pub enum Parsed<T> {
    /// The options; go on.
    Options(T),
    /// Help, the version or a usage error was said already; leave with this.
    Said(Exit),
}

/// Reads a command line, the program's name first. Help and version go to standard output with [`Exit::OK`]; a usage
/// error goes to standard error and ends with `usage` (64 for most; saslpasswd2's scripts expect 1).
pub fn parse<T: Parser>(
    io: &mut Io,
    arguments: impl IntoIterator<Item = OsString>,
    usage: Exit,
) -> Result<Parsed<T>, Report> {
    match T::try_parse_from(arguments) {
        Ok(options) => Ok(Parsed::Options(options)),
        Err(error) => say(io, &error, usage).map(Parsed::Said),
    }
}

/// Says what clap has to say (help, version, a usage error) and which exit that is.
pub fn say(io: &mut Io, error: &clap::Error, usage: Exit) -> Result<Exit, Report> {
    let rendered = error.render();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let coloured = io.out().is_coloured();
        let text = if coloured { rendered.ansi().to_string() } else { rendered.to_string() };
        return io.out().text(text).map(|()| Exit::OK);
    }
    // An argument that clap repeats may hold anything.
    io.err().text(crate::printable::lines(&rendered.to_string()));
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Common, Parsed, parse};
    use crate::{Exit, Format, Io};

    /// A program.
    #[derive(Parser, Debug)]
    #[command(name = "p", version = "1")]
    struct Options {
        #[command(flatten)]
        common: Common,
        path: Option<String>,
    }

    fn check(arguments: &[&str]) -> (Parsed<Options>, String, String) {
        let (mut io, said) = Io::rehearse("p", "");
        let arguments = std::iter::once("p").chain(arguments.iter().copied()).map(Into::into);
        let parsed = parse::<Options>(&mut io, arguments, Exit::USAGE).unwrap();
        io.finish().unwrap();
        (parsed, String::from_utf8(said.out()).unwrap(), said.err())
    }

    #[test]
    fn common_options_are_read() {
        let (parsed, ..) = check(&["x", "--format", "json", "--config", "/c", "--trusted-user=mail"]);
        let Parsed::Options(options) = parsed else { panic!("not options") };
        assert_eq!(options.common.format, Format::Json);
        assert_eq!(options.common.config.unwrap().as_os_str(), "/c");
        assert_eq!(options.common.trusted_user.unwrap(), "mail");
        assert_eq!(options.path.unwrap(), "x");
    }

    #[test]
    fn help_is_an_answer_and_a_wrong_option_an_error() {
        let (parsed, out, err) = check(&["--help"]);
        assert!(matches!(parsed, Parsed::Said(Exit::OK)));
        assert!(out.contains("--trusted-user <USER>"), "{out}");
        assert_eq!(err, "");

        let (parsed, out, err) = check(&["--colour=\u{1b}[31m"]);
        assert!(matches!(parsed, Parsed::Said(Exit::USAGE)));
        assert_eq!(out, "");
        assert!(err.contains("--colour") && !err.contains('\u{1b}'), "{err}");
    }
}
