//! Random sources and options: ours and sendmail's makemap say the same, and store the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::need;

use crate::bench::{Bench, run};
use crate::source::by_key;

/// Octets in which the grammar is interested, and some in which it is not.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        8 => prop::sample::select(&b"abAB:"[..]),
        4 => prop::sample::select(&b" \t"[..]),
        2 => Just(b'\n'),
        1 => prop::sample::select(&b"#;\r\x0b\x0c\0"[..]),
        1 => prop::sample::select(&[0x80, 0xa0, 0xc4, 0xff, 0x07, 0x7f, b'"', b'%', b'\\'][..]),
    ]
}

/// A line: mostly short, sometimes around the length that is too long.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let short = vec(octet(), 0..12);
    let long =
        (1018usize..1030, vec(octet(), 0..6)).prop_map(|(length, tail)| [vec![b'x'; length], tail].concat());
    let entry = ("[a-cA-C]{1,3}", "[ \t:]{1,2}", "[a-z]{0,3}")
        .prop_map(|(k, s, v)| format!("{k}{s}{v}").into_bytes());
    prop_oneof![4 => short, 1 => long, 6 => entry]
}

fn source() -> impl Strategy<Value = Vec<u8>> {
    (vec(line(), 0..25), any::<bool>()).prop_map(|(lines, ends)| {
        let mut source = lines.join(&b'\n');
        if ends {
            source.push(b'\n');
        }
        source
    })
}

fn options() -> impl Strategy<Value = Vec<&'static str>> {
    let some = ["-d", "-e", "-f", "-r", "-N", "-t:", "-tA", "-D;", "-D", "-v"];
    prop::sample::subsequence(some.to_vec(), 0..4).prop_map(|options| {
        // `-D` alone takes the next argument: an empty one, no comments at all.
        options
            .into_iter()
            .flat_map(|option| if option == "-D" { vec!["-D", ""] } else { vec![option] })
            .collect()
    })
}

#[test]
fn ours_and_sendmails_makemap_agree() {
    let bench = Bench::new();
    if bench.theirs(["-l"]).is_err() {
        return;
    }
    let cases = if need::full() { 5000 } else { 100 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner.run(&(options(), source(), option_of_source()), |case| agree(&bench, case)).unwrap();
}

/// What is added with `-o` in a second run.
fn option_of_source() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(source())
}

fn agree(
    bench: &Bench,
    (options, first, second): (Vec<&'static str>, Vec<u8>, Option<Vec<u8>>),
) -> Result<(), TestCaseError> {
    bench.fresh("row");
    let mut runs = vec![(options.clone(), first)];
    runs.extend(second.map(|source| (options.iter().copied().chain(["-o"]).collect(), source)));
    for (options, source) in runs {
        let theirs = run(&mut bench.theirs(options.iter().chain(&["btree", "row/m"])).unwrap(), &source);
        let ours = run(&mut bench.ours(options.iter().chain(&["redb", "row/m"])), &source);
        prop_assert_eq!(ours.exit, theirs.exit, "{:?}\n{:?}", ours, theirs);
        prop_assert_eq!(&ours.out, &theirs.out);
        prop_assert_eq!(numbers(&ours.err), numbers(&theirs.err), "{:?}\n{:?}", ours.err, theirs.err);
        let theirs = run(&mut bench.theirs(["-u", "btree", "row/m"]).unwrap(), b"");
        let ours = run(&mut bench.ours(["-u", "redb", "row/m"]), b"");
        prop_assert_eq!(ours.exit, 0);
        prop_assert_eq!(&ours.out, &theirs.out, "a map in the order of its keys");
        prop_assert_eq!(by_key(&ours.out, b'\t').len(), by_key(&theirs.out, b'\t').len());
    }
    Ok(())
}

/// What each message is about: the line and the kind of fault, without the key, which ours shows escaped.
fn numbers(messages: &[String]) -> Vec<String> {
    let mut facts: Vec<String> = messages
        .iter()
        .filter_map(|message| {
            let rest = &message[message.find("line ")?..];
            let line = rest.split(':').next()?;
            let kind = ["too long", "leading space", "no RHS", "duplicate key"];
            kind.iter().find(|kind| rest.contains(*kind)).map(|kind| format!("{line}: {kind}"))
        })
        .collect();
    facts.sort();
    facts
}
