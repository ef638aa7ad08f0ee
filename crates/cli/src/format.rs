//! `--format text|json`: for whom a program speaks.

use clap::ValueEnum;

/// For whom a program speaks: a person, or another program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for a person.
    #[default]
    Text,
    /// JSON objects, one to a line, for a program.
    Json,
}
