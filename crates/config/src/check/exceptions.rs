//! `[[file]]`: what would be unsafe and is accepted, for one file each.

use std::path::PathBuf;

use safefile::{Exception, Kind};

use super::Reader;
use crate::model::{Config, FileRule};
use crate::parse::{self, At, Section, Table};

impl Reader<'_, '_> {
    pub(super) fn files(&mut self, top: Table<'_>, config: &Config) -> Vec<FileRule> {
        let mut rules: Vec<FileRule> = Vec::new();
        for entry in top.tables(&FILE, self.found) {
            let Some(rule) = self.file(&entry, config) else { continue };
            if rules.iter().any(|other| other.path == rule.path) {
                let cause = format_args!("[[file]] stands twice for {}", safefile::display_path(&rule.path));
                self.found.add(entry.at, cause);
            } else {
                rules.push(rule);
            }
        }
        rules
    }

    fn file(&mut self, entry: &At<Table<'_>>, config: &Config) -> Option<FileRule> {
        let table = entry.value;
        let path = table.path("path", self.found);
        let kind = table.parsed::<Kind>("kind", self.found);
        let exceptions = self.exceptions(table);
        let Some(path) = path else {
            if !table.has("path") {
                self.found.add(entry.at.clone(), "[[file]] has no path");
            }
            return None;
        };
        self.may_have_exceptions(&path, kind, config);
        if kind.is_some() || !table.has("kind") {
            self.agree(&path, kind, config);
        }
        Some(FileRule { path: path.value, kind, exceptions })
    }

    /// What no exception is for: the store, since who can read it can lock it, and the file they are written in.
    fn may_have_exceptions(&mut self, path: &At<PathBuf>, kind: Option<Kind>, config: &Config) {
        let what = if path.value == config.secrets.path || kind == Some(Kind::Store) {
            "the store"
        } else if path.value == config.path || kind == Some(Kind::Configuration) {
            "the configuration itself"
        } else {
            return;
        };
        let cause = format_args!("nothing is excepted for {what}: {}", safefile::display_path(&path.value));
        self.found.add(path.at.clone(), cause);
    }

    /// A file is one thing: what `[[file]]` calls it, and what another key calls it.
    fn agree(&mut self, path: &At<PathBuf>, kind: Option<Kind>, config: &Config) {
        let shown = safefile::display_path(&path.value);
        match (kind, config.kind_of(&path.value)) {
            (None, None) => {
                let cause = format_args!("no other key says what this is, so [[file]] needs kind: {shown}");
                self.found.add(path.at.clone(), cause);
            }
            (Some(here), Some(there)) if here != there => {
                let cause = format_args!("[[file]] says {here}, and another key says {there}: {shown}");
                self.found.add(path.at.clone(), cause);
            }
            _ => {}
        }
    }

    fn exceptions(&mut self, table: Table<'_>) -> Vec<Exception> {
        let readable = table.texts("group_readable", self.found).unwrap_or_default();
        let writable = table.texts("group_writable_dir", self.found).unwrap_or_default();
        let owners = table.texts("dir_owner", self.found).unwrap_or_default();
        let mut exceptions = Vec::new();
        exceptions.extend(
            readable.iter().filter_map(|name| self.group(name.value, name).map(Exception::GroupReadable)),
        );
        exceptions.extend(writable.iter().filter_map(|pair| {
            let (dir, name) = self.pair(pair, "group_writable_dir", "GROUP")?;
            Some(Exception::GroupWritableDir { dir, group: self.group(&name, pair)? })
        }));
        exceptions.extend(owners.iter().filter_map(|pair| {
            let (dir, name) = self.pair(pair, "dir_owner", "USER")?;
            Some(Exception::DirOwner { dir, owner: self.user(&name, pair)? })
        }));
        exceptions
    }

    /// `DIR = NAME`.
    fn pair(&mut self, pair: &At<&str>, key: &str, word: &str) -> Option<(PathBuf, String)> {
        let Some((dir, name)) = pair.value.rsplit_once('=') else {
            let cause = format_args!("file.{key} is not \"/DIR = {word}\": {:?}", pair.value);
            self.found.add(pair.at.clone(), cause);
            return None;
        };
        let dir = At { value: dir.trim(), at: pair.at.clone() };
        let dir = parse::absolute(&dir, &format!("the directory of file.{key}"), self.found)?;
        Some((dir.value, name.trim().to_owned()))
    }
}

pub(super) const FILE: Section =
    Section { name: "file", keys: &["path", "kind", "group_readable", "group_writable_dir", "dir_owner"] };
