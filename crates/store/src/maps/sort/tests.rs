//! Order, policies and reports, against the same done in memory with a stable sort.
#![allow(clippy::disallowed_methods, reason = "scratch files of tests need no safe place")]

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

type Row = (Vec<u8>, Vec<u8>, u64);

fn sorter(budget: usize) -> Sorter {
    Sorter::new(Order::Keys, budget, tempfile::tempfile)
}

fn push_all(sorter: &mut Sorter, rows: &[Row]) {
    for (key, value, line) in rows {
        sorter.push(key, value, Line::from_number(*line)).unwrap();
    }
}

fn sorted(sorter: Sorter, policy: Policy) -> (Vec<Row>, Vec<(u64, Vec<u8>)>) {
    let mut sorted = sorter.finish(policy).unwrap();
    let rows = sorted.by_ref().map(Result::unwrap);
    let rows = rows.map(|row| (row.key.to_vec(), row.value.to_vec(), row.line.number())).collect();
    assert_eq!(sorted.taken(), sorted.total());
    let duplicates = sorted.into_duplicates().unwrap();
    let total = duplicates.len();
    let duplicates: Vec<_> = duplicates.map(Result::unwrap).map(|one| (one.line, one.key)).collect();
    assert_eq!(duplicates.len() as u64, total);
    (rows, duplicates)
}

/// What the policies say, done plainly.
fn expected(rows: &[Row], policy: Policy) -> (Vec<Row>, Vec<(u64, Vec<u8>)>) {
    let mut all = rows.to_vec();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let mut stay: Vec<Row> = Vec::new();
    let mut reported = Vec::new();
    for row in all {
        let again = stay.last().is_some_and(|last| last.0 == row.0);
        match policy {
            Policy::FirstStays if again && row.2 != 0 => reported.push((row.2, row.0)),
            Policy::LastStays if again => *stay.last_mut().unwrap() = row,
            _ => stay.push(row),
        }
    }
    reported.sort();
    (stay, reported)
}

fn row(key: &str, value: &str, line: u64) -> Row {
    (key.into(), value.into(), line)
}

#[test]
fn rows_of_makemaps_table() {
    let rows = [row("a", "b", 1), row("a", "c", 2), row("a", "d", 3), row("b", "b", 4)];
    for budget in [1, 1 << 20] {
        for (policy, stay, reported) in [
            (
                Policy::FirstStays,
                vec![row("a", "b", 1), row("b", "b", 4)],
                vec![(2, b"a".into()), (3, b"a".into())],
            ),
            (Policy::LastStays, vec![row("a", "d", 3), row("b", "b", 4)], vec![]),
            (Policy::AllStay, rows.to_vec(), vec![]),
        ] {
            let mut sorter = sorter(budget);
            push_all(&mut sorter, &rows);
            assert_eq!(sorted(sorter, policy), (stay, reported), "{policy:?}");
        }
    }
}

#[test]
fn the_duplicates_of_an_old_map_stay() {
    let rows = [row("a", "1", 0), row("a", "2", 0), row("b", "3", 0), row("a", "4", 1), row("c", "5", 2)];
    let mut sorter = sorter(1 << 20);
    push_all(&mut sorter, &rows);
    let (stay, reported) = sorted(sorter, Policy::FirstStays);
    assert_eq!(stay, [row("a", "1", 0), row("a", "2", 0), row("b", "3", 0), row("c", "5", 2)]);
    assert_eq!(reported, [(1, b"a".into())]);
}

#[test]
fn the_scratch_file_is_made_only_when_it_is_needed() {
    let made = Rc::new(Cell::new(0));
    let scratch = || {
        let made = Rc::clone(&made);
        move || {
            made.set(made.get() + 1);
            tempfile::tempfile()
        }
    };
    let mut small = Sorter::new(Order::Keys, 2 << 20, scratch());
    small.push(b"k", b"v", Line::Number(1)).unwrap();
    assert_eq!(sorted(small, Policy::FirstStays).0.len(), 1);
    assert_eq!(made.get(), 0);
    let mut large = Sorter::new(Order::Keys, 512 << 10, scratch());
    for line in 1..=30_000 {
        large.push(b"the same key in each", &[b'v'; 100], Line::Number(line)).unwrap();
    }
    let (stay, reported) = sorted(large, Policy::FirstStays);
    assert_eq!((stay.len(), reported.len()), (1, 29_999));
    assert!(reported.is_sorted());
    assert_eq!(made.get(), 1, "records and duplicates share it");
}

