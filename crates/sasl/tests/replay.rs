//! The corpus of the fuzz targets, whole and damaged, through the same functions that the fuzzer calls; and how it is made.
#![allow(clippy::disallowed_methods, reason = "the corpus is read where it lies")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a test is to be seen")]
#![allow(clippy::print_stderr, reason = "what made a test fail is to be told")]

#[path = "replay/corpus.rs"]
mod corpus;
#[path = "../../mapfile/tests/support/random.rs"]
mod random;
#[path = "../../../tests/fuzz/src/targets.rs"]
mod targets;
#[allow(dead_code, reason = "more of it is used by the tests that it belongs to")]
#[path = "sasl/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use random::Random;
use targets::{BETWEEN, Target};

/// Where the fuzz targets are.
fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz")
}

/// What is in a directory, by name.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries =
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The seeds of a target, each with its name.
fn seeds(target: Target) -> Vec<(String, Vec<u8>)> {
    let directory = place().join("corpus").join(target.to_string());
    names(&directory)
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(directory.join(name)).unwrap()))
        .collect()
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<String> = Target::all().iter().map(Target::to_string).collect();
    let of_sasl = |name: &String| name.starts_with("sasl_");
    let corpora: BTreeSet<String> = names(&place().join("corpus")).into_iter().filter(of_sasl).collect();
    assert_eq!(corpora, targets);
    let stem = |name: String| name.strip_suffix(".rs").map(str::to_owned);
    let programs: BTreeSet<String> =
        names(&place().join("src/bin")).into_iter().filter_map(stem).filter(of_sasl).collect();
    assert_eq!(programs, targets);
    for target in Target::all() {
        assert!(!seeds(target).is_empty(), "{target} has no seed");
    }
}

/// What the generator makes lies there as it makes it today; `GATEPOST_MAKE_CORPUS=1` writes it. Files beside it are what
/// somebody has found.
#[test]
fn the_corpus_is_what_the_generator_makes() {
    let write = std::env::var_os("GATEPOST_MAKE_CORPUS").is_some_and(|value| value == "1");
    for (target, name, octets) in corpus::all() {
        let directory = place().join("corpus").join(target.to_string());
        if write {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(name), &octets).unwrap();
        }
        let found = std::fs::read(directory.join(name)).unwrap_or_default();
        assert!(
            found == octets,
            "{target}/{name} is another: GATEPOST_MAKE_CORPUS=1 cargo test -p sasl --test replay"
        );
    }
}

#[test]
fn the_corpus_whole_and_damaged_lets_nobody_in() {
    let full = std::env::var_os("GATEPOST_TEST_FULL").is_some_and(|value| value == "1");
    let copies = if full { 20_000 } else { 200 };
    let mut random = Random::new(0x6761_7465_706f_7374);
    for target in Target::all() {
        let seeds = seeds(target);
        for (name, seed) in &seeds {
            let went_well = replay(target, name, seed);
            assert!(went_well || !name.starts_with("real"), "{target} did not take {name}");
            for _ in 0..copies {
                let other = &seeds[random.below(seeds.len())].1;
                replay(target, name, &damaged(seed, other, &mut random));
            }
        }
    }
    assert!(peak_kib() < 64 << 10, "peak of memory: {} KiB", peak_kib());
}

fn replay(target: Target, name: &str, octets: &[u8]) -> bool {
    let shown = Shown { target, name, octets };
    target.run(shown.octets)
}

/// Tells which octets they were that made a target panic.
struct Shown<'a> {
    target: Target,
    name: &'a str,
    octets: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} from {}: {}", self.target, self.name, self.octets.escape_ascii());
        }
    }
}

/// Up to four changes: octets altered, taken out or put in, messages repeated, the end of another seed.
fn damaged(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=random.below(4) {
        if octets.is_empty() {
            octets.push(BETWEEN);
        }
        let at = random.below(octets.len());
        let end = at + random.below(octets.len() - at + 1);
        match random.below(8) {
            0 => drop(octets.drain(at..end)),
            1 => octets.insert(at, b",=\0@ \"1n\xff"[random.below(9)]),
            2 => octets.extend_from_within(at..end),
            3 => octets.splice(at.., other[other.len().min(at)..].iter().copied()).for_each(drop),
            4 if octets.len() < 1 << 15 => octets = [&octets[..end], &octets[at..]].concat(),
            _ => random.alter(&mut octets, at),
        }
    }
    octets
}

/// The most memory that this process ever had: the kernel's VmHWM.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
