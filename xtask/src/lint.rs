//! The gate before the tests: format, lints, documentation, house rules.

use crate::shell::{Outcome, cargo, output, step};
use crate::tidy;

pub(crate) fn run() -> Outcome {
    step(cargo().args(["fmt", "--all", "--check"]))?;
    step(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    fuzz_targets()?;
    tidy::run()
}

/// The fuzz targets are a workspace of their own, which nothing above looks at: its lock is as its manifests ask for.
fn fuzz_targets() -> Outcome {
    let manifest = "tests/fuzz/Cargo.toml";
    output(cargo().args(["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest]))
        .map(drop)
        .map_err(|error| format!("{manifest}: {error}"))
}
