//! The house rules, checked: which crate may use which, where files may be opened, what licences we carry.
//!
//! The table of arrows is that of ARCHITECTURE.md; the manifests are held against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{Outcome, cargo, output, root};

/// What each crate may use of the workspace. A crate that is not here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("credential", &[]),
    ("safefile", &[]),
    ("mapfile", &[]),
    ("sasl", &["credential"]),
    ("wire", &["credential", "sasl"]),
    ("tls", &["safefile"]),
    ("smtp", &["credential"]),
    ("store", &["credential", "safefile", "mapfile"]),
    ("config", &["credential", "safefile"]),
    ("front", &["credential", "safefile", "sasl", "wire", "tls", "smtp", "store", "config"]),
    ("keeper", &["wire", "store", "sasl", "config", "credential", "safefile"]),
    ("cli", &["credential", "safefile"]),
    (
        "gatepostd",
        &["keeper", "front", "wire", "smtp", "tls", "sasl", "config", "cli", "credential", "safefile"],
    ),
    ("saslpasswd", &["credential", "safefile", "mapfile", "store", "config", "cli"]),
    ("makemap", &["credential", "safefile", "mapfile", "store", "config", "cli"]),
    ("authcheck", &["credential", "safefile", "mapfile", "store", "config", "cli", "smtp", "tls", "sasl"]),
    ("tests", &[]),
    ("xtask", &["saslpasswd", "makemap", "authcheck", "gatepostd", "tests"]),
];

/// Crates from outside that stand in one manifest only: who else wants them asks that crate.
const ONLY_IN: &[(&str, &str)] =
    &[("redb", "store"), ("rustls", "tls"), ("rpassword", "cli"), ("indicatif", "cli"), ("toml", "config")];

/// Licences that may be in what we ship.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
];

/// What shipped code outside `safefile` does not say: each is, or leads to, a file that was not judged.
const WAYS_AROUND: &[&str] = &[
    "disallowed_methods",
    "OpenOptions",
    "fs::open(",
    "fs::openat",
    "fcntl::open",
    "fs::rename",
    "fs::unlink",
    "fs::link",
    "fs::mkdir",
    "from_raw_fd",
    "tempfile::",
];

/// What the front may use of crates that hold more.
const FRONTS_PARTS: &[(&str, &[&str])] = &[("store", &["maps"]), ("sasl", &["layer", "channel"])];

/// Names for a crate or module that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["common", "utils", "util", "types", "helpers", "misc"];

pub(crate) fn run() -> Outcome {
    let workspace = metadata(&["--no-deps"])?;
    let all = metadata(&[])?;
    let mut faults = arrows(&workspace);
    faults.extend(single_homes(&workspace));
    faults.extend(manifests(&workspace));
    faults.extend(licences(&all));
    faults.extend(sources(&root())?);
    faults.extend(differences(&root())?);
    if faults.is_empty() {
        println!("house rules: all kept");
        return Ok(());
    }
    Err(format!("house rules broken:\n  {}", faults.join("\n  ")))
}

fn metadata(extra: &[&str]) -> Outcome<Value> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--locked"]).args(extra))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// Every dependency between our crates must be an arrow of the table. Tests may look anywhere.
fn arrows(workspace: &Value) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in packages(workspace) {
        let name = text(package, "name");
        let Some(may_use) = allowed.get(name) else {
            faults.push(format!("crate {name} has no place in the table of arrows"));
            continue;
        };
        for used in dependencies(package, Scope::Shipped) {
            if allowed.contains_key(used) && !may_use.contains(&used) {
                faults.push(format!("crate {name} may not use {used}"));
            }
        }
    }
    faults
}

fn single_homes(workspace: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages(workspace) {
        let name = text(package, "name");
        for (outside, home) in ONLY_IN {
            if name != *home && name != "xtask" && dependencies(package, Scope::All).contains(outside) {
                faults.push(format!("{outside} belongs to crate {home} alone, but {name} names it"));
            }
        }
    }
    faults
}

