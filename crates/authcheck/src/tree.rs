//! What is said to a person: each path as a tree of its components, owner, mode and verdict in columns, and below it what
//! is wrong, why it matters and the commands that mend it. Makes text; printing is the caller's.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use cli::Io;
use cli::printable::lines;
use safefile::account::{group_name, user_name};
use safefile::{Component, FileType, Finding, Mend, Otherwise, Rule, Verdict, display_path};

use crate::judged::{Fault, Judged};

/// How much of a safe path is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Every component of every path.
    Whole,
    /// A safe path is one line.
    UnsafeOnly,
    /// The same, and it does not say that it is safe: the file has yet to be looked into.
    VerdictLater,
}

/// Whether the text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// For a terminal.
    On,
    /// For a file, a pipe, or a person who set `NO_COLOR`.
    Off,
}

impl Colour {
    /// For standard output.
    pub(crate) fn of(io: &mut Io) -> Self {
        if io.out().is_coloured() { Self::On } else { Self::Off }
    }
}

/// What was explained already: a directory above twenty files is explained once, and once more where a file has another
/// way out (what accepts it for a map would make a map of a secret), or where the rule is broken for somebody else too.
#[derive(Debug, Default)]
pub(crate) struct Told(HashSet<Explained>);

/// A finding as far as its explanation goes: component, rule, entry of the access list, and the ways out, of which the
/// lines of gatepost.toml are those without the path.
type Explained = (PathBuf, Rule, Option<String>, Option<String>, Option<Otherwise>, Vec<String>);

/// The text for one path, with its line ends.
pub(crate) fn text(judged: &Judged, detail: Detail, told: &mut Told, colour: Colour) -> String {
    let mut out = String::new();
    headline(&mut out, judged, detail, colour);
    if detail == Detail::Whole || judged.is_path_at_fault() {
        components(&mut out, judged, colour);
    }
    findings(&mut out, judged, told, colour);
    judged.troubles().for_each(|one| out.push_str(&fault(&one, colour)));
    notes(&mut out, judged, colour);
    out
}

/// The last line: how many paths are how.
pub(crate) fn summary(verdicts: &[Verdict], colour: Colour) -> String {
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let part = |number: usize, word: &str, style| match number {
        0 => format!("{number} {word}"),
        _ => painted(&format!("{number} {word}"), style, colour),
    };
    format!(
        "{}, {}, {}\n",
        part(count(Verdict::Safe), "safe", SAFE),
        part(count(Verdict::Unsafe), "unsafe", UNSAFE),
        part(count(Verdict::Error), "not checked", ERROR)
    )
}

/// `safe    secret  /etc/sasldb2  root:root 0600  (usual place of sasldb)`.
fn headline(out: &mut String, judged: &Judged, detail: Detail, colour: Colour) {
    let (word, style) = match judged.verdict() {
        Verdict::Safe if detail == Detail::VerdictLater => ("      ", SAFE),
        Verdict::Safe => ("safe  ", SAFE),
        Verdict::Unsafe => ("UNSAFE", UNSAFE),
        Verdict::Error => ("ERROR ", ERROR),
    };
    let word = painted(word, style, colour);
    let path = painted(&display_path(&judged.audit.path), BOLD, colour);
    let _ = write!(out, "{word}  {:<13} {path}", judged.audit.kind.word());
    if !judged.named_by.is_empty() {
        let why = lines(&format!("  ({})", judged.named_by.join(", ")));
        out.push_str(&painted(&why, DIM, colour));
    }
    out.push('\n');
}

fn components(out: &mut String, judged: &Judged, colour: Colour) {
    let rows: Vec<Row> = rows(&judged.audit.components);
    let width =
        |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let (names, owners) = (width(|row| &row.name), width(|row| &row.owner));
    for row in &rows {
        let (verdict, style) =
            if row.rules.is_empty() { ("ok".to_owned(), SAFE) } else { (row.rules.clone(), UNSAFE) };
        let verdict = painted(&verdict, style, colour);
        let _ = writeln!(out, "    {:names$}  {:owners$}  {}  {verdict}", row.name, row.owner, row.mode);
    }
}

/// One component as it is shown.
struct Row {
    name: String,
    owner: String,
    mode: String,
    rules: String,
}

fn rows(components: &[Component]) -> Vec<Row> {
    let mut shown: Vec<&Component> = Vec::new();
    let mut rows = Vec::new();
    for component in components {
        rows.push(Row {
            name: branch(component, shown.last().copied()),
            owner: format!("{}:{}", user_name(component.facts.uid), group_name(component.facts.gid)),
            mode: mode(component),
            rules: rules(component),
        });
        shown.push(component);
    }
    rows
}

/// Each rule once, for how many entries of an access list it may be broken.
fn rules(component: &Component) -> String {
    let mut words: Vec<_> = component.findings.iter().map(|finding| finding.rule.word()).collect();
    words.dedup();
    words.join(", ")
}

