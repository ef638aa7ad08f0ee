//! Maps as their users see them: named, opened, built, damaged, locked.
#![allow(clippy::disallowed_methods, reason = "tests make files to be opened, damaged ones too")]

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use safefile::{Dress, Uid};
use tempfile::TempDir;

use super::*;
use crate::wait::Wait;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: ::tests::scratch::dir() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file with these octets.
    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, octets).unwrap();
        path
    }

    /// A copy of a fixture: where the repository lies need not be safe.
    fn fixture(&self, fixture: &str, name: &str) -> PathBuf {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps"));
        self.file(name, &fs::read(folder.join(fixture)).unwrap())
    }

    fn open(&self, name: &str) -> Result<Box<dyn Map>, MapError> {
        self.open_typed(None, name)
    }

    fn open_typed(&self, map_type: Option<MapType>, name: &str) -> Result<Box<dyn Map>, MapError> {
        open_named(&MapName { map_type, name: self.path(name) }, Kind::Map, &trust())
    }

    fn builder(&self, name: &str, duplicates: Duplicates) -> Box<dyn MapBuilder> {
        let dress = Dress { owner: None, group: None, mode: 0o640 };
        let replacement = Replacement::begin(&self.path(name), Kind::Map, &trust(), dress).unwrap();
        build(MapType::Redb, replacement, &making(duplicates)).unwrap()
    }

    fn build(&self, name: &str, duplicates: Duplicates, rows: &[(&[u8], &[u8])]) {
        let mut builder = self.builder(name, duplicates);
        for (key, value) in rows {
            builder.add(key, value).unwrap();
        }
        builder.finish().unwrap();
    }
}

fn trust() -> Trust {
    Trust::root().caller(Uid::effective())
}

fn making(duplicates: Duplicates) -> Making {
    let volume = Volume::default();
    Making { duplicates, keys: Keys::Folded, volume, made_by: "test 1".to_owned(), made_at: 1_800_000_000 }
}

fn rows(map: &dyn Map) -> Vec<(Vec<u8>, Vec<u8>, Occurrence)> {
    let records = map.records().map(Result::unwrap);
    records.map(|record| (record.key.to_vec(), record.value.to_vec(), record.occurrence)).collect()
}

fn row(key: &str, value: &str, occurrence: Occurrence) -> (Vec<u8>, Vec<u8>, Occurrence) {
    (key.into(), value.into(), occurrence)
}

