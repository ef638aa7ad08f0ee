//! What a peer sees of the machine: files and directories put in the place of others, for it alone, and only its own
//! processes. Whatever it starts ends with it, and it ends with its test, however the test ends.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::PATIENCE;
use crate::need::{self, Missing};

/// A view of the machine, and a way to run programs there.
#[derive(Debug)]
pub struct World {
    shown: Vec<(PathBuf, PathBuf)>,
}

/// A program that runs in a world, gone when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

/// Shows one thing after the other in its place, up to the word that ends them.
const SHOW: &str = "until test \"$1\" = --; do mount --bind \"$1\" \"$2\" || exit 99; shift 2; done; shift; ";
/// A tool ends by itself, or is ended.
const TOOL: &str = "exec timeout --foreground --signal=KILL 120 \"$@\"";
/// The first process waits for the end of its input, which comes when the test ends; with it the kernel ends all
/// others. The daemon cannot be the first: what it does to its identity makes the kernel forget whose death is its own.
const DAEMON: &str = "\"$@\" & read -r end";

impl World {
    /// The machine as it is.
    ///
    /// # Errors
    /// [`Missing`] where nobody may have a view of his own.
    pub fn new() -> Result<Self, Missing> {
        need::own_processes().map(|_| Self { shown: Vec::new() })
    }

    /// Shows this in that place from now on. The place has to be there.
    #[must_use]
    pub fn show(mut self, what: impl Into<PathBuf>, place: impl Into<PathBuf>) -> Self {
        self.shown.push((what.into(), place.into()));
        self
    }

    /// A program that does its work and ends; what is added to the command is its own.
    ///
    /// # Errors
    /// [`Missing`] as for the world.
    pub fn tool(&self, program: &Path) -> Result<Command, Missing> {
        self.enter(TOOL, program)
    }

    /// A program that stays, in the foreground.
    ///
    /// # Errors
    /// [`Missing`] as for the world.
    pub fn daemon(&self, program: &Path) -> Result<Command, Missing> {
        self.enter(DAEMON, program)
    }

    fn enter(&self, how: &str, program: &Path) -> Result<Command, Missing> {
        let mut command = need::own_processes()?;
        command.args(["sh", "-c", &format!("{SHOW}{how}"), "sh"]);
        for (what, place) in &self.shown {
            command.arg(what).arg(place);
        }
        command.arg("--").arg(program);
        Ok(command)
    }
}

impl Process {
    /// Starts it. The input stays open for as long as it is to run.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).spawn().expect("unshare of util-linux"))
    }

    /// The process above all of its world.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its pipes.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Those of its processes that have this very file open, by their numbers.
    pub fn holders(&self, file: &Metadata) -> Vec<u32> {
        let is_it = |open: &Metadata| (open.dev(), open.ino()) == (file.dev(), file.ino());
        let mut holders = self.members();
        holders.retain(|process| {
            let open = std::fs::read_dir(format!("/proc/{process}/fd"));
            open.into_iter()
                .flatten()
                .flatten()
                .any(|one| one.path().metadata().is_ok_and(|open| is_it(&open)))
        });
        holders
    }

    /// The process of this name.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        let is_it = |process: &u32| {
            std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|said| said.trim_end() == name)
        };
        self.members().into_iter().find(is_it)
    }

    /// The processes of its world.
    fn members(&self) -> Vec<u32> {
        let own = std::fs::read_link(format!("/proc/{}/ns/pid_for_children", self.0.id())).ok();
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|process| {
                own.is_some() && std::fs::read_link(format!("/proc/{process}/ns/pid")).ok() == own
            })
            .collect()
    }
}

impl Drop for Process {
    /// Its input ends, and so does it; when it has ended nothing is left of its world.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
