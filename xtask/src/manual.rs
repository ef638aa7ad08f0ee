//! Man pages and shell completions, from the one definition that the programs parse with.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use crate::shell::{Outcome, root};

pub(crate) fn run() -> Outcome {
    let manual = root().join("target/manual");
    for (mut command, section) in commands() {
        page(&command, section, &manual.join(format!("man{section}")))?;
        completions(&mut command, &manual.join("completions"))?;
    }
    println!("man pages and completions: {}", manual.display());
    Ok(())
}

/// Every shipped program with the manual section of its peer: 8 for administration.
fn commands() -> Vec<(Command, &'static str)> {
    vec![
        (saslpasswd::options::command(), "8"),
        (saslpasswd::options::list_command(), "8"),
        (makemap::options::command(), "8"),
        (authcheck::command(), "8"),
    ]
}

fn page(command: &Command, section: &str, directory: &Path) -> Outcome {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let file = directory.join(format!("{}.{section}", command.get_name()));
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .section(section)
        .render(&mut text)
        .and_then(|()| std::fs::write(&file, text))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn completions(command: &mut Command, directory: &Path) -> Outcome {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, command, &name, directory)
            .map_err(|error| format!("completions of {name}: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn every_option_stands_in_its_page() {
        for (command, section) in commands() {
            let mut page = Vec::new();
            clap_mangen::Man::new(command.clone()).section(section).render(&mut page).unwrap();
            let page = String::from_utf8(page).unwrap().replace("\\-", "-");
            let options = command.get_arguments().filter(|one| !one.is_hide_set() && !one.is_positional());
            for option in options {
                let long = option.get_long().map(|long| format!("--{long}"));
                let spelled =
                    long.or(option.get_short().map(|short| format!("-{short}"))).unwrap_or_default();
                assert!(page.contains(&spelled), "{}: {spelled} is not in its page", command.get_name());
            }
        }
    }
}
