//! Fuzzing: every target for a while, from the fixtures as seeds. Needs cargo-fuzz and a toolchain that it can use
//! (nightly); what is found is kept below `tests/fuzz/artifacts`.
//!
//! The suite itself needs none of this: `crates/mapfile/tests/mutation.rs` alters the same fixtures at random, and
//! `crates/smtp/tests/server/properties.rs` sends what a client could send.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, output, root, step};

/// Each target, and which fixtures are its seeds.
const TARGETS: &[(&str, &[&str])] = &[
    ("map_hash", &["hash", ".db"]),
    ("map_btree", &["btree", ".db"]),
    ("map_cdb", &[".cdb"]),
    ("map_lmdb", &[".lmdb"]),
    ("map_gdbm", &[".gdbm"]),
    ("smtp_server", &[".talk"]),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target.
    target: Option<String>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    output(Command::new("cargo").args(["+nightly", "fuzz", "--version"]))
        .map_err(|error| format!("this needs a nightly toolchain and cargo install cargo-fuzz: {error}"))?;
    let wanted = |name: &str| options.target.as_deref().is_none_or(|target| target == name);
    for (name, marks) in TARGETS.iter().filter(|(name, _)| wanted(name)) {
        let seeds = seeds(name, marks)?;
        let corpus = made(root().join("target/fuzz").join(name).join("corpus"))?;
        let mut fuzz = Command::new("cargo");
        fuzz.current_dir(root()).args(["+nightly", "fuzz", "run", "--fuzz-dir", "tests/fuzz", name]);
        fuzz.arg(corpus).arg(seeds).arg("--");
        fuzz.arg(format!("-max_total_time={}", options.seconds));
        step(fuzz.args(["-max_len=131072", "-timeout=1", "-rss_limit_mb=512"]))?;
    }
    Ok(())
}

/// A folder with the fixtures that are of the target's format: by their suffix, and in Berkeley DB by their magic
/// number, which tells hash from btree.
fn seeds(name: &str, marks: &[&str]) -> Outcome<PathBuf> {
    let folder = made(root().join("target/fuzz").join(name).join("seeds"))?;
    let maps = root().join("tests/fixtures/maps");
    let dialogues = root().join("crates/smtp/tests/dialogues");
    for place in [maps.clone(), maps.join("corrupt"), dialogues] {
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
