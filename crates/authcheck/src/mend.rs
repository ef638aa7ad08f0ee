//! `--fix`: the commands that mend what an audit found, shown or run. What a command may do is safefile's to say: each one
//! only ever takes access away, and is run on the very file that was judged.

use cli::{Exit, Format, Io, Report};
use safefile::{Fix, Mend, display_path};
use serde::Serialize;

use crate::judged::Judged;
use crate::options::Options;

/// What an audit asks to be done, from the root downwards: a directory before what is in it, so that nobody can swap a file
/// between two commands.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    commands: Vec<Mend>,
    by_hand: Vec<String>,
}

/// One command for another program.
#[derive(Serialize)]
struct Line<'a> {
    fix: &'a str,
}

impl Plan {
    /// Everything that mends these paths, each command once.
    pub(crate) fn of(judged: &[Judged]) -> Self {
        let mut plan = Self::default();
        let mut components: Vec<_> = judged.iter().flat_map(|one| one.audit.findings()).collect();
        components.sort_by_key(|(component, _)| component.path.components().count());
        for (component, finding) in components {
            plan.add(&display_path(&component.path), &finding.fix);
        }
        plan
    }

    /// Whether there is nothing that a command could do.
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Shows the commands and nothing else; what no command can do is a comment, so that a shell may read the output.
    pub(crate) fn show(&self, io: &mut Io) -> Result<(), Report> {
        for command in &self.commands {
            show_one(io, &command.to_string())?;
        }
        for sentence in &self.by_hand {
            show_one(io, &format!("# {sentence}"))?;
        }
        Ok(())
    }

    /// Runs the commands, each shown as it is run. One that fails stops the rest: what comes below it may be another file
    /// by then.
    pub(crate) fn apply(&self, io: &mut Io) -> Result<(), Report> {
        for command in &self.commands {
            io.err().line(format!("  {command}"));
            command.apply().map_err(|error| failed(command, &error))?;
        }
        Ok(())
    }

    /// Asks whether the commands may be run, unless `--yes` said so.
    pub(crate) fn confirm(&self, io: &mut Io, options: &Options) -> Result<Answer, Report> {
        if options.yes {
            return Ok(Answer::Yes);
        }
        if !io.input_is_terminal() {
            return Err(Report::new(
                Exit::USAGE,
                "--fix=apply",
                "asks before it runs commands, and nobody is there",
            )
            .mend("authcheck --fix=apply --yes ..."));
        }
        for command in &self.commands {
            io.err().line(format!("  {command}"));
        }
        io.err().text(format!("Run {}? [y/N] ", counted(self.commands.len())));
        answer(io)
    }

    fn add(&mut self, component: &str, fix: &Fix) {
        match (&fix.command, &fix.otherwise) {
            (Some(command), _) if self.commands.contains(command) => {}
            (Some(command), _) => self.commands.push(command.clone()),
            (None, Some(otherwise)) => {
                let sentence = format!("{component}: {otherwise}");
                if !self.by_hand.contains(&sentence) {
                    self.by_hand.push(sentence);
                }
            }
            (None, None) => {}
        }
    }
}

fn show_one(io: &mut Io, line: &str) -> Result<(), Report> {
    match io.format() {
        Format::Text => io.out().line(line),
        Format::Json => io.out().json(&Line { fix: line }),
    }
}

/// What a person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Run them.
    Yes,
    /// Leave everything as it is.
    No,
}

fn answer(io: &mut Io) -> Result<Answer, Report> {
    let mut line = String::new();
    let stdin = io.take_stdin()?;
    let read = std::io::BufRead::read_line(&mut std::io::BufReader::new(stdin), &mut line);
    read.map_err(|error| Report::new(Exit::IOERR, "standard input", error))?;
    let yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    Ok(if yes { Answer::Yes } else { Answer::No })
}

fn failed(command: &Mend, error: &std::io::Error) -> Report {
    Report::new(Exit::code(2), command, error).because("the rest was left as it is")
}

fn counted(commands: usize) -> String {
    if commands == 1 { "this command".to_owned() } else { format!("these {commands} commands") }
}