/// Every member takes its lints from the workspace, which forbids unsafe code.
fn manifests(workspace: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages(workspace) {
        let path = text(package, "manifest_path");
        match std::fs::read_to_string(path) {
            Ok(manifest) if manifest.contains("[lints]\nworkspace = true") => {}
            Ok(_) => faults.push(format!("{path} does not take its lints from the workspace")),
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    match std::fs::read_to_string(root().join("Cargo.toml")) {
        Ok(manifest) if manifest.contains("unsafe_code = \"forbid\"") => {
            faults.extend(unused(&manifest, workspace));
        }
        _ => faults.push("the workspace does not forbid unsafe code".to_owned()),
    }
    faults
}

/// Every dependency that the workspace names is wanted by somebody.
fn unused(manifest: &str, workspace: &Value) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let named = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let named = named.and_then(toml::Value::as_table).into_iter().flatten();
    let is_room = |value: &toml::Value| value.get("path").is_some();
    let is_used = |name: &str| packages(workspace).any(|one| dependencies(one, Scope::All).contains(&name));
    named
        .filter(|(name, value)| !is_room(value) && !is_used(name))
        .map(|(name, _)| format!("nobody uses the dependency {name}"))
        .collect()
}

fn licences(all: &Value) -> Vec<String> {
    packages(all)
        .filter_map(|package| {
            let licence = text(package, "license");
            (!allows(licence)).then(|| format!("{} has the licence {licence:?}", text(package, "name")))
        })
        .collect()
}

/// Whether an SPDX expression leaves us a choice that is on the list. `/` is the old spelling of OR.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

/// `A OR B`; none where the words are no expression.
fn either(words: &mut &[&str]) -> Option<bool> {
    let mut good = both(words)?;
    while take(words, "OR") {
        good |= both(words)?;
    }
    Some(good)
}

fn both(words: &mut &[&str]) -> Option<bool> {
    let mut good = one(words)?;
    while take(words, "AND") {
        good &= one(words)?;
    }
    Some(good)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let good = either(words)?;
        return take(words, ")").then_some(good);
    }
    let (name, rest) = words.split_first()?;
    *words = rest;
    if !take(words, "WITH") {
        return Some(LICENCES.contains(name));
    }
    let (exception, rest) = words.split_first()?;
    *words = rest;
    Some(LICENCES.contains(&format!("{name} WITH {exception}").as_str()))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

/// Rules that are read off the source itself.
fn sources(root: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    for file in rust_files(&root.join("crates"))?.into_iter().chain(rust_files(&root.join("xtask/src"))?) {
        let content =
            std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        faults.extend(file_rules(&shown, &content));
    }
    Ok(faults)
}

/// What a program does otherwise than its peer stands beside its tests; the README has every row of it.
fn differences(root: &Path) -> Outcome<Vec<String>> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let readme = read(&root.join("README.md"))?;
    let crates = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let tables = crates.filter_map(Result::ok).map(|entry| entry.path().join("DIFFERENCES.md"));
    let mut faults = Vec::new();
    for table in tables.filter(|table| table.exists()) {
        let missing = missing_rows(&read(&table)?, &readme).len();
        if missing > 0 {
            faults.push(format!("README.md lacks {missing} rows of {}", table.display()));
        }
    }
    Ok(faults)
}

fn missing_rows<'t>(table: &'t str, readme: &str) -> Vec<&'t str> {
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.filter(|row| !readme.lines().any(|line| line == *row)).collect()
}

/// The rules for one file, by its path below the workspace.
fn file_rules(path: &str, content: &str) -> Vec<String> {
    let shipped = path.starts_with("crates/") && path.contains("/src/") && !is_test_file(path);
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let rules = [
        (!is_test_file(path) && !content.starts_with("//!"), "does not open by saying what it holds (`//!`)"),
        (path.ends_with("/mod.rs"), "is a mod.rs; write foo.rs beside foo/"),
        (EMPTY_NAMES.contains(&stem), "has a name that says nothing of what is inside"),
        (content.contains(&["#[", "ignore"].concat()), "ignores a test"),
        (
            shipped && !path.starts_with("crates/safefile/") && goes_around(before_tests(content)),
            "opens files around the safe-file crate",
        ),
        (
            shipped && path.starts_with("crates/front/") && reaches_for_secrets(before_tests(content)),
            "is of the front and names more of `store` than maps, or of `sasl` than layer and channel",
        ),
    ];
    rules.iter().filter(|(broken, _)| *broken).map(|(_, fault)| format!("{path} {fault}")).collect()
}

/// Clippy sees the usual names; this sees exemptions from clippy, and the same system calls by other names.
fn goes_around(content: &str) -> bool {
    let code = content.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| WAYS_AROUND.iter().any(|way| line.contains(way)))
}

/// Who parses what strangers send has no words for the store, and none for an exchange: of some crates it may use a part.
fn reaches_for_secrets(content: &str) -> bool {
    let code = content.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| FRONTS_PARTS.iter().any(|(room, parts)| names_more(line, room, parts)))
}

fn names_more(line: &str, room: &str, parts: &[&str]) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(room).any(|(at, _)| {
        let (before, behind) = (&line[..at], &line[at + room.len()..]);
        let is_path = !before.ends_with(is_word) && !before.ends_with("::") && !before.ends_with('.');
        let part = behind.strip_prefix("::").map(|part| part.split(|c| !is_word(c)).next().unwrap_or(part));
        let is_named =
            part.is_some() || before.trim_end().ends_with("use") || before.contains("extern crate");
        is_path && is_named && part.is_none_or(|part| !parts.contains(&part))
    })
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The part of a file that ships: what stands before its inline tests.
fn before_tests(content: &str) -> &str {
    content.find("#[cfg(test)]").map_or(content, |at| &content[..at])
}

