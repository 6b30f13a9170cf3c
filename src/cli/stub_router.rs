//! `weft stub-router`: leads traffic around this router.

use super::{Outcome, RunDir};
use crate::control::{Request, StubRouterCommand, ask};

/// Lead traffic between others around this router, before maintenance for example (RFC 6987).
///
/// The networks of this site stay reachable, and traffic that has no other way still passes this router. This is in force until the next
/// such command or the end of the daemon.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whether to be a stub router, or to follow the mesh file.
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
