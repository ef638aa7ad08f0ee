//! What was found to be looked at, each path once, and the judgement of it: audit, clear text inside, who can read it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use safefile::{Audit, FileType, Kind, Verdict, display_path};

use super::contents::{self, ClearText};
use super::host::{Host, Reading};
use super::named::{Contents, Named};
use crate::judged::{Chosen, Fault, Judged, Note, NoteWord, Subject};
use crate::readers::readers;

/// The paths to be looked at, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Finds {
    in_order: Vec<Find>,
    /// Where each path is among them: one configuration may name a hundred thousand.
    places: HashMap<PathBuf, usize>,
    /// The configurations that named something, and whether they are to be believed.
    judges: Vec<(PathBuf, Chosen)>,
    /// The keys of gatepost.toml for which a line was given: what is told of all files together is one configuration.
    answered: HashSet<String>,
}

struct Find {
    path: PathBuf,
    kind: Kind,
    contents: Contents,
    named_by: Vec<String>,
    notes: Vec<Note>,
    if_unsafe: Vec<Note>,
    not_looked_at: Vec<String>,
    chosen: Chosen,
}

impl Finds {
    /// A file that a configuration names, there or not.
    pub(crate) fn named(&mut self, host: &Host<'_>, by: &Path, named: Named) {
        let chosen = self.chosen_by(host, by);
        let by = format!("{}:{} {}", display_path(&host.at(by)), named.line, named.word);
        self.add(named.path, named.kind, named.contents, by, chosen);
    }

    /// What a configuration includes and what was not looked into: an error, since nobody knows what it names.
    pub(crate) fn not_followed(&mut self, host: &Host<'_>, by: &Path, path: &Path) {
        let what = format!("included by {}", display_path(&host.at(by)));
        let chosen = self.chosen_by(host, by);
        self.add(path.to_owned(), Kind::Configuration, Contents::Opaque, what, chosen);
        self.not_looked_at(path, UNREAD);
    }

    /// Notes that something which a configuration says was not gone after, and why: an error, since nobody knows what it
    /// would have led to.
    pub(crate) fn not_looked_at(&mut self, path: &Path, why: &str) {
        if let Some(find) = self.find(path) {
            find.not_looked_at.push(why.to_owned());
        }
    }

    /// A file in a usual place; where nothing is there, nothing is said.
    pub(crate) fn usual(
        &mut self,
        host: &Host<'_>,
        path: impl AsRef<Path>,
        kind: Kind,
        contents: Contents,
        what: &str,
    ) {
        let path = path.as_ref();
        if self.find(path).is_some() || host.has(path) {
            self.add(path.to_owned(), kind, contents, what.to_owned(), Chosen::Safely);
        }
    }

    /// The text of a configuration in a usual place, which is audited too. One that is there and cannot be read is an
    /// error: nobody knows what it names.
    pub(crate) fn text(
        &mut self,
        host: &Host<'_>,
        path: &Path,
        contents: Contents,
        what: &str,
    ) -> Option<String> {
        self.usual(host, path, Kind::Configuration, contents, what);
        let text = host.text(path);
        if text.is_none() {
            self.not_looked_at(path, UNREAD);
        }
        text
    }

    /// Adds something to be known of a path that was found.
    pub(crate) fn note(&mut self, path: &Path, note: Note) {
        if let Some(find) = self.find(path) {
            find.notes.push(note);
        }
    }

    /// The lines for gatepost.toml whose keys were not given before, and the keys of the others.
    pub(crate) fn first_said(&mut self, lines: Vec<String>) -> (String, Vec<String>) {
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for line in lines {
            let key = line.split(" = ").next().unwrap_or_default().to_owned();
            if self.answered.insert(key.clone()) { first.push(line) } else { again.push(key) }
        }
        (first.join("\n"), again)
    }

    /// Adds something to be known of a path only if it turns out to be unsafe.
    pub(crate) fn if_unsafe(&mut self, path: &Path, note: Note) {
        if let Some(find) = self.find(path) {
            find.if_unsafe.push(note);
        }
    }

    /// Audits everything.
    pub(crate) fn judge(self, host: &Host<'_>) -> Vec<Judged> {
        self.in_order.into_iter().map(|find| find.judge(host)).collect()
    }

