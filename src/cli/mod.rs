//! The command line: one file per command, each with its clap arguments and a `run`.
//!
//! Exit codes: 0 good, 1 the thing asked about is not good (or the command failed), 2 wrong usage.

mod check;
mod keygen;
mod pubkey;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod engine;

/// weft joins sites into one network: WireGuard tunnels, OSPFv2 over each, one file.
#[derive(Debug, Parser)]
#[command(name = "weft", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Keygen(keygen::Args),
    Pubkey(pubkey::Args),
    Engine(engine::Engine),
}

/// What a command found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Good,
    /// Exit code 1: the answer is no; whatever there is to say has been said.
    NotGood,
}

/// Runs the program: reads the arguments, does what they say, reports errors on stderr.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command.run() {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::NotGood) => ExitCode::from(1),
        Err(error) => {
            report::error(&error);
            ExitCode::from(1)
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Check(args) => args.run(),
            Self::Keygen(args) => args.run(),
            Self::Pubkey(args) => args.run(),
            Self::Engine(command) => command.run(),
        }
    }
}
