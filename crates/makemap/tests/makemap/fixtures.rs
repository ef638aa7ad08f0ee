//! Files that real makemap, postmap and db_load wrote: `-u` gives what the manifest's text files list. Damaged ones: an
//! error, an exit code and little memory, never a crash.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, run};
use crate::rows::octets;

fn fixtures() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps")).into()
}

/// The Berkeley DB files of the manifest with the text files that list their records.
fn manifest() -> BTreeMap<String, String> {
    fs::read_to_string(fixtures().join("MANIFEST.md"))
        .unwrap()
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (file, contents) = (*cells.get(1)?, *cells.get(4)?);
            let is_ours = Path::new(file).extension()? == "db" && Path::new(contents).extension()? == "txt";
            is_ours.then(|| (file.to_owned(), contents.to_owned()))
        })
        .collect()
}

/// What `-u` prints for a record: each part up to its first NUL.
fn printed(record: &str) -> Vec<u8> {
    let (key, value) = record.split_once('\t').unwrap();
    let part = |text: &str| octets_of(text).split(|&octet| octet == 0).next().unwrap_or_default().to_vec();
    [part(key), part(value)].join(&b'\t')
}

/// The manifest's escapes are those of the rows, without repeats.
fn octets_of(text: &str) -> Vec<u8> {
    text.split('<').map(octets_or_nothing).collect::<Vec<_>>().join(&b'<')
}

fn octets_or_nothing(text: &str) -> Vec<u8> {
    if text == "-" { b"-".to_vec() } else { octets(text) }
}

#[test]
fn files_of_real_programs_read_back_as_their_manifest_says() {
    let manifest = manifest();
    assert!(manifest.len() > 30, "the manifest was not understood");
    let bench = Bench::new();
    for (file, contents) in manifest {
        fs::copy(fixtures().join(&file), bench.path("m.db")).unwrap();
        let said = run(&mut bench.ours(["-u", "implicit", "m"]), b"").expect(0);
        let listed = fs::read_to_string(fixtures().join(&contents)).unwrap();
        let mut expected: Vec<Vec<u8>> = listed.lines().map(printed).collect();
        expected.sort();
        // A value may hold a line feed, so what was printed is compared as octets, sorted where that can be done.
        let mut wanted = expected.concat();
        let mut found: Vec<u8> = said.out.clone();
        if expected.iter().all(|record| !record.contains(&b'\n')) {
            let mut lines: Vec<&[u8]> = said.out.split_inclusive(|&octet| octet == b'\n').collect();
            lines.sort();
            found = lines.iter().flat_map(|line| line[..line.len() - 1].to_vec()).collect();
        } else {
            found.retain(|&octet| octet != b'\n');
            wanted.retain(|&octet| octet != b'\n');
            found.sort_unstable();
            wanted.sort_unstable();
        }
        assert!(found == wanted, "{file} does not read back as {contents}");
    }
}

#[test]
fn damaged_files_are_errors_in_little_memory() {
    let bench = Bench::new();
    let mut seen = 0;
    for entry in fs::read_dir(fixtures().join("corrupt")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        fs::copy(&path, bench.path("m.db")).unwrap();
        for arguments in [&["-u", "implicit", "m"][..], &["-q", "key", "implicit", "m"], &["-u", "hash", "m"]]
        {
            let said = run(&mut limited(&bench.ours(arguments)), b"");
            let is_error = [65, 73].contains(&said.exit);
            // A look-up reads one page; damage elsewhere is met by who reads everything.
            assert!(is_error || (arguments[0] == "-q" && said.exit == 1), "{}: {said:?}", path.display());
            assert_eq!(is_error, said.text().contains("map m: "), "{}: {said:?}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 30, "the damaged files were not found");
}

/// The same command with at most 100 MB of address space, as the shell's ulimit counts it, and ten seconds.
fn limited(command: &Command) -> Command {
    let mut shell = Command::new("timeout");
    shell.args(["10", "sh", "-c", "ulimit -v 100000; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap()).arg0("timeout");
    shell
}
