//! What is said to a program: one JSON object on a line for each path.
//!
//! `{"path", "kind", "verdict": "safe"|"unsafe"|"error", "findings": [{"component", "rule", "owner", "mode", "why",
//! "fix"}]}`. `rule` is a rule's stable word; `missing`, `failed`, `configuration` and `damaged` say
//! why something could not be checked; words that
//! begin with `note-` are to be known and change no verdict. `owner` is a name (a number where the host knows none),
//! `mode` four octal digits; both are `null` where there is no component that has them. `fix` is a command or lines of
//! gatepost.toml, or `null`.

use safefile::{Component, Finding, display_path};
use serde::Serialize;

use crate::judged::{Fault, Judged, Note};

/// One path.
#[derive(Debug, Serialize)]
pub(crate) struct Object {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) findings: Vec<Entry>,
}

/// One thing to be said of one component.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) component: String,
    pub(crate) rule: String,
    pub(crate) owner: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) why: String,
    pub(crate) fix: Option<String>,
}

impl Object {
    /// The object of one path.
    pub(crate) fn of(judged: &Judged) -> Self {
        let path = display_path(&judged.audit.path);
        let found = judged.audit.findings().map(|(component, finding)| Entry::of_finding(component, finding));
        let notes = judged.notes.iter().map(|note| Entry::of_note(&path, note));
        Self {
            findings: found.chain(judged.troubles().map(Entry::of_fault)).chain(notes).collect(),
            kind: judged.audit.kind.word(),
            verdict: judged.verdict().word(),
            path,
        }
    }
}

impl Entry {
    fn of_finding(component: &Component, finding: &Finding) -> Self {
        Self {
            component: display_path(&component.path),
            rule: finding.rule.word().to_owned(),
            owner: Some(finding.found.owner.short()),
            mode: Some(format!("{:04o}", finding.found.mode)),
            why: format!("{}: {}", finding.found, finding.why),
            fix: Some(finding.fix.to_string()).filter(|fix| !fix.is_empty()),
        }
    }

    /// Why something could not be checked.
    pub(crate) fn of_fault(fault: Fault) -> Self {
        let rule = fault.rule.to_owned();
        Self { component: fault.component, rule, owner: None, mode: None, why: fault.what, fix: None }
    }

    /// A note is about the path as a whole.
    fn of_note(path: &str, note: &Note) -> Self {
        let (path, word) = (path.to_owned(), note.word.word().to_owned());
        Self {
            component: path,
            rule: word,
            owner: None,
            mode: None,
            why: note.text.clone(),
            fix: note.answer.clone(),
        }
    }
}
