//! The gate before the tests: format, lints, documentation, house rules.

use crate::shell::{Outcome, cargo, step};
use crate::tidy;

pub(crate) fn run() -> Outcome {
    step(cargo().args(["fmt", "--all", "--check"]))?;
    step(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    tidy::run()
}
