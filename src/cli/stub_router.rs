//! `weft stub-router`: leads traffic around this router.

use super::{Outcome, RunDir};
use crate::control::{Request, StubRouterCommand, ask};

/// Lead traffic between others around this router, before maintenance for example (RFC 6987).
///
/// What is here stays reachable, and where there is no other way, traffic still comes. It is in force until the next such command or the
/// end of the daemon.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whether to do so, or to do what the mesh file says.
    command: StubRouterCommand,
    #[command(flatten)]
    run_dir: RunDir,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        ask::<()>(&self.run_dir.path, Request::StubRouter { command: self.command })?;
        Ok(Outcome::Good)
    }
}
