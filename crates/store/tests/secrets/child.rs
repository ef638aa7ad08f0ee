//! This test program as another process: it runs one test of itself, with an order in the environment.

use std::path::Path;
use std::process::{Child, Command, Stdio};

const ORDER: &str = "GATEPOST_TEST_CHILD";
const STORE: &str = "GATEPOST_TEST_STORE";

/// Starts a child that runs `test` of this program (its full name) with an order.
pub(crate) fn start(test: &str, order: &str, store: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(ORDER, order)
        .env(STORE, store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// In a child: the order and the store. In the test program itself: `None`, and the test has nothing to do.
pub(crate) fn order() -> Option<(String, std::path::PathBuf)> {
    Some((std::env::var(ORDER).ok()?, std::env::var_os(STORE)?.into()))
}
