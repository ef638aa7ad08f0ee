//! GDBM: files of the real library and of machines that are not at hand read back as they should, damaged ones are
//! refused, and random damage does no harm.
#![allow(
    clippy::disallowed_methods,
    reason = "fixtures are read where they lie, and files are made for the test"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixture fails")]

#[path = "support/counted.rs"]
mod counted;
#[path = "support/gdbm_made.rs"]
mod gdbm_made;
#[path = "support/manifest.rs"]
mod manifest;
#[path = "support/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use counted::Counted;
use gdbm_made::{BLOCK, machines};
use mapfile::{Duplicates, Format, Limits, MapFileError, MapReader, Occurrence};
use random::Random;
use tests::{need, scratch};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn open(octets: &[u8]) -> Result<Box<dyn MapReader + '_>, MapFileError> {
    mapfile::open(octets, Limits::default())
}

/// The records in the order of their keys.
fn records(octets: &[u8], what: &str) -> Pairs {
    let map = open(octets).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut found: Pairs = map
        .records()
        .map(|record| record.unwrap_or_else(|error| panic!("{what}: {error}")))
        .inspect(|record| assert_eq!(record.occurrence, Occurrence::First, "{what}"))
        .map(|record| (record.key.to_vec(), record.value))
        .collect();
    found.sort();
    found
}

/// Why a file is refused, at opening or on the way.
fn refusal(octets: &[u8]) -> Option<MapFileError> {
    open(octets).and_then(|map| map.records().try_for_each(|record| record.map(drop))).err()
}

/// Each key is found with its value, and its neighbours are not.
fn check_look_ups(octets: &[u8], records: &Pairs, what: &str) {
    let map = open(octets).unwrap();
    for (key, value) in records {
        assert!(map.get(key).unwrap().as_ref() == Some(value), "{what}: {}", key.escape_ascii());
        for absent in [[key, &b"x"[..]].concat(), key[..key.len().saturating_sub(1)].to_vec()] {
            let there = records.iter().any(|(key, _)| *key == absent);
            assert_eq!(map.get(&absent).unwrap().is_some(), there, "{what}");
        }
    }
}

#[test]
fn good_files_read_back_equal_to_their_text() {
    let files = manifest::good(".gdbm");
    assert!(files.len() >= 6, "the manifest is read whole");
    for file in &files {
        let map = open(&file.octets).unwrap();
        assert_eq!((map.format(), map.duplicates()), (Format::Gdbm, Duplicates::Refused));
        assert!(records(&file.octets, &file.name) == file.records, "{}", file.name);
        check_look_ups(&file.octets, &file.records, &file.name);
    }
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let file = manifest::good("sasldb2.gdbm").remove(0);
    // Who was deleted is still there for whoever searches the octets.
    let names = |octets: &[u8]| octets.windows(12).filter(|octets| *octets == b"userPassword").count();
    assert!(names(&file.octets) > file.records.len());
    assert_eq!(records(&file.octets, &file.name).len(), file.records.len());
}

#[test]
fn files_of_every_machine_are_read() {
    let values: Vec<String> = (0..60).map(|number| format!("value {number}")).collect();
    let keys: Vec<String> = (0..60).map(|number| format!("jos\u{e9} {number}")).collect();
    let pairs: Vec<(&[u8], &[u8])> =
        keys.iter().zip(&values).map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
    let mut expected: Pairs = pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    expected.sort();
    for machine in machines() {
        let what = format!("{machine:?}");
        for (count, bits) in [(60, 4), (5, 0), (0, 0), (0, 3)] {
            let octets = machine.file(&pairs[..count], bits);
            let mut expected = expected.clone();
            expected.retain(|(key, _)| pairs[..count].iter().any(|(own, _)| own == key));
            assert!(records(&octets, &what) == expected, "{what}");
            check_look_ups(&octets, &expected, &what);
        }
    }
}