#[test]
fn a_failing_scratch_file_is_an_error() {
    let mut sorter = Sorter::new(Order::Keys, 1, || Err(io::ErrorKind::StorageFull.into()));
    let error = sorter.push(b"k", b"v", Line::Number(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn more_runs_than_are_merged_at_once() {
    let rows: Vec<Row> = (1..=1000_u64)
        .map(|line| (format!("{:03}", line * 7 % 300).into(), line.to_string().into(), line))
        .collect();
    for policy in [Policy::FirstStays, Policy::LastStays, Policy::AllStay] {
        let mut sorter = sorter(1);
        push_all(&mut sorter, &rows);
        assert_eq!(sorter.runs.len(), rows.len());
        assert!(sorted(sorter, policy) == expected(&rows, policy), "{policy:?}");
    }
}

#[test]
fn long_records_pass_whole() {
    let long = vec![b'x'; 3 << 20];
    let rows = [(long.clone(), vec![], 1), (b"a".to_vec(), long.clone(), 2), (vec![], vec![], 3)];
    let mut sorter = sorter(1);
    push_all(&mut sorter, &rows);
    assert!(sorted(sorter, Policy::AllStay).0 == [rows[2].clone(), rows[1].clone(), rows[0].clone()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn agrees_with_a_stable_sort(
        keys in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..10), 0..120),
        old in 0_usize..20,
        flush_every in 1_usize..50,
        policy in prop_oneof![Just(Policy::FirstStays), Just(Policy::LastStays), Just(Policy::AllStay)],
    ) {
        let rows: Vec<Row> = keys
            .into_iter()
            .enumerate()
            .map(|(at, key)| (key, at.to_string().into(), at.saturating_sub(old) as u64))
            .collect();
        let mut sorter = sorter(usize::MAX);
        for (at, (key, value, line)) in rows.iter().enumerate() {
            sorter.push(key, value, Line::from_number(*line)).unwrap();
            if at % flush_every == 0 {
                sorter.flush().unwrap();
            }
        }
        prop_assert_eq!(sorted(sorter, policy), expected(&rows, policy));
    }
}

/// A hash wants its buckets together, in memory as on disk.
#[test]
fn a_rank_comes_before_the_key() {
    let order = Order::Ranked(|key| u32::from(key[0] % 3));
    let rows: Vec<Row> = (1..=1000_u64)
        .map(|line| (format!("{}", line * 7 % 300 + 100).into(), line.to_string().into(), line))
        .collect();
    let mut expected = rows.clone();
    expected.sort_by(|one, other| (one.0[0] % 3, &one.0).cmp(&(other.0[0] % 3, &other.0)));
    for budget in [1, 1 << 20] {
        let mut sorter = Sorter::new(order, budget, tempfile::tempfile);
        push_all(&mut sorter, &rows);
        assert_eq!(sorter.volume().records, 1000);
        assert!(sorted(sorter, Policy::AllStay) == (expected.clone(), Vec::new()), "{budget}");
    }
}

/// Keys that agree for long, end early, go on with zeros, or are equal: more of them than are compared as they are.
#[test]
fn keys_that_begin_alike_come_in_order() {
    let rows: Vec<Row> = (0..6000_u64)
        .map(|line| {
            let number = line * 7919 % 6000;
            let prefix =
                ["", "from:user@host.example", "from:user@host.example\0", "\0"][number as usize % 4];
            let zeros = vec![0; (number / 4 % 40) as usize];
            let end = if number % 3 == 0 { String::new() } else { format!("{}", number % 500) };
            let long = "x".repeat(if number % 5 == 0 { 300 } else { 0 });
            ([prefix.as_bytes(), &zeros, long.as_bytes(), end.as_bytes()].concat(), Vec::new(), line + 1)
        })
        .collect();
    let mut expected = rows.clone();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    for order in [Order::Keys, Order::Ranked(|_| 7)] {
        for budget in [100_000, 1 << 24] {
            let mut sorter = Sorter::new(order, budget, tempfile::tempfile);
            push_all(&mut sorter, &rows);
            assert!(sorted(sorter, Policy::AllStay).0 == expected, "{budget}");
        }
    }
}
