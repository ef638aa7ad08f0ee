//! LMDB, read and written: against what Postfix and Cyrus made, against the library's own tools, and against those who
//! mean harm.
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

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use counted::Counted;
use manifest::Good;
use mapfile::{
    Duplicates, Feature, Format, Limits, MapBuildError, MapFileError, MapReader, Occurrence, lmdb_transaction,
};
use maps::{Pairs, SIZES, check_look_ups, random_records};
use random::Random;
use tests::{need, scratch};

fn open(octets: &[u8]) -> Result<Box<dyn MapReader + '_>, MapFileError> {
    mapfile::open(octets, Limits::default())
}

fn build(records: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>, MapBuildError> {
    maps::build(Format::Lmdb, Duplicates::Refused, records)
}

fn read(octets: &[u8]) -> Pairs {
    maps::read(Format::Lmdb, octets)
}

fn good() -> Vec<Good> {
    let files = manifest::good(".lmdb");
    assert_eq!(files.len(), 4, "the manifest is read whole");
    files
}

#[test]
fn good_files_read_back_equal_to_their_text() {
    for file in good() {
        let map = open(&file.octets).unwrap();
        assert_eq!(map.duplicates(), Duplicates::Refused);
        assert!(map.records().all(|record| record.unwrap().occurrence == Occurrence::First));
        assert!(read(&file.octets) == file.records, "{}", file.name);
        check_look_ups(Format::Lmdb, &file.octets, &file.records);
    }
}

#[test]
fn damaged_files_are_refused_within_bounds() {
    let files = manifest::corrupt(".lmdb");
    assert_eq!(files.len(), 6, "the manifest is read whole");
    for file in files {
        let read = AtomicU64::new(0);
        let map = mapfile::open(Counted::new(&file.octets, &read), Limits::default());
        let refused = map.and_then(|map| map.records().try_for_each(|record| record.map(drop)));
        assert!(refused.is_err(), "{} was read", file.name);
        assert!(read.load(Ordering::Relaxed) <= file.octets.len() as u64 + 1024, "{}", file.name);
    }
}

#[test]
fn refusals_name_page_and_field() {
    for (name, expected) in [
        ("corrupt/pagesize.lmdb", "page 0: page size 3"),
        ("corrupt/root-beyond.lmdb", "page 1: page number out of the file: 1125899906842624"),
        ("corrupt/node-offset.lmdb", "page 2: item at offset 4095"),
        ("corrupt/node-key-size.lmdb", "page 2: item of 65535 octets"),
        ("corrupt/lower.lmdb", "page 2: start of free space: 5000"),
        ("corrupt/truncated.lmdb", "page 1: the last page is said to be 2, the file has 2 pages"),
    ] {
        let file = manifest::corrupt(".lmdb").into_iter().find(|file| file.name == name).unwrap();
        assert_eq!(refusal(&file.octets), expected, "{name}");
    }
}

/// One field after the other of sound files, as a stranger would set it.
#[test]
fn every_field_is_checked() {
    let single = build(&pairs(&[("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
    let (branch, tree) = three_levels();
    let first_child = tree[branch + PAGE - NODE..][..6].to_vec();
    let second_node = branch + usize::from(u16::from_le_bytes([tree[branch + 18], tree[branch + 19]]));
    let long = build(&[(b"a".to_vec(), vec![7; 5000])]).unwrap();
    for (base, at, octets, expected) in [
        (&single, PAGE, &[9][..], "page 1: the page says that it is page: 9"),
        (&single, 16, &[0], "not a Berkeley DB file, nor another format that is known by its magic number"),
        (&single, PAGE + 16, &[0], "page 1: magic number: 3203383296"),
        (&single, PAGE + 20, &[2], "the file uses something that maps do not have: format version 2"),
        (&single, PAGE + 10, &[2], "page 1: flags of a meta page: 2"),
        (&single, PAGE + 41, &[0x20], "page 1: page size 8192"),
        // Both meta pages of one transaction, with a tree in one of them.
        (&single, PAGE + 144, &[0], "page 1: two trees of one transaction: 0"),
        (&single, PAGE + 94, &[0], "page 1: depth of the tree: 0"),
        (&single, PAGE + 94, &[33], "page 1: depth of the tree: 33"),
        (&single, PAGE + 94, &[2], "page 2: flags of a page: 2"),
        (&single, PAGE + 120, &[0], "page 1: number of entries: 0"),
        (&single, PAGE + 120, &[2], "page 1: number of entries, which are more or fewer: 2"),
        (&single, PAGE + 120, &[4], "page 1: number of entries, which are more or fewer: 4"),
        (&single, PAGE + 128, &[1], "page 1: page number out of the file: 1"),
        (&single, PAGE + 128, &[3], "page 1: page number out of the file: 3"),
        (&single, 2 * PAGE, &[3], "page 2: the page says that it is page: 3"),
        (&single, 2 * PAGE + 10, &[4], "page 2: flags of a page: 4"),
        (&single, 2 * PAGE + 12, &[16], "page 2: number of items does not fit: 0"),
        (&single, 2 * PAGE + 12, &[14], "page 2: start of free space: 14"),
        (&single, 2 * PAGE + 12, &[21], "page 2: start of free space: 21"),
        // A node less; a node twice; two of them in each other's place.
        (&single, 2 * PAGE + 12, &[20], "page 1: number of entries, which are more or fewer: 3"),
        (&single, 2 * PAGE + 18, &[0xf6], "page 2: out of the order of the keys: node: 1"),
        (&single, 2 * PAGE + 16, &[0xec], "page 2: out of the order of the keys: node: 1"),
        (&single, 2 * PAGE + 16, &[0xf7], "page 2: item at offset 4087"),
        (&single, 2 * PAGE + 16, &[0x10, 0x00], "page 2: item at offset 16"),
        (&single, 3 * PAGE - 10, &[3], "page 2: item of 3 octets"),
        (&single, 3 * PAGE - 4, &[0, 0], "page 2: length of a key: 0"),
        (
            &single,
            3 * PAGE - 6,
            &[2],
            "the file uses something that maps do not have: several databases in one file",
        ),
        (&single, 3 * PAGE - 6, &[4], "page 2: flags of a node: 4"),
        (&single, 3 * PAGE - 6, &[1], "page 2: item of 8 octets"),
        // The second child of a branch is the first; its key is longer than the page.
        (&tree, second_node, &first_child, "page 2: the page is reached twice"),
        (&tree, second_node + 7, &[0xff], &format!("page {}: item of 65", branch / PAGE)),
        (&long, 2 * PAGE, &[9], "page 2: the page says that it is page: 9"),
        (&long, 2 * PAGE + 10, &[2], "page 2: flags of a page: 2"),
        (&long, 2 * PAGE + 12, &[1], "page 2: item of 5000 octets kept off-page"),
        (&long, 2 * PAGE + 12, &[4], "page 2: pages of a run: 4"),
        // The run with the leaf itself.
        (&long, 2 * PAGE + 12, &[3], "page 4: the page is reached twice"),
        (&long, 5 * PAGE - 18 + 2, &[0xff, 0xff], "page 2: item of 4294906760 octets kept off-page"),
    ] {
        let mut damaged = base.clone();
        damaged[at..at + octets.len()].copy_from_slice(octets);
        let refused = refusal(&damaged);
        assert!(refused.starts_with(expected), "octet {at} {octets:?}: {refused}");
    }
    assert_eq!(
        refusal(&single[..single.len() - 1]),
        "page 0: file length 12287 is no multiple of the page size 4096"
    );
    assert_eq!(refusal(&single[..PAGE]), "page 1: the file ends inside its metadata, after octet 4096");
}

/// A page of a tree that is its own grandchild, and so on: no walk goes in circles, and no look-up either.
#[test]
fn circles_end() {
    let (branch, tree) = three_levels();
    let pages = (tree.len() / PAGE) as u64;
    for child in 0..pages {
        let mut damaged = tree.clone();
        damaged[branch + PAGE - NODE..][..4].copy_from_slice(&(child as u32).to_le_bytes());
        let _ = refusal_or_end(&damaged);
        let _ = open(&damaged).unwrap().get(b"");
        let _ = open(&damaged).unwrap().get(b"00000");
    }
}

#[test]
fn nodes_that_overlap_do_not_multiply() {
    let records: Pairs = (b'a'..=b'z').map(|key| (vec![key], vec![key; 100])).collect();
    let mut octets = build(&records).unwrap();
    let leaf = &mut octets[2 * PAGE..];
    // All of them the first but for one octet of its key: in order, and most of it the same octets.
    let offset = u16::from_le_bytes([leaf[16], leaf[17]]);
    for (number, slot) in leaf[18..16 + 2 * records.len()].chunks_mut(2).enumerate() {
        slot.copy_from_slice(&(offset - 2 * number as u16).to_le_bytes());
    }
    let values: usize =
        open(&octets).unwrap().records().map_while(Result::ok).map(|record| record.value.len()).sum();
    assert!(values < PAGE);
}

#[test]
fn files_of_other_machines_are_told() {
    let whole = good().remove(0).octets;
    let mut big = whole.clone();
    big[16..20].reverse();
    assert_eq!(refusal(&big), "page 0: a file of a big-endian machine, by the magic number at octet: 16");
    let mut narrow = whole.clone();
    narrow.copy_within(16..20, 12);
    narrow[16..20].copy_from_slice(&[1, 0, 0, 0]);
    assert_eq!(refusal(&narrow), "page 0: a file of a 32-bit machine, by the magic number at octet: 12");
    narrow[12..16].reverse();
    assert_eq!(refusal(&narrow), "page 0: a file of a 32-bit machine, by the magic number at octet: 12");
    let mut sorted_duplicates = whole;
    sorted_duplicates[PAGE + 92] = 4;
    let refused = open(&sorted_duplicates).err();
    assert!(matches!(refused, Some(MapFileError::Unsupported(Feature::Flags(4)))));
}

#[test]
fn the_newer_meta_page_counts() {
    let mut octets = build(&pairs(&[("key", "value")])).unwrap();
    assert_eq!(lmdb_transaction(&octets).unwrap(), 1);
    assert_eq!(read(&octets).len(), 1);
    // The empty tree of the first page, made newer.
    octets[144] = 2;
    assert_eq!(lmdb_transaction(&octets).unwrap(), 2);
    assert_eq!(read(&octets).len(), 0);
    for file in good() {
        let expected = if file.name == "sasldb2.lmdb" { 23 } else { 1 };
        assert_eq!(lmdb_transaction(&file.octets).unwrap(), expected, "{}", file.name);
    }
    assert!(matches!(lmdb_transaction(&Vec::new()), Err(MapFileError::Empty)));
    // The first page says that the map is empty: it is no way out where the second is damaged.
    octets[PAGE + 16] ^= 1;
    assert!(lmdb_transaction(&octets).is_err());
    assert!(open(&octets).is_err());
}

#[test]
fn records_come_back_whatever_they_are() {
    let mut random = Random::new(0x1bdb_01bd);
    for (count, longest) in SIZES {
        let records = random_records(count, longest, &mut random);
        let octets = build(&records).unwrap();
        assert!(read(&octets) == records, "{count}");
        check_look_ups(Format::Lmdb, &octets, &records);
        check_fill(&octets);
    }
}

#[test]
fn larger_pages_are_read() {
    let records = random_records(1000, 100, &mut Random::new(8192));
    let octets = enlarge(&build(&records).unwrap());
    assert!(read(&octets) == records);
    check_look_ups(Format::Lmdb, &octets, &records);
}

/// The same file with pages of twice the size: nodes at their ends, as ever. For files without long values.
fn enlarge(octets: &[u8]) -> Vec<u8> {
    let mut larger = Vec::new();
    for page in octets.chunks(PAGE) {
        let mut other = [page, &[0; PAGE]].concat();
        let number = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
        let (lower, upper) = (usize::from(number(12)), usize::from(number(14)));
        if page[10] == 8 {
            other[40..44].copy_from_slice(&(2 * PAGE as u32).to_le_bytes());
        } else {
            other[PAGE + upper..].copy_from_slice(&page[upper..]);
            for at in (14..lower).step_by(2) {
                other[at..at + 2].copy_from_slice(&(number(at) + PAGE as u16).to_le_bytes());
            }
        }
        larger.extend(other);
    }
    larger
}

/// Values on both sides of what stays on a page, and of whole pages.
#[test]
fn values_at_the_edges_come_back() {
    for edge in [0, 2038 - 8 - 511, 2038 - 8 - 1, 4096 - 16, 2 * 4096 - 16, 65536, 10 * 65536] {
        let around = (edge + 3_usize).saturating_sub(6)..edge + 3;
        for (key, length) in
            [vec![b'k'], vec![b'k'; 511]].iter().flat_map(|key| around.clone().map(move |n| (key, n)))
        {
            let records = vec![(key.clone(), vec![b'v'; length]), (vec![b'z'], b"last".to_vec())];
            let octets = build(&records).unwrap();
            assert!(read(&octets) == records, "{length}");
            let leaf = octets.len() - PAGE;
            let on_page = octets[leaf + 16 + 2 * 2..].windows(4).any(|part| part == b"vvvv");
            assert!(length < 4 || on_page == (8 + key.len() + length <= 2038), "{} {length}", key.len());
        }
    }
}

/// However many leaves there are, no branch has one child only: the library stops at such a one.
#[test]
fn every_branch_has_two_children() {
    for leaves in (1..130).chain([343, 344, 345, 2401, 2402]) {
        let records: Pairs = (0..leaves).map(|number| (long_key(number), vec![b'v'; 1500])).collect();
        // Two nodes do not fit a leaf, seven keys a branch.
        let octets = build(&records).unwrap();
        check_fill(&octets);
        assert!(read(&octets) == records, "{leaves}");
    }
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let refused = |records: &[(&str, &str)]| build(&pairs(records)).unwrap_err();
    assert!(matches!(refused(&[("", "1")]), MapBuildError::EmptyKey));
    assert!(matches!(refused(&[("a", "1"), ("", "1")]), MapBuildError::EmptyKey));
    assert!(matches!(refused(&[("b", "1"), ("a", "1")]), MapBuildError::Order));
    assert!(matches!(refused(&[("a", "1"), ("a", "1")]), MapBuildError::Order));
    let long = "k".repeat(512);
    let expected = refused(&[(&long, "")]);
    assert!(matches!(expected, MapBuildError::KeyTooLong { octets: 512, limit: 511 }));
    assert!(build(&pairs(&[(&long[1..], "")])).is_ok());
    for duplicates in [Duplicates::InOrder, Duplicates::Sorted] {
        let refused = maps::build(Format::Lmdb, duplicates, &[]).unwrap_err();
        assert!(matches!(refused, MapBuildError::NoDuplicates(Format::Lmdb)));
    }
}

#[test]
fn limits_are_kept() {
    let octets = build(&pairs(&[("a", &"v".repeat(5000))])).unwrap();
    let limits = Limits { item: 4999, ..Limits::default() };
    let map = mapfile::open(octets.as_slice(), limits).unwrap();
    assert_eq!(map.get(b"a").unwrap_err().to_string(), "page 2: item of 5000 octets kept off-page");
    let mut records = map.records();
    assert!(records.next().unwrap().is_err());
    assert!(records.next().is_none());
    let limits = Limits { file: octets.len() as u64 - 1, ..Limits::default() };
    assert!(matches!(mapfile::open(octets.as_slice(), limits).err(), Some(MapFileError::TooLarge { .. })));
}

#[test]
fn after_an_error_nothing_more_comes() {
    for file in manifest::corrupt(".lmdb") {
        let Ok(map) = open(&file.octets) else { continue };
        let mut records = map.records();
        while let Some(Ok(_)) = records.next() {}
        assert!(records.next().is_none(), "{}", file.name);
    }
}

#[test]
fn the_library_reads_counts_and_extends_what_we_write() {
    let (Ok(dump), Ok(stat), Ok(load)) =
        (need::peer("mdb_dump"), need::peer("mdb_stat"), need::peer("mdb_load"))
    else {
        return;
    };
    let dir = scratch::dir();
    let mut random = Random::new(0x6c6d_6462);
    for (number, (count, longest)) in SIZES.into_iter().enumerate() {
        let mut records: BTreeMap<_, _> = random_records(count, longest, &mut random).into_iter().collect();
        let ours = dir.path().join(format!("{number}.lmdb"));
        let octets = build(&records.clone().into_iter().collect::<Vec<_>>()).unwrap();
        std::fs::write(&ours, &octets).unwrap();
        assert!(parse(&maps::run(&dump, &["-n"], &ours, b"")) == records, "{count} records as it reads them");
        assert_eq!(stat_of(&maps::run(&stat, &["-n"], &ours, b"")), counted_stat(&octets), "{count}");
        // Records of theirs among ours, some in their place.
        let mut theirs: BTreeMap<_, _> =
            random_records(count.min(200) + 3, longest.min(3000), &mut random).into_iter().collect();
        for (key, value) in records.iter().step_by(50) {
            theirs.insert(key.clone(), [value, &b"+"[..]].concat());
        }
        records.extend(theirs.clone());
        maps::run(&load, &["-n", "-f", "/dev/stdin"], &ours, &as_dump(&theirs));
        let octets = std::fs::read(&ours).unwrap();
        assert!(lmdb_transaction(&octets).unwrap() > 1);
        assert!(read(&octets).into_iter().eq(records), "{count} records after theirs were added");
    }
}

#[test]
fn what_the_library_loads_reads_back() {
    let Ok(load) = need::peer("mdb_load") else { return };
    let dir = scratch::dir();
    let mut random = Random::new(0x7468_6569);
    for (number, (count, longest)) in SIZES.into_iter().enumerate() {
        // It syncs after each hundred.
        let count = if need::full() { count } else { count.min(3000) };
        let records = random_records(count, longest, &mut random);
        let path = dir.path().join(format!("{number}.lmdb"));
        maps::run(&load, &["-n", "-f", "/dev/stdin"], &path, &as_dump(&records.iter().cloned().collect()));
        let octets = std::fs::read(&path).unwrap();
        assert!(read(&octets) == records, "{count} records");
        check_look_ups(Format::Lmdb, &octets, &records);
    }
}

#[test]
fn databases_with_names_are_refused() {
    let Ok(load) = need::peer("mdb_load") else { return };
    let dir = scratch::dir();
    let path = dir.path().join("named.lmdb");
    let records = pairs(&[("a", "1")]).into_iter().collect();
    maps::run(&load, &["-n", "-s", "name", "-f", "/dev/stdin"], &path, &as_dump(&records));
    let octets = std::fs::read(&path).unwrap();
    let map = open(&octets).unwrap();
    let refused = map.records().find_map(Result::err);
    assert!(matches!(refused, Some(MapFileError::Unsupported(Feature::Subdatabases))));
    assert!(matches!(map.get(b"name"), Err(MapFileError::Unsupported(Feature::Subdatabases))));
}

/// A tree of three levels: where its first branch stands whose children are leaves, and the file.
fn three_levels() -> (usize, Vec<u8>) {
    let records: Pairs = (0..100).map(|number| (long_key(number), vec![b'v'; 1500])).collect();
    let octets = build(&records).unwrap();
    let branch = (2..octets.len() / PAGE).find(|page| octets[page * PAGE + 10] == 1).unwrap();
    (branch * PAGE, octets)
}

fn long_key(number: usize) -> Vec<u8> {
    format!("{number:05}{}", "k".repeat(506)).into_bytes()
}

/// Every branch has at least two children.
fn check_fill(octets: &[u8]) {
    for page in octets.chunks(PAGE).skip(2) {
        let nodes = (u16::from_le_bytes([page[12], page[13]]).saturating_sub(16)) / 2;
        assert!(page[10] != 1 || nodes >= 2, "page {}", page[0]);
    }
}

/// What `mdb_stat` has to say of a file, counted page by page: depth, branches, leaves, overflow pages, entries.
fn counted_stat(octets: &[u8]) -> [u64; 5] {
    let mut counts = [0; 5];
    let pages: Vec<_> = octets.chunks(PAGE).collect();
    let mut number = 2;
    while number < pages.len() {
        let page = pages[number];
        let nodes = (u64::from(u16::from_le_bytes([page[12], page[13]])).saturating_sub(16)) / 2;
        let run = u32::from_le_bytes(page[12..16].try_into().unwrap());
        match page[10] {
            1 => counts[1] += 1,
            2 => {
                counts[2] += 1;
                counts[4] += nodes;
            }
            4 => counts[3] += u64::from(run),
            other => panic!("a page of kind {other}"),
        }
        number += if page[10] == 4 { run as usize } else { 1 };
    }
    // From the root down along the first children.
    let mut page = u64::from_le_bytes(octets[PAGE + 128..][..8].try_into().unwrap());
    while page != u64::MAX {
        counts[0] += 1;
        let at = page as usize * PAGE;
        let node = at + usize::from(u16::from_le_bytes([octets[at + 16], octets[at + 17]]));
        let child = u32::from_le_bytes(octets[node..node + 4].try_into().unwrap());
        page = if octets[at + 10] == 1 { u64::from(child) } else { u64::MAX };
    }
    counts
}

/// The five numbers of `mdb_stat`.
fn stat_of(printed: &[u8]) -> [u64; 5] {
    let printed = String::from_utf8_lossy(printed).into_owned();
    ["Tree depth", "Branch pages", "Leaf pages", "Overflow pages", "Entries"].map(|name| {
        let line = printed.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().parse().unwrap()
    })
}

/// What `mdb_load` takes.
fn as_dump(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut text = String::from("VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=268435456\nHEADER=END\n");
    for (key, value) in records {
        for octets in [key, value] {
            text.push(' ');
            for octet in octets {
                write!(text, "{octet:02x}").unwrap();
            }
            text.push('\n');
        }
    }
    text.push_str("DATA=END\n");
    text.into_bytes()
}

/// What `mdb_dump` prints.
fn parse(dump: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let lines: Vec<Vec<u8>> = dump
        .split(|&octet| octet == b'\n')
        .filter_map(|line| line.strip_prefix(b" "))
        .map(|line| {
            line.chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        })
        .collect();
    lines.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

fn pairs(texts: &[(&str, &str)]) -> Pairs {
    texts.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn refusal(octets: &[u8]) -> String {
    refusal_or_end(octets).unwrap_err().to_string()
}

fn refusal_or_end(octets: &[u8]) -> Result<(), MapFileError> {
    open(octets).and_then(|map| map.records().try_for_each(|record| record.map(drop)))
}

const PAGE: usize = 4096;
/// Of a node without key or value.
const NODE: usize = 8;
