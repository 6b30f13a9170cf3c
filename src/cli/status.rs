//! `weft status`: shows the state of the daemon as a whole.

use super::{Format, Outcome, RunDir};
use crate::control::view::Status;
use crate::control::{Request, request};
use crate::show;

/// Everything at a glance: what is wrong, tunnels, neighbours, routes. Exit code 1 if something is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let answer = request(&self.run_dir.path, Request::Status)?;
        self.format.print_answer::<Status>(&answer, show::status)?;
        let problems = answer.read::<Problems>()?.problems;
        Ok(if problems.is_empty() { Outcome::Good } else { Outcome::NotGood })
    }
}

/// The part of a [`Status`] that decides the exit code.
#[derive(serde::Deserialize)]
struct Problems {
    problems: Vec<serde::de::IgnoredAny>,
}
