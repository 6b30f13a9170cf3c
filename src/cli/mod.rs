//! The command line: one file per command, each with its clap arguments and a `run`.
//!
//! Exit codes: 0 the result is good; 1 it is not good, or the command failed; 2 wrong usage; 3 `weft run` only: `weft down` has ended the
//! daemon.

mod bfd;
mod check;
mod clear;
mod colour;
mod completions;
mod down;
mod engine;
mod examples;
mod firewall;
mod forget;
mod keygen;
mod lab;
mod man;
mod mesh_text;
mod move_host;
mod plan;
mod pubkey;
mod reload;
mod replay;
mod report;
mod run;
mod schema;
mod show;
mod status;
mod stub_router;
mod trace;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::{Answer, DEFAULT_RUN_DIR};

/// weft joins sites into one network: WireGuard tunnels, OSPFv2 over each, one file.
#[derive(Debug, Parser)]
#[command(name = "weft", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Plan(plan::Args),
    Reload(reload::Args),
    Down(down::Args),
    Status(status::Args),
    StubRouter(stub_router::Args),
    Show(show::Args),
    Clear(clear::Args),
    Move(move_host::Args),
    Forget(forget::Args),
    Trace(trace::Args),
    Check(check::Args),
    Schema(schema::Args),
    Keygen(keygen::Args),
    Pubkey(pubkey::Args),
    Replay(replay::Args),
    Engine(engine::Engine),
    Bfd(bfd::Args),
    Lab(lab::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Where the daemon keeps its run-time files.
#[derive(Debug, clap::Args)]
struct RunDir {
    /// Directory of the daemon's run-time files.
    #[arg(long = "run-dir", value_name = "DIR", default_value = DEFAULT_RUN_DIR, global = true)]
    path: PathBuf,
}

/// The format of the output.
#[derive(Debug, clap::Args)]
struct Format {
    /// Print JSON, whose keys scripts may depend on.
    #[arg(long, global = true)]
    json: bool,
}

impl Format {
    /// Prints `value` as JSON, or as the text that `text` makes of it. A reader that has closed stdout is no error.
    fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        match self.json {
            true => print_lines(serde_json::to_vec_pretty(value)?),
            false => print_text(text(value)),
        }
    }

    /// Prints the daemon's answer: its JSON, whatever is in it, or the text that `text` makes of the `T` in it.
    fn print_answer<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.json {
            true => print_lines(pretty(answer.json())?),
            false => print_text(text(&answer.read()?)),
        }
    }
}

/// Indents a JSON text, without a value in memory of each of what may be ten thousand routes.
fn pretty(json: &str) -> serde_json::Result<Vec<u8>> {
    let mut output = Vec::with_capacity(2 * json.len());
    let mut parser = serde_json::Deserializer::from_str(json);
    serde_transcode::transcode(&mut parser, &mut serde_json::Serializer::pretty(&mut output))?;
    Ok(output)
}

/// Prints text, with colours where the terminal shows them.
fn print_text(text: String) -> anyhow::Result<()> {
    print_lines(colour::for_stdout(text).into())
}

/// Writes `output` to stdout, and ends its last line.
fn print_lines(mut output: Vec<u8>) -> anyhow::Result<()> {
    if !output.ends_with(b"\n") {
        output.push(b'\n');
    }
    print(&output)
}

/// Writes `output` to stdout. A reader that has closed stdout is no error.
fn print(output: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(output) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes a line to stdout. Errors are ignored, such as a reader that has closed stdout, or a full disk.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line to stderr. Errors are ignored.
fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Good,
    /// Exit code 1: the result is not good; everything has been printed already.
    NotGood,
    /// Exit code 3, of a daemon that must not be started again automatically: `weft down` has removed everything.
    Left,
}

/// Runs the program: parses the arguments, runs the command, and reports errors on stderr.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&examples::with_examples(Cli::command()).get_matches());
    let cli = cli.unwrap_or_else(|error| error.exit());
    match cli.command.run() {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::NotGood) => ExitCode::from(1),
        Ok(Outcome::Left) => ExitCode::from(3),
        Err(error) => {
            report::error(&error);
            ExitCode::from(1)
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Run(args) => args.run(),
            Self::Plan(args) => args.run(),
            Self::Reload(args) => args.run(),
            Self::Down(args) => args.run(),
            Self::Status(args) => args.run(),
            Self::StubRouter(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Clear(args) => args.run(),
            Self::Move(args) => args.run(),
            Self::Forget(args) => args.run(),
            Self::Trace(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Schema(args) => args.run(),
            Self::Keygen(args) => args.run(),
            Self::Pubkey(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Engine(command) => command.run(),
            Self::Bfd(args) => args.run(),
            Self::Lab(args) => args.run(),
            Self::Completions(args) => args.run(),
            Self::Man(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_printed_as_its_values_would_be() {
        let value = serde_json::json!({
            "routes": [{ "metric": 10, "age_s": 0.25, "via": null, "site": "東京 \"a\"\n" }, {}],
            "problems": [],
            "large": [u64::MAX, i64::MIN],
        });
        let printed = pretty(&value.to_string()).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), serde_json::to_string_pretty(&value).unwrap());
    }
}
