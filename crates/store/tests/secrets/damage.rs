//! Damaged files: always an error that names the file, or the data as it was; never a panic, never "no users".

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use store::StoreError;
use store::secrets::{Access, SecretStore, Secrets};

use crate::child;
use crate::sample::{self, Fixture, identity, user};

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

const USERS: u32 = 600;
const PAGE: usize = 4096;

fn put_file(path: &Path, octets: &[u8]) {
    std::fs::write(path, octets).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn is_damage<T>(result: Result<T, StoreError>, file: &Path) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(StoreError::Damaged { path, .. }) => {
            assert_eq!(path, file);
            None
        }
        Err(other) => panic!("not told as damage: {other:?}"),
    }
}

/// Everything that can be read is as it was put, or damage is reported.
fn check(path: &Path, users: u32, access: Access, seen: &mut BTreeMap<&'static str, u32>) {
    let mut tell = |what| *seen.entry(what).or_default() += 1;
    let Some(store) = is_damage(sample::open(path, access), path) else { return tell("open") };
    for number in (0..users).step_by(37) {
        match is_damage(store.get(&identity(number)), path) {
            Some(found) => {
                let found = found.unwrap_or_else(|| panic!("user {number} has vanished"));
                assert_eq!(sample::version_of(&found), Some(0));
            }
            None => return tell("get"),
        }
    }
    match is_damage(store.list().collect::<Result<Vec<_>, _>>(), path) {
        Some(all) => {
            assert_eq!(all.len(), users as usize);
            assert!(all.iter().all(|record| sample::version_of(record) == Some(0)));
        }
        None => return tell("list"),
    }
    if access == Access::Write {
        for number in [3, users + 1] {
            if is_damage(store.write(|edit| edit.put(&user(number, 1))), path).is_none() {
                return tell("put");
            }
        }
    }
    tell("intact");
}

fn damaged_files(damage: impl Fn(&mut Numbers, &mut [u8])) -> BTreeMap<&'static str, u32> {
    let fixture = Fixture::with_users(USERS);
    let whole = std::fs::read(&fixture.path).unwrap();
    let mut numbers = Numbers(1);
    let mut seen = BTreeMap::new();
    for file in 0..400 {
        let page = numbers.below((whole.len() / PAGE) as u64) as usize;
        let mut octets = whole.clone();
        damage(&mut numbers, &mut octets[page * PAGE..(page + 1) * PAGE]);
        put_file(&fixture.path, &octets);
        check(&fixture.path, USERS, if file % 2 == 0 { Access::Read } else { Access::Write }, &mut seen);
    }
    seen
}

#[test]
fn a_damaged_page_header_is_damage_or_not_in_use() {
    let seen = damaged_files(|numbers, page| {
        page[..8].copy_from_slice(&numbers.next().to_ne_bytes());
    });
    assert!(seen.values().sum::<u32>() - seen["intact"] > 200, "most pages are in use: {seen:?}");
}

#[test]
fn a_flipped_bit_is_damage_or_not_in_use() {
    let seen = damaged_files(|numbers, page| {
        let bit = numbers.below(PAGE as u64 * 8) as usize;
        page[bit / 8] ^= 1 << (bit % 8);
    });
    assert!(seen.values().sum::<u32>() - seen["intact"] > 100, "most pages are in use: {seen:?}");
}

#[test]
fn a_page_of_zeros_is_damage_or_not_in_use() {
    damaged_files(|_, page| page.fill(0));
}

/// Stores in which the page `from` has taken the place of the page `to`, for each two pages that are `wanted`.
fn misplaced_pages(users: u32, wanted: impl Fn(usize, usize) -> bool, mut check: impl FnMut(&Path)) {
    let fixture = Fixture::with_users(users);
    let whole = std::fs::read(&fixture.path).unwrap();
    let pages = whole.len() / PAGE;
    let pairs = (0..pages).flat_map(|from| (0..pages).map(move |to| (from, to)));
    for (from, to) in pairs.filter(|&(from, to)| from != to && wanted(from, to)) {
        let mut octets = whole.clone();
        octets.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
        put_file(&fixture.path, &octets);
        check(&fixture.path);
    }
}

/// Branches come to stand below themselves, users in the midst of others.
#[test]
fn a_page_of_another_place_is_damage_or_not_in_use() {
    let users = if tests::need::full() { 600 } else { 80 };
    let mut seen = BTreeMap::new();
    misplaced_pages(users, |_, _| true, |path| check(path, users, Access::Read, &mut seen));
    assert!(seen["get"] + seen["list"] > seen["intact"] / 10, "{seen:?}");
}

/// What a page of redb's own says after it has moved can make redb panic while it unwinds from a panic, which nothing
/// can catch. The process then ends, but as one that has found damage.
#[test]
fn writing_over_misplaced_pages_never_looks_like_a_crash() {
    let users = 120;
    // Of a process for each pair, those are enough in which redb's own pages are hit, near the front of the file.
    let wanted = |from, to| tests::need::full() || (to < 9 && from % 3 == 1);
    misplaced_pages(users, wanted, |path| {
        let child = child::start("damage::write_here", &users.to_string(), path);
        let (status, _) = child.end();
        assert!(matches!(status.code(), Some(0 | 65)), "{status:?}");
    });
}

#[test]
fn write_here() {
    let Some((users, path)) = child::order() else { return };
    check(&path, users.parse().unwrap(), Access::Write, &mut BTreeMap::new());
}