fn value(map: &dyn Map, key: &str) -> Option<String> {
    map.get(key.as_bytes()).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn what_was_built_is_read() {
    let place = Place::new();
    place.build(
        "m.redb",
        Duplicates::Refused,
        &[(b"", b"empty key"), (b"a", b""), (b"b", b"2"), (b"ba", b"3")],
    );
    let map = place.open("m").unwrap();
    assert_eq!((map.map_type(), map.path()), (MapType::Redb, &*place.path("m.redb")));
    assert_eq!((map.duplicates(), map.keys()), (Duplicates::Refused, Keys::Folded));
    assert_eq!(map.stamp(), Stamp::look(&place.path("m.redb")).unwrap());
    for (key, expected) in
        [("", Some("empty key")), ("a", Some("")), ("b", Some("2")), ("ba", Some("3")), ("c", None)]
    {
        assert_eq!(value(&*map, key).as_deref(), expected, "{key}");
    }
    let first = Occurrence::First;
    let expected =
        [row("", "empty key", first), row("a", "", first), row("b", "2", first), row("ba", "3", first)];
    assert_eq!(rows(&*map), expected);
    assert_eq!(map.verify().unwrap(), 4);
}

#[test]
fn an_empty_map_is_a_map() {
    let place = Place::new();
    for duplicates in [Duplicates::Refused, Duplicates::Allowed] {
        place.build("m.redb", duplicates, &[]);
        let map = place.open("m.redb").unwrap();
        assert_eq!((rows(&*map), value(&*map, "a"), map.verify().unwrap()), (vec![], None, 0));
    }
    assert!(fs::metadata(place.path("m.redb")).unwrap().len() < 64 << 10, "and a small file");
}

#[test]
fn duplicates_keep_their_order() {
    let place = Place::new();
    let build: [(&[u8], &[u8]); 6] =
        [(b"a", b"b"), (b"a", b"c"), (b"a", b"b"), (b"a", b"a"), (b"b", b"x"), (b"c", b"1")];
    place.build("m.redb", Duplicates::Allowed, &build);
    let map = place.open("m").unwrap();
    assert_eq!(map.duplicates(), Duplicates::Allowed);
    assert_eq!(value(&*map, "a").as_deref(), Some("b"), "the first is found");
    let (first, further) = (Occurrence::First, Occurrence::Further);
    let expected = [
        row("a", "b", first),
        row("a", "c", further),
        row("a", "b", further),
        row("a", "a", further),
        row("b", "x", first),
        row("c", "1", first),
    ];
    assert_eq!(rows(&*map), expected);
    assert_eq!(map.verify().unwrap(), 6);
}

#[test]
fn many_records_and_many_duplicates_come_back() {
    let place = Place::new();
    let mut builder = place.builder("m.redb", Duplicates::Allowed);
    let keys: Vec<String> = (0..20_000).map(|number| format!("key{number:06}")).collect();
    let value = |key: &str, number: usize| format!("{key} value {number} {}", "x".repeat(number % 90));
    let values = |at: usize| if at % 1000 == 7 { 3000 } else { 1 + at % 3 };
    for (at, key) in keys.iter().enumerate() {
        for number in 0..values(at) {
            builder.add(key.as_bytes(), value(key, number).as_bytes()).unwrap();
        }
    }
    builder.finish().unwrap();
    let map = place.open("m").unwrap();
    let mut records = map.records();
    for (at, key) in keys.iter().enumerate() {
        for number in 0..values(at) {
            let record = records.next().unwrap().unwrap();
            assert_eq!(
                (&*record.key, record.value.as_slice()),
                (key.as_bytes(), value(key, number).as_bytes())
            );
        }
        let found = map.get(key.as_bytes()).unwrap().unwrap();
        assert_eq!(found.as_slice(), value(key, 0).as_bytes());
    }
    assert!(records.next().is_none());
}

#[test]
fn long_records_come_back_and_longer_ones_are_refused() {
    let place = Place::new();
    let (key, long) = (vec![b'k'; 100_000], vec![b'v'; 5 << 20]);
    place.build("m.redb", Duplicates::Refused, &[(b"a", &long), (&key, &long)]);
    let map = place.open("m").unwrap();
    assert!(map.get(&key).unwrap().unwrap().as_slice() == long);
    let refused = place.builder("m.redb", Duplicates::Refused).add(b"k", &vec![0; 16 << 20]).unwrap_err();
    assert!(matches!(refused, BuildError::TooLong(octets) if octets == (16 << 20) + 1), "{refused}");
}

#[test]
fn a_key_with_a_counted_nul_is_found_without() {
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[(b"a\0", b"1\0"), (b"b", b"2"), (b"c\0", b"3")]);
    let map = place.open("m").unwrap();
    for (key, expected) in
        [("a", Some("1")), ("a\0", Some("1\0")), ("b", Some("2")), ("c", Some("3")), ("d", None)]
    {
        assert_eq!(value(&*map, key).as_deref(), expected, "{key:?}");
    }
}

#[test]
fn records_out_of_order_are_refused() {
    let place = Place::new();
    for (duplicates, second, accepted) in [
        (Duplicates::Refused, "b", false),
        (Duplicates::Allowed, "b", true),
        (Duplicates::Refused, "a", false),
        (Duplicates::Allowed, "a", false),
        (Duplicates::Refused, "ba", true),
    ] {
        let mut builder = place.builder("m.redb", duplicates);
        builder.add(b"b", b"1").unwrap();
        let result = builder.add(second.as_bytes(), b"2");
        assert_eq!(result.is_ok(), accepted, "{second}");
        assert!(matches!(result, Ok(()) | Err(BuildError::Order)), "{second}");
    }
}

