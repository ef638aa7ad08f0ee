//! Maps in memory: built from records, and read back with what every reader has to keep.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use mapfile::{Duplicates, Format, Limits, MapBuildError, Plan, Volume};

use crate::counted::Counted;
use crate::random::Random;

/// Keys and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A map of these records, in this order.
pub(crate) fn build(
    format: Format,
    duplicates: Duplicates,
    records: &[(Vec<u8>, Vec<u8>)],
) -> Result<Vec<u8>, MapBuildError> {
    let mut octets = Vec::new();
    let mut volume = Volume::default();
    for (key, value) in records {
        volume.add(key, value);
    }
    let plan = Plan { duplicates, volume, file_id: [0; 12] };
    let mut builder = mapfile::build(format, &mut octets, &plan)?;
    for (key, value) in records {
        builder.add(key, value)?;
    }
    builder.finish()?;
    Ok(octets)
}

/// All records in the order of the reader, each octet of the file read about once.
pub(crate) fn read(format: Format, octets: &[u8]) -> Pairs {
    let read = AtomicU64::new(0);
    let map = mapfile::open_as(format, Counted::new(octets, &read), Limits::default()).unwrap();
    assert_eq!(map.format(), format);
    let pairs = map.records().map(Result::unwrap).map(|record| (record.key.to_vec(), record.value)).collect();
    let bound = 2 * octets.len() as u64 + 4096;
    assert!(read.load(Ordering::Relaxed) <= bound, "{} of {}", read.load(Ordering::Relaxed), octets.len());
    pairs
}

/// Every key is found with its first value, and what is nearly a key is not.
pub(crate) fn check_look_ups(format: Format, octets: &[u8], records: &[(Vec<u8>, Vec<u8>)]) {
    let map = mapfile::open_as(format, octets, Limits::default()).unwrap();
    let mut first = BTreeMap::new();
    for (key, value) in records {
        first.entry(key.as_slice()).or_insert(value);
    }
    for (key, value) in &first {
        assert!(map.get(key).unwrap().as_ref() == Some(*value), "{}", key.escape_ascii());
        for absent in [[key, &b"\0"[..]].concat(), key[..key.len().saturating_sub(1)].to_vec()] {
            assert_eq!(map.get(&absent).unwrap().is_some(), first.contains_key(absent.as_slice()));
        }
    }
    assert_eq!(map.get(&[0xff; 600]).unwrap(), None);
    assert_eq!(map.get(b"").unwrap().is_some(), first.contains_key(&b""[..]));
}

/// Records with keys of 1 to 511 random octets, in their order; values mostly short, some up to `longest`.
pub(crate) fn random_records(count: usize, longest: usize, random: &mut Random) -> Pairs {
    let mut records = BTreeMap::new();
    while records.len() < count {
        let length = if random.below(8) == 0 { random.below(511) } else { random.below(30) };
        let key = octets(1 + length, random);
        let length = if random.below(16) == 0 { longest } else { longest.min(60) };
        let length = random.below(length + 1);
        records.insert(key, octets(length, random));
    }
    records.into_iter().collect()
}

/// Sizes that are worth a test, with the longest value in each.
pub(crate) const SIZES: [(usize, usize); 6] =
    [(0, 0), (1, 65536), (2, 65536), (10, 65536), (1000, 20000), (20_000, 3000)];

/// Runs a program with `input`; what it printed.
pub(crate) fn run(program: &Path, arguments: &[&str], file: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{} {arguments:?}", program.display());
    output.stdout
}

fn octets(length: usize, random: &mut Random) -> Vec<u8> {
    (0..length).map(|_| random.below(256) as u8).collect()
}
