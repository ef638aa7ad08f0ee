//! saslpasswd: sets the passwords of mail users. What it does stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let program = cli::program_name("saslpasswd");
    cli::run(&program, |io| ::saslpasswd::saslpasswd(io, std::env::args_os()))
}
