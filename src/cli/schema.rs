//! `weft schema`: prints the schema of the mesh file, for editors.

use anyhow::Context as _;

use super::{Outcome, print};
use crate::mesh::json_schema;

/// Print a JSON Schema of the mesh file, with which editors complete and check it.
///
/// Even Better TOML and Taplo take it by a first line `#:schema ./weft.schema.json` in the mesh file.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints the schema.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let mut schema = serde_json::to_vec_pretty(&json_schema()).context("writing the schema as JSON")?;
        schema.push(b'\n');
        print(&schema)?;
        Ok(Outcome::Good)
    }
}
