//! Maps that are built here and read back: equal, whatever the records, and refused when they do not come in order.
//! What libdb says of them is asked beside the builders.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its map fails")]

#[path = "support/random.rs"]
mod random;
#[path = "support/records.rs"]
mod records;

use std::io;

use mapfile::{Duplicates, Format, Limits, MapBuildError, Occurrence, PageSink, Plan, Volume};
use random::Random;
use records::{Keys, Pair, Shape, first_values};
use tests::need;

const FORMATS: [Format; 2] = [Format::Hash, Format::Btree];

#[test]
fn any_number_of_records_reads_back() {
    let mut random = Random::new(0x5eed_0f01);
    let numbers: &[usize] =
        if need::full() { &[1, 2, 10, 1000, 20_000, 300_000] } else { &[1, 2, 10, 1000, 20_000] };
    for &number in numbers {
        for keys in [Keys::Mail, Keys::Starts, Keys::UpTo(2000)] {
            for values in [1, 4, 1000] {
                check(&Shape { records: number, keys, longest_value: 120, values }, &mut random);
            }
        }
    }
}

#[test]
fn values_of_any_length_read_back() {
    let mut random = Random::new(0x5eed_0f02);
    for longest_value in [0, 1, 1008, 1024, 1025, 4070, 4096, 65_536] {
        for values in [1, 3, 50] {
            check(&Shape { records: 300, keys: Keys::UpTo(5000), longest_value, values }, &mut random);
        }
    }
}

#[test]
fn an_item_reads_back_at_every_limit() {
    for length in (0..16).chain(1000..1030).chain(4060..4100).chain([8139, 8140, 8141, 1 << 20]) {
        let long = vec![b'x'; length];
        let records = [
            (b"key".to_vec(), long.clone()),
            (long.clone(), b"value".to_vec()),
            ([&long[..], b"z"].concat(), long),
        ];
        for format in FORMATS {
            let mut records = records.to_vec();
            records::sort(&mut records, |key| format.rank(key));
            let octets = build(format, Duplicates::Refused, &records).unwrap();
            assert!(read(format, &octets) == in_key_order(records), "{format:?} {length}");
        }
    }
}

#[test]
fn an_empty_map_has_no_records() {
    for format in FORMATS {
        let octets = build(format, Duplicates::Refused, &[]).unwrap();
        assert!(read(format, &octets).is_empty());
        let pages = if format == Format::Hash { 3 } else { 2 };
        assert_eq!(octets.len(), pages * 4096, "{format:?}");
    }
}

#[test]
fn a_plan_that_is_far_off_gives_the_same_records() {
    let mut random = Random::new(0x5eed_0f03);
    let shape = Shape { records: 20_000, keys: Keys::Mail, longest_value: 40, values: 1 };
    let mut records = records::random(&shape, &mut random);
    records::sort(&mut records, |key| Format::Hash.rank(key));
    for volume in [Volume::default(), Volume { records: 1 << 16, octets: 1 << 24 }] {
        let octets = build_planned(Format::Hash, Duplicates::Refused, volume, &records).unwrap();
        assert!(read(Format::Hash, &octets) == in_key_order(records.clone()));
    }
    let volume = Volume { records: u64::MAX, octets: u64::MAX };
    let refused = build_planned(Format::Hash, Duplicates::Refused, volume, &records);
    assert!(matches!(refused, Err(MapBuildError::FileTooLarge { .. })));
}

#[test]
fn records_out_of_order_are_refused() {
    for format in FORMATS {
        let mut keys = [&b""[..], b"a", b"ab", b"b", b"key"];
        keys.sort_by_key(|key| (format.rank(key), *key));
        let pair = |at: usize| (keys[at].to_vec(), b"value".to_vec());
        for (order, duplicates, fits) in [
            (&[0, 1, 2, 3, 4][..], Duplicates::Refused, true),
            (&[0, 1, 2, 4, 3], Duplicates::Refused, false),
            (&[1, 0], Duplicates::InOrder, false),
            (&[0, 1, 0], Duplicates::InOrder, false),
            (&[0, 0, 1, 1, 1, 4, 4], Duplicates::InOrder, true),
            (&[0, 0], Duplicates::Refused, false),
            (&[2, 3, 3], Duplicates::Refused, false),
        ] {
            let records: Vec<Pair> = order.iter().map(|&at| pair(at)).collect();
            match build(format, duplicates, &records) {
                Ok(octets) => assert!(fits && read(format, &octets) == in_key_order(records)),
                Err(MapBuildError::Order) => assert!(!fits, "{format:?} {order:?}"),
                Err(error) => panic!("{format:?} {order:?}: {error}"),
            }
        }
    }
}

