//! The corpora of the fuzz targets, whole and damaged, through the same functions that the fuzzer calls. How that of
//! `smtp_server` is made, too: what the client says in each conversation of `dialogues`, behind an octet that chooses what
//! the caller answers.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::random::Random;
use crate::{conversations, fuzzed, talk};

/// What a caller may answer to AUTH, and how strict line ends are: see `fuzzed::server`.
const CHOICES: usize = 8;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(corpus(target)).unwrap();
    let seeds: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() > 5, "{} seeds of {target}", seeds.len());
    seeds
}

/// Every seed by its name: the file of the conversation, its number there. What repeats an octet thousands of times is no
/// seed, since a fuzzer learns nothing from its length.
fn made() -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    for (index, (file, number, conversation)) in conversations().into_iter().enumerate() {
        let said = talk::said_by_client(&conversation);
        if !said.is_empty() && said.len() <= 4096 {
            let choice = u8::try_from(index % CHOICES).unwrap();
            seeds.insert(format!("{file}-{number:02}"), [&[choice], &said[..]].concat());
        }
    }
    seeds
}

/// `GATEPOST_MAKE_CORPUS=1` writes it. Files beside it are what somebody has found.
#[test]
fn the_corpus_is_what_the_conversations_say() {
    let corpus = corpus("smtp_server");
    let write = std::env::var_os("GATEPOST_MAKE_CORPUS").is_some_and(|value| value == "1");
    for (name, octets) in made() {
        let path = corpus.join(&name);
        if write {
            std::fs::create_dir_all(&corpus).unwrap();
            std::fs::write(&path, &octets).unwrap();
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(
            found == octets,
            "{name} is another: GATEPOST_MAKE_CORPUS=1 cargo test -p smtp --test server"
        );
    }
}

#[test]
fn corpora_whole_and_damaged_go_the_same_way_in_any_pieces() {
    let full = std::env::var_os("GATEPOST_TEST_FULL").is_some_and(|value| value == "1");
    let copies = if full { 2_000 } else { 40 };
    let targets: [(&str, Target); 3] = [
        ("smtp_server", fuzzed::server::server),
        ("smtp_client", fuzzed::client::client),
        ("smtp_mailbox", fuzzed::mailbox::mailbox),
    ];
    let mut random = Random::new(0x736d_7470);
    for (name, target) in targets {
        let seeds = seeds(name);
        for seed in &seeds {
            replay(target, seed);
            for _ in 0..copies {
                let other = &seeds[random.below(seeds.len())];
                replay(target, &damaged(seed, other, &mut random));
            }
        }
    }
}

/// Each conversation, by a caller of each kind.
#[test]
fn a_caller_that_answers_otherwise_changes_no_rule() {
    for seed in seeds("smtp_server") {
        for choice in 0..u8::try_from(CHOICES).unwrap() {
            replay(fuzzed::server::server, &[&[choice], &seed[1..]].concat());
        }
    }
}

/// What the fuzzer calls.
type Target = fn(&[u8]);

fn replay(target: Target, octets: &[u8]) {
    let shown = Shown(octets);
    target(shown.0);
}

/// Tells which octets they were that made it panic.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.escape_ascii());
        }
    }
}

/// Up to four changes: octets altered, taken out or put in, lines repeated, the end of another seed.
fn damaged(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=random.below(4) {
        if octets.is_empty() {
            octets.push(0);
        }
        let at = random.below(octets.len());
        let end = at + random.below(octets.len() - at + 1);
        match random.below(8) {
            0 => drop(octets.drain(at..end)),
            1 => octets.insert(at, b"\r\n\0. =*<>:\xff"[random.below(11)]),
            2 => octets.extend_from_within(at..end),
            3 => octets.splice(at.., other[other.len().min(at)..].iter().copied()).for_each(drop),
            4 => octets.splice(at..at, *b"\r\n").for_each(drop),
            _ => random.alter(&mut octets, at),
        }
    }
    octets
}
