//! sasldblistusers: lists the users of a store. What it does stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let program = cli::program_name("sasldblistusers");
    cli::run(&program, |io| ::saslpasswd::sasldblistusers(io, std::env::args_os()))
}
