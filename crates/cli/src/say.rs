//! What a program says when something is wrong: what happened and where, why it matters, what mends it. Where the
//! words go is `io`'s business; which number the program leaves with stands in the report itself.

use std::fmt;

use serde_json::{Value, json};

use crate::{Exit, json, printable};

/// One trouble, told to the person who can do something about it.
///
/// As text it is one line `PROGRAM: SUBJECT: CAUSE`, then, indented by four columns, `why: ...` and a line
/// `fix: COMMAND` for each command, its further lines, if any, below it; as JSON one object (see [`Report::to_json`]). Whatever a text holds, control
/// characters in it are shown escaped (see [`printable`]).
pub struct Report(Box<Body>);

struct Body {
    exit: Exit,
    subject: String,
    cause: String,
    why: Option<String>,
    remedy: Vec<String>,
    others: Vec<Report>,
    quiet: bool,
}

/// How much a report weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The program could not do what was asked.
    Error,
    /// The program goes on, but somebody should know.
    Warning,
}

impl Report {
    /// A trouble with `subject` (a file, `FILE:LINE`, a user, an option), and its `cause`: lower case, no full stop.
    pub fn new(exit: Exit, subject: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(Box::new(Body {
            exit,
            subject: subject.to_string(),
            cause: cause.to_string(),
            why: None,
            remedy: Vec::new(),
            others: Vec::new(),
            quiet: false,
        }))
    }