#[test]
fn sorted_duplicates_are_refused() {
    for format in FORMATS {
        let refused = build(format, Duplicates::Sorted, &[]).unwrap_err();
        assert!(matches!(refused, MapBuildError::NoSortedDuplicates(named) if named == format));
    }
}

/// A file system with room for so many octets.
struct Full(u64);

impl PageSink for Full {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let fits = offset + octets.len() as u64 <= self.0;
        if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

#[test]
fn a_sink_that_fails_is_told_as_it_is() {
    let records: Vec<Pair> =
        (0..200).map(|number| (format!("key{number:03}").into_bytes(), vec![b'v'; 5000])).collect();
    for format in FORMATS {
        let mut records = records.clone();
        records::sort(&mut records, |key| format.rank(key));
        for room in [0, 4096, 8192, 100_000] {
            let plan = plan(Duplicates::Refused, volume(&records));
            let mut builder = mapfile::build(format, Full(room), &plan).unwrap();
            let added = records.iter().try_for_each(|(key, value)| builder.add(key, value));
            match added.and_then(|()| builder.finish()) {
                Err(MapBuildError::Sink(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
                other => panic!("{format:?} {room}: {other:?}"),
            }
        }
    }
}

fn check(shape: &Shape, random: &mut Random) {
    let mut records = records::random(shape, random);
    let duplicates = if shape.values == 1 { Duplicates::Refused } else { Duplicates::InOrder };
    for format in FORMATS {
        records::sort(&mut records, |key| format.rank(key));
        let octets = build(format, duplicates, &records).unwrap();
        assert!(read(format, &octets) == in_key_order(records.clone()), "{format:?} {shape:?}");
        find_each(&octets, &records);
    }
}

fn build(format: Format, duplicates: Duplicates, records: &[Pair]) -> Result<Vec<u8>, MapBuildError> {
    build_planned(format, duplicates, volume(records), records)
}

fn build_planned(
    format: Format,
    duplicates: Duplicates,
    volume: Volume,
    records: &[Pair],
) -> Result<Vec<u8>, MapBuildError> {
    let mut octets = Vec::new();
    let mut builder = mapfile::build(format, &mut octets, &plan(duplicates, volume))?;
    for (key, value) in records {
        builder.add(key, value)?;
    }
    builder.finish()?;
    Ok(octets)
}

fn plan(duplicates: Duplicates, volume: Volume) -> Plan {
    Plan { duplicates, volume, file_id: [7; 12] }
}

fn volume(records: &[Pair]) -> Volume {
    let mut volume = Volume::default();
    for (key, value) in records {
        volume.add(key, value);
    }
    volume
}

/// All records in the order of their keys.
fn read(format: Format, octets: &[u8]) -> Vec<Pair> {
    let map = mapfile::open(octets, Limits::default()).unwrap();
    assert_eq!(map.format(), format);
    let records = map.records().map(Result::unwrap).map(|record| {
        assert_ne!(record.occurrence, Occurrence::Shadowed);
        (record.key.to_vec(), record.value)
    });
    in_key_order(records.collect())
}

/// Values of one key stay in the order in which they are.
fn in_key_order(mut records: Vec<Pair>) -> Vec<Pair> {
    records.sort_by(|(one, _), (other, _)| one.cmp(other));
    records
}

fn find_each(octets: &[u8], records: &[Pair]) {
    let map = mapfile::open(octets, Limits::default()).unwrap();
    let there = first_values(records);
    for (&key, &value) in &there {
        assert!(map.get(key).unwrap().as_deref() == Some(value));
        let absent = [key, b"x"].concat();
        assert_eq!(map.get(&absent).unwrap().is_some(), there.contains_key(&absent[..]));
    }
}
