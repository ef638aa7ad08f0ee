//! gatepostd: the daemon.

fn main() -> std::process::ExitCode {
    gatepostd::main()
}