#[test]
fn a_build_that_is_not_finished_leaves_the_old_map_alone() {
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[(b"a", b"old")]);
    let before = fs::read(place.path("m.redb")).unwrap();
    let old = place.open("m").unwrap();
    let mut builder = place.builder("m.redb", Duplicates::Refused);
    builder.add(b"a", b"new").unwrap();
    drop(builder);
    assert_eq!(fs::read(place.path("m.redb")).unwrap(), before);
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 1, "no temporary is left");
    place.build("m.redb", Duplicates::Refused, &[(b"a", b"new")]);
    assert_eq!(value(&*old, "a").as_deref(), Some("old"), "who has the old map open reads on");
    assert_ne!(old.stamp(), Stamp::look(&place.path("m.redb")).unwrap(), "and can see that it was replaced");
    assert_eq!(value(&*place.open("m").unwrap(), "a").as_deref(), Some("new"));
}

#[test]
fn reading_changes_nothing() {
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[(b"a", b"1")]);
    let (octets, stamp) =
        (fs::read(place.path("m.redb")).unwrap(), Stamp::look(&place.path("m.redb")).unwrap());
    let map = place.open("m").unwrap();
    assert_eq!(map.verify().unwrap(), 1);
    drop(map);
    assert_eq!(fs::read(place.path("m.redb")).unwrap(), octets);
    assert_eq!(Stamp::look(&place.path("m.redb")).unwrap(), stamp);
}

#[test]
fn nobody_who_reads_a_map_can_hold_others_up() {
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[(b"a", b"1")]);
    let held = fs::File::open(place.path("m.redb")).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    assert_eq!(value(&*place.open("m").unwrap(), "a").as_deref(), Some("1"));
    place.build("m.redb", Duplicates::Refused, &[(b"a", b"2")]);
}

fn damaged(result: Result<Box<dyn Map>, MapError>, path: &Path) -> String {
    match result.map(|map| rows(&*map).len()) {
        Err(MapError::Damaged { path: named, what }) if named == path => what,
        Err(other) => panic!("{other}"),
        Ok(rows) => panic!("{rows} records were read"),
    }
}

#[test]
fn what_is_no_map_is_damaged() {
    const USERS: ::redb::TableDefinition<'_, &str, &str> = ::redb::TableDefinition::new("users");
    let place = Place::new();
    let foreign = place.path("foreign.redb");
    let database = ::redb::Database::create(&foreign).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(USERS).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(damaged(place.open("foreign.redb"), &foreign), "Table 'map' does not exist");
    let empty = place.file("empty.redb", b"");
    assert_eq!(damaged(place.open("empty.redb"), &empty), "the file is empty");
    let text = place.file("text.redb", b"Connect:localhost RELAY\n");
    damaged(place.open("text.redb"), &text);
    let magic = place.file("magic.redb", redb::MAGIC);
    damaged(place.open("magic.redb"), &magic);
}

#[test]
fn truncated_maps_are_damaged() {
    let place = Place::new();
    let rows: Vec<_> = (0..2000).map(|number| (format!("k{number:05}"), "v".repeat(number % 200))).collect();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
    place.build("m.redb", Duplicates::Refused, &rows);
    let octets = fs::read(place.path("m.redb")).unwrap();
    for length in (1..octets.len()).step_by(octets.len() / 150).chain([octets.len() - 1]) {
        let path = place.file("short.redb", &octets[..length]);
        damaged(place.open("short"), &path);
    }
    let path = place.file("long.redb", &[octets.as_slice(), &[0; 4096]].concat());
    let _ = damaged_or_same(place.open("long"), &path, &rows);
}

