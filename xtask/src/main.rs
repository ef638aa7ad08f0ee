//! House chores: what a developer, or the gate, asks of the whole workspace. `cargo xtask help` lists them.
//!
//! Nothing here is shipped.
#![allow(
    clippy::disallowed_methods,
    reason = "chores read and write the source tree, no secret and nothing shipped"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to a developer at a terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod fuzz;
mod lint;
mod manual;
mod shell;
mod test;
mod tidy;

/// Chores of the Gatepost workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build, then show every program at work in a directory of its own.
    Demo(demo::Options),
    /// Format, clippy, documentation, licences and house rules.
    Lint,
    /// Only the house rules: arrows between crates, licences, where files may be opened.
    Tidy,
    /// Install the peers (as root on Debian), run the whole suite, print the time of each part.
    Test(test::Options),
    /// Man pages and shell completions into target/manual.
    Manual,
    /// Figures side by side with the peers, in one run.
    Bench(bench::Options),
    /// Every fuzz target for a while, where cargo-fuzz can run.
    Fuzz(fuzz::Options),
    /// What `bench auth` does, in a program that is built for release.
    #[command(hide = true)]
    MeasureAuth(bench::auth::Options),
    /// The bare server of `bench auth`.
    #[command(hide = true)]
    Sink(bench::auth::sink::Options),
}

fn main() -> ExitCode {
    let outcome = match Options::parse().verb {
        Verb::Demo(options) => demo::run(&options),
        Verb::Lint => lint::run(),
        Verb::Tidy => tidy::run(),
        Verb::Test(options) => test::run(&options),
        Verb::Manual => manual::run(),
        Verb::Bench(options) => bench::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::MeasureAuth(options) => bench::auth::measure(&options),
        Verb::Sink(options) => bench::auth::sink::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::FAILURE
        }
    }
}
