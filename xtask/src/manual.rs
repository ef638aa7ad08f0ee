//! Man pages and shell completions, from the one definition that the programs parse with.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use crate::shell::{Outcome, target_directory};

pub(crate) fn run() -> Outcome {
    let manual = target_directory()?.join("manual");
    for (mut command, section) in commands() {
        for one in family(command.clone()) {
            page(one, section, &manual.join(format!("man{section}")))?;
        }
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
        (gatepostd::command(), "8"),
    ]
}

/// A program and what is below it, each under the name by which the program's page refers to it: `authcheck-files`.
fn family(command: Command) -> Vec<Command> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut family = vec![command];
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at) {
        let children: Vec<_> = parent.get_subcommands().filter(|one| !one.is_hide_set()).cloned().collect();
        family.extend(children);
        looked_at += 1;
    }
    family
}

fn page(command: Command, section: &str, directory: &Path) -> Outcome {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let page = clap_mangen::Man::new(command).section(section);
    let made = page.generate_to(directory);
    made.map(drop).map_err(|error| format!("{}: {error}", directory.join(page.get_filename()).display()))
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
    use super::*;

    /// Every page under its name, without the marks of roff that keep hyphens what they are.
    fn pages() -> Vec<(Command, String, String)> {
        let all = commands().into_iter().flat_map(|(command, section)| {
            family(command).into_iter().map(move |one| {
                let page = clap_mangen::Man::new(one.clone()).section(section);
                let mut text = Vec::new();
                page.render(&mut text).unwrap();
                (one, page.get_filename(), String::from_utf8(text).unwrap().replace("\\-", "-"))
            })
        });
        all.collect()
    }

    #[test]
    fn every_option_stands_in_its_page() {
        for (command, name, page) in pages() {
            let options = command.get_arguments().filter(|one| !one.is_hide_set() && !one.is_positional());
            for option in options {
                let long = option.get_long().map(|long| format!("--{long}"));
                let spelled =
                    long.or(option.get_short().map(|short| format!("-{short}"))).unwrap_or_default();
                assert!(page.contains(&spelled), "{name}: {spelled} is not in its page");
            }
        }
    }

    #[test]
    fn every_page_that_is_referred_to_is_made() {
        let pages = pages();
        let mut referred = 0;
        for (_, name, page) in &pages {
            for word in page.split_whitespace().filter(|word| word.ends_with("(8)")) {
                let wanted = word.replace("(8)", ".8");
                assert!(pages.iter().any(|(_, made, _)| *made == wanted), "{name}: there is no {wanted}");
                referred += 1;
            }
        }
        assert!(referred >= 4, "authcheck has four commands");
        let page = |wanted: &str| &pages.iter().find(|(_, name, _)| name == wanted).unwrap().2;
        assert!(page("authcheck-files.8").contains("Files or directories"));
        assert!(page("authcheck-discover.8").contains("Sendmail.conf"));
    }

    #[test]
    fn every_program_says_what_its_exit_means() {
        let pages = pages();
        for (command, _) in commands() {
            let name = format!("{}.8", command.get_name());
            let (.., page) = pages.iter().find(|(_, made, _)| *made == name).unwrap();
            assert!(page.contains("Exit status: 0"), "{name}");
        }
    }
}
