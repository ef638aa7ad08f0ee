//! Maps of random records, made by libdb's own `db5.3_load`, read back as its `db5.3_dump` prints them: the same
//! records in the same order.
#![allow(clippy::disallowed_methods, reason = "the files are made for the test")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its file fails")]

#[path = "support/random.rs"]
mod random;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mapfile::{Format, Limits, Occurrence};
use random::Random;
use tests::{need, scratch};

/// One map to be made: type, page size, further header lines, how many records, the longest key and value.
struct Shape {
    map_type: &'static str,
    page_size: usize,
    options: &'static [&'static str],
    records: usize,
    longest_key: usize,
    longest_value: usize,
}

#[test]
fn what_libdb_loads_reads_back_as_it_dumps_it() {
    let (Ok(load), Ok(dump)) = (need::peer("db5.3_load"), need::peer("db5.3_dump")) else { return };
    let dir = scratch::dir();
    let mut random = Random::new(0x0db5_3d0d);
    for (number, shape) in shapes().iter().enumerate() {
        let path = dir.path().join(format!("{number}.db"));
        load_random(&load, &path, shape, &mut random);
        check(&dump, &path, &format!("{number}: {} {:?}", shape.map_type, shape.options));
    }
}

#[test]
fn what_is_left_after_deletions_reads_back() {
    let (Ok(perl), Ok(dump)) = (need::peer("perl"), need::peer("db5.3_dump")) else { return };
    let dir = scratch::dir();
    for map_type in ["HASH", "BTREE"] {
        for page_size in [512, 4096] {
            let path = dir.path().join(format!("{map_type}-{page_size}.db"));
            let status = Command::new(&perl)
                .args(["-e", DELETIONS, path.to_str().unwrap(), map_type, &page_size.to_string()])
                .status()
                .unwrap();
            assert!(status.success(), "perl's DB_File makes the map");
            check(&dump, &path, &format!("{map_type} {page_size} after deletions"));
        }
    }
}

/// Puts, deletes and replaces, in an order that splits pages and empties some.
const DELETIONS: &str = r#"
    use DB_File; use Fcntl; use strict; srand(7);
    my ($path, $type, $size) = @ARGV;
    my $info = $type eq "HASH" ? DB_File::HASHINFO->new : DB_File::BTREEINFO->new;
    $info->{$type eq "HASH" ? "bsize" : "psize"} = $size;
    my %map;
    tie(%map, "DB_File", $path, O_RDWR | O_CREAT, 0600, $info) or die "tie: $!";
    for my $round (1 .. 4) {
        $map{"key$_"} = "v" x int(rand(600)) for 1 .. 700;
        delete $map{"key$_"} for grep { rand() < 0.7 } 1 .. 700;
        # Not kept off-page: libdb loses some of such keys, and stores others twice.
        $map{"k" x (1 + int(rand($size / 5)))} = "long" for 1 .. 40;
    }
    untie %map;
"#;

fn shapes() -> Vec<Shape> {
    let full = need::full();
    let sizes: &[usize] =
        if full { &[512, 1024, 2048, 4096, 8192, 16384, 65536] } else { &[512, 4096, 65536] };
    let mut shapes = Vec::new();
    for &page_size in sizes {
        for &(map_type, options) in OPTIONS {
            // libdb itself breaks a hash with duplicates and keys kept off-page: its own verify rejects it.
            let breaks = map_type == "hash" && options.contains(&"duplicates=1");
            let shape = |records, longest_key, longest_value| Shape {
                map_type,
                page_size,
                options,
                records,
                longest_key,
                longest_value,
            };
            shapes.push(shape(0, 0, 0));
            shapes.push(shape(3000, 40, 40));
            shapes.push(shape(60, 40, 70_000));
            if !breaks {
                shapes.push(shape(200, 2000, 500));
            }
        }
    }
    shapes
}

const OPTIONS: &[(&str, &[&str])] = &[
    ("hash", &[]),
    ("hash", &["db_lorder=4321"]),
    ("hash", &["chksum=1"]),
    ("hash", &["duplicates=1"]),
    ("hash", &["duplicates=1", "dupsort=1", "db_lorder=4321"]),
    ("btree", &[]),
    ("btree", &["db_lorder=4321", "chksum=1"]),
    ("btree", &["recnum=1"]),
    ("btree", &["duplicates=1"]),
    ("btree", &["duplicates=1", "dupsort=1"]),
    ("btree", &["duplicates=1", "db_lorder=4321"]),
];

/// Loads random records. Few distinct keys where duplicates are allowed, so that there are many of some.
fn load_random(load: &Path, path: &Path, shape: &Shape, random: &mut Random) {
    let mut text =
        format!("VERSION=3\nformat=bytevalue\ntype={}\ndb_pagesize={}\n", shape.map_type, shape.page_size);
    for option in shape.options {
        writeln!(text, "{option}").unwrap();
    }
    text.push_str("HEADER=END\n");
    let duplicates = shape.options.contains(&"duplicates=1");
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for number in 0..shape.records {
        if !duplicates || keys.is_empty() || random.below(12) == 0 {
            let mut key = octets(shape.longest_key, random);
            key.extend_from_slice(format!("{number}").as_bytes());
            keys.push(key);
        }
        // The square makes some keys much more frequent than others.
        let pick = random.below(keys.len()).max(random.below(keys.len()));
        let key = if duplicates { &keys[pick] } else { &keys[keys.len() - 1] };
        let value = octets(shape.longest_value, random);
        writeln!(text, " {}\n {}", hex(key), hex(&value)).unwrap();
    }
    text.push_str("DATA=END\n");
    let mut child = Command::new(load).arg(path).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    // 1 says that a key was there already: with sorted duplicates a value that comes twice.
    assert!(child.wait().unwrap().code().unwrap() <= 1);
}

fn check(dump: &Path, path: &Path, what: &str) {
    let octets = std::fs::read(path).unwrap();
    let map = mapfile::open(octets.as_slice(), Limits::default()).unwrap();
    let mut text = String::new();
    for record in map.records() {
        let record = record.unwrap_or_else(|error| panic!("{what}: {error}"));
        // libdb stores some keys twice when many are kept off-page.
        assert!(map.format() == Format::Hash || record.occurrence != Occurrence::Shadowed, "{what}");
        if record.occurrence == Occurrence::First {
            assert!(map.get(&record.key).unwrap() == Some(record.value.clone()), "{what}: found by its key");
        }
        writeln!(text, " {}\n {}", hex(&record.key), hex(&record.value)).unwrap();
    }
    let theirs = dumped(dump, path.to_owned());
    assert!(text == theirs, "{what}: the same records in the same order");
}

/// The data lines of a dump.
fn dumped(dump: &Path, path: PathBuf) -> String {
    let output = Command::new(dump).arg(path).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.starts_with(' ')).fold(String::new(), |all, line| all + line + "\n")
}

fn octets(longest: usize, random: &mut Random) -> Vec<u8> {
    // Mostly short, with some of every length.
    let length = random.below(longest + 1);
    let length = if random.below(4) == 0 { length } else { length.min(60) };
    (0..length).map(|_| random.below(256) as u8).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
