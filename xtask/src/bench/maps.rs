//! Maps of every type: built from text, listed, and keys looked up.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peers::Postfix;
use super::{Job, Options, Place, compare, input, program};
use crate::shell::Outcome;

/// The types, with the suffix of their files.
const TYPES: [(&str, &str); 5] =
    [("hash", "db"), ("btree", "db"), ("cdb", "cdb"), ("lmdb", "lmdb"), ("redb", "redb")];

pub(super) fn run(place: &Place, options: &Options) -> Outcome {
    let postfix = Postfix::find(place)?;
    let bench = Bench { place, postfix, runs: options.runs.min(5) };
    for (kind, suffix) in TYPES {
        bench.build(kind, suffix, 1_000_000)?;
    }
    for (kind, suffix) in TYPES {
        bench.look_up(kind, suffix)?;
    }
    if options.full {
        for (kind, suffix) in TYPES {
            bench.build_large(kind, suffix)?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    place: &'a Place,
    postfix: Option<Postfix>,
    runs: usize,
}

impl Bench<'_> {
    fn build(&self, kind: &str, suffix: &str, entries: usize) -> Outcome {
        println!("\n== a {kind} map of {entries} access entries, built from text");
        let source = self.source(entries)?;
        let ours = self.place.file("ours");
        let mut jobs = vec![Job::new("makemap", |_| (ours_of(&[kind], &ours), input(&source)))];
        jobs.extend(self.makemaps(kind, &source));
        jobs.extend(self.postmap(kind, &source));
        if kind == "cdb" {
            jobs.push(self.tinycdb(&source));
        }
        compare(self.runs, &jobs)?;
        println!("   size: {} MB", megabytes(&self.place.file(&format!("ours.{suffix}"))));
        let listing = self.theirs("makemap");
        let mut jobs = vec![Job::new("makemap -u", |_| (ours_of(&["-u", kind], &ours), Stdio::null()))];
        if matches!(kind, "hash" | "btree") {
            jobs.push(Job::new("sendmail's makemap -u", move |_| {
                (sendmails(&["-u", kind], &listing), Stdio::null())
            }));
        }
        compare(self.runs, &jobs)
    }

    fn makemaps<'a>(&'a self, kind: &'a str, source: &'a Path) -> Vec<Job<'a>> {
        let theirs = self.theirs("makemap");
        let cached = theirs.clone();
        match kind {
            "hash" => vec![
                Job::new("sendmail's makemap -c 67108864", move |_| {
                    (sendmails(&["-c", "67108864", kind], &cached), input(source))
                }),
                Job::new("sendmail's makemap", move |_| (sendmails(&[kind], &theirs), input(source))),
            ],
            "btree" => {
                vec![Job::new("sendmail's makemap", move |_| (sendmails(&[kind], &theirs), input(source)))]
            }
            _ => Vec::new(),
        }
    }

    fn postmap<'a>(&'a self, kind: &'a str, source: &'a Path) -> Option<Job<'a>> {
        let postfix = self.postfix.as_ref().filter(|_| kind != "redb")?;
        let name = self.theirs("postmap");
        Some(Job::new("postmap", move |_| {
            // It reads the text that lies beside the map.
            let _ = std::fs::hard_link(source, &name);
            let mut command = postfix.postmap();
            command.arg(typed(kind, &name));
            (command, Stdio::null())
        }))
    }

    fn tinycdb<'a>(&'a self, source: &'a Path) -> Job<'a> {
        let name = self.place.file("tiny.cdb");
        Job::new("tinycdb", move |_| {
            let mut command = Command::new("/usr/bin/cdb");
            command.args(["-c", "-m"]).arg(&name).arg(source);
            (command, Stdio::null())
        })
    }

    /// A million keys in a map of a hundred thousand, all of which are there.
    fn look_up(&self, kind: &str, suffix: &str) -> Outcome {
        println!("\n== 1,000,000 keys looked up in a {kind} map of 100,000 (.{suffix})");
        let source = self.source(100_000)?;
        let ours = self.place.file("ours");
        let keys = self.keys(1_000_000, 100_000)?;
        let mut made = ours_of(&[kind], &ours);
        made.stdin(input(&source));
        crate::shell::step(&mut made)?;
        let ask = ["-f", "-q", "-", kind];
        let mut jobs = vec![Job::new("makemap -q -", |_| (ours_of(&ask, &ours), input(&keys)))];
        let theirs = self.theirs("postmap");
        if let Some(postfix) = self.postfix.as_ref().filter(|_| kind != "redb") {
            let _ = std::fs::remove_file(&theirs);
            std::fs::copy(&source, &theirs).map_err(|error| format!("{}: {error}", theirs.display()))?;
            crate::shell::step(postfix.postmap().arg(typed(kind, &theirs)))?;
            let keys = keys.clone();
            jobs.push(Job::new("postmap -q -", move |_| {
                let mut command = postfix.postmap();
                command.args(["-f", "-q", "-"]).arg(typed(kind, &theirs));
                (command, input(&keys))
            }));
        }
        compare(self.runs, &jobs)
    }

    /// Ten million entries: time once, and the peak of memory.
    fn build_large(&self, kind: &str, suffix: &str) -> Outcome {
        println!("\n== a {kind} map of 10,000,000 access entries");
        let source = self.source(10_000_000)?;
        let ours = self.place.file("ours");
        compare(1, &[Job::new("makemap", |_| (ours_of(&[kind], &ours), input(&source)))])?;
        let file = self.place.file(&format!("ours.{suffix}"));
        println!("   size: {} MB", megabytes(&file));
        std::fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn theirs(&self, whose: &str) -> PathBuf {
        self.place.file(&format!("theirs-{whose}"))
    }

    /// Access-like lines, keys in no order; written once for each size.
    fn source(&self, entries: usize) -> Outcome<PathBuf> {
        let path = self.place.file(&format!("access-{entries}"));
        if !path.exists() {
            lines(&path, entries, |number| format!("{}\tREJECT\n", key(number)))?;
        }
        Ok(path)
    }

    fn keys(&self, count: usize, entries: usize) -> Outcome<PathBuf> {
        let path = self.place.file("keys");
        // A factor without a divisor in common with the number of entries.
        lines(&path, count, |number| format!("{}\n", key(number * 7_919 % entries)))?;
        Ok(path)
    }
}

fn key(number: usize) -> String {
    let scattered = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
    format!("from:user{number}@host{scattered:010x}.example")
}

fn lines(path: &Path, count: usize, line: impl Fn(usize) -> String) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    (0..count).try_for_each(|number| file.write_all(line(number).as_bytes())).map_err(failed)?;
    file.flush().map_err(failed)
}

fn ours_of(words: &[&str], map: &Path) -> Command {
    let mut command = program("makemap");
    // Whom a sendmail.cf of this host names is not asked.
    command.args(["--trusted-user", "root"]).args(words).arg(map);
    command
}

fn sendmails(words: &[&str], map: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/makemap");
    command.args(words).arg(map);
    command
}

fn typed(kind: &str, name: &Path) -> String {
    format!("{kind}:{}", name.display())
}

fn megabytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len() / 1_000_000)
}
