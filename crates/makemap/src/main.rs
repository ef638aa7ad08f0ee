//! makemap: lookup maps from text.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("makemap", |io| makemap::run(io, std::env::args_os()))
}
