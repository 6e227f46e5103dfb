//! What `--help` says of each command, in the language of the person. English is in the declarations, from which completions and
//! the manual come as well; other languages have their own words for it by the command's path.
use clap::Command;

/// A command and all below it, described in the language that is spoken.
pub(super) fn described(command: Command) -> Command {
    below(command, &["help"])
}

fn below(command: Command, path: &[&str]) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| below(sub, &[path, &[name]].concat()))
    });
    match sigillo_messages::help(&id(path)) {
        Some(about) => command.about(about),
        None => command,
    }
}

/// `vm tpm` and `tpm` are the same commands.
fn id(path: &[&str]) -> String {
    path.join("-").replacen("help-vm-tpm", "help-tpm", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use sigillo_messages::{Language, speaking};
    use std::collections::BTreeSet;

    fn ids(command: &Command, path: &[&str], found: &mut BTreeSet<String>) {
        found.insert(id(path));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            ids(sub, &[path, &[sub.get_name()]].concat(), found);
        }
    }

    #[test]
    fn every_command_has_italian_help_and_no_other_has() {
        let mut commands = BTreeSet::new();
        ids(&super::super::Cli::command(), &["help"], &mut commands);
        let file = include_str!("../../../messages/locales/it/help.ftl");
        let mut told: Vec<&str> =
            file.lines().filter_map(|line| line.split_once(" = ")).map(|(id, _)| id).collect();
        told.sort_unstable();
        assert_eq!(told, Vec::from_iter(&commands));
    }

    #[test]
    fn help_is_in_the_language_spoken() {
        let about = || {
            let command = described(super::super::Cli::command());
            let start = command.find_subcommand("vm").and_then(|vm| vm.find_subcommand("start"));
            start.and_then(Command::get_about).unwrap().to_string()
        };
        assert_eq!(about(), "Start a virtual machine");
        assert_eq!(speaking(Language::Italian, about), "Avvia una macchina virtuale");
    }
}
