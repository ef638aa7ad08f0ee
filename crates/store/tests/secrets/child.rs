//! This test program as another process: it runs one test of itself, with an order in the environment.

use std::io::Read as _;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

const ORDER: &str = "GATEPOST_TEST_CHILD";
const STORE: &str = "GATEPOST_TEST_STORE";

/// A child that ends with the test that started it: one left behind would keep the output of the whole run open.
pub(crate) struct Running(Child);

impl Running {
    /// How the child ended, and what it printed.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        drop(self.stdin.take());
        let mut text = String::new();
        self.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.wait().unwrap(), text)
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a child that runs `test` of this program (its full name) with an order.
pub(crate) fn start(test: &str, order: &str, store: &Path) -> Running {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(ORDER, order)
        .env(STORE, store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    Running(child.unwrap())
}

/// In a child: the order and the store. In the test program itself: `None`, and the test has nothing to do.
pub(crate) fn order() -> Option<(String, std::path::PathBuf)> {
    Some((std::env::var(ORDER).ok()?, std::env::var_os(STORE)?.into()))
}