    /// Several troubles found at once (subject, cause, what to do instead), said in this order; `None` where there is
    /// none.
    pub fn several<'c>(
        exit: Exit,
        complaints: impl IntoIterator<Item = (String, &'c str, Option<&'c str>)>,
    ) -> Option<Self> {
        let reports = complaints.into_iter().map(|(subject, cause, hint)| {
            let report = Self::new(exit, subject, cause);
            hint.into_iter().fold(report, Self::mend)
        });
        reports.reduce(Self::and)
    }

    /// A trouble that needs no subject, or whose text is another program's: `PROGRAM: CAUSE`.
    pub fn plain(exit: Exit, cause: impl fmt::Display) -> Self {
        Self::new(exit, "", cause)
    }

    /// The reader of standard output has gone (`| head`): no failure and nothing to say; the program just stops.
    pub fn closed_pipe() -> Self {
        let mut report = Self::plain(Exit::OK, "closed pipe");
        report.0.quiet = true;
        report
    }

    /// Adds why it matters: one sentence.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.0.why = Some(why.to_string());
        self
    }

    /// Adds a command, or a line of configuration, that mends it; may be repeated.
    #[must_use]
    pub fn mend(mut self, remedy: impl fmt::Display) -> Self {
        self.0.remedy.push(remedy.to_string());
        self
    }

    /// Adds a further trouble found by the way, said after this one; the exit stays that of the first.
    #[must_use]
    pub fn and(mut self, other: Report) -> Self {
        self.0.others.push(other);
        self
    }

    /// The same trouble with another exit, for programs whose scripts expect another number.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        if !self.0.quiet {
            self.0.exit = exit;
        }
        self
    }

    /// The number the program leaves with.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// What it is about; empty for [`Report::plain`].
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What happened.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// Why it matters.
    pub fn why(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// The commands that mend it.
    pub fn remedy(&self) -> &[String] {
        &self.0.remedy
    }

    /// Whether there is nothing to say ([`Report::closed_pipe`]).
    pub fn is_quiet(&self) -> bool {
        self.0.quiet
    }

    /// The text, with its line ends, the further troubles included.
    pub fn to_text(&self, program: &str, level: Level) -> String {
        if self.0.quiet {
            return String::new();
        }
        let mut text = self.own_text(program, level);
        self.0.others.iter().for_each(|other| text.push_str(&other.to_text(program, level)));
        text
    }

    /// The objects, one for each trouble: `{"program", "level": "error"|"warning", "subject", "cause", "why", "fix":
    /// [..], "exit"}`; `subject` and `why` are `null` where there is none, and a warning has no `exit`: it ends nothing.
    pub fn to_json(&self, program: &str, level: Level) -> Vec<Value> {
        if self.0.quiet {
            return Vec::new();
        }
        let mut own = json!({
            "program": program,
            "level": level.word(),
            "subject": Some(&self.0.subject).filter(|subject| !subject.is_empty()),
            "cause": self.0.cause,
            "why": self.0.why,
            "fix": self.0.remedy,
        });
        if level == Level::Error {
            own["exit"] = self.0.exit.number().into();
        }
        let others = self.0.others.iter().flat_map(|other| other.to_json(program, level));
        std::iter::once(own).chain(others).collect()
    }

    /// The objects of [`Report::to_json`], each on a line.
    pub(crate) fn to_json_lines(&self, program: &str, level: Level) -> String {
        let mut lines = Vec::new();
        for object in self.to_json(program, level) {
            // Writing to memory cannot fail.
            let _ = json::write(&mut lines, &object);
            lines.push(b'\n');
        }
        String::from_utf8(lines).unwrap_or_default()
    }

    fn own_text(&self, program: &str, level: Level) -> String {
        let body = &*self.0;
        let warning = if level == Level::Warning { "warning: " } else { "" };
        let subject = if body.subject.is_empty() { String::new() } else { format!("{}: ", body.subject) };
        let mut text = format!("{program}: {warning}{subject}{}\n", body.cause);
        let why = body.why.iter().map(|why| ("why", why));
        let fix = body.remedy.iter().map(|command| ("fix", command));
        for (word, said) in why.chain(fix) {
            text.extend(["    ", word, ": ", &said.replace('\n', "\n         "), "\n"]);
        }
        printable::lines(&text)
    }
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({}: {:?})", self.0.exit, self.to_text("-", Level::Error))
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Report};
    use crate::Exit;

    fn unsafe_map() -> Report {
        Report::new(Exit::NOPERM, "/etc/mail/authinfo.db", "group writable: mode 0660")
            .because("whoever is in the group smmsp can put passwords of his own there")
            .mend("chmod g-w /etc/mail/authinfo.db")
    }

    #[test]
    fn text_has_subject_cause_why_and_fix() {
        assert_eq!(
            unsafe_map().to_text("makemap", Level::Error),
            "makemap: /etc/mail/authinfo.db: group writable: mode 0660\n\
             \x20   why: whoever is in the group smmsp can put passwords of his own there\n\
             \x20   fix: chmod g-w /etc/mail/authinfo.db\n"
        );
    }

    #[test]
    fn text_without_subject_has_no_empty_place() {
        let report = Report::plain(Exit::code(7), "invalid parameter supplied");
        assert_eq!(report.to_text("saslpasswd2", Level::Error), "saslpasswd2: invalid parameter supplied\n");
        assert_eq!(report.to_text("p", Level::Warning), "p: warning: invalid parameter supplied\n");
    }

    #[test]
    fn json_is_one_object_for_each_trouble() {
        let report = unsafe_map().and(Report::plain(Exit::DATAERR, "second"));
        let objects = report.to_json("makemap", Level::Error);
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["subject"], "/etc/mail/authinfo.db");
        assert_eq!(objects[0]["fix"][0], "chmod g-w /etc/mail/authinfo.db");
        assert_eq!(objects[0]["exit"], 77);
        assert_eq!(objects[1]["subject"], serde_json::Value::Null);
        assert_eq!(report.exit(), Exit::NOPERM, "the exit is that of the first");
    }

    #[test]
    fn nobody_else_writes_to_the_terminal_through_us() {
        let report = Report::new(Exit::DATAERR, "key \u{1b}]0;owned\u{7}", "bad\r");
        assert_eq!(report.to_text("makemap", Level::Error), "makemap: key \\x1b]0;owned\\x07: bad\\r\n");
    }

    #[test]
    fn a_closed_pipe_says_nothing_and_stays_a_success() {
        let report = Report::closed_pipe().with_exit(Exit::IOERR);
        assert_eq!(report.to_text("p", Level::Error), "");
        assert_eq!(report.exit(), Exit::OK);
    }
}
