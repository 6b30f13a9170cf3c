//! `weft plan`: says what a mesh file would change at this router.

use std::path::PathBuf;

use super::{Format, Outcome, RunDir, mesh_text, report};
use crate::control::view::{Plan, Step};
use crate::control::{ClientError, Request, ask};
use crate::mesh;

/// Say what applying a mesh file would change at this router, and change nothing.
///
/// The running daemon computes the steps that `weft reload` would take now if FILE were its mesh file: what OSPF would be configured with,
/// and what would be done to the kernel. What other routers do about it afterwards, and the routes that follow from that, are no part of it.
/// Key files that FILE names are read in the directory of the mesh file in force.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mesh file; `-` is standard input
    file: PathBuf,
    /// Print the steps, one a line, instead of how many there are
    #[arg(long)]
    steps: bool,
    /// Exit with 1 if there are any steps
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let (name, text) = mesh_text::read(&self.file);
        let text = text?;
        // What is wrong with the file is shown as `weft check` shows it.
        let mesh::Parsed { warnings, .. } = mesh::parse(&name, &text)?;
        report::warnings(&warnings);
        let request = Request::Plan { file: name.into(), text };
        let plan: Plan = ask(&self.run_dir.path, request).map_err(|error| match error {
            ClientError::NotRunning { .. } => anyhow::anyhow!(
                "{error} (only the daemon knows what would change; `weft check` checks a file without it)"
            ),
            other => other.into(),
        })?;
        self.format.print(&plan, |plan| if self.steps { lines(plan) } else { count(plan) })?;
        Ok(if self.exit_code && !plan.steps.is_empty() { Outcome::NotGood } else { Outcome::Good })
    }
}

fn lines(plan: &Plan) -> String {
    match plan.steps.is_empty() {
        true => count(plan),
        false => plan.steps.iter().map(|Step { part, step }| format!("{part}: {step}\n")).collect(),
    }
}

fn count(Plan { mesh, site, steps }: &Plan) -> String {
    match steps.len() {
        0 => format!("{mesh}: nothing to do at {site}"),
        1 => format!("{mesh}: 1 step at {site}; --steps prints it"),
        more => format!("{mesh}: {more} steps at {site}; --steps prints them"),
    }
}
