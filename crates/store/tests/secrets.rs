//! The live store, with real files and real processes.
#![allow(clippy::disallowed_methods, reason = "tests make and damage files on purpose")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot do without ends it")]
#![allow(clippy::print_stdout, reason = "children talk to the test by their standard output")]

#[path = "secrets/backup.rs"]
mod backup;
#[path = "secrets/child.rs"]
mod child;
#[path = "secrets/damage.rs"]
mod damage;
#[path = "secrets/full.rs"]
mod full;
#[path = "secrets/import.rs"]
mod import;
#[path = "secrets/kill.rs"]
mod kill;
#[path = "secrets/large.rs"]
mod large;
#[path = "secrets/live.rs"]
mod live;
#[path = "secrets/sample.rs"]
mod sample;
#[path = "secrets/waiting.rs"]
mod waiting;
