//! Every map that real programs made reads back equal to its text, and every damaged one is refused.
#![allow(clippy::disallowed_methods, reason = "fixtures are read where they lie")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixture fails")]

#[path = "support/counted.rs"]
mod counted;
#[path = "support/manifest.rs"]
mod manifest;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use counted::Counted;
use mapfile::{Detected, Format, Limits, MapFileError, MapReader, Occurrence, detect};

fn open(octets: &[u8]) -> Result<Box<dyn MapReader + '_>, MapFileError> {
    mapfile::open(octets, Limits::default())
}

#[test]
fn good_files_read_back_equal_to_their_text() {
    let files = manifest::good(".db");
    assert!(files.len() >= 40, "the manifest is read whole");
    for file in &files {
        let map = open(&file.octets).unwrap_or_else(|error| panic!("{}: {error}", file.name));
        let mut found: Vec<_> = map
            .records()
            .map(|record| record.unwrap_or_else(|error| panic!("{}: {error}", file.name)))
            .map(|record| (record.key.to_vec(), record.value))
            .collect();
        if map.format() == Format::Btree {
            assert!(found.is_sorted_by_key(|(key, _)| key.clone()), "{}: a btree is in order", file.name);
        }
        // Values of one key keep the order of the file.
        found.sort_by(|one, other| one.0.cmp(&other.0));
        assert!(found == file.records, "{}: {} records", file.name, found.len());
    }
}

#[test]
fn every_key_is_found_with_its_first_value() {
    for file in manifest::good(".db") {
        let map = open(&file.octets).unwrap();
        let mut first = HashMap::new();
        for (key, value) in &file.records {
            first.entry(key).or_insert(value);
        }
        for (key, value) in first {
            let found = map.get(key).unwrap_or_else(|error| panic!("{}: {error}", file.name));
            assert!(found.as_ref() == Some(value), "{}: {}", file.name, key.escape_ascii());
            for absent in [[key, &b"x"[..]].concat(), key[..key.len().saturating_sub(1)].to_vec()] {
                let there = file.records.iter().any(|(key, _)| *key == absent);
                assert_eq!(map.get(&absent).unwrap().is_some(), there, "{}", file.name);
            }
        }
    }
}

#[test]
fn only_files_with_duplicates_have_further_values() {
    for file in manifest::good(".db") {
        let map = open(&file.octets).unwrap();
        let mut last: Option<std::sync::Arc<[u8]>> = None;
        for record in map.records().map(Result::unwrap) {
            let again = last.as_ref() == Some(&record.key);
            let expected = if again { Occurrence::Further } else { Occurrence::First };
            assert_eq!(record.occurrence, expected, "{}: {}", file.name, record.key.escape_ascii());
            last = Some(record.key);
        }
    }
}

#[test]
fn mail_programs_find_keys_with_and_without_nul() {
    let files = manifest::good(".db");
    let of = |name: &str| files.iter().find(|file| file.name == name).unwrap();
    // The same source twice: once with the NUL counted, once without.
    let (counted, plain) = (of("transport.db"), of("transport-nonul.db"));
    let (counted_map, plain_map) = (open(&counted.octets).unwrap(), open(&plain.octets).unwrap());
    for (key, value) in &plain.records {
        assert_eq!(plain_map.get_as_mail(key).unwrap().as_ref(), Some(value));
        assert_eq!(counted_map.get_as_mail(key).unwrap().as_ref(), Some(value));
        assert_eq!(counted_map.get(key).unwrap(), None);
    }
    // Both forms in one file: two records of postalias have no NUL.
    let aliases = open(&of("aliases-postfix.db").octets).unwrap();
    assert_eq!(aliases.get_as_mail(b"@").unwrap().as_deref(), Some(&b"@"[..]));
    assert!(aliases.get_as_mail(b"YP_LAST_MODIFIED").unwrap().is_some());
}