#[test]
fn records_of_every_length() {
    let machine = machines()[0];
    let (long, longer) = (vec![b'k'; 70_000], vec![0xfe; 200_000]);
    let pairs: [(&[u8], &[u8]); 4] = [(b"", b""), (b"a", b""), (&long, b"x"), (b"abcdef", &longer)];
    let octets = machine.file(&pairs, 1);
    let expected: Pairs = pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let found = records(&octets, "long");
    assert!(expected.iter().all(|pair| found.contains(pair)) && found.len() == 4);
    check_look_ups(&octets, &expected, "long");
    let limits = Limits { item: 199_999, ..Limits::default() };
    let map = mapfile::open(octets.as_slice(), limits).unwrap();
    let refused = map.get(b"abcdef").unwrap_err().to_string();
    assert!(refused.ends_with(": value size: 200000"), "{refused}");
    assert!(map.records().any(|record| record.is_err()));
}

#[test]
fn a_full_bucket_ends_a_search() {
    let machine = machines()[0];
    let keys: Vec<String> = (0..machine.elements()).map(|number| format!("key {number}")).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (key.as_bytes(), &b"x"[..])).collect();
    let octets = machine.file(&pairs, 0);
    assert_eq!(records(&octets, "full").len(), keys.len());
    assert_eq!(open(&octets).unwrap().get(b"other").unwrap(), None);
}