/// A map is what was built, or it is damaged: nothing in between, and no panic.
fn damaged_or_same(result: Result<Box<dyn Map>, MapError>, path: &Path, expected: &[(&[u8], &[u8])]) -> bool {
    let read = result.and_then(|map| {
        let records: Result<Vec<_>, _> = map.records().collect();
        for (key, value) in expected.iter().step_by(expected.len() / 20 + 1) {
            assert_eq!(map.get(key)?.as_deref().map(Vec::as_slice), Some(*value));
        }
        records
    });
    match read {
        Ok(records) => {
            let same =
                |(record, row): (&Record, &(&[u8], &[u8]))| *record.key == *row.0 && **record.value == *row.1;
            assert!(
                records.len() == expected.len() && records.iter().zip(expected).all(same),
                "other records"
            );
            false
        }
        Err(MapError::Damaged { path: named, .. } | MapError::NotRead { path: named, .. }) => {
            assert_eq!(named, path);
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn altered_maps_are_damaged() {
    let place = Place::new();
    let rows: Vec<_> = (0..3000).map(|number| (format!("k{number:05}"), "v".repeat(number % 100))).collect();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
    place.build("m.redb", Duplicates::Allowed, &rows);
    let octets = fs::read(place.path("m.redb")).unwrap();
    let mut found = 0;
    let mut tries = 0;
    // Each octet of the header, then some of every page.
    let places = (0..400).chain((400..octets.len()).step_by(if ::tests::need::full() { 7 } else { 613 }));
    for at in places {
        let mut altered = octets.clone();
        altered[at] ^= 1 << (at % 8);
        let path = place.file("altered.redb", &altered);
        tries += 1;
        found += usize::from(damaged_or_same(place.open("altered"), &path, &rows));
    }
    assert!(found * 2 > tries, "most of the file is checked: {found} of {tries}");
}

#[test]
fn files_of_other_programs_are_read_whole_and_by_pages() {
    let place = Place::new();
    for (fixture, map_type) in [
        ("access.db", MapType::Hash),
        ("access-btree.db", MapType::Btree),
        ("transport.db", MapType::Hash),
        ("dup-btree.db", MapType::Btree),
        ("overflow-hash.db", MapType::Hash),
        ("be-btree.db", MapType::Btree),
        ("transport.cdb", MapType::Cdb),
        ("values.cdb", MapType::Cdb),
        ("transport.lmdb", MapType::Lmdb),
        ("values.lmdb", MapType::Lmdb),
        ("big.gdbm", MapType::Gdbm),
    ] {
        let path = place.fixture(fixture, &format!("m{}", map_type.suffix()));
        let name = MapName { map_type: Some(map_type), name: place.path("m") };
        let whole = open_named(&name, Kind::Map, &trust()).unwrap();
        let settings = joint::Settings { whole: 0, ..joint::Settings::default() };
        let paged = open_with(&name, Kind::Map, &trust(), &settings).unwrap();
        let expected = rows(&*whole);
        assert!(rows(&*paged) == expected && !expected.is_empty(), "{fixture}");
        for (key, value, _) in expected.iter().filter(|(_, _, occurrence)| *occurrence == Occurrence::First) {
            assert!(paged.get(key).unwrap().unwrap().as_slice() == value, "{fixture}");
        }
        assert_eq!((whole.path(), whole.map_type()), (&*path, map_type));
        assert_eq!(whole.verify().unwrap(), expected.len() as u64);
        let several = fixture.starts_with("dup") || map_type.info().values == Values::Any;
        assert_eq!(whole.duplicates() == Duplicates::Allowed, several, "{fixture}");
    }
}

#[test]
fn every_format_has_its_type() {
    use mapfile::Format;
    for format in [Format::Hash, Format::Btree, Format::Cdb, Format::Lmdb, Format::Gdbm] {
        let joints = JOINTS.iter().filter(|joint| joint.format == format);
        assert_eq!(joints.count(), 1, "{format:?}");
        assert_eq!(type_of(format).name(), format.name());
    }
    assert!(types().iter().all(|info| info.map_type == MapType::Redb || joint_of(info.map_type).is_some()));
}

/// The old file is left as it was, but for the time that tells a sendmail to open the map again.
#[test]
fn who_has_the_old_map_open_sees_it_whole_and_touched() {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    for map_type in [MapType::Hash, MapType::Btree, MapType::Cdb, MapType::Lmdb] {
        let place = Place::new();
        let build = |value: &[u8]| {
            let path = map_type.path(&place.path("m"));
            let dress = Dress { owner: None, group: None, mode: 0o640 };
            let replacement = Replacement::begin(&path, Kind::Map, &trust(), dress).unwrap();
            let mut builder = super::build(map_type, replacement, &making(Duplicates::Refused)).unwrap();
            builder.add(b"key", value).unwrap();
            builder.finish().unwrap();
            path
        };
        let path = build(b"old");
        let before = fs::read(&path).unwrap();
        let mut open = fs::File::open(&path).unwrap();
        let then = open.metadata().unwrap().mtime();
        let map = place.open_typed(Some(map_type), "m").unwrap();
        build(b"new");
        let mut still = Vec::new();
        open.read_to_end(&mut still).unwrap();
        let metadata = open.metadata().unwrap();
        assert!(still == before && metadata.nlink() == 0, "{map_type}: the old file is whole and nameless");
        assert!(metadata.mtime() > then, "{map_type}");
        assert_eq!(map.get(b"key").unwrap().unwrap().as_slice(), b"old", "{map_type}");
        let again = place.open_typed(Some(map_type), "m").unwrap();
        assert_eq!(again.get(b"key").unwrap().unwrap().as_slice(), b"new", "{map_type}");
        assert_ne!(map.stamp(), again.stamp());
    }
}

#[test]
fn an_lmdb_map_that_is_written_while_it_is_read_page_by_page_is_opened_again() {
    let place = Place::new();
    let path = place.fixture("transport.lmdb", "m.lmdb");
    let name = MapName { map_type: None, name: path.clone() };
    let settings = joint::Settings { whole: 0, ..joint::Settings::default() };
    let map = open_with(&name, Kind::Map, &trust(), &settings).unwrap();
    let mut walk = map.records();
    assert!(walk.next().unwrap().is_ok());
    // What a transaction does to the file: anything at all, and a later time.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(2)).unwrap();
    assert!(matches!(walk.next(), Some(Err(MapError::Changed { .. }))));
    assert!(matches!(map.get(b"a"), Err(MapError::Changed { .. })));
}

#[test]
fn damaged_berkeley_db_files_are_named() {
    let place = Place::new();
    for (fixture, expected) in [
        ("corrupt/bucket-cycle-self.db", "page 1: the page is reached twice"),
        ("corrupt/pagesize-3.db", "page 0: page size 3"),
        (
            "corrupt/no-magic.db",
            "not a Berkeley DB file, nor another format that is known by its magic number",
        ),
    ] {
        let path = place.fixture(fixture, "m.db");
        let settings =
            [joint::Settings::default(), joint::Settings { whole: 0, ..joint::Settings::default() }];
        for settings in settings {
            let name = MapName { map_type: None, name: place.path("m.db") };
            let refused = open_with(&name, Kind::Map, &trust(), &settings)
                .and_then(|map| map.records().try_for_each(|record| record.map(drop)));
            let Err(MapError::Damaged { path: named, what }) = refused else {
                panic!("{fixture}: {refused:?}")
            };
            assert_eq!((named, what.as_str()), (path.clone(), expected));
        }
    }
}

#[test]
fn names_and_types_have_to_agree() {
    let place = Place::new();
    place.fixture("access.db", "hash.db");
    place.fixture("access-btree.db", "btree.db");
    place.fixture("sasldb2.gdbm", "gdbm.db");
    place.fixture("transport.lmdb", "l.lmdb");
    place.fixture("aliases.cdb", "c.cdb");
    place.build("m.redb", Duplicates::Refused, &[]);
    for (map_type, name, expected) in [
        (None, "hash", Ok(MapType::Hash)),
        (None, "hash.db", Ok(MapType::Hash)),
        (None, "btree", Ok(MapType::Btree)),
        (None, "m", Ok(MapType::Redb)),
        (Some(MapType::Redb), "m", Ok(MapType::Redb)),
        (Some(MapType::Btree), "btree.db", Ok(MapType::Btree)),
        (Some(MapType::Btree), "hash", Err("the map is hash, not btree: DIR/hash.db")),
        (Some(MapType::Hash), "btree", Err("the map is btree, not hash: DIR/btree.db")),
        (Some(MapType::Hash), "gdbm", Err("the map is gdbm, not hash: DIR/gdbm.db")),
        (None, "gdbm.db", Ok(MapType::Gdbm)),
        (None, "l.lmdb", Ok(MapType::Lmdb)),
        (None, "c", Ok(MapType::Cdb)),
        (Some(MapType::Cdb), "c", Ok(MapType::Cdb)),
        (None, "absent", Err("no such file or directory: DIR/absent")),
        (Some(MapType::Hash), "absent", Err("no such file or directory: DIR/absent.db")),
    ] {
        let found =
            place.open_typed(map_type, name).map(|map| map.map_type()).map_err(|error| error.to_string());
        let found = found.map_err(|error| error.replace(place.dir.path().to_str().unwrap(), "DIR"));
        assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text), "{name}");
    }
    let renamed = place.path("m.redb");
    fs::copy(renamed, place.path("other.db")).unwrap();
    let refused = place.open_typed(Some(MapType::Hash), "other").err().unwrap();
    assert!(matches!(refused, MapError::OtherType { found: "redb", .. }), "{refused}");
}

#[test]
fn two_maps_of_one_name_are_no_choice_of_ours() {
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[]);
    place.fixture("access.db", "m.db");
    let Err(MapError::Ambiguous(one, other)) = place.open("m") else { panic!("one was taken") };
    assert_eq!((one, other), (place.path("m.redb"), place.path("m.db")));
    assert!(place.open("m.db").is_ok() && place.open_typed(Some(MapType::Redb), "m").is_ok());
}

