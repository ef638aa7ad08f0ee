//! What is said to a program: one JSON object on a line for each path.
//!
//! `{"path", "kind", "verdict": "safe"|"unsafe"|"error", "findings": [{"component", "rule", "owner", "mode", "why",
//! "fix"}]}`. `rule` is a rule's stable word; `missing`, `failed`, `configuration`, `damaged` and `client-info` say
//! why something could not be checked; words that
//! begin with `note-` are to be known and change no verdict. `owner` is a name (a number where the host knows none),
//! `mode` four octal digits; both are `null` where there is no component that has them. `fix` is a command or lines of
//! gatepost.toml, or `null`; what only a person can do stands in `why`. Paths are as they are; octets that are no UTF-8,
//! which no JSON can hold, are written `\xHH`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use safefile::{Component, Finding};
use serde::Serialize;

use crate::judged::{Fault, Judged, Note, Subject};

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
        let path = path_text(&judged.audit.path);
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
            component: path_text(&component.path),
            rule: finding.rule.word().to_owned(),
            owner: Some(finding.found.owner.short()),
            mode: Some(format!("{:04o}", finding.found.mode)),
            why: why(finding),
            fix: finding.fix.command.as_ref().map(ToString::to_string),
        }
    }

    /// Why something could not be checked.
    pub(crate) fn of_fault(fault: Fault) -> Self {
        let rule = fault.rule.to_owned();
        let component = match &fault.subject {
            Subject::Path(path) => path_text(path),
            Subject::Words(words) => words.clone(),
        };
        Self { component, rule, owner: None, mode: None, why: fault.what, fix: None }
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

/// What was found, why it matters, and what a person can do where no command can.
fn why(finding: &Finding) -> String {
    let advice = finding.fix.advice().map(|advice| format!("; by hand: {advice}"));
    format!("{}: {}{}", finding.found, finding.why, advice.unwrap_or_default())
}

fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|octet| format!("\\x{octet:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_path_is_what_it_is() {
        for (path, text) in [
            (&b"/etc/mail"[..], "/etc/mail"),
            (b"/a\\b\n\x1b", "/a\\b\n\u{1b}"),
            ("/caf\u{e9}\u{202e}".as_bytes(), "/caf\u{e9}\u{202e}"),
            (b"/caf\xe9", "/caf\\xe9"),
        ] {
            assert_eq!(path_text(Path::new(OsStr::from_bytes(path))), text);
        }
    }
}
