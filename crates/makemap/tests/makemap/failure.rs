//! What can go wrong in the middle: the old map stays, and nobody ever sees half of a new one.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::need;

use crate::bench::{Bench, lines, run};
use crate::reasons;

fn dump(bench: &Bench) -> Vec<u8> {
    run(&mut bench.ours(["-u", "redb", "m"]), b"").expect(0).out
}

/// `count` entries that all have this value.
fn source(count: usize, value: &str) -> Vec<u8> {
    (0..count).flat_map(|number| format!("key{number:06} {value}\n").into_bytes()).collect()
}

#[test]
fn a_source_that_cannot_be_read_leaves_the_old_map() {
    reasons::check("a source that cannot be read to its end builds nothing");
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"old map\n").expect(0);
    let before = bench.read("m.redb");
    bench.fresh("directory");
    let mut command = bench.ours(["redb", "m"]);
    let output = command.stdin(Stdio::from(File::open(bench.path("directory")).unwrap())).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the map is left as it was"));
    assert_eq!(bench.read("m.redb"), before);
    assert_eq!(bench.names(), ["directory", "m.redb"]);
}

#[test]
fn faulty_lines_alone_still_make_a_map() {
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"old map\n").expect(0);
    run(&mut bench.ours(["redb", "m"]), b" x\ny\n").expect(65);
    assert_eq!(dump(&bench), b"");
}

#[test]
fn a_build_that_is_killed_leaves_the_old_map_and_nothing_for_long() {
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"old map\n").expect(0);
    for _ in 0..3 {
        let mut child =
            bench.ours(["redb", "m"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than the pipe holds: when it has been written the source is being read.
        stdin.write_all(&source(20_000, "new")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(dump(&bench), b"old\tmap\n");
    }
    run(&mut bench.ours(["redb", "m"]), b"new map\n").expect(0);
    assert_eq!(bench.names(), ["m.redb"], "what a killed build left is swept away by the next");
}

#[test]
fn a_map_is_never_seen_in_parts() {
    let bench = Bench::new();
    let texts = [source(3000, "first"), source(2000, "second"), Vec::new()];
    let maps: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            run(&mut bench.ours(["redb", "m"]), text).expect(0);
            dump(&bench)
        })
        .collect();
    assert_eq!(lines(&maps[0]), 3000);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !is_over.load(Ordering::Relaxed) {
                let map = dump(&bench);
                assert!(maps.contains(&map), "a map of {} octets that nobody built", map.len());
                seen += 1;
            }
            seen
        });
        for text in texts.iter().cycle().take(30) {
            run(&mut bench.ours(["redb", "m"]), text).expect(0);
        }
        thread::sleep(Duration::from_millis(1));
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 5, "the reader looked");
    });
}

#[test]
fn two_builds_at_once_leave_one_whole_map() {
    let bench = Bench::new();
    let texts = [source(3000, "first"), source(2000, "second")];
    for _ in 0..5 {
        thread::scope(|scope| {
            for text in &texts {
                let bench = &bench;
                scope.spawn(move || run(&mut bench.ours(["redb", "m"]), text).expect(0));
            }
        });
        let count = lines(&dump(&bench));
        assert!([3000, 2000].contains(&count), "{count} entries");
        assert_eq!(bench.names(), ["m.redb"]);
    }
}

#[test]
fn adding_at_once_loses_nothing() {
    reasons::check("what another did to the map meanwhile is not undone");
    let bench = Bench::new();
    run(&mut bench.ours(["redb", "m"]), b"").expect(0);
    let mut slow =
        bench.ours(["-o", "redb", "m"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = slow.stdin.take().unwrap();
    // More than the pipe holds: it has read the old map by then.
    stdin.write_all(&source(20_000, "slow")).unwrap();
    run(&mut bench.ours(["-o", "redb", "m"]), b"quick one\n").expect(0);
    drop(stdin);
    assert_eq!(slow.wait().unwrap().code(), Some(75));
    assert_eq!(dump(&bench), b"quick\tone\n");
    assert_eq!(bench.names(), ["m.redb"]);
}

#[test]
fn a_full_disk_leaves_the_old_map() {
    let bench = Bench::new();
    let Ok(mut command) = need::own_mounts() else { return };
    bench.fresh("row");
    bench.write("text", &source(200_000, "new"));
    let script = "mount -t tmpfs -o size=4m,mode=755 none row && echo old map | \"$0\" \"$@\" || exit 1
        before=$(cksum row/m.redb)
        \"$0\" \"$@\" < text; echo exit $?
        test \"$(cksum row/m.redb)\" = \"$before\" && ls -A row";
    let program = env!("CARGO_BIN_EXE_makemap");
    let said = run(
        command
            .args(["sh", "-c", script, program, "--config", "gatepost.toml", "redb", "row/m"])
            .current_dir(bench.path("")),
        b"",
    );
    assert_eq!(String::from_utf8_lossy(&said.out), "exit 74\nm.redb\n", "{said:?}");
    assert!(said.text().contains("No space left on device"), "{said:?}");
}