#[test]
fn unsafe_maps_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.build("m.redb", Duplicates::Refused, &[]);
    fs::set_permissions(place.path("m.redb"), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = place.open("m").err().unwrap();
    assert!(matches!(refused, MapError::Open(OpenError::Refused(_))), "{refused}");
}

#[test]
fn a_map_that_is_being_written_is_waited_for() {
    let place = Place::new();
    let path = place.file("m.db", b"");
    let settings = |milliseconds| joint::Settings {
        whole: 64 << 20,
        wait: Wait::up_to(Duration::from_millis(milliseconds)),
        patience_with_empty: Wait::up_to(Duration::from_millis(milliseconds)),
    };
    let open = |milliseconds| {
        let name = MapName { map_type: Some(MapType::Hash), name: place.path("m") };
        open_with(&name, Kind::Map, &trust(), &settings(milliseconds))
    };
    let refused = open(50).err().unwrap();
    assert!(matches!(refused, MapError::BeingWritten { .. }) && refused.is_temporary(), "{refused}");

    let writer = fs::File::options().write(true).open(&path).unwrap();
    flock(&writer, FlockOperation::LockExclusive).unwrap();
    let refused = open(50).err().unwrap();
    assert!(matches!(refused, MapError::Busy { .. }) && refused.is_temporary(), "{refused}");

    let (tell, told) = mpsc::channel();
    let octets = fs::read(place.fixture("access.db", "copy.db")).unwrap();
    let writing = thread::spawn(move || {
        told.recv().unwrap();
        std::io::Write::write_all(&mut &writer, &octets).unwrap();
        drop(writer);
    });
    tell.send(()).unwrap();
    assert_eq!(rows(&*open(60_000).unwrap()).len(), 80);
    writing.join().unwrap();
}

