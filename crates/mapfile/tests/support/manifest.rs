//! The fixtures by their manifest, which is the table of truth.

use std::fs;
use std::path::PathBuf;

/// A good file: its octets, and what a reader must get.
pub(crate) struct Good {
    /// Its name.
    pub(crate) name: String,
    /// Its octets.
    pub(crate) octets: Vec<u8>,
    /// Key and value, in the order of the keys.
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A damaged file.
pub(crate) struct Corrupt {
    /// Its name.
    pub(crate) name: String,
    /// Its octets.
    pub(crate) octets: Vec<u8>,
}

/// The good files whose names end so.
pub(crate) fn good(suffix: &str) -> Vec<Good> {
    let rows = rows().filter(|row| !row[0].starts_with("corrupt/") && row[0].ends_with(suffix));
    rows.map(|row| {
        let octets = octets(&row);
        let records: Vec<_> = fs::read(folder().join(&row[3]))
            .unwrap()
            .split(|&octet| octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(record)
            .collect();
        assert_eq!(records.len().to_string(), row[2], "{}: the manifest and its text agree", row[0]);
        Good { name: row[0].clone(), octets, records }
    })
    .collect()
}

/// The damaged files whose names end so.
pub(crate) fn corrupt(suffix: &str) -> Vec<Corrupt> {
    let rows = rows().filter(|row| row[0].starts_with("corrupt/") && row[0].ends_with(suffix));
    rows.map(|row| Corrupt { octets: octets(&row), name: row[0].clone() }).collect()
}

/// Each file of the table, as its columns.
fn rows() -> impl Iterator<Item = Vec<String>> {
    let manifest = fs::read_to_string(folder().join("MANIFEST.md")).unwrap();
    let rows: Vec<Vec<String>> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        // A bar inside a column is escaped, and only after the columns that matter.
        .map(|line| line.split(" | ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|row| row.len() >= 4 && row[1].parse::<u64>().is_ok())
        .collect();
    rows.into_iter()
}

fn octets(row: &[String]) -> Vec<u8> {
    let octets = fs::read(folder().join(&row[0])).unwrap();
    assert_eq!(octets.len().to_string(), row[1], "{}: the manifest and the file agree", row[0]);
    octets
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps"))
}

/// One line of a text: key, tab, value, with `\xHH` for what is not printable.
fn record(line: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let tab = line.iter().position(|&octet| octet == b'\t').unwrap();
    (plain(&line[..tab]), plain(&line[tab + 1..]))
}

fn plain(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'\\' {
            assert_eq!(after[0], b'x');
            plain.push(u8::from_str_radix(std::str::from_utf8(&after[1..3]).unwrap(), 16).unwrap());
            rest = &after[3..];
        } else {
            plain.push(first);
            rest = after;
        }
    }
    plain
}
