//! `weft trace`: shows what happens to a frame.

use super::{Format, Outcome, RunDir};
use crate::control::view::FrameTrace;
use crate::control::{Request, ask};
use crate::show;

/// Shows what happens to a frame to a host, if it is sent at this site. Exit code 1 if it would arrive nowhere.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host, by its name, MAC or IP address.
    host: String,
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let traces: Vec<FrameTrace> = ask(&self.run_dir.path, Request::Trace { host: self.host })?;
        self.format.print(&traces, |traces| show::traces(traces))?;
        let arrives = |trace: &FrameTrace| trace.fate.arrives();
        Ok(if traces.iter().any(arrives) { Outcome::Good } else { Outcome::NotGood })
    }
}