#[test]
fn a_large_map_that_is_written_in_place_has_to_be_opened_again() {
    let place = Place::new();
    let path = place.fixture("access.db", "m.db");
    let name = MapName { map_type: None, name: path.clone() };
    let wait = Wait::up_to(Duration::from_millis(50));
    let settings = joint::Settings { whole: 0, wait, ..joint::Settings::default() };
    let map = open_with(&name, Kind::Map, &trust(), &settings).unwrap();
    assert_eq!(rows(&*map).len(), 80);

    let writer = fs::File::options().write(true).open(&path).unwrap();
    let walk = map.records();
    let locked = flock(&writer, FlockOperation::NonBlockingLockExclusive);
    assert!(locked.is_err(), "a walk keeps writers out");
    assert!(map.get(b"connect:localhost").is_ok(), "and a look-up beside it does not let them in");
    assert!(flock(&writer, FlockOperation::NonBlockingLockExclusive).is_err());
    drop(walk);
    flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(matches!(map.get(b"a"), Err(MapError::Busy { .. })));

    writer.set_len(0).unwrap();
    drop(writer);
    assert!(matches!(map.get(b"a"), Err(MapError::Changed { .. })));
    assert!(matches!(map.records().next(), Some(Err(MapError::Changed { .. }))));
}
