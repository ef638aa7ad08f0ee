//! authcheck: is every file safe, and what is in the store?

fn main() -> std::process::ExitCode {
    authcheck::main()
}