#[test]
fn the_check_of_the_whole_file_sees_what_reading_may_pass_over() {
    let fixture = Fixture::with_users(USERS);
    let whole = std::fs::read(&fixture.path).unwrap();
    let mut numbers = Numbers(3);
    let mut unnoticed = 0;
    for _ in 0..60 {
        let bit = numbers.below(whole.len() as u64 * 8) as usize;
        let mut octets = whole.clone();
        octets[bit / 8] ^= 1 << (bit % 8);
        put_file(&fixture.path, &octets);
        let Some(store) = is_damage(sample::open(&fixture.path, Access::Read), &fixture.path) else {
            continue;
        };
        if let Some(integrity) = is_damage(store.check_integrity(), &fixture.path)
            && integrity.is_sound()
        {
            unnoticed += 1;
            assert_eq!(integrity.users, u64::from(USERS));
            assert_eq!(store.list().flatten().count(), USERS as usize);
        }
    }
    assert!(unnoticed < 60);
}

/// Lengths at which a file of so many octets may have been cut off.
fn shorter_lengths(octets: usize) -> Vec<usize> {
    let mut numbers = Numbers(4);
    let mut lengths: Vec<usize> = (0..60).map(|_| numbers.below(octets as u64) as usize).collect();
    lengths.extend([0, 1, 8, 9, 10, 63, 64, 319, 320, PAGE - 1, PAGE, PAGE + 1, octets - 1]);
    // By pages, what is missing may not have been in use.
    lengths.extend((1..20).map(|pages| octets - pages * PAGE));
    lengths
}

#[test]
fn cut_off_anywhere_is_damage() {
    let fixture = Fixture::with_users(USERS);
    let whole = std::fs::read(&fixture.path).unwrap();
    for length in shorter_lengths(whole.len()) {
        for access in [Access::Read, Access::Write] {
            put_file(&fixture.path, &whole[..length]);
            assert!(is_damage(sample::open(&fixture.path, access), &fixture.path).is_none(), "{length}");
            assert_eq!(
                std::fs::metadata(&fixture.path).unwrap().len(),
                length as u64,
                "left as it was found"
            );
        }
    }
}

/// Nobody has closed it, so it is healed before it is read: not into a smaller one.
#[test]
fn what_a_killed_writer_left_and_somebody_cut_off_is_damage() {
    let fixture = Fixture::with_users(USERS);
    let writer = fixture.open(Access::Write);
    writer.write(|edit| edit.put(&user(0, 0))).unwrap();
    let unclean = std::fs::read(&fixture.path).unwrap();
    drop(writer);
    for length in shorter_lengths(unclean.len()) {
        for access in [Access::Read, Access::Write] {
            put_file(&fixture.path, &unclean[..length]);
            assert!(is_damage(sample::open(&fixture.path, access), &fixture.path).is_none(), "{length}");
        }
    }
    put_file(&fixture.path, &unclean);
    assert_eq!(fixture.open(Access::Read).list().map(Result::unwrap).count(), USERS as usize);
}

/// Its length changes with each opening and closing.
#[test]
fn a_file_that_grows_and_shrinks_was_not_cut_off() {
    let fixture = Fixture::with_users(10);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..15 {
                sample::fill(&fixture.open(Access::Write), 10..400);
                let store = fixture.open(Access::Write);
                store.write(|edit| (10..400).try_for_each(|n| edit.remove(&identity(n)).map(drop))).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) && !writer.is_finished() {
            assert!(fixture.open(Access::Read).get(&identity(3)).unwrap().is_some());
        }
    });
}

#[test]
fn what_is_no_store_is_damage() {
    let fixture = Fixture::with_users(1);
    let map = fixture.beside("map.redb");
    let other = redb::Database::create(&map).unwrap();
    let table = redb::TableDefinition::<&[u8], &[u8]>::new("header");
    let transaction = other.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(&b"gatepost map"[..], &b"1"[..]).unwrap();
    transaction.commit().unwrap();
    drop(other);
    let other_types = fixture.beside("types.redb");
    let types = redb::Database::create(&other_types).unwrap();
    let transaction = types.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("header")).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(types);
    let text = fixture.beside("text");
    put_file(&text, b"alice:secret\n");
    let long_text = fixture.beside("long-text");
    put_file(&long_text, &b"alice:secret\n".repeat(10_000));
    let zeros = fixture.beside("zeros");
    put_file(&zeros, &vec![0; 100_000]);
    let sasldb = fixture.beside("sasldb2");
    put_file(&sasldb, include_bytes!("../../../../tests/fixtures/maps/sasldb2.db"));
    for path in [map, other_types, text, long_text, zeros, sasldb] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let before = std::fs::read(&path).unwrap();
        for access in [Access::Read, Access::Write] {
            let error = sample::open(&path, access).unwrap_err();
            assert!(matches!(&error, StoreError::Damaged { path: named, .. } if *named == path), "{error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()));
        }
        if !path.ends_with("map.redb") && !path.ends_with("types.redb") {
            assert_eq!(std::fs::read(&path).unwrap(), before, "a foreign file is left alone");
        }
    }
}

#[test]
fn damage_is_remembered_by_nobody() {
    let fixture = Fixture::with_users(USERS);
    let whole = std::fs::read(&fixture.path).unwrap();
    let store: SecretStore = fixture.open(Access::Read);
    // In place, as a disk would: the store is open.
    for page in 1..whole.len() / PAGE {
        let mut octets = whole.clone();
        octets[page * PAGE..page * PAGE + 64].fill(0xa5);
        std::fs::write(&fixture.path, &octets).unwrap();
        let _ = is_damage(store.get(&identity(5)), &fixture.path);
    }
    std::fs::write(&fixture.path, &whole).unwrap();
    assert!(store.get(&identity(5)).unwrap().is_some(), "opened again by itself once the file is sound");
}
