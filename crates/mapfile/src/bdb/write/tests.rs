#![allow(clippy::disallowed_methods, reason = "the files are made for the test")]

#[path = "../../../tests/support/libdb.rs"]
mod libdb;
#[path = "../../../tests/support/random.rs"]
mod random;
#[path = "../../../tests/support/records.rs"]
mod records;

use ::tests::{need, scratch};
use libdb::Libdb;
use random::Random;
use records::{Keys, Pair, Shape};

use super::*;
use crate::{Limits, MapFileBuilder, Occurrence, Volume};

/// A file to be made.
struct Row {
    page_octets: usize,
    format: Format,
    shape: Shape,
    /// Whether the volume is known. If not there are two buckets for all.
    planned: bool,
}

#[test]
fn every_page_size_reads_back() {
    let mut random = Random::new(0x9a6e_512e);
    for row in rows() {
        let records = row.records(&mut random);
        let found = read_back(row.format, &row.build(&records), &row.name());
        assert!(in_key_order(&found) == in_key_order(&records), "{}", row.name());
    }
}

#[test]
fn libdb_finds_every_key() {
    let Ok(libdb) = Libdb::find() else { return };
    let dir = scratch::dir();
    let path = dir.path().join("map.db");
    let mut random = Random::new(0x11bd_b512);
    for row in rows() {
        let octets = row.build(&row.records(&mut random));
        std::fs::write(&path, &octets).unwrap();
        libdb.check(&path, &read_back(row.format, &octets, &row.name()), &row.name());
    }
}

#[test]
fn libdb_goes_on_with_what_was_written() {
    let Ok(libdb) = Libdb::find() else { return };
    let dir = scratch::dir();
    let path = dir.path().join("map.db");
    let mut random = Random::new(0x0ad_dde1);
    for row in rows().into_iter().filter(Row::may_change) {
        let octets = row.build(&row.records(&mut random));
        std::fs::write(&path, &octets).unwrap();
        libdb.change(&path, &row.name());
        let changed = std::fs::read(&path).unwrap();
        libdb.check(&path, &read_back(row.format, &changed, &row.name()), &row.name());
    }
}

#[test]
fn metadata_as_the_format_has_it() {
    let records = [(b"key".to_vec(), b"value".to_vec())];
    for (format, magic, fields) in [
        (Format::Hash, 0x0006_1561, &[1, 1, 0, 0, 1, 0x5E68_8DD1, 1, 1, 0, 0][..]),
        (Format::Btree, 0x0005_3162, &[0, 2, 0, 0x20, 1, 0][..]),
    ] {
        let shape = Shape { records: 1, keys: Keys::Mail, longest_value: 0, values: 1 };
        let octets = Row { page_octets: 4096, format, shape, planned: true }.build(&records);
        let number = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
        assert_eq!([number(0), number(4), number(8)], [0, 1, 0]);
        assert_eq!([number(12), number(16), number(20)], [magic, 9, 4096]);
        assert_eq!(number(32) as usize, octets.len() / 4096 - 1);
        assert_eq!(octets[52..72], *b"twelve octet\0\0\0\0\0\0\0\0");
        let found: Vec<u32> = (72..).step_by(4).take(fields.len()).map(number).collect();
        assert_eq!(found, fields);
    }
}

impl Row {
    fn name(&self) -> String {
        format!("{:?}, pages of {}, {:?}", self.format, self.page_octets, self.shape)
    }

    fn records(&self, random: &mut Random) -> Vec<Pair> {
        let mut records = records::random(&self.shape, random);
        records::sort(&mut records, |key| self.format.rank(key));
        records
    }

    fn build(&self, records: &[Pair]) -> Vec<u8> {
        let mut volume = Volume::default();
        if self.planned {
            for (key, value) in records {
                volume.add(key, value);
            }
        }
        let duplicates = if self.shape.values == 1 { Duplicates::Refused } else { Duplicates::InOrder };
        let plan = Plan { duplicates, volume, file_id: *b"twelve octet" };
        let mut octets = Vec::new();
        let mut builder: Box<dyn MapFileBuilder + '_> = match self.format {
            Format::Hash => Box::new(HashBuilder::new(&mut octets, &plan, self.page_octets).unwrap()),
            _ => Box::new(BtreeBuilder::new(&mut octets, &plan, self.page_octets).unwrap()),
        };
        for (key, value) in records {
            builder.add(key, value).unwrap();
        }
        builder.finish().unwrap();
        octets
    }

    /// libdb itself loses keys that are kept off-page in a hash (section 2.5 of the format). Its reading was asked of
    /// every row; its writing takes long where there are many records.
    fn may_change(&self) -> bool {
        let is_safe = self.format == Format::Btree || !matches!(self.shape.keys, Keys::UpTo(_));
        is_safe && (need::full() || self.shape.records <= 3000)
    }
}

/// All records, each key found with its first value.
fn read_back(format: Format, octets: &[u8], what: &str) -> Vec<Pair> {
    let map = crate::open(octets, Limits::default()).unwrap();
    assert_eq!(map.format(), format);
    let mut records = Vec::new();
    for record in map.records() {
        let record = record.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_ne!(record.occurrence, Occurrence::Shadowed, "{what}");
        if record.occurrence == Occurrence::First {
            assert!(map.get(&record.key).unwrap().as_ref() == Some(&record.value), "{what}");
        }
        records.push((record.key.to_vec(), record.value));
    }
    records
}

/// Sorted; values of one key stay in the order in which they are.
fn in_key_order(records: &[Pair]) -> Vec<Pair> {
    let mut records = records.to_vec();
    records.sort_by(|(one, _), (other, _)| one.cmp(other));
    records
}

fn rows() -> Vec<Row> {
    let sizes: &[usize] =
        if need::full() { &[512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] } else { &[512, 4096, 65536] };
    let mut rows = Vec::new();
    for &page_octets in sizes {
        for format in [Format::Hash, Format::Btree] {
            let row = |shape| Row { page_octets, format, shape, planned: true };
            rows.extend(shapes(page_octets).into_iter().map(row));
        }
    }
    let many = |page_octets, format, records, planned| {
        let shape = Shape { records, keys: Keys::Mail, longest_value: 40, values: 1 };
        Row { page_octets, format, shape, planned }
    };
    rows.extend([
        many(4096, Format::Hash, 20_000, true),
        many(512, Format::Btree, 20_000, true),
        // More than is kept in memory of a bucket, several times.
        many(512, Format::Hash, 4000, false),
    ]);
    rows
}

fn shapes(page_octets: usize) -> Vec<Shape> {
    // Longer than stays on the largest page, and no more: all goes through pipes as text.
    let (key, value) = ((2 * page_octets).min(40_000), (3 * page_octets).min(70_000));
    let shape = |records, keys, longest_value, values| Shape { records, keys, longest_value, values };
    vec![
        shape(0, Keys::Mail, 0, 1),
        shape(1, Keys::Starts, 0, 1),
        shape(1000, Keys::Mail, 40, 1),
        shape(600, Keys::Starts, page_octets / 2, 1),
        // Keys on the page and off it, in one bucket and on one leaf; separators off-page.
        shape(300, Keys::UpTo(key), value, 1),
        // From a single value to trees of several levels.
        shape(3000, Keys::Mail, 60, 20),
        shape(3000, Keys::Starts, 30, 3000),
        shape(300, Keys::UpTo(key), value, 10),
    ]
}
