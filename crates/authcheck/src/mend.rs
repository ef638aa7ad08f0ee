//! `--fix`: the commands that mend what an audit found, shown or run. What a command may do is safefile's to say: each one
//! only ever takes access away, and is run on the very file that was judged.

use cli::{Exit, Format, Io, Report};
use safefile::{Component, Fix, Mend, Role, Rule, display_path, shell_quote};
use serde::Serialize;

use crate::judged::{Chosen, Judged};
use crate::options::Options;

/// What an audit asks to be done, from the root downwards: a directory before what is in it, so that nobody can swap a file
/// between two commands.
///
/// What a stranger may have chosen is left alone until somebody has looked at it: where a link that could be a stranger's
/// leads, a file that has another name somewhere else, and what only an unsafe configuration names. Else `--fix=apply` on a
/// path of theirs would change the mode of any file they like.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    commands: Vec<Mend>,
    by_hand: Vec<String>,
    led: Led,
}

/// Whether a stranger may have chosen what would be mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Led {
    /// No.
    #[default]
    Straight,
    /// Yes, and it waits for somebody to look at it.
    Astray,
}

/// For another program: a command, or none and what a person has to do.
#[derive(Serialize)]
struct Line<'a> {
    fix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl Plan {
    /// Everything that mends these paths, each command once.
    pub(crate) fn of<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Self {
        let mut plan = Self::default();
        let mut ours: Vec<_> = judged.into_iter().flat_map(|one| plan.ours(one)).collect();
        ours.sort_by_key(|component| component.path.components().count());
        for component in ours {
            let path = display_path(&component.path);
            component.findings.iter().for_each(|finding| plan.add(&path, &finding.fix));
        }
        plan
    }

    /// Whether something was left alone that the next look would no longer know for what it is: by then what leads there is
    /// mended.
    pub(crate) fn led(&self) -> Led {
        self.led
    }

    /// The components that no stranger can have chosen; of the others it is noted what has to be looked at.
    fn ours<'a>(&mut self, judged: &'a Judged) -> Vec<&'a Component> {
        let way = judged.audit.components.as_slice();
        if judged.chosen == Chosen::ByAnybody && way.iter().any(is_wrong) {
            self.led = Led::Astray;
            let (path, words) =
                (display_path(&judged.audit.path), "named only by what is unsafe itself, see");
            self.note(&format!("{path}: {words} {}", judged.named_by.join(", ")));
            return Vec::new();
        }
        let (certain, behind) = until_led(way);
        let mut ours = way;
        if let Some((link, _)) = behind.split_first().filter(|(_, behind)| behind.iter().any(is_wrong)) {
            self.led = Led::Astray;
            let words = "a stranger could have made this link; remove it, or if it leads to the right file:";
            let (link, word) = (display_path(&link.path), shell_quote(&link.path));
            self.note(&format!("{link}: {words} chown -h root {word}"));
            ours = certain;
        }
        ours.iter().filter(|component| !self.has_other_names(component)).collect()
    }

    fn has_other_names(&mut self, component: &Component) -> bool {
        let path = display_path(&component.path);
        let other = component.findings.iter().find(|finding| finding.rule == Rule::HardLink);
        other.inspect(|finding| self.add(&path, &finding.fix)).is_some()
    }

    /// Whether there is nothing that a command could do.
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Shows the commands and nothing else; what no command can do is a comment, so that a shell may read the output.
    pub(crate) fn show(&self, io: &mut Io) -> Result<(), Report> {
        for command in &self.commands {
            show_command(io, &command.to_string())?;
        }
        for sentence in &self.by_hand {
            show_by_hand(io, sentence)?;
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
            (None, Some(otherwise)) => self.note(&format!("{component}: {otherwise}")),
            (None, None) => {}
        }
    }

    /// One line, whatever a configuration said.
    fn note(&mut self, sentence: &str) {
        let sentence = one_line(sentence);
        if !self.by_hand.contains(&sentence) {
            self.by_hand.push(sentence);
        }
    }
}

fn is_wrong(component: &Component) -> bool {
    !component.findings.is_empty()
}

/// The way as far as it is certain, and what comes from the first link on that stands in a directory, or is, a stranger's.
fn until_led(way: &[Component]) -> (&[Component], &[Component]) {
    let wrong = way.iter().position(is_wrong).unwrap_or(way.len());
    let link = way.iter().skip(wrong).position(|component| component.role == Role::Link);
    link.and_then(|link| way.split_at_checked(wrong + link)).unwrap_or((way, &[]))
}

/// A command that needs nobody.
pub(crate) fn show_command(io: &mut Io, command: &str) -> Result<(), Report> {
    match io.format() {
        Format::Text => io.out().line(command),
        Format::Json => io.out().json(&Line { fix: Some(command), why: None }),
    }
}

/// What a person has to do.
pub(crate) fn show_by_hand(io: &mut Io, sentence: &str) -> Result<(), Report> {
    match io.format() {
        Format::Text => io.out().line(format_args!("# {}", one_line(sentence))),
        Format::Json => io.out().json(&Line { fix: None, why: Some(sentence) }),
    }
}

fn one_line(sentence: &str) -> String {
    cli::printable::lines(sentence).replace('\n', " ")
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
