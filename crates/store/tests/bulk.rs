//! A map of many entries, unsorted, through the sorter into a native map and back: bounded memory. A process of its
//! own, because the kernel's peak is the process's.
#![allow(clippy::disallowed_methods, reason = "the test asks the kernel for its own peak")]
#![allow(clippy::unwrap_used, reason = "a test whose map cannot be made fails")]

use safefile::{Dress, Kind, Replacement, Trust, Uid};
use store::maps::sort::{Line, Order, Policy, Sorter};
use store::maps::{self, Duplicates, Keys, Making, MapName, MapType};
use tests::{need, scratch};

#[test]
fn many_entries_are_sorted_and_built_in_bounded_memory() {
    let (entries, budget, bound_kib) = if need::full() {
        (10_000_000, 256 << 20, 1 << 20)
    } else {
        // What does not grow with the map, redb's cache before all, is most of the bound.
        (300_000, 4 << 20, 160 << 10)
    };
    let dir = scratch::dir();
    let path = dir.path().join("m.redb");
    let trust = Trust::root().caller(Uid::effective());
    let dress = Dress { owner: None, group: None, mode: 0o600 };
    let replacement = Replacement::begin(&path, Kind::Secret, &trust, dress).unwrap();
    let scratch = replacement.scratch().unwrap();

    let mut sorter = Sorter::new(Order::Keys, budget, move || Ok(scratch));
    for line in 1..=entries {
        let (key, value) = entry(shuffled(line, entries));
        sorter.push(key.as_bytes(), value.as_bytes(), Line::Number(line)).unwrap();
        if line % 1000 == 0 {
            sorter.push(key.as_bytes(), b"again", Line::Number(line)).unwrap();
        }
    }
    let making = Making {
        duplicates: Duplicates::Refused,
        keys: Keys::AsWritten,
        volume: sorter.volume(),
        made_by: "bulk test".to_owned(),
        made_at: 0,
    };
    let mut builder = maps::build(MapType::Redb, replacement, &making).unwrap();
    let mut sorted = sorter.finish(Policy::FirstStays).unwrap();
    for record in sorted.by_ref() {
        let record = record.unwrap();
        builder.add(&record.key, &record.value).unwrap();
    }
    builder.finish().unwrap();
    assert_eq!(sorted.taken(), entries + entries / 1000);
    assert_eq!(sorted.into_duplicates().unwrap().len(), entries / 1000);

    let name = MapName { map_type: None, name: path.clone() };
    let map = maps::open_named(&name, Kind::Secret, &trust).unwrap();
    let mut number = 0;
    for record in map.records() {
        let record = record.unwrap();
        number += 1;
        let (key, value) = entry(number);
        assert!(*record.key == *key.as_bytes() && **record.value == *value.as_bytes(), "entry {number}");
    }
    assert_eq!(number, entries);
    let (key, value) = entry(entries / 2);
    assert_eq!(map.get(key.as_bytes()).unwrap().unwrap().as_slice(), value.as_bytes());
    let octets: u64 = (1..=1000).map(entry).map(|(key, value)| (key.len() + value.len()) as u64).sum();
    let file = std::fs::metadata(&path).unwrap().len();
    assert!(file < octets * entries / 1000 * 2, "the file is not twice what is in it: {file}");
    assert!(peak_kib() < bound_kib, "peak of memory: {} KiB", peak_kib());
}

/// A typical entry of an access map; the numbers are in the order of the keys.
fn entry(number: u64) -> (String, String) {
    (format!("connect:host{number:09}.example.com"), format!("RELAY {}", number % 97))
}

/// Every number from 1 to `count` once, in an order far from sorted: the factor has no divisor in common with it.
fn shuffled(number: u64, count: u64) -> u64 {
    number * 7_919_317 % count + 1
}

/// The most memory that this process ever had: the kernel's VmHWM.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
