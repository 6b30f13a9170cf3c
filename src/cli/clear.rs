//! `weft clear`: ends OSPF adjacencies, which then form again.

use clap::Subcommand;

use super::{Outcome, RunDir, say};
use crate::control::{Request, ask};

/// Ends OSPF adjacencies, which then form again. Meanwhile traffic takes another way, where there is one.
///
/// Examples: weft clear neighbor osaka; weft clear neighbor 192.0.2.7; weft clear ospf
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    run_dir: RunDir,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The adjacencies with one router.
    Neighbor {
        /// A site's name, a router id, the neighbour's address, or an interface.
        neighbor: String,
    },
    /// All adjacencies.
    Ospf,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let neighbor = match self.what {
            What::Neighbor { neighbor } => Some(neighbor),
            What::Ospf => None,
        };
        let count: usize = ask(&self.run_dir.path, Request::Clear { neighbor })?;
        say(match count {
            1 => "1 adjacency cleared".to_owned(),
            count => format!("{count} adjacencies cleared"),
        });
        Ok(Outcome::Good)
    }
}