/// The name, moved right by its depth. Where the walk leaves the branch (behind a link) the whole path is shown.
fn branch(component: &Component, before: Option<&Component>) -> String {
    let path = &component.path;
    let depth = path.components().count().saturating_sub(1);
    let continues = before.is_some_and(|before| Some(before.path.as_path()) == path.parent());
    let name = match path.file_name() {
        Some(name) if continues => display_path(name.as_ref()),
        _ => display_path(path),
    };
    let turn = match depth {
        0 => String::new(),
        depth => format!("{}└─ ", "   ".repeat(depth - 1)),
    };
    let target = component.facts.target.as_ref().map(|target| format!(" -> {}", display_path(target)));
    let mount = if component.is_mount && depth > 0 { " (mount)" } else { "" };
    format!("{turn}{name}{}{mount}", target.unwrap_or_default())
}

/// As `ls -l` shows it: `drwxr-xr-x`, with a plus where there is an access list.
fn mode(component: &Component) -> String {
    let facts = &component.facts;
    let letter = match facts.file_type {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Link => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Unknown => '?',
    };
    let plus = if facts.acl.is_some() { '+' } else { ' ' };
    format!("{letter}{}{plus}", permissions(facts.mode))
}

fn permissions(mode: u32) -> String {
    let triple = |shift: u32, special: u32, letters: [char; 2]| {
        let bits = mode >> shift;
        let execute = match (bits & 1 != 0, mode & special != 0) {
            (false, false) => '-',
            (true, false) => 'x',
            (false, true) => letters[0],
            (true, true) => letters[1],
        };
        let read = if bits & 4 != 0 { 'r' } else { '-' };
        let write = if bits & 2 != 0 { 'w' } else { '-' };
        [read, write, execute]
    };
    let all = [triple(6, 0o4000, ['S', 's']), triple(3, 0o2000, ['S', 's']), triple(0, 0o1000, ['T', 't'])];
    all.iter().flatten().collect()
}

fn findings(out: &mut String, judged: &Judged, told: &mut Told, colour: Colour) {
    let configuration = judged.audit.configuration().unwrap_or_default();
    let mut lines = if configuration.is_empty() { Lines::None } else { Lines::Ahead(&configuration) };
    for (component, finding) in judged.audit.findings() {
        let fix = &finding.fix;
        let accepted = configuration.iter().skip(2).filter(|_| fix.excuse().is_some()).cloned().collect();
        let command = fix.command.as_ref().map(Mend::to_string);
        let entry = finding.found.entry.clone();
        let key = (component.path.clone(), finding.rule, entry, command, fix.otherwise.clone(), accepted);
        if told.0.insert(key) {
            explain(out, component, finding, &mut lines, colour);
        }
    }
}

/// The lines of gatepost.toml for a path, which stand once below its first finding that they accept.
#[derive(Clone, Copy)]
enum Lines<'a> {
    None,
    Ahead(&'a [String]),
    Above,
}

fn explain(
    out: &mut String,
    component: &Component,
    finding: &Finding,
    lines: &mut Lines<'_>,
    colour: Colour,
) {
    let (path, found) = (display_path(&component.path), &finding.found);
    let _ = writeln!(out, "    {}: {path}: {found}", painted(finding.rule.word(), UNSAFE, colour));
    let _ = writeln!(out, "        why: {}", finding.why);
    let command = finding.fix.command.as_ref();
    if let Some(command) = command {
        let _ = writeln!(out, "        fix: {}", painted(&command.to_string(), BOLD, colour));
    }
    if finding.fix.excuse().is_some() {
        *lines = accept(out, *lines, colour);
    } else if let Some(advice) = finding.fix.advice() {
        let _ = writeln!(out, "        {}: {advice}", if command.is_some() { "or" } else { "by hand" });
    }
}

/// What stands below the next finding is the answer.
fn accept<'a>(out: &mut String, lines: Lines<'a>, colour: Colour) -> Lines<'a> {
    match lines {
        Lines::None => return Lines::None,
        Lines::Ahead(lines) => {
            let _ = writeln!(out, "        or in gatepost.toml, for each such file:");
            for line in lines {
                let _ = writeln!(out, "            {}", painted(line, BOLD, colour));
            }
        }
        Lines::Above => {
            let _ = writeln!(out, "        or by the lines for gatepost.toml above");
        }
    }
    Lines::Above
}

/// Why something could not be checked: one line.
pub(crate) fn fault(fault: &Fault, colour: Colour) -> String {
    let word = painted(fault.rule, ERROR, colour);
    let subject = fault.subject.to_string();
    let subject = if subject.is_empty() { subject } else { lines(&format!("{subject}: ")) };
    format!("    {word}: {subject}{}\n", lines(&fault.what))
}

