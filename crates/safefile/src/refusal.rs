//! What is said of an unsafe component: what was found, why it matters, what mends it. The decision is `judge`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component as PathComponent, Path, PathBuf};

use crate::account::{Account, Group};
use crate::acl::Perms;
use crate::facts::{Facts, FileType};
use crate::judge::Breach;
use crate::kind::{Kind, Role};
use crate::mend::{Change, Mend};
use crate::quote::{display_path, shell_quote, toml_quote};
use crate::rule::Rule;
use crate::trust::Trust;

/// Why a path was refused: the first finding on the way.
///
/// Its [`Display`](fmt::Display) is one line: rule, what was found, component.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it was to be opened as.
    pub kind: Kind,
    /// The component, by its real path.
    pub component: PathBuf,
    /// What the component is to the path.
    pub role: Role,
    /// What is wrong with it.
    pub finding: Finding,
}

impl Refusal {
    /// The lines of gatepost.toml that accept this finding; `None` where there is no such exception, or no spelling of the
    /// path that the configuration takes.
    pub fn configuration(&self) -> Option<Vec<String>> {
        let real = Some(self.component.as_path()).filter(|_| self.role == Role::Last);
        configuration(&self.path, real, self.kind, [&self.finding])
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let component = display_path(&self.component);
        write!(f, "unsafe ({}), {}: {component}", self.finding.rule, self.finding.found)
    }
}

/// One thing that is wrong with one component.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What was found.
    pub found: Found,
    /// One sentence: what somebody could do.
    pub why: &'static str,
    /// What mends it.
    pub fix: Fix,
}

impl Finding {
    /// Puts a breach into words; asks the host for the names of accounts.
    pub(crate) fn new(kind: Kind, component: &Path, facts: &Facts, breach: Breach, trust: &Trust) -> Self {
        let found = Found::new(facts, breach);
        let fix = Fix::new(kind, component, facts, breach, trust);
        Self { rule: breach.rule, found, why: breach.rule.why(), fix }
    }
}

/// What was found, with names for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Regular file, directory, link ...
    pub file_type: FileType,
    /// The owner.
    pub owner: Account,
    /// The owning group.
    pub group: Group,
    /// The mode without the type: twelve bits.
    pub mode: u32,
    /// How many names the file has.
    pub links: u64,
    /// What a link says.
    pub target: Option<PathBuf>,
    /// The entry of the access list that matters here, as getfacl(1) writes it: `user:nobody:rwx`.
    pub entry: Option<String>,
}

impl Found {
    fn new(facts: &Facts, breach: Breach) -> Self {
        Self {
            file_type: facts.file_type,
            owner: Account::by_uid(facts.uid),
            group: Group::by_gid(facts.gid),
            mode: facts.mode,
            links: facts.links,
            target: facts.target.clone(),
            entry: breach.entry.map(|grant| format!("{}:{}", grant.who, grant.allows)),
        }
    }
}

/// `directory of smmta (uid 105), group smmsp (gid 106), mode 2755`
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, group {}, mode {:04o}", self.file_type, self.owner, self.group, self.mode)?;
        if self.file_type == FileType::Regular && self.links != 1 {
            write!(f, ", {} names", self.links)?;
        }
        if let Some(target) = &self.target {
            write!(f, ", to {}", display_path(target))?;
        }
        self.entry.as_ref().map_or(Ok(()), |entry| write!(f, ", access list {entry}"))
    }
}

/// What mends a finding. At least one of the two is there.
///
/// Its [`Display`](fmt::Display) is the command where there is one, else the other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The command; it never gives anybody who is not trusted more access than they had.
    pub command: Option<Mend>,
    /// Another way, or what to do where no command can.
    pub otherwise: Option<Otherwise>,
}

/// A way to mend a finding that is no command. Its [`Display`](fmt::Display) is the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Otherwise {
    /// What names the exception in the `[[file]]` table of gatepost.toml.
    Exception(Excuse),
    /// What a person can do.
    Advice(String),
}

impl fmt::Display for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception(excuse) => excuse.fmt(f),
            Self::Advice(text) => f.write_str(text),
        }
    }
}

/// An exception as the configuration writes it. Its [`Display`](fmt::Display) is the line: `dir_owner = ["/etc/mail = smmta"]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Excuse {
    key: &'static str,
    /// What stands in the list, as a string of TOML.
    word: String,
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = [{}]", self.key, self.word)
    }
}

/// The one `[[file]]` table that accepts all of these findings that can be accepted: two tables of one path are refused.
pub(crate) fn configuration<'a>(
    path: &Path,
    real: Option<&Path>,
    kind: Kind,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Option<Vec<String>> {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for excuse in findings.into_iter().filter_map(|finding| finding.fix.excuse()) {
        let words = lists.entry(excuse.key).or_default();
        if !words.contains(&excuse.word.as_str()) {
            words.push(&excuse.word);
        }
    }
    if lists.is_empty() {
        return None;
    }
    let path = toml_quote(spelled(path, real)?)?;
    let head = ["[[file]]".to_owned(), format!("path = {path}"), format!("kind = \"{kind}\"")];
    let lists = lists.iter().map(|(key, words)| format!("{key} = [{}]", words.join(", ")));
    Some(head.into_iter().chain(lists).collect())
}

/// A path as the configuration takes it: from `/` on, and never up again; one that climbs is named by its real path.
fn spelled(path: &Path, real: Option<&Path>) -> Option<PathBuf> {
    let absolute: PathBuf = std::path::absolute(path).ok()?.components().collect();
    let climbs = absolute.components().any(|component| component == PathComponent::ParentDir);
    if climbs { real.map(Path::to_owned) } else { Some(absolute) }
}