#[test]
fn of_a_key_that_comes_again_the_first_is_found() {
    for machine in machines() {
        let pairs: [(&[u8], &[u8]); 3] = [(b"again", b"1"), (b"other", b""), (b"again", b"2")];
        let octets = machine.file(&pairs, 0);
        let map = open(&octets).unwrap();
        let found: Vec<_> = map
            .records()
            .map(Result::unwrap)
            .filter(|record| *record.key == *b"again")
            .map(|record| (record.value, record.occurrence))
            .collect();
        assert_eq!(found, [(b"1".to_vec(), Occurrence::First), (b"2".to_vec(), Occurrence::Shadowed)]);
        assert_eq!(map.get(b"again").unwrap().as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn damaged_files_are_refused_within_bounds() {
    let files = manifest::corrupt(".gdbm");
    assert!(files.len() >= 9, "the manifest is read whole");
    for file in &files {
        let read = AtomicU64::new(0);
        let map = mapfile::open(Counted::new(&file.octets, &read), Limits::default());
        let refused = map.and_then(|map| {
            let mut records = map.records();
            let refused = records.by_ref().find_map(Result::err);
            assert!(records.next().is_none(), "{}: after an error there is nothing more", file.name);
            refused.map_or(Ok(()), Err)
        });
        assert!(refused.is_err(), "{} was read", file.name);
        let bound = file.octets.len() as u64 + 72;
        assert!(read.load(Ordering::Relaxed) <= bound, "{}: each octet is read once", file.name);
    }
}

#[test]
fn refusals_name_place_and_field() {
    for (name, expected) in [
        ("dir.gdbm", "octet 8: position of the directory: 1099511627776"),
        ("dir-bits.gdbm", "octet 20: directory bits: 30"),
        ("bucket-address.gdbm", "octet 512: position of a bucket: 9223372036854775800"),
        ("key-size.gdbm", "octet 1136: key size: 4294967295"),
        ("data-size.gdbm", "octet 1136: value size: 2147483647"),
        ("pointer.gdbm", "octet 1136: position of a record: 18446744073709551606"),
        ("count.gdbm", "octet 1132: count of elements: 15"),
        ("bucket-bits.gdbm", "octet 1128: bucket bits: 31"),
        ("truncated.gdbm", "octet 512: position of a bucket: 1024"),
    ] {
        let name = format!("corrupt/{name}");
        let file = manifest::corrupt(".gdbm").into_iter().find(|file| file.name == name).unwrap();
        assert_eq!(refusal(&file.octets).unwrap().to_string(), expected, "{name}");
    }
}

/// Fields of a small file with two buckets, put to what they cannot be.
#[test]
fn every_field_is_checked() {
    // 64 bits: header, directory of four at 512, buckets at 1024 and behind the records of the first.
    let machine = machines()[16];
    assert_eq!((machine.magic, machine.width, machine.bucket.0), (0x1357_9ACF, 8, 104));
    let whole = machine.file(&[(b"one", b"1"), (b"two", b"2"), (b"three", b"3"), (b"four", b"4")], 1);
    assert_eq!(records(&whole, "whole").len(), 4);
    let second = u64::from_le_bytes(whole[BLOCK + 16..BLOCK + 24].try_into().unwrap());
    let used = (0..16).find(|slot| whole[1136 + slot * 24..1140 + slot * 24] != [0xff; 4]).unwrap();
    let element = 1136 + used * 24;
    let rows: [(usize, &[u8], &str); 22] = [
        (4, &[3, 0, 0, 0], "octet 4: block size: 3"),
        (4, &[0, 1, 0, 0], "octet 4: block size: 256"),
        (4, &[0, 0, 0, 0x40], "octet 4: block size: 1073741824"),
        (4, &[0, 4, 0, 0], "octet 24: bucket size: 512"),
        (8, &[39, 0], "octet 8: position of the directory: 39"),
        (8, &[0xff; 8], "octet 8: position of the directory: 18446744073709551615"),
        (16, &[31, 0, 0, 0], "octet 16: directory size: 31"),
        (20, &[29, 0, 0, 0], "octet 20: directory bits: 29"),
        (24, &[100, 0, 0, 0], "octet 28: elements of a bucket: 16"),
        (28, &[18, 0, 0, 0], "octet 28: elements of a bucket: 18"),
        (512, &[39, 0], "octet 512: position of a bucket: 39"),
        (
            512,
            &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            "octet 512: position of a bucket: 9223372036854775800",
        ),
        (520, &second.to_le_bytes(), "octet 520: entry that cannot name the bucket at: 1024"),
        (1128, &[0xff; 4], "octet 1128: bucket bits: 4294967295"),
        (1128, &[3, 0, 0, 0], "octet 1128: bucket bits: 3"),
        (1132, &[0, 0, 0, 0], "octet 1132: count of elements: 0"),
        (element, &[0, 0, 0, 0x80], "hash of another bucket: 2147483648"),
        (element + 3, &[0x3f], "hash "),
        (element + 4, b"x", "first octets of another key than that of the record at"),
        (element + 8, &[0, 0], "position of a record: 0"),
        (element + 16, &[0xff; 4], "key size: 4294967295"),
        (element + 20, &[0xff, 0xff, 0xff, 1], "value size: 33554431"),
    ];
    for (at, octets, expected) in rows {
        let mut damaged = whole.clone();
        damaged[at..at + octets.len()].copy_from_slice(octets);
        let refused = refusal(&damaged).unwrap_or_else(|| panic!("{at}: {expected}")).to_string();
        assert!(refused.contains(expected), "{at}: {refused}, not {expected}");
    }
}

#[test]
fn a_bucket_is_not_taken_twice() {
    let machine = machines()[16];
    let mut octets = machine.file(&[], 1);
    // Both halves of the directory name the first bucket, which says that it stands for one of them.
    octets.copy_within(BLOCK..BLOCK + 16, BLOCK + 16);
    let refused = refusal(&octets).unwrap().to_string();
    assert_eq!(refused, "octet 528: entry that cannot name the bucket at: 1024");
}

#[test]
fn records_that_overlap_do_not_multiply() {
    let machine = machines()[16];
    let value = vec![b'v'; 400];
    let keys: Vec<String> = (0..12).map(|number| format!("key {number}")).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (key.as_bytes(), &b""[..])).collect();
    let mut octets = machine.file(&pairs, 0);
    octets.extend_from_slice(&value);
    // Each record goes on to the end of the file.
    let length = octets.len();
    for slot in 0..machine.elements() {
        let at = 1136 + slot * 24;
        let position = u64::from_le_bytes(octets[at + 8..at + 16].try_into().unwrap()) as usize;
        let key = u32::from_le_bytes(octets[at + 16..at + 20].try_into().unwrap()) as usize;
        let value = (length - position - key) as u32;
        octets[at + 20..at + 24].copy_from_slice(&value.to_le_bytes());
    }
    let values: usize =
        open(&octets).unwrap().records().map_while(Result::ok).map(|record| record.value.len()).sum();
    assert!(values < octets.len());
    assert!(refusal(&octets).unwrap().to_string().contains("which must overlap"));
}

#[test]
fn the_header_has_to_be_whole() {
    for machine in machines() {
        let octets = machine.file(&[(b"a", b"b")], 0);
        for length in 0..octets.len() {
            let refused = refusal(&octets[..length]);
            // What is cut off the padding is missed by nobody.
            assert!(refused.is_some() || length > 2 * BLOCK + BLOCK, "{machine:?} {length}");
        }
    }
}

#[test]
fn damage_gives_an_error_or_a_result() {
    let copies = if need::full() { 100_000 } else { 2_000 };
    let mut random = Random::new(0x6764_626d);
    let good = manifest::good(".gdbm").into_iter().map(|file| (file.name, file.octets, file.records));
    let corrupt = manifest::corrupt(".gdbm").into_iter().map(|file| (file.name, file.octets, Vec::new()));
    let pairs: [(&[u8], &[u8]); 3] = [(b"one", b"1"), (b"two", b"2"), ("jos\u{e9}".as_bytes(), b"3")];
    let made = machines()
        .into_iter()
        .step_by(5)
        .map(|machine| (format!("{machine:?}"), machine.file(&pairs, 1), Vec::new()));
    for (name, octets, records) in good.chain(corrupt).chain(made) {
        let step = records.len() / 8 + 1;
        let keys: Vec<_> =
            records.iter().step_by(step).map(|(key, _)| key.as_slice()).chain([&b"one"[..], b""]).collect();
        for _ in 0..copies {
            let mut copy = octets.clone();
            damage(&mut copy, &mut random);
            read_everything(&name, &copy, &keys);
        }
    }
    assert!(peak_kib() < 100 << 10, "peak of memory: {} KiB", peak_kib());
}

/// Up to eight flipped bits, or numbers that are likely to hurt; more often in the header, the directory and the first
/// bucket.
fn damage(octets: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = match random.below(4) {
            0 => random.below(octets.len().min(72)),
            1 => random.below(octets.len().min(3 * BLOCK)),
            2 => random.below(octets.len()) / 4 * 4,
            _ => random.below(octets.len()),
        };
        random.alter(octets, at);
    }
    random.cut(octets);
}

fn read_everything(name: &str, octets: &[u8], keys: &[&[u8]]) {
    let length = octets.len() as u64;
    let read = AtomicU64::new(0);
    let Ok(map) = mapfile::open(Counted::new(octets, &read), Limits::default()) else { return };
    let values: u64 = map.records().map_while(Result::ok).map(|record| record.value.len() as u64).sum();
    // No octet twice but those of the header, and none in two values.
    assert!(read.load(Ordering::Relaxed) <= length + 72 + 20, "{name}: too much was read");
    assert!(values <= length, "{name}: {values} octets out of {length}");
    for key in keys {
        let before = read.load(Ordering::Relaxed);
        let _ = map.get(key);
        // A bucket and a key or two for each form of the hash.
        assert!(read.load(Ordering::Relaxed) - before <= 4 * length, "{name}: too much was read for one key");
    }
}

/// The most memory that this process ever had: the kernel's VmHWM.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Random records, loaded by the library's own tool; some deleted, some changed, more loaded over them, as often as
/// buckets split and freed places are used again.
#[test]
fn what_the_library_stores_reads_back_as_it_dumps_it() {
    let (Ok(load), Ok(dump), Ok(tool)) =
        (need::peer("gdbm_load"), need::peer("gdbm_dump"), need::peer("gdbmtool"))
    else {
        return;
    };
    let dir = scratch::dir();
    let mut random = Random::new(0x6764_626d_6469_6666);
    let counts: &[usize] =
        if need::full() { &[0, 1, 10, 100, 1_000, 5_000, 20_000] } else { &[0, 1, 100, 2_000, 20_000] };
    for &count in counts {
        for block in ["512", "4096", "16384"] {
            for kind in [&[][..], &["--extended"]] {
                let what = format!("{count} records, blocks of {block}, {kind:?}");
                let path = dir.path().join(format!("{count}-{block}-{}.gdbm", kind.len()));
                // Creates it in the format that was asked for.
                let made = Command::new(&tool)
                    .args(["-N", "-n", "-b", block])
                    .args(kind)
                    .arg(&path)
                    .arg("count")
                    .output();
                assert!(made.unwrap().status.success(), "{what}");
                store_random(&load, &path, count, &mut random);
                check(&dump, &path, &what);
                delete_some(&tool, &path, count, &mut random);
                check(&dump, &path, &format!("{what}, after deletions"));
                store_random(&load, &path, count / 2, &mut random);
                check(&dump, &path, &format!("{what}, written again"));
            }
        }
    }
}

/// Loads records with keys of every length and octet, and such with names that can be deleted by them. The library's
/// tools have a length in network order, at the beginning of an `unsigned long`; they do not load what is empty.
fn store_random(load: &Path, path: &Path, count: usize, random: &mut Random) {
    let mut text =
        b"!\r\n! GDBM FLAT FILE DUMP -- THIS IS NOT A TEXT FILE\r\n! GDBM version\r\n!\r\n".to_vec();
    for number in 0..count {
        let key = if random.below(2) == 0 {
            format!("key{number}").into_bytes()
        } else {
            [octets(40, random), number.to_le_bytes().to_vec()].concat()
        };
        let longest = if random.below(200) == 0 { 70_000 } else { 60 };
        for item in [key, octets(longest, random)] {
            text.extend_from_slice(&u64::from((item.len() as u32).to_be()).to_le_bytes());
            text.extend_from_slice(&item);
        }
    }
    let from = path.with_extension("flat");
    std::fs::write(&from, text).unwrap();
    let loaded = Command::new(load).args(["-r", "-n"]).arg(&from).arg(path).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
}

fn delete_some(tool: &Path, path: &Path, count: usize, random: &mut Random) {
    let mut script = String::new();
    for number in (0..count).filter(|_| random.below(3) > 0) {
        writeln!(script, "delete key{number}").unwrap();
    }
    for number in 0..count / 50 {
        writeln!(script, "store empty{number} \"\"").unwrap();
    }
    let commands = path.with_extension("commands");
    std::fs::write(&commands, script).unwrap();
    // Keys that are not there are complained about.
    let mut tool = Command::new(tool);
    tool.args(["-N", "-q", "-f"]).arg(commands).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    tool.status().unwrap();
}

fn octets(longest: usize, random: &mut Random) -> Vec<u8> {
    (0..=random.below(longest)).map(|_| random.below(256) as u8).collect()
}

fn check(dump: &Path, path: &Path, what: &str) {
    let octets = std::fs::read(path).unwrap();
    let ours: BTreeMap<_, _> = records(&octets, what).into_iter().collect();
    let map = open(&octets).unwrap();
    for (key, value) in &ours {
        assert!(map.get(key).unwrap().as_ref() == Some(value), "{what}: found by its key");
    }
    assert!(ours == dumped(dump, path), "{what}: the same records");
}

/// What the library's own tool dumps: key and value in turn, each a length and lines of base64. (Its binary form has no
/// empty items.)
fn dumped(dump: &Path, path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let dumped = Command::new(dump).args(["-H", "ascii"]).arg(path).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let text = String::from_utf8(dumped.stdout).unwrap();
    let mut items: Vec<Vec<u8>> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("#:len="), items.last_mut()) {
            (Some(_), _) => items.push(Vec::new()),
            (None, Some(item)) if !line.starts_with('#') => item.extend(plain(line)),
            _ => {}
        }
    }
    let pairs = items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    let records: BTreeMap<_, _> = pairs.collect();
    assert_eq!(records.len(), items.len() / 2);
    records
}

/// Octets from base64.
fn plain(line: &str) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = line.bytes().filter(|&digit| digit != b'=').map(value).collect();
    let octets = |four: &[u8]| {
        let bits =
            four.iter().fold(0_u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(octets).collect()
}
