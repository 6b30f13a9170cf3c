//! `weft show NOUN`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Format, Outcome, RunDir};
use crate::control::{Noun, Request, ask};
use crate::show;

/// All of one kind.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to show.
    noun: Noun,
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        match self.noun {
            Noun::Neighbors => self.rows(show::neighbors),
            Noun::Routes => self.rows(show::routes),
            Noun::Tunnels => self.rows(show::tunnels),
            Noun::Interfaces => self.rows(show::interfaces),
            Noun::Lsdb => self.rows(show::lsdb),
        }
    }

    fn rows<T: Serialize + DeserializeOwned>(&self, table: impl Fn(&[T]) -> String) -> anyhow::Result<Outcome> {
        let rows: Vec<T> = ask(&self.run_dir.path, Request::Show { noun: self.noun })?;
        self.format.print(&rows, |rows| table(rows))?;
        Ok(Outcome::Good)
    }
}
