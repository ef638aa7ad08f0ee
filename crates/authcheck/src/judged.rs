//! One path that was audited, with what else is to be said of it: who named it, what it holds. Neither how it is shown
//! (`tree`, `report`) nor how it is found.

use std::fmt;
use std::path::PathBuf;

use safefile::{Audit, Exception, Reached, Verdict, display_path};

/// One path, judged.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What the walk saw.
    pub(crate) audit: Audit,
    /// Why the path was looked at, and why as this kind: `/etc/mail/sendmail.cf:152 Kauthinfo`.
    pub(crate) named_by: Vec<String>,
    /// What is to be known beside the verdict, which it does not change.
    pub(crate) notes: Vec<Note>,
    /// Why what is there could not be checked, although the walk came to it.
    pub(crate) faults: Vec<Fault>,
    /// What it means when nothing is there.
    pub(crate) absence: Absence,
    /// Whether only a configuration that is unsafe itself names it: a stranger may have chosen it.
    pub(crate) chosen: Chosen,
}

/// By whom a path was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// By who asked, by us, or by a configuration that is safe.
    Safely,
    /// By a configuration that strangers may write.
    ByAnybody,
}

/// Why something could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The stable word: `missing`, `failed`, `configuration`, `damaged`, `client-info`.
    pub(crate) rule: &'static str,
    /// What it concerns.
    pub(crate) subject: Subject,
    /// What was found.
    pub(crate) what: String,
}

/// What a fault concerns. Its [`Display`](fmt::Display) is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A path.
    Path(PathBuf),
    /// `FILE:LINE:COLUMN`, a user; empty where the fault says it.
    Words(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(&display_path(path)),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// What it means that a path leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It was to be looked at and cannot be.
    Error,
    /// It may come later; nobody can put something bad there if the way is safe.
    Allowed,
}

/// Something to be known that makes nothing unsafe by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// What sort of note.
    pub(crate) word: NoteWord,
    /// One sentence.
    pub(crate) text: String,
    /// A command or lines of gatepost.toml that answer it.
    pub(crate) answer: Option<String>,
}

/// The sorts of notes. Their words begin with `note-`, so that a program tells them from the rules of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoteWord {
    /// Passwords in clear text are inside, and who can read them.
    ClearText,
    /// Something reads right and is never used.
    Dead,
    /// What a word of another program is in gatepost.toml.
    Equivalent,
    /// An exception that the configuration names.
    Exception,
    /// Nothing is there.
    Missing,
    /// A word of another program that loosens its own checks.
    Loosened,
    /// Another program will not understand its file, or the file is damaged.
    Broken,
    /// Whom the other program trusts.
    Trusted,
    /// What the configuration asks for and does not get.
    LeftOut,
    /// What the configuration may say, and had better not.
    Remark,
}

impl NoteWord {
    /// The stable word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ClearText => "note-clear-text",
            Self::Dead => "note-dead",
            Self::Equivalent => "note-equivalent",
            Self::Exception => "note-exception",
            Self::Missing => "note-missing",
            Self::Loosened => "note-loosened",
            Self::Broken => "note-broken",
            Self::Trusted => "note-trusted-user",
            Self::LeftOut => "note-left-out",
            Self::Remark => "note-remark",
        }
    }

    /// What a person reads before the sentence.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ClearText => "clear text",
            Self::Dead => "never used",
            Self::Equivalent => "in gatepost.toml",
            Self::Exception => "exception",
            Self::Missing => "absent",
            Self::Loosened => "loosened",
            Self::Broken => "broken",
            Self::Trusted => "TrustedUser",
            Self::LeftOut => "left out",
            Self::Remark => "remark",
        }
    }
}

impl Note {
    /// A note without an answer.
    pub(crate) fn new(word: NoteWord, text: impl Into<String>) -> Self {
        Self { word, text: text.into(), answer: None }
    }

    /// Adds what answers it; an empty answer is none.
    #[must_use]
    pub(crate) fn answered(mut self, answer: impl Into<String>) -> Self {
        self.answer = Some(answer.into()).filter(|answer: &String| !answer.is_empty());
        self
    }
}

impl Judged {
    /// A path of which nothing but the audit is to be said.
    pub(crate) fn new(audit: Audit) -> Self {
        let notes = exceptions(&audit);
        let (absence, chosen) = (Absence::Error, Chosen::Safely);
        Self { audit, named_by: Vec::new(), notes, faults: Vec::new(), absence, chosen }
    }

    /// Adds why it was looked at.
    #[must_use]
    pub(crate) fn named_by(mut self, why: impl IntoIterator<Item = String>) -> Self {
        self.named_by.extend(why);
        self
    }

    /// Says that nothing need be there.
    #[must_use]
    pub(crate) fn may_be_absent(mut self) -> Self {
        self.absence = Absence::Allowed;
        if let Reached::Missing { component } = &self.audit.reached {
            let text = format!("{} is not there", display_path(component));
            self.notes.push(Note::new(NoteWord::Missing, text));
        }
        self
    }

    /// Adds why what is there could not be checked.
    #[must_use]
    pub(crate) fn faulty(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        if !self.faults.is_empty() {
            self.notes.retain(|note| note.word != NoteWord::Missing);
        }
        self
    }

    /// The sum: unsafe where anything is; else an error where anything could not be checked. A path that may be absent
    /// and is, on a safe way, is safe.
    pub(crate) fn verdict(&self) -> Verdict {
        if self.audit.findings().next().is_some() {
            Verdict::Unsafe
        } else if self.troubles().next().is_some() {
            Verdict::Error
        } else {
            Verdict::Safe
        }
    }

    /// Whether something is wrong with the path itself, not with what the file says.
    pub(crate) fn is_path_at_fault(&self) -> bool {
        self.audit.findings().next().is_some() || self.stopped().is_some()
    }

    /// Everything that could not be checked.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = Fault> {
        self.stopped().into_iter().chain(self.faults.iter().cloned())
    }

    /// Why the walk did not come to its end, where that is an error.
    fn stopped(&self) -> Option<Fault> {
        let (rule, component, what) = match &self.audit.reached {
            Reached::End => return None,
            Reached::Missing { .. } if self.absence == Absence::Allowed => return None,
            Reached::Missing { component } => ("missing", component, "no such file or directory".to_owned()),
            Reached::Failed { component, source } => ("failed", component, source.to_string()),
        };
        Some(Fault { rule, subject: Subject::Path(component.clone()), what })
    }
}

/// The exceptions without which a component would be unsafe: an audit never hides them.
fn exceptions(audit: &Audit) -> Vec<Note> {
    let all = audit.components.iter().flat_map(|component| &component.exceptions);
    all.map(|exception| Note::new(NoteWord::Exception, excepted(exception))).collect()
}

/// As the configuration writes it.
fn excepted(exception: &Exception) -> String {
    match exception {
        Exception::GroupReadable(group) => {
            format!("group_readable = [\"{}\"] lets this group read it", group.short())
        }
        Exception::GroupWritableDir { dir, group } => {
            format!("group_writable_dir = [\"{} = {}\"]", display_path(dir), group.short())
        }
        Exception::DirOwner { dir, owner } => {
            format!("dir_owner = [\"{} = {}\"]", display_path(dir), owner.short())
        }
    }
}
