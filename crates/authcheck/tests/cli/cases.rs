//! Command lines as data: each file of `tests/cases` is a tree, what is run on it, and what comes of it.
//!
//! A line that begins with `%` makes a part of the tree. A line that begins with `$` runs authcheck; below it stand its
//! exit (`? 1`) and its standard output. `...` stands for any lines, `ROOT` for the tree's directory; blanks are counted
//! once, since the columns depend on the name of that directory. `! text` has to be on standard error. What stands before
//! the first command, and lines that begin with `-- `, say what the case is about.

use std::fs;
use std::path::Path;

use crate::tree::Tree;

struct Run<'c> {
    command: &'c str,
    exit: i32,
    out: Vec<&'c str>,
    err: Vec<&'c str>,
}

#[test]
fn every_case_comes_out_as_it_is_written() {
    if tests::need::root().is_err() || tests::need::peer("setfacl").is_err() {
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= LEAST, "only {} cases were found", files.len());
    let failed: Vec<String> = files.iter().flat_map(|file| check(file)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let tree: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('%')).collect();
    let tree = Tree::of(&tree.join("\n"));
    runs(&text)
        .iter()
        .filter_map(|run| differs(run, &tree))
        .map(|fault| format!("{}: {fault}", file.display()))
        .collect()
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('%')) {
        if let Some(command) = line.strip_prefix("$ authcheck") {
            runs.push(Run { command, exit: 0, out: Vec::new(), err: Vec::new() });
            continue;
        }
        let Some(run) = runs.last_mut() else { continue };
        if let Some(exit) = line.strip_prefix("? ") {
            run.exit = exit.parse().unwrap();
        } else if let Some(said) = line.strip_prefix("! ") {
            run.err.push(said);
        } else if !line.trim().is_empty() && !line.starts_with("-- ") {
            run.out.push(line);
        }
    }
    runs
}

fn differs(run: &Run<'_>, tree: &Tree) -> Option<String> {
    let output = tree.authcheck(run.command);
    let (out, err) = (tree.unrooted(&output.stdout), tree.unrooted(&output.stderr));
    let said: Vec<String> = out.lines().filter(|line| !line.trim().is_empty()).map(single_blanks).collect();
    let expected: Vec<String> = run.out.iter().map(|line| single_blanks(line)).collect();
    let exit = output.status.code() == Some(run.exit);
    let heard = run.err.iter().all(|said| err.contains(said)) && (run.err.is_empty() == err.is_empty());
    (!exit || !heard || !fits(&expected, &said)).then(|| {
        format!(
            "$ authcheck{}\nexit {:?}, wanted {}\n{out}\nstandard error:\n{err}",
            run.command,
            output.status.code(),
            run.exit
        )
    })
}

/// Whether lines are as expected, where `...` is any number of lines.
fn fits(expected: &[String], said: &[String]) -> bool {
    match expected {
        [] => said.is_empty(),
        [dots, rest @ ..] if dots == "..." => (0..=said.len()).any(|skipped| fits(rest, &said[skipped..])),
        [line, rest @ ..] => said.first() == Some(line) && fits(rest, &said[1..]),
    }
}

fn single_blanks(line: &str) -> String {
    line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// So that a directory that was not found is no success.
const LEAST: usize = 10;
