//! Fuzzing: every target for a while. Needs cargo-fuzz and a toolchain that it can use (nightly); what is found is kept
//! below `tests/fuzz/artifacts`.
//!
//! The suite itself needs none of this: `crates/mapfile/tests/mutation.rs`, `crates/sasl/tests/replay.rs` and
//! `crates/smtp/tests/server/replay.rs` alter the same seeds at random, and `crates/smtp/tests/client/properties.rs` sends what a server
//! could.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, output, root, step};

/// The targets whose seeds are fixtures, and which. Those of every other target are its folder of the corpus.
const BY_FIXTURES: &[(&str, &[&str])] = &[
    ("map_hash", &["hash", ".db"]),
    ("map_btree", &["btree", ".db"]),
    ("map_cdb", &[".cdb"]),
    ("map_lmdb", &[".lmdb"]),
    ("map_gdbm", &[".gdbm"]),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target, or those whose names begin so.
    target: Option<String>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    output(Command::new("cargo").args(["+nightly", "fuzz", "--version"]))
        .map_err(|error| format!("this needs a nightly toolchain and cargo install cargo-fuzz: {error}"))?;
    let wanted = |name: &String| options.target.as_deref().is_none_or(|start| name.starts_with(start));
    let targets: Vec<String> = targets()?.into_iter().filter(wanted).collect();
    if targets.is_empty() {
        return Err("no target has such a name".to_owned());
    }
    targets.iter().try_for_each(|name| fuzz(name, options.seconds))
}

fn fuzz(name: &str, seconds: u64) -> Outcome {
    let found = made(root().join("target/fuzz").join(name).join("corpus"))?;
    // As large as a map has to be, or longer than any message may be.
    let (seeds, longest) = match by_fixtures(name) {
        Some(marks) => (fixtures(name, marks)?, 131_072),
        None => (corpus(name), 16_384),
    };
    let mut fuzz = Command::new("cargo");
    fuzz.current_dir(root()).args(["+nightly", "fuzz", "run", "--fuzz-dir", "tests/fuzz", name]);
    fuzz.arg(found).arg(seeds).arg("--");
    fuzz.args([format!("-max_total_time={seconds}"), format!("-max_len={longest}")]);
    step(fuzz.args(["-timeout=1", "-rss_limit_mb=512"]))
}

/// Every target: a program of `tests/fuzz/src/bin` each.
fn targets() -> Outcome<Vec<String>> {
    let place = root().join("tests/fuzz/src/bin");
    let entries = std::fs::read_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let name = |path: PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    Ok(names)
}

fn by_fixtures(name: &str) -> Option<&'static [&'static str]> {
    BY_FIXTURES.iter().find(|(target, _)| *target == name).map(|(_, marks)| *marks)
}

fn corpus(name: &str) -> PathBuf {
    root().join("tests/fuzz/corpus").join(name)
}

/// A folder with the fixtures that are of the target's format: by their suffix, and in Berkeley DB by their magic
/// number, which tells hash from btree.
fn fixtures(name: &str, marks: &[&str]) -> Outcome<PathBuf> {
    let folder = made(root().join("target/fuzz").join(name).join("seeds"))?;
    let maps = root().join("tests/fixtures/maps");
    for place in [maps.clone(), maps.join("corrupt")] {
        let entries = std::fs::read_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_seed(path, marks)) {
            let target = folder.join(path.file_name().unwrap_or_default());
            std::fs::copy(&path, &target).map_err(|error| format!("{}: {error}", target.display()))?;
        }
    }
    Ok(folder)
}

fn is_seed(path: &Path, marks: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let suffix = marks.last().copied().unwrap_or_default();
    let magic: &[u8] = match marks.first() {
        Some(&"hash") => &[0x61, 0x15, 0x06],
        Some(&"btree") => &[0x62, 0x31, 0x05],
        _ => &[],
    };
    let start = std::fs::read(path).unwrap_or_default();
    let is_of_format = start.get(12..15) == Some(magic) || is_swapped(&start, magic);
    name.ends_with(suffix) && (magic.is_empty() || is_of_format)
}

/// A file of the other byte order.
fn is_swapped(start: &[u8], magic: &[u8]) -> bool {
    start.get(13..16).is_some_and(|octets| octets.iter().rev().eq(magic))
}

fn made(folder: PathBuf) -> Outcome<PathBuf> {
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds() {
        let targets = targets().unwrap();
        for name in &targets {
            let has_corpus = corpus(name).read_dir().is_ok_and(|mut entries| entries.next().is_some());
            assert!(by_fixtures(name).is_some() != has_corpus, "{name}: fixtures or a corpus");
        }
        for (name, _) in BY_FIXTURES {
            assert!(targets.iter().any(|target| target == name), "{name} is no target");
        }
    }
}