/// Something to be said of one user: `    weak-verifier: bob@example.org: plain (clear text)`.
pub(crate) fn remark(
    word: &str,
    style: Style,
    user: &str,
    why: &str,
    fix: Option<&str>,
    colour: Colour,
) -> String {
    let fix = fix.map(|fix| format!("        fix: {}\n", painted(fix, BOLD, colour))).unwrap_or_default();
    format!("    {}: {user}: {why}\n{fix}", painted(word, style, colour))
}

fn notes(out: &mut String, judged: &Judged, colour: Colour) {
    for note in &judged.notes {
        let _ = writeln!(out, "    {}: {}", painted(note.word.title(), NOTE, colour), lines(&note.text));
        let answer = note.answer.iter().flat_map(|answer| answer.lines());
        answer.for_each(|line| {
            let _ = writeln!(out, "        {}", painted(&lines(line), BOLD, colour));
        });
    }
}

fn painted(text: &str, style: Style, colour: Colour) -> String {
    match colour {
        Colour::On => format!("{style}{text}{style:#}"),
        Colour::Off => text.to_owned(),
    }
}

const SAFE: Style = AnsiColor::Green.on_default();
/// What makes something unsafe.
pub(crate) const UNSAFE: Style = AnsiColor::Red.on_default().bold();
const ERROR: Style = AnsiColor::Yellow.on_default().bold();
/// What is to be known.
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

#[cfg(test)]
mod tests {
    use safefile::{Audit, Exception, Facts, Gid, Group, Kind, Mount, Reached, Role, Uid};

    use super::*;

    fn component(path: &str, role: Role, file_type: FileType, mode: u32) -> Component {
        Component {
            path: PathBuf::from(path),
            role,
            facts: Facts {
                file_type,
                uid: Uid(0),
                gid: Gid(if mode & 0o2000 == 0 { 0 } else { 3_999_999_999 }),
                mode,
                links: 1,
                device: 1,
                inode: 1,
                size: 1,
                acl: None,
                mount: Mount::Kernel,
                target: (file_type == FileType::Link).then(|| PathBuf::from("../srv/auth\u{1b}info")),
            },
            findings: Vec::new(),
            exceptions: Vec::new(),
            is_mount: path == "/srv",
        }
    }

    fn judged() -> Judged {
        let mut last = component("/srv/auth\u{1b}info", Role::Last, FileType::Regular, 0o640);
        last.exceptions = vec![Exception::GroupReadable(Group::by_gid(Gid(0)))];
        let components = vec![
            component("/", Role::Directory, FileType::Directory, 0o755),
            component("/etc", Role::Directory, FileType::Directory, 0o1777),
            component("/etc/mail", Role::Directory, FileType::Directory, 0o2755),
            component("/etc/mail/authinfo", Role::Link, FileType::Link, 0o777),
            component("/srv", Role::Directory, FileType::Directory, 0o755),
            last,
        ];
        let path = PathBuf::from("/etc/mail/authinfo");
        let audit = Audit { path, kind: Kind::Secret, components, reached: Reached::End };
        Judged::new(audit).named_by(["/etc/mail/sendmail.cf:152 Kauthinfo".to_owned()])
    }

    fn shown(judged: &Judged, detail: Detail, colour: Colour) -> String {
        text(judged, detail, &mut Told::default(), colour)
    }

    #[test]
    fn columns_stand_below_each_other_and_nothing_reaches_the_terminal() {
        let expected = "\
safe    secret        /etc/mail/authinfo  (/etc/mail/sendmail.cf:152 Kauthinfo)
    /                                           root:root        drwxr-xr-x   ok
    └─ etc                                      root:root        drwxrwxrwt   ok
       └─ mail                                  root:3999999999  drwxr-sr-x   ok
          └─ authinfo -> ../srv/auth\\u{1b}info  root:root        lrwxrwxrwx   ok
    └─ /srv (mount)                             root:root        drwxr-xr-x   ok
       └─ auth\\u{1b}info                        root:root        -rw-r-----   ok
    exception: group_readable = [\"root\"] lets this group read it
";
        assert_eq!(shown(&judged(), Detail::Whole, Colour::Off), expected);
    }

    #[test]
    fn a_safe_path_is_one_line_with_its_exceptions() {
        let said = shown(&judged(), Detail::UnsafeOnly, Colour::Off);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.ends_with("lets this group read it\n"), "{said}");
    }

    #[test]
    fn colours_change_no_letter() {
        let plain = shown(&judged(), Detail::Whole, Colour::Off);
        let coloured = shown(&judged(), Detail::Whole, Colour::On);
        assert_ne!(plain, coloured);
        assert_eq!(without_colours(&coloured), plain);
    }

    fn without_colours(text: &str) -> String {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
    }

    #[test]
    fn the_sum_names_every_verdict() {
        let verdicts = [Verdict::Safe, Verdict::Unsafe, Verdict::Safe];
        assert_eq!(summary(&verdicts, Colour::Off), "2 safe, 1 unsafe, 0 not checked\n");
    }
}
