//! Random damage to every good map: an error or a result, within bounds of work and memory, and never a panic.
#![allow(clippy::disallowed_methods, reason = "fixtures are read where they lie")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixture fails")]

#[path = "support/counted.rs"]
mod counted;
#[path = "support/manifest.rs"]
mod manifest;
#[path = "support/random.rs"]
mod random;

use std::sync::atomic::{AtomicU64, Ordering};

use counted::Counted;
use mapfile::{Format, Limits, MapReader};
use random::Random;

/// A kind of file, and what its reader may cost.
struct Kind {
    suffix: &'static str,
    /// Where the magic number does not say it.
    format: Option<Format>,
    /// What opening may read.
    metadata: u64,
    /// How often a walk may read what there is.
    walk: u64,
    /// The same for a look-up.
    look_up: u64,
}

/// A look-up may read a chain for each separator that it compares with: bisection of at most 2^15 on each level. A walk
/// of a CDB searches for each record in its table, and has a purse for that.
const KINDS: [Kind; 3] = [
    Kind { suffix: ".db", format: None, metadata: 1024, walk: 1, look_up: 64 },
    Kind { suffix: ".cdb", format: Some(Format::Cdb), metadata: 2048, walk: 32, look_up: 64 },
    Kind { suffix: ".lmdb", format: None, metadata: 1024, walk: 1, look_up: 32 },
];

#[test]
fn damage_gives_an_error_or_a_result() {
    for kind in &KINDS {
        damage_all(kind);
    }
    assert!(peak_kib() < 100 << 10, "peak of memory: {} KiB", peak_kib());
}

fn damage_all(kind: &Kind) {
    let full = std::env::var_os("GATEPOST_TEST_FULL").is_some_and(|value| value == "1");
    let copies = if full { 100_000 } else { 2_000 };
    let mut random = Random::new(0x6761_7465_706f_7374);
    let good = manifest::good(kind.suffix).into_iter().map(|file| (file.name, file.octets, file.records));
    let corrupt = manifest::corrupt(kind.suffix).into_iter().filter(|file| file.octets.len() >= 512);
    let bases: Vec<_> = good.chain(corrupt.map(|file| (file.name, file.octets, Vec::new()))).collect();
    for (name, octets, records) in &bases {
        let step = records.len() / 8 + 1;
        let keys: Vec<_> =
            records.iter().step_by(step).map(|(key, _)| key.as_slice()).chain([&b""[..]]).collect();
        for _ in 0..copies {
            let mut copy = octets.clone();
            damage(&mut copy, &mut random);
            read_everything(kind, name, &copy, &keys);
        }
    }
}

/// Up to eight flipped bits, or numbers that are likely to hurt; more often where the structure is: at the start of a
/// page and in its index.
fn damage(octets: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let page = random.below(octets.len() / 512) * 512;
        let at = match random.below(3) {
            0 => page + random.below(64),
            1 => random.below(octets.len()),
            _ => random.below(512),
        };
        random.alter(octets, at);
    }
    random.cut(octets);
}

fn read_everything(kind: &Kind, name: &str, octets: &[u8], keys: &[&[u8]]) {
    let length = octets.len() as u64;
    let read = AtomicU64::new(0);
    let source = Counted::new(octets, &read);
    let opened = match kind.format {
        Some(format) => mapfile::open_as(format, source, Limits::default()),
        None => mapfile::open(source, Limits::default()),
    };
    let Ok(map) = opened else { return };
    let values: u64 = map.records().map_while(Result::ok).map(|record| record.value.len() as u64).sum();
    // Each page once, and no octet of a page in two values.
    assert!(read.load(Ordering::Relaxed) <= kind.walk * length + kind.metadata, "{name}: too much was read");
    assert!(values <= length, "{name}: {values} octets out of {length}");
    for key in keys {
        look_up(map.as_ref(), key, &read, kind.look_up * length);
    }
}

fn look_up(map: &dyn MapReader, key: &[u8], read: &AtomicU64, bound: u64) {
    let before = read.load(Ordering::Relaxed);
    let _ = map.get(key);
    assert!(read.load(Ordering::Relaxed) - before <= bound, "too much was read for one key");
}

/// The most memory that this process ever had: the kernel's VmHWM.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
