//! Prints a run as the command line that repeats it.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;

use super::{Deviations, FirstArea, GridSize, KeySequence, Numbers, Options, Recipe, Shape};

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ospf-sim {}{}", self.shape, self.options)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh { routers } => write!(f, "mesh {routers}"),
            Self::Grid(GridSize { width, height }) => write!(f, "grid {width}x{height}"),
            Self::Ring { routers } => write!(f, "ring {routers}"),
            Self::Sparse { routers, extra } => write!(f, "sparse {routers} --extra {extra}"),
            Self::Areas { backbone, areas, inside, first, mixed, beyond } => {
                write!(f, "areas {backbone} --areas {areas} --inside {inside}")?;
                option(f, "first-area", first, &FirstArea::Normal)?;
                flag(f, "mixed", *mixed)?;
                flag(f, "beyond", *beyond)
            }
            Self::Random { routers, extra, lans } => {
                write!(f, "random {routers} --extra {extra}")?;
                option(f, "lans", lans, &0)
            }
        }
    }
}

/// Prints every option that differs from its default, each after a space.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, chance, loss, duplication, reordering, corruption, delay, jitter, faults, .. } = self;
        let Self { fault_every, restarts, changes, faults_only, absent, leave_broken, partition, .. } = self;
        let Self { foreign, gives_up, key_every, key_sequence, hello, dead, bound, quiet, .. } = self;
        let default = &Self::DEFAULT;
        write!(f, " --seed {seed}")?;
        if let Some(chance) = chance {
            write!(f, " --chance {chance}")?;
        }
        option(f, "loss", loss, &default.loss)?;
        option(f, "duplication", duplication, &default.duplication)?;
        option(f, "reordering", reordering, &default.reordering)?;
        option(f, "corruption", corruption, &default.corruption)?;
        option(f, "delay", delay, &default.delay)?;
        option(f, "jitter", jitter, &default.jitter)?;
        option(f, "faults", faults, &default.faults)?;
        option(f, "fault-every", fault_every, &default.fault_every)?;
        flag(f, "restarts", *restarts)?;
        flag(f, "changes", *changes)?;
        if let Some(numbers) = faults_only {
            write!(f, " --faults-only {numbers}")?;
        }
        option(f, "absent", absent, &default.absent)?;
        option(f, "foreign", foreign, &default.foreign)?;
        if let Some(deviations) = gives_up {
            write!(f, " --gives-up {deviations}")?;
        }
        flag(f, "leave-broken", *leave_broken)?;
        flag(f, "partition", *partition)?;
        option(f, "key-every", key_every, &default.key_every)?;
        option(f, "key-sequence", key_sequence, &default.key_sequence)?;
        option(f, "hello", hello, &default.hello)?;
        option(f, "dead", dead, &default.dead)?;
        option(f, "bound", bound, &default.bound)?;
        option(f, "quiet", quiet, &default.quiet)
    }
}

fn option<T: fmt::Display + PartialEq>(f: &mut fmt::Formatter<'_>, name: &str, value: &T, default: &T) -> fmt::Result {
    if value == default { Ok(()) } else { write!(f, " --{name} {value}") }
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, is_set: bool) -> fmt::Result {
    if is_set { write!(f, " --{name}") } else { Ok(()) }
}

impl fmt::Display for FirstArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_of(self, f)
    }
}

impl fmt::Display for KeySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_of(self, f)
    }
}

fn name_of(value: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = value.to_possible_value().expect("no value is hidden");
    f.write_str(value.get_name())
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.0)
    }
}

impl fmt::Display for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.0)
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &BTreeSet<T>) -> fmt::Result {
    if values.is_empty() {
        return f.write_str("none");
    }
    let mut separator = "";
    for value in values {
        write!(f, "{separator}{value}")?;
        separator = ",";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ospf::Deviation;

    use super::*;
    use crate::prng::Probability;
    use crate::recipe::NetworkCommand;

    #[derive(Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: NetworkCommand,
    }

    fn parse(line: &str) -> Recipe {
        CommandLine::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}")).command.into()
    }

    #[test]
    fn options_that_are_not_named_have_their_default() {
        assert_eq!(parse("ospf-sim ring 3").options, Options::DEFAULT);
    }

    #[test]
    fn a_printed_command_line_means_what_was_printed() {
        let percent = |percent: f64| Probability::new(percent / 100.0).unwrap();
        let all = Options {
            seed: u64::MAX,
            chance: Some(17),
            loss: percent(26.0),
            duplication: percent(15.0),
            reordering: percent(20.0),
            corruption: percent(1.0),
            delay: 2,
            jitter: 3,
            faults: 4,
            fault_every: 5,
            restarts: true,
            changes: true,
            faults_only: Some(Numbers(BTreeSet::from([3, 12, 7]))),
            absent: Numbers(BTreeSet::from([0, 2])),
            foreign: Numbers(BTreeSet::from([1, 3])),
            gives_up: Some(Deviations(BTreeSet::from([Deviation::Pacing, Deviation::Departed]))),
            leave_broken: true,
            partition: true,
            key_every: 11,
            key_sequence: KeySequence::Extended,
            hello: 6,
            dead: 7,
            bound: 8,
            quiet: 9,
        };
        let no_deviation = Some(Deviations(BTreeSet::new()));
        let none = Options { faults_only: Some(Numbers::default()), gives_up: no_deviation, ..Options::DEFAULT };
        let shapes = [
            Shape::Mesh { routers: 3 },
            Shape::Grid(GridSize { width: 3, height: 4 }),
            Shape::Ring { routers: 5 },
            Shape::Sparse { routers: 6, extra: 0 },
            Shape::Areas { backbone: 7, areas: 1, inside: 8, first: FirstArea::Normal, mixed: false, beyond: true },
            Shape::Areas {
                backbone: 7,
                areas: 1,
                inside: 8,
                first: FirstArea::TotallyStubby,
                mixed: true,
                beyond: false,
            },
            Shape::Random { routers: 9, extra: 2, lans: 0 },
            Shape::Random { routers: 9, extra: 2, lans: 3 },
        ];
        for shape in shapes {
            for options in [&all, &none, &Options::DEFAULT] {
                let recipe = Recipe { shape, options: options.clone() };
                assert_eq!(parse(&recipe.to_string()), recipe, "{recipe}");
            }
        }
    }
}