impl Fix {
    /// The exception that accepts what was found, where there is one.
    pub fn excuse(&self) -> Option<&Excuse> {
        match &self.otherwise {
            Some(Otherwise::Exception(excuse)) => Some(excuse),
            _ => None,
        }
    }

    /// What a person can do beside the command or where there is none.
    pub fn advice(&self) -> Option<&str> {
        match &self.otherwise {
            Some(Otherwise::Advice(advice)) => Some(advice),
            _ => None,
        }
    }

    fn new(kind: Kind, component: &Path, facts: &Facts, breach: Breach, trust: &Trust) -> Self {
        let command = change(kind, facts, breach, trust).map(|change| Mend::new(component, facts, change));
        Self { command, otherwise: otherwise(kind, component, facts, breach.rule) }
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.command, &self.otherwise) {
            (Some(command), _) => command.fmt(f),
            (None, Some(otherwise)) => otherwise.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

fn change(kind: Kind, facts: &Facts, breach: Breach, trust: &Trust) -> Option<Change> {
    Some(match breach.rule {
        // Taking /tmp from everybody would mend this file and break the host.
        Rule::GroupWritableDirectory | Rule::WorldWritableDirectory if is_everybodys(facts) => return None,
        Rule::GroupWritableDirectory | Rule::GroupWritable => Change::TakeFromGroup(Perms::WRITE),
        Rule::WorldWritableDirectory | Rule::WorldWritable => Change::TakeFromOthers(Perms::WRITE),
        Rule::GroupReadable => Change::TakeFromGroup(reading(kind)),
        Rule::WorldReadable => Change::TakeFromOthers(reading(kind)),
        Rule::AclWritableDirectory | Rule::AclWritable | Rule::AclReadable => {
            let grant = breach.entry?;
            Change::Narrow(grant.who, grant.harmless)
        }
        Rule::DirectoryOwner => Change::Owner(Account::root()),
        Rule::LinkOwner => Change::OwnerOfLink(Account::root()),
        Rule::Owner => Change::Owner(keeper(kind, trust)),
        _ => return None,
    })
}

/// A directory is listed and searched, a file read.
fn reading(kind: Kind) -> Perms {
    if kind == Kind::SecretDirectory { Perms::READ.or(Perms::EXECUTE) } else { Perms::READ }
}

/// Who should own a file that a stranger owns: what the daemon keeps belongs to the account that it runs as.
fn keeper(kind: Kind, trust: &Trust) -> Account {
    match (kind, trust.trusted_account()) {
        (Kind::Store | Kind::Secret, Some(account)) => account.clone(),
        _ => Account::root(),
    }
}

fn is_everybodys(facts: &Facts) -> bool {
    facts.is_sticky() && facts.other_perms().has_any(Perms::WRITE)
}

fn otherwise(kind: Kind, component: &Path, facts: &Facts, rule: Rule) -> Option<Otherwise> {
    if is_everybodys(facts) && matches!(rule, Rule::GroupWritableDirectory | Rule::WorldWritableDirectory) {
        let elsewhere = "keep the file elsewhere: this directory is meant for everybody";
        return Some(Otherwise::Advice(elsewhere.to_owned()));
    }
    let exception = kind.may_have_exceptions().then(|| exception(component, facts, rule)).flatten();
    exception.map(Otherwise::Exception).or_else(|| advice(component, facts, rule).map(Otherwise::Advice))
}

fn exception(component: &Path, facts: &Facts, rule: Rule) -> Option<Excuse> {
    match rule {
        Rule::DirectoryOwner => given("dir_owner", component, &Account::by_uid(facts.uid).short()),
        Rule::GroupWritableDirectory => {
            given("group_writable_dir", component, &Group::by_gid(facts.gid).short())
        }
        Rule::GroupReadable => {
            let word = toml_quote(Group::by_gid(facts.gid).short())?;
            Some(Excuse { key: "group_readable", word })
        }
        _ => None,
    }
}

fn advice(component: &Path, facts: &Facts, rule: Rule) -> Option<String> {
    Some(match rule {
        Rule::TooManyLinks => "name the file by its real path".to_owned(),
        Rule::ForeignFilesystem => "keep the file on a filesystem that root mounted".to_owned(),
        Rule::WorkingDirectory => {
            "give the path from / on, or start in a directory that is still there".to_owned()
        }
        Rule::NotRegular => format!("name a regular file; this is a {}", facts.file_type),
        Rule::NotDirectory => format!("name a directory; this is a {}", facts.file_type),
        Rule::ReplacesLink => match &facts.target {
            Some(target) => format!("name the file that the link leads to: {}", display_path(target)),
            None => "name the file that the link leads to".to_owned(),
        },
        Rule::HardLink => {
            format!("remove the other name; find it with: find / -samefile {}", shell_quote(component))
        }
        Rule::Changed => "try again when nobody is replacing the file".to_owned(),
        _ => return None,
    })
}

/// An exception for a directory, as the configuration writes it. A path that no string of TOML can hold cannot be named.
fn given(key: &'static str, directory: &Path, to: &str) -> Option<Excuse> {
    let mut both = directory.as_os_str().to_owned();
    both.push(format!(" = {to}"));
    Some(Excuse { key, word: toml_quote(both)? })
}

#[cfg(test)]
mod tests;