#[test]
fn damaged_files_are_refused_within_bounds() {
    let files = manifest::corrupt(".db");
    assert!(files.len() >= 57, "the manifest is read whole");
    for file in &files {
        let read = AtomicU64::new(0);
        let refused = mapfile::open(Counted::new(&file.octets, &read), Limits::default())
            .and_then(|map| map.records().try_for_each(|record| record.map(drop)));
        match refused {
            Ok(()) => panic!("{} was read", file.name),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let bound = 2 * file.octets.len() as u64 + 1024;
        assert!(read.load(Ordering::Relaxed) <= bound, "{}: each page is read once", file.name);
    }
}

#[test]
fn refusals_name_page_and_field() {
    for (name, expected) in [
        ("corrupt/zero-length.db", "the file is empty; it may be about to be written"),
        ("corrupt/short.db", "page 0: the file ends inside its metadata, after octet 511"),
        ("corrupt/truncated-at-page.db", "page 0: the last page is said to be 7, the file has 5 pages"),
        ("corrupt/pagesize-3.db", "page 0: page size 3"),
        ("corrupt/encrypted.db", "the file uses something that maps do not have: encryption 1"),
        (
            "corrupt/subdatabases.db",
            "the file uses something that maps do not have: several databases in one file",
        ),
        ("corrupt/masks.db", "page 0: hash masks 0xffff, 0x0"),
        ("corrupt/spares.db", "page 0: bucket 0 is outside the file"),
        ("corrupt/bucket-cycle-two.db", "page 1: the page before is said to be 2, it is 0"),
        ("corrupt/item-offset-order.db", "page 1: item at offset 485"),
        ("corrupt/overflow-short-chain.db", "page 3: off-page item of 1500 octets ends after 486"),
        ("corrupt/amplification.db", "page 3: the page is reached twice"),
        ("corrupt/btree-level.db", "page 2: level 1 where 8 is expected"),
        ("corrupt/chksum.db", "page 1: checksum mismatch"),
    ] {
        let file = manifest::corrupt(".db").into_iter().find(|file| file.name == name).unwrap();
        let refused =
            open(&file.octets).and_then(|map| map.records().try_for_each(|record| record.map(drop)));
        assert_eq!(refused.unwrap_err().to_string(), expected, "{name}");
    }
}

#[test]
fn after_an_error_nothing_more_comes() {
    for file in manifest::corrupt(".db") {
        let Ok(map) = open(&file.octets) else { continue };
        let mut records = map.records();
        while let Some(Ok(_)) = records.next() {}
        assert!(records.next().is_none(), "{}", file.name);
    }
}

#[test]
fn files_of_other_formats_are_recognised() {
    for (suffix, expected) in
        [(".gdbm", Some(Detected::Gdbm)), (".lmdb", Some(Detected::Lmdb)), (".cdb", None)]
    {
        for file in manifest::good(suffix) {
            assert_eq!(detect(&file.octets), expected, "{}", file.name);
        }
    }
    for file in manifest::good(".db") {
        let format = match detect(&file.octets) {
            Some(Detected::Hash) => Format::Hash,
            Some(Detected::Btree) => Format::Btree,
            other => panic!("{}: {other:?}", file.name),
        };
        assert_eq!(open(&file.octets).unwrap().format(), format, "{}", file.name);
    }
}

#[test]
fn limits_are_kept() {
    let files = manifest::good("overflow-hash.db");
    let octets = &files[0].octets;
    let length = octets.len() as u64;
    let refused = mapfile::open(octets.as_slice(), Limits { file: length - 1, ..Limits::default() }).err();
    assert!(matches!(refused, Some(MapFileError::TooLarge { octets, .. }) if octets == length));
    let map = mapfile::open(octets.as_slice(), Limits { item: 5000, ..Limits::default() }).unwrap();
    let refused = map.records().find_map(Result::err).unwrap();
    assert!(refused.to_string().contains("octets kept off-page"), "{refused}");
}

#[test]
fn a_key_that_comes_again_is_told_from_a_duplicate() {
    for name in ["small-btree.db", "p512-hash.db"] {
        let file = manifest::good(name).remove(0);
        let mut octets = file.octets.clone();
        repeat_a_key(&mut octets);
        let map = open(&octets).unwrap();
        let records: Vec<_> = map.records().map(Result::unwrap).collect();
        let again: Vec<_> =
            records.iter().filter(|record| record.occurrence == Occurrence::Shadowed).collect();
        assert_eq!(again.len(), 1, "{name}");
        let found = map.get(&again[0].key).unwrap().unwrap();
        assert!(found != again[0].value, "{name}: a look-up finds the first");
    }
}

/// Gives one pair the key of the pair before it: the first two neighbours whose keys are equally long.
fn repeat_a_key(octets: &mut [u8]) {
    for page in octets.chunks_mut(512).skip(1).filter(|page| matches!(page[25], 5 | 13)) {
        let offset =
            |item: usize| usize::from(u16::from_le_bytes([page[26 + 2 * item], page[27 + 2 * item]]));
        let end = |item: usize| if item == 0 { 512 } else { offset(item - 1) };
        // Of a hash an item ends where the one before starts, of a btree it has a length.
        let length = |item| {
            if page[25] == 13 { end(item) - offset(item) } else { 3 + usize::from(page[offset(item)]) }
        };
        let keys = (2..usize::from(page[20])).step_by(2);
        if let Some(key) = keys.into_iter().find(|&key| length(key) == length(key - 2)) {
            let (from, to) = (offset(key - 2), offset(key));
            page.copy_within(from..from + length(key), to);
            return;
        }
    }
    panic!("no two neighbours with keys of one length");
}

#[test]
fn items_that_overlap_do_not_multiply() {
    let file = manifest::good("p512-btree.db").remove(0);
    let mut octets = file.octets.clone();
    for page in octets.chunks_mut(512).skip(1).filter(|page| page[25] == 5) {
        // As many pairs as the index can hold, all of them the first.
        let items = (u16::from_le_bytes([page[22], page[23]]) - 26) / 2 / 2 * 2;
        page[20..22].copy_from_slice(&items.to_le_bytes());
        let pair: [u8; 4] = page[26..30].try_into().unwrap();
        page[26..26 + 2 * usize::from(items)].chunks_mut(4).for_each(|slot| slot.copy_from_slice(&pair));
    }
    let values: usize =
        open(&octets).unwrap().records().map_while(Result::ok).map(|record| record.value.len()).sum();
    assert!(values < octets.len());
    assert!(open(&octets).unwrap().records().any(|record| record.is_err()));
}