fn rust_files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries =
            std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// Which dependencies of a manifest are meant.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// What ships: not those of tests and build scripts.
    Shipped,
    /// Every one.
    All,
}

fn dependencies(package: &Value, scope: Scope) -> Vec<&str> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter(|one| scope == Scope::All || one["kind"].is_null()).map(|one| text(one, "name")).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_licence_expression_must_leave_an_allowed_choice() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "Unlicense OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-3.0 OR Zlib",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(allows(good), "{good}");
        }
        for bad in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH Commons-Clause", "(MIT", "MIT OR", "MIT Zlib"]
        {
            assert!(!allows(bad), "{bad}");
        }
    }

    #[test]
    fn an_arrow_against_the_table_is_named() {
        let dependency = |name: &str, kind: Value| json!({"name": name, "kind": kind});
        let package =
            |name: &str, uses: Vec<Value>| json!({"packages": [{"name": name, "dependencies": uses}]});
        let upward = package("credential", vec![dependency("store", Value::Null)]);
        assert_eq!(arrows(&upward), ["crate credential may not use store"]);
        assert_eq!(arrows(&package("store", vec![dependency("credential", Value::Null)])), [""; 0]);
        assert_eq!(arrows(&package("mapfile", vec![dependency("tests", json!("dev"))])), [""; 0]);
        assert_eq!(arrows(&package("common", vec![])), ["crate common has no place in the table of arrows"]);
    }

    #[test]
    fn a_row_that_the_readme_lacks_is_found() {
        let table = "# T\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n";
        assert_eq!(missing_rows(table, "| a | b |\n| 1 | 2 |\n"), [""; 0]);
        assert_eq!(missing_rows(table, "| a | b |\n| 1 | 3 |\n"), ["| 1 | 2 |"]);
    }

    #[test]
    fn redb_stands_in_one_manifest() {
        let package =
            json!({"packages": [{"name": "makemap", "dependencies": [{"name": "redb", "kind": "dev"}]}]});
        assert_eq!(single_homes(&package), ["redb belongs to crate store alone, but makemap names it"]);
    }

    #[test]
    fn a_dependency_that_nobody_uses_is_named() {
        let manifest =
            "[workspace.dependencies]\ncli = { path = \"x\" }\nanstyle = \"1\"\nclap = { version = \"4\" }\n";
        let workspace =
            json!({"packages": [{"name": "cli", "dependencies": [{"name": "clap", "kind": "dev"}]}]});
        assert_eq!(unused(manifest, &workspace), ["nobody uses the dependency anstyle"]);
    }

    #[test]
    fn a_file_opened_around_safefile_is_found_but_tests_may() {
        let around = "//! X.\n#![allow(clippy::disallowed_methods, reason = \"\")]\n";
        assert_eq!(file_rules("crates/store/src/a.rs", around).len(), 1);
        assert_eq!(
            file_rules("crates/store/src/a.rs", "//! X.\nlet file = rustix::fs::open(path)?;\n").len(),
            1
        );
        assert_eq!(file_rules("crates/store/src/a.rs", "//! X.\n// not rustix::fs::open(path)\n"), [""; 0]);
        assert_eq!(file_rules("crates/safefile/src/a.rs", around), [""; 0]);
        assert_eq!(file_rules("crates/store/tests/a.rs", around), [""; 0]);
        let tested =
            "//! X.\n#[cfg(test)]\n#[allow(clippy::disallowed_methods, reason = \"\")]\nmod tests {}\n";
        assert_eq!(file_rules("crates/store/src/a.rs", tested), [""; 0]);
    }

    #[test]
    fn the_front_has_no_words_for_secrets() {
        let faults = |line: &str| file_rules("crates/front/src/a.rs", &format!("//! X.\n{line}\n")).len();
        for good in [
            "use store::maps::{self, Map};",
            "use sasl::layer::LayerKeys;",
            "let channel = sasl::channel::Channel::clear();",
            "use crate::store::secrets;",
            "self.store.get();",
            "// not store::secrets",
            "let restore::x = 1;",
        ] {
            assert_eq!(faults(good), 0, "{good}");
        }
        for bad in [
            "use store::secrets::SecretStore;",
            "use store::{maps, secrets};",
            "use store as other;",
            "use sasl::server;",
            "let x = sasl::client::Settings::default();",
            "use sasl::Channel;",
            "extern crate sasl;",
        ] {
            assert_eq!(faults(bad), 1, "{bad}");
        }
        assert_eq!(file_rules("crates/keeper/src/a.rs", "//! X.\nuse store::secrets;\n"), [""; 0]);
    }

    #[test]
    fn a_file_says_what_it_holds() {
        assert_eq!(file_rules("crates/store/src/utils.rs", "use std;").len(), 2);
        assert_eq!(file_rules("crates/store/src/a/mod.rs", "//! A.\n#[\u{69}gnore]\n").len(), 2);
    }
}
