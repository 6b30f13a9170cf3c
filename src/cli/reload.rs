//! `weft reload`: makes the daemon read the mesh file again.

use super::{Format, Outcome, RunDir, complain};
use crate::control::view::Reloaded;
use crate::control::{Request, ask};

/// Has the daemon read the mesh file again, and waits until the file is in force.
///
/// If the file is refused, the old one stays in force, the reason is printed and the exit code is 1. The exit code is 1, too, if a part
/// of the file could not be put into force yet; the daemon tries it again.
///
/// Example: weft check mesh.toml && weft reload
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let reloaded: Reloaded = ask(&self.run_dir.path, Request::Reload)?;
        self.format.print(&reloaded, text)?;
        for failure in &reloaded.failures {
            complain(format_args!("error: {failure}"));
        }
        Ok(if reloaded.failures.is_empty() { Outcome::Good } else { Outcome::NotGood })
    }
}

fn text(reloaded: &Reloaded) -> String {
    let Reloaded { mesh, site, sites, tunnels, failures, .. } = reloaded;
    let verdict = if failures.is_empty() { "in force" } else { "read, but not all of it is in force" };
    format!("{mesh}: the mesh file is {verdict}; sites: {sites}, tunnels of {site}: {tunnels}")
}