    /// Once for each configuration: it names many files.
    fn chosen_by(&mut self, host: &Host<'_>, by: &Path) -> Chosen {
        if let Some((_, chosen)) = self.judges.iter().find(|(path, _)| path == by) {
            return *chosen;
        }
        let is_unsafe = host.audit(by, Kind::Configuration).verdict() == Verdict::Unsafe;
        let chosen = if is_unsafe { Chosen::ByAnybody } else { Chosen::Safely };
        self.judges.push((by.to_owned(), chosen));
        chosen
    }

    /// A path that is found again is what the stricter finder says, and was chosen by the safer one.
    fn add(&mut self, path: PathBuf, kind: Kind, contents: Contents, by: String, chosen: Chosen) {
        if let Some(find) = self.find(&path) {
            if chosen == Chosen::Safely {
                find.chosen = chosen;
            }
            if kind.is_secret() && !find.kind.is_secret() {
                find.kind = kind;
            }
            if find.contents == Contents::Opaque {
                find.contents = contents;
            }
            if !find.named_by.contains(&by) {
                find.named_by.push(by);
            }
        } else {
            self.places.insert(path.clone(), self.in_order.len());
            self.in_order.push(Find {
                path,
                kind,
                contents,
                named_by: vec![by],
                notes: Vec::new(),
                if_unsafe: Vec::new(),
                not_looked_at: Vec::new(),
                chosen,
            });
        }
    }

    fn find(&mut self, path: &Path) -> Option<&mut Find> {
        self.in_order.get_mut(*self.places.get(path)?)
    }
}

impl Find {
    /// A file that turns out to hold passwords is judged as a secret, whatever it was found as.
    fn judge(self, host: &Host<'_>) -> Judged {
        let mut audit = host.audit(&self.path, self.kind);
        let clear = self.look(host, &audit);
        if matches!(clear, ClearText::Holds(_)) && !self.kind.is_secret() {
            audit = host.audit(&self.path, Kind::Secret);
        }
        let note = clear_text(&audit, clear, self.contents);
        let subject = Subject::Path(audit.path.clone());
        let unread = self.not_looked_at.into_iter();
        let unread = unread.map(|what| Fault { rule: "failed", subject: subject.clone(), what });
        let mut judged = Judged::new(audit).named_by(self.named_by).may_be_absent().faulty(unread);
        judged.chosen = self.chosen;
        judged.notes.extend(note);
        judged.notes.extend(self.notes);
        if judged.verdict() == Verdict::Unsafe {
            judged.notes.extend(self.if_unsafe);
        }
        judged
    }

    fn look(&self, host: &Host<'_>, audit: &Audit) -> ClearText {
        let regular = audit.last().is_some_and(|last| last.facts.file_type == FileType::Regular);
        if self.contents == Contents::Opaque || !regular {
            return ClearText::None;
        }
        match host.read(&self.path, LOOK_LIMIT) {
            Reading::Octets(octets) => contents::look(self.contents, octets.expose()),
            Reading::Unread => ClearText::Unread("it is too long to be looked into"),
            Reading::Nothing => ClearText::Unread("it could not be read"),
        }
    }
}

fn clear_text(audit: &Audit, clear: ClearText, contents: Contents) -> Option<Note> {
    let who = readers(audit);
    match clear {
        ClearText::None => None,
        ClearText::Holds(1) => Some(format!("1 password in clear text; {who} can read it")),
        ClearText::Holds(count) => Some(format!("{count} passwords in clear text; {who} can read them")),
        ClearText::Unread(why) => {
            Some(format!("may hold passwords in clear text ({why}); {who} can read it"))
        }
        ClearText::Damaged(why) => return Some(Note::new(NoteWord::Broken, why)),
    }
    .map(|text| Note::new(NoteWord::ClearText, text).answered(import(audit, contents)))
}

/// How the users of a file get into the store; passwords for other servers have no other home.
fn import(audit: &Audit, contents: Contents) -> String {
    match contents {
        Contents::Sasldb | Contents::PasswdFile { .. } => {
            format!("saslpasswd --import {}", safefile::shell_quote(&audit.path))
        }
        _ => String::new(),
    }
}

const UNREAD: &str = "could not be read, so what it names was not looked at";

/// The longest file that is looked into: some 200,000 users of a sasldb. What is longer is said to be.
const LOOK_LIMIT: u64 = 64 << 20;
