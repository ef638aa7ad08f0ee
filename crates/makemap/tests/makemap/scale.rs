//! Many entries: what goes in comes out, in bounded memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use tests::need;

use crate::bench::{Bench, lines};

/// Typical lines of an access map, in no order.
fn write_source(bench: &Bench, count: u64) {
    let mut text = BufWriter::new(File::create(bench.path("text")).unwrap());
    for number in 0..count {
        let number = number.wrapping_mul(7_368_787) % count;
        match number % 4 {
            0 => writeln!(text, "AuthInfo:host{number}.example.org \"U:user{number}\" \"P:secret{number}\""),
            _ => writeln!(text, "To:user{number}@host.example.org REJECT"),
        }
        .unwrap();
    }
    text.flush().unwrap();
}

/// Runs with standard input from a file and this much address space, in KiB.
fn limited(command: &Command, kib: u64) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}

fn check(count: u64, kib: u64) {
    let bench = Bench::new();
    write_source(&bench, count);
    let from = |name: &str| Stdio::from(File::open(bench.path(name)).unwrap());
    let to = |name: &str| Stdio::from(File::create(bench.path(name)).unwrap());
    let run = |command: Command, input: Stdio, output: Stdio| {
        let done = limited(&command, kib).stdin(input).stdout(output).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(bench.ours(["redb", "m"]), from("text"), Stdio::null());
    run(bench.ours(["-u", "redb", "m"]), Stdio::null(), to("dump"));

    let mut sort = Command::new("sort");
    sort.env("LC_ALL", "C").args(["-o", "sorted", "folded"]).current_dir(bench.path("."));
    fold(&bench);
    assert!(sort.status().unwrap().success());
    let same = Command::new("cmp").args(["dump", "sorted"]).current_dir(bench.path(".")).status().unwrap();
    assert!(same.success(), "what came out is not what went in");

    let keys =
        bench.read("dump").split(|&octet| octet == b'\n').step_by(997).fold(Vec::new(), |mut keys, line| {
            keys.extend(line.split(|&octet| octet == b'\t').next().unwrap_or_default());
            keys.push(b'\n');
            keys
        });
    bench.write("keys", &keys);
    run(bench.ours(["-q", "-", "redb", "m"]), from("keys"), to("answers"));
    let (asked, answered) = (lines(&keys), lines(&bench.read("answers")));
    assert_eq!(answered, asked, "every key is found");
}

/// The source as `-u` shows it: keys folded, a tab between key and value.
fn fold(bench: &Bench) {
    let text = String::from_utf8(bench.read("text")).unwrap();
    let mut folded = BufWriter::new(File::create(bench.path("folded")).unwrap());
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap();
        writeln!(folded, "{}\t{value}", key.to_ascii_lowercase()).unwrap();
    }
    folded.flush().unwrap();
}

#[test]
fn a_million_entries_go_in_and_come_out() {
    check(if need::full() { 1_000_000 } else { 200_000 }, 1_000_000);
}

#[test]
fn ten_million_entries_need_less_than_a_gibibyte() {
    if need::full() {
        check(10_000_000, 1024 * 1024);
    }
}
