//! The first ten minutes, shown: every program at work in a private directory, on a sasldb that the real tools made.
//!
//! It changes no account and nothing outside its directory (and `target/`).

#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_options: &Options) -> crate::shell::Outcome {
    Err("the programs of the demonstration are not built yet".to_owned())
}
