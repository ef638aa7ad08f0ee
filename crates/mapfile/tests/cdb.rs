//! CDB, read and written: against what postmap made, against TinyCDB itself, and against those who mean harm.
#![allow(
    clippy::disallowed_methods,
    reason = "fixtures are read where they lie, files are made for the test"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its file fails")]

#[path = "support/counted.rs"]
mod counted;
#[path = "support/manifest.rs"]
mod manifest;
#[path = "support/maps.rs"]
mod maps;
#[path = "support/random.rs"]
mod random;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use counted::Counted;
use manifest::Good;
use mapfile::{
    Duplicates, Format, Limits, MapBuildError, MapFileError, MapReader, Occurrence, PageSink, Plan, Volume,
};
use maps::{Pairs, SIZES, check_look_ups, random_records};
use random::Random;
use tests::{need, scratch};

fn open(octets: &[u8]) -> Result<Box<dyn MapReader + '_>, MapFileError> {
    mapfile::open_as(Format::Cdb, octets, Limits::default())
}

fn build(duplicates: Duplicates, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>, MapBuildError> {
    maps::build(Format::Cdb, duplicates, records)
}

fn read(octets: &[u8]) -> Pairs {
    maps::read(Format::Cdb, octets)
}

fn good() -> Vec<Good> {
    let files = manifest::good(".cdb");
    assert_eq!(files.len(), 3, "the manifest is read whole");
    files
}

#[test]
fn good_files_read_back_equal_to_their_text() {
    for file in good() {
        let mut found = read(&file.octets);
        found.sort();
        assert!(found == file.records, "{}: {} records", file.name, found.len());
        check_look_ups(Format::Cdb, &file.octets, &file.records);
    }
}

#[test]
fn the_same_records_make_the_same_octets_as_postmap() {
    for file in good() {
        let made = build(Duplicates::InOrder, &read(&file.octets)).unwrap();
        assert!(made == file.octets, "{}", file.name);
    }
}

#[test]
fn damaged_files_are_refused_within_bounds() {
    let files = manifest::corrupt(".cdb");
    assert_eq!(files.len(), 5, "the manifest is read whole");
    for file in files {
        let read = AtomicU64::new(0);
        let map = mapfile::open_as(Format::Cdb, Counted::new(&file.octets, &read), Limits::default());
        let refused = map.and_then(|map| map.records().try_for_each(|record| record.map(drop)));
        assert!(refused.is_err(), "{} was read", file.name);
        assert!(read.load(Ordering::Relaxed) <= 2 * file.octets.len() as u64, "{}", file.name);
    }
}

#[test]
fn refusals_name_octet_and_field() {
    for (name, expected) in [
        ("corrupt/short.cdb", "octet 0: the file ends inside its metadata, after octet 2000"),
        ("corrupt/table-beyond.cdb", "octet 8: position of a hash table: 4294967280"),
        ("corrupt/table-slots.cdb", "octet 12: slots of a hash table: 4294967295"),
        ("corrupt/key-length.cdb", "octet 2048: length of a key: 4294967295"),
        ("corrupt/data-length.cdb", "octet 2048: length of a value: 4294967040"),
    ] {
        let file = manifest::corrupt(".cdb").into_iter().find(|file| file.name == name).unwrap();
        assert_eq!(refusal(&file.octets), expected, "{name}");
    }
}

#[test]
fn what_is_no_cdb_is_refused() {
    for suffix in [".db", ".lmdb", ".gdbm"] {
        for file in manifest::good(suffix) {
            assert!(open(&file.octets).is_err(), "{}", file.name);
        }
    }
    let text = "user@example.com\tOK\n".repeat(1000);
    assert_eq!(refusal(text.as_bytes()), "octet 0: position of a hash table: 1919251317");
    assert_eq!(refusal(&[0; 4096]), "octet 2048: octets of all hash tables, which end the file: 0");
    assert!(matches!(open(b"").err(), Some(MapFileError::Empty)));
    // A file that lost its end, and one that won some.
    let whole = build(Duplicates::Refused, &pairs(&[("key", "value")])).unwrap();
    assert_eq!(refusal(&whole[..whole.len() - 1]), "octet 404: slots of a hash table: 2");
    let longer = [&whole[..], b"x"].concat();
    assert_eq!(refusal(&longer), "octet 2064: octets of all hash tables, which end the file: 16");
    // And one whose records were never finished.
    let unfinished = [&[0; 2048], &whole[2048..]].concat();
    assert!(open(&unfinished).is_err());
}

#[test]
fn a_record_outside_its_table_is_damage() {
    let mut octets = build(Duplicates::Refused, &pairs(&[("key", "value")])).unwrap();
    octets[2048 + 8] = b'q';
    let refused = refusal(&octets);
    assert!(refused.starts_with("octet 2048: a record that is missing in its hash table"), "{refused}");
}

#[test]
fn records_come_back_whatever_they_are() {
    let mut random = Random::new(0xcdb_0cdb);
    for (count, longest) in SIZES {
        let mut records = random_records(count, longest, &mut random);
        // CDB has empty keys too.
        if count == 1000 {
            records.insert(0, (Vec::new(), b"of nothing".to_vec()));
        }
        let octets = build(Duplicates::Refused, &records).unwrap();
        assert!(read(&octets) == records, "{count}");
        check_look_ups(Format::Cdb, &octets, &records);
        // In any order, where duplicates are allowed.
        records.reverse();
        assert!(read(&build(Duplicates::InOrder, &records).unwrap()) == records, "{count} backwards");
    }
}

#[test]
fn records_longer_than_a_piece_are_read_in_several() {
    let long = |octet: u8| vec![octet; 200_000];
    let records = vec![
        (b"a".to_vec(), long(1)),
        (b"b".repeat(100_000), long(2)),
        // Differs from the one before in the last octet only.
        ([b"b".repeat(99_999), b"c".to_vec()].concat(), Vec::new()),
    ];
    let octets = build(Duplicates::Refused, &records).unwrap();
    assert!(read(&octets) == records);
    check_look_ups(Format::Cdb, &octets, &records);
}

#[test]
fn of_equal_keys_the_first_is_found() {
    let records = pairs(&[("b", "1"), ("a", "2"), ("b", "3"), ("", "4"), ("b", "1"), ("", "5"), ("c", "")]);
    let octets = build(Duplicates::InOrder, &records).unwrap();
    assert!(read(&octets) == records);
    check_look_ups(Format::Cdb, &octets, &records);
    let map = open(&octets).unwrap();
    assert_eq!(map.duplicates(), Duplicates::InOrder);
    let (first, further) = (Occurrence::First, Occurrence::Further);
    let found: Vec<_> = map.records().map(|record| record.unwrap().occurrence).collect();
    assert_eq!(found, [first, first, further, first, further, further, first]);
}

#[test]
fn what_a_replacement_leaves_behind_is_shadowed() {
    let Ok(cdb) = need::peer("cdb") else { return };
    let dir = scratch::dir();
    let path = dir.path().join("map.cdb");
    let records = pairs(&[("a", "first"), ("b", "2"), ("a", "second")]);
    maps::run(&cdb, &["-c", "-0"], &path, &as_cdb_text(&records));
    let octets = std::fs::read(&path).unwrap();
    let map = open(&octets).unwrap();
    let found: Vec<_> = map.records().map(Result::unwrap).collect();
    assert!(found[0].key.is_empty() && found[0].occurrence == Occurrence::Shadowed);
    assert!(found[1..].iter().all(|record| record.occurrence == Occurrence::First));
    assert_eq!(map.get(b"a").unwrap().unwrap(), b"second");
    assert_eq!(map.get(b"").unwrap(), None);
}

#[test]
fn keys_that_are_not_in_order_are_refused() {
    for (records, duplicates, right) in [
        (pairs(&[("a", ""), ("b", "")]), Duplicates::Refused, true),
        (pairs(&[("", ""), ("a", "")]), Duplicates::Refused, true),
        (pairs(&[("b", ""), ("a", "")]), Duplicates::Refused, false),
        (pairs(&[("a", ""), ("a", "")]), Duplicates::Refused, false),
        (pairs(&[("", ""), ("", "")]), Duplicates::Refused, false),
        (pairs(&[("b", ""), ("a", ""), ("b", "")]), Duplicates::InOrder, true),
    ] {
        match build(duplicates, &records) {
            Ok(_) => assert!(right, "{records:?}"),
            Err(MapBuildError::Order) => assert!(!right, "{records:?}"),
            Err(other) => panic!("{other}"),
        }
    }
    let refused = build(Duplicates::Sorted, &[]).unwrap_err();
    assert!(matches!(refused, MapBuildError::NoDuplicates(Format::Cdb)));
}

#[test]
fn a_file_ends_at_4_gib() {
    let plan = Plan { duplicates: Duplicates::InOrder, volume: Volume::default(), file_id: [0; 12] };
    let mut builder = mapfile::build(Format::Cdb, Nowhere, &plan).unwrap();
    let value = vec![0; 64 << 20];
    for _ in 0..63 {
        builder.add(b"key", &value).unwrap();
    }
    // What is left, by the last of all places: 63 records and the two slots of each of 64 are there.
    let left = u64::from(u32::MAX) - 2048 - 63 * (8 + 3 + (64 << 20)) - 64 * 16 - 8 - 3;
    let refused = builder.add(b"key", &value[..=left as usize]).unwrap_err();
    assert!(matches!(refused, MapBuildError::FileTooLarge { limit: 0xffff_ffff }));
    builder.add(b"key", &value[..left as usize]).unwrap();
    builder.finish().unwrap();
}

#[test]
fn limits_are_kept() {
    let octets = build(Duplicates::Refused, &pairs(&[("a", "12345"), ("ab", "1")])).unwrap();
    let limited = |item| Limits { item, ..Limits::default() };
    let map = mapfile::open_as(Format::Cdb, octets.as_slice(), limited(4)).unwrap();
    let refused = map.get(b"a").unwrap_err().to_string();
    assert_eq!(refused, "octet 2048: length of a value, above the limit: 5");
    assert!(map.records().next().unwrap().is_err());
    assert_eq!(map.get(b"ab").unwrap().unwrap(), b"1");
    let map = mapfile::open_as(Format::Cdb, octets.as_slice(), limited(1)).unwrap();
    let refused = map.get(b"ab").unwrap_err().to_string();
    assert_eq!(refused, "octet 2062: length of a key, above the limit: 2");
}

#[test]
fn after_an_error_nothing_more_comes() {
    for file in manifest::corrupt(".cdb") {
        let Ok(map) = open(&file.octets) else { continue };
        let mut records = map.records();
        while let Some(Ok(_)) = records.next() {}
        assert!(records.next().is_none(), "{}", file.name);
    }
}

/// A stranger may choose the keys of a map: with one hash for all of them neither side may take quadratic time.
#[test]
fn equal_hashes_do_not_multiply_the_work() {
    let records: Pairs =
        (0..100_000).map(|number: u32| (b"key".to_vec(), number.to_le_bytes().to_vec())).collect();
    let octets = build(Duplicates::InOrder, &records).unwrap();
    assert!(read(&octets) == records);
    assert_eq!(open(&octets).unwrap().get(b"key").unwrap().unwrap(), [0; 4]);
}

/// A table in which each record stands far from where it is searched for, with every slot in use.
#[test]
fn a_hostile_table_does_not_multiply_the_work() {
    let keys = (0..).map(|number: u32| number.to_le_bytes().to_vec()).filter(|key| hash(key) & 0xff == 7);
    let records: Pairs = keys.take(4000).map(|key| (key, Vec::new())).collect();
    let mut octets = build(Duplicates::InOrder, &records).unwrap();
    let slots = 2048 + 12 * records.len();
    for (number, slot) in octets[slots..].chunks_mut(8).enumerate() {
        let record = records.get(number).map_or(0, |(key, _)| hash(key));
        let position = 2048 + 12 * (number % records.len()) as u32;
        slot[..4].copy_from_slice(&record.to_le_bytes());
        slot[4..].copy_from_slice(&position.to_le_bytes());
    }
    let read = AtomicU64::new(0);
    let map = mapfile::open_as(Format::Cdb, Counted::new(&octets, &read), Limits::default()).unwrap();
    let found: Pairs =
        map.records().map(Result::unwrap).map(|record| (record.key.to_vec(), record.value)).collect();
    assert!(found == records);
    let read = read.load(Ordering::Relaxed);
    assert!(read <= 32 * octets.len() as u64, "{read} of {}", octets.len());
    assert_eq!(map.get(b"absent").unwrap(), None);
}

#[test]
fn tinycdb_makes_the_same_octets_and_reads_ours() {
    let Ok(cdb) = need::peer("cdb") else { return };
    let dir = scratch::dir();
    let mut random = Random::new(0x7169_6e79);
    for (number, (count, longest)) in SIZES.into_iter().enumerate() {
        let mut records = random_records(count, longest, &mut random);
        shuffle(&mut records, &mut random);
        // Keys that come again, too.
        let again = records.iter().step_by(7).cloned().collect::<Vec<_>>();
        records.extend(again);
        let text = as_cdb_text(&records);
        let (ours, theirs) =
            (dir.path().join(format!("{number}-ours.cdb")), dir.path().join(format!("{number}.cdb")));
        maps::run(&cdb, &["-c"], &theirs, &text);
        let octets = build(Duplicates::InOrder, &records).unwrap();
        assert!(octets == std::fs::read(&theirs).unwrap(), "{count} records, octet for octet");
        std::fs::write(&ours, &octets).unwrap();
        assert!(maps::run(&cdb, &["-d"], &ours, b"") == text, "{count} records, as it prints them");
        assert!(read(&octets) == records);
    }
}

fn pairs(texts: &[(&str, &str)]) -> Pairs {
    texts.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn refusal(octets: &[u8]) -> String {
    open(octets)
        .and_then(|map| map.records().try_for_each(|record| record.map(drop)))
        .unwrap_err()
        .to_string()
}

/// What `cdb -c` takes and `cdb -d` gives.
fn as_cdb_text(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        text.extend_from_slice(format!("+{},{}:", key.len(), value.len()).as_bytes());
        text.extend_from_slice(key);
        text.extend_from_slice(b"->");
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text.push(b'\n');
    text
}

fn shuffle(records: &mut Pairs, random: &mut Random) {
    for last in (1..records.len()).rev() {
        records.swap(last, random.below(last + 1));
    }
}

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, &octet| hash.wrapping_mul(33) ^ u32::from(octet))
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl PageSink for Nowhere {
    fn write_at(&mut self, _offset: u64, _octets: &[u8]) -> io::Result<()> {
        Ok(())
    }
}
