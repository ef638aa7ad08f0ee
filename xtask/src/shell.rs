//! Running other programs and saying what was run. Not a shell: every command is a list of words.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Why a chore stopped, in words for the developer.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The workspace's directory.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The cargo that runs this chore, as if it were typed: what the outer one says of the package that it runs would make build
/// scripts run anew (ring's looks at it), and all that depends on them be built again, whenever the package is another.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| shown.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds: `target`, unless CARGO_TARGET_DIR or a configuration of cargo's says else.
pub(crate) fn target_directory() -> Outcome<PathBuf> {
    target_directory_by(cargo())
}

fn target_directory_by(mut cargo: Command) -> Outcome<PathBuf> {
    let metadata = output(cargo.args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("metadata: {error}"))?;
    let directory = metadata["target_directory"].as_str().map(PathBuf::from);
    directory.ok_or_else(|| "cargo metadata names no target directory".to_owned())
}

/// Shows the command, runs it with our own input and output, and fails with its name when it fails.
pub(crate) fn step(command: &mut Command) -> Outcome {
    println!("$ {}", words(command));
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", words(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", words(command))) }
}

/// Runs quietly and returns what was printed; on failure the error carries standard error.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", words(command)))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(format!("{}: {}\n{}", words(command), done.status, String::from_utf8_lossy(&done.stderr)))
    }
}

/// The command as a person would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, word| format!("{line} {}", word.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_lies_where_cargo_puts_it() {
        let mut elsewhere = cargo();
        elsewhere.env("CARGO_TARGET_DIR", "/elsewhere/target");
        assert_eq!(target_directory_by(elsewhere), Ok(PathBuf::from("/elsewhere/target")));
        let mut here = cargo();
        here.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
        assert!(target_directory_by(here).is_ok_and(|directory| directory.is_absolute()));
    }
}
