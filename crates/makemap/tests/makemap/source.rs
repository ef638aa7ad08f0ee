//! The 98 rows about source lines: ours and sendmail's.

use crate::bench::{Bench, Said, run};
use crate::rows::{Row, Verdict, parse};

const TABLE: &str = include_str!("../conformance/source.rows");

#[test]
fn the_table_is_whole() {
    let rows = parse(TABLE);
    assert!(rows.iter().map(|row| row.number).eq(1..=98));
    assert!(
        rows.iter().all(|row| row.verdict == Verdict::Same),
        "a row that differs needs a test of its own"
    );
}

#[test]
fn sendmails_makemap_does_what_the_table_says() {
    let bench = Bench::new();
    for row in parse(TABLE) {
        bench.fresh("row");
        let target = b"row/m".to_vec();
        let Ok(mut build) = bench.theirs(arguments(&row.arguments, &target)) else { return };
        let said = run(&mut build, &row.input);
        check(&row, &said);
        let dump = [&[b"-u".to_vec()], &row.dump_arguments[..], &[row.kind().to_vec()]].concat();
        let Ok(mut dump) = bench.theirs(arguments(&dump, &target)) else { return };
        check_dump(&row, run(&mut dump, b""));
    }
}

#[test]
fn ours_does_what_the_table_says() {
    let bench = Bench::new();
    for row in parse(TABLE) {
        bench.fresh("row");
        let target = b"row/m".to_vec();
        let ours = [row.options(), &[b"redb".to_vec()]].concat();
        let said = run(&mut bench.ours(arguments(&ours, &target)), &row.input);
        check(&row, &said);
        let dump = [&[b"-u".to_vec()], &row.dump_arguments[..], &[b"redb".to_vec()]].concat();
        check_dump(&row, run(&mut bench.ours(arguments(&dump, &target)), b""));
    }
}

fn arguments(options: &[Vec<u8>], target: &[u8]) -> Vec<std::ffi::OsString> {
    use std::os::unix::ffi::OsStringExt;
    options.iter().cloned().chain([target.to_vec()]).map(std::ffi::OsString::from_vec).collect()
}

/// Exit, output and messages. Each message of the table must be told, in its order, by a line of its own; ours may add
/// words around it.
fn check(row: &Row, said: &Said) {
    let number = row.number;
    assert_eq!(said.exit, row.exit, "row {number}: {said:?}");
    assert_eq!(said.out, row.output, "row {number}: {said:?}");
    assert_eq!(said.err.len(), row.messages.len(), "row {number}: {said:?}");
    for (told, message) in said.err.iter().zip(&row.messages) {
        assert!(told.contains(message.as_str()), "row {number}: {told}");
        assert!(!message.starts_with("line") || told.starts_with("makemap: row/m: "), "row {number}: {told}");
    }
}

/// The content. Maps have their own order, but the values of one key stay in theirs.
fn check_dump(row: &Row, said: Said) {
    let said = said.expect(0);
    let separator = row.dump_arguments.first().map_or(b'\t', |argument| argument[2]);
    assert_eq!(by_key(&said.out, separator), by_key(&row.dump, separator), "row {}", row.number);
    if row.kind() == b"btree" {
        assert_eq!(said.out, row.dump, "row {}: a map that has an order", row.number);
    }
}

/// The lines in the order of their keys; those with equal keys as they stood.
pub(crate) fn by_key(dump: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = dump.split_inclusive(|&octet| octet == b'\n').collect();
    lines.sort_by_key(|line| line.split(|&octet| octet == separator).next());
    lines
}
