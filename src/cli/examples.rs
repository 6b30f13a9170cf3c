//! Examples of all commands, shown at the end of their `--help`.

use clap::Command;

/// Commands without `weft`, and an example of each.
const EXAMPLES: [(&str, &str); 45] = [
    ("", "status"),
    ("run", "run /etc/weft/mesh.toml --key /etc/weft/site.key"),
    ("plan", "plan mesh.toml --steps"),
    ("reload", "reload"),
    ("down", "down --drain 10"),
    ("status", "status --json"),
    ("stub-router", "stub-router on"),
    ("show neighbors", "show neighbors --detail"),
    ("show routes", "show routes --backup"),
    ("show protection", "show protection"),
    ("show tunnels", "show tunnels"),
    ("show interfaces", "show interfaces --detail"),
    ("show lsdb", "show lsdb --type external --router 10.255.0.2 --brief"),
    ("show areas", "show areas"),
    ("show border-routers", "show border-routers"),
    ("show spf", "show spf"),
    ("show bfd", "show bfd"),
    ("show limits", "show limits"),
    ("show l2", "show l2 --json"),
    ("show filters", "show filters"),
    ("clear neighbor", "clear neighbor osaka"),
    ("clear ospf", "clear ospf"),
    ("move", "move db1 taipei"),
    ("forget", "forget db1"),
    ("trace", "trace 10.9.0.11"),
    ("check", "check mesh.toml --key site.key"),
    ("schema", "schema > weft.schema.json"),
    ("keygen", "keygen --out /etc/weft/site.key"),
    ("pubkey", "pubkey < /etc/weft/site.key"),
    ("replay", "replay trace.weft --print"),
    ("engine", "engine wg0"),
    ("bfd", "bfd --control /run/weft/bfd.sock"),
    ("lab demo", "lab demo configs/triangle.toml"),
    ("lab up", "lab up configs/triangle.toml"),
    ("lab down", "lab down configs/triangle.toml"),
    ("lab status", "lab status triangle"),
    ("lab exec", "lab exec triangle taipei -- weft status"),
    ("lab cut", "lab cut triangle taipei osaka"),
    ("lab move", "lab move l2 db1 seoul"),
    ("lab heal", "lab heal triangle"),
    ("completions", "completions bash"),
    ("man", "man --out /usr/local/share/man/man1"),
    ("show", "show routes"),
    ("clear", "clear neighbor osaka"),
    ("lab", "lab demo configs/triangle.toml"),
];

/// Adds examples to `command`, whose name is `path` without the program's name, and to all its subcommands.
pub fn with_examples(command: Command) -> Command {
    of("", command)
}

fn of(path: &str, command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |below| of(path.trim_start(), below))
    });
    match EXAMPLES.iter().find(|(of, _)| *of == path) {
        Some((_, example)) => command.after_help(format!("Example: weft {example}")),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    /// All commands, by their whole names.
    fn all(path: &str, command: &Command) -> Vec<String> {
        let below = command.get_subcommands();
        let below = below.flat_map(|below| all(format!("{path} {}", below.get_name()).trim_start(), below));
        std::iter::once(path.to_owned()).chain(below).collect()
    }

    #[test]
    fn every_command_has_an_example_that_is_right() {
        for name in all("", &Cli::command()) {
            assert!(EXAMPLES.iter().any(|(of, _)| *of == name), "{name} has no example");
        }
        for (name, example) in EXAMPLES {
            assert!(example.starts_with(name), "{example} is no example of {name}");
            let words = example.split(['<', '>']).next().unwrap_or(example);
            Cli::try_parse_from(std::iter::once("weft").chain(words.split_whitespace()))
                .unwrap_or_else(|error| panic!("weft {example}: {error}"));
            let mut command = with_examples(Cli::command());
            let mut names = name.split(' ').filter(|name| !name.is_empty());
            let found = names.try_fold(&mut command, |command, name| command.find_subcommand_mut(name));
            let help = found.map(|command| command.render_help().to_string()).unwrap_or_default();
            assert!(help.contains(&format!("Example: weft {example}")), "{name}: {help}");
        }
    }
}
