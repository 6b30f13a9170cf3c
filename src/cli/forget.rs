//! `weft forget`: makes this router forget where a host has moved.

use super::{Format, Outcome, RunDir};
use crate::control::view::Forgotten;
use crate::control::{Request, ask};

/// Withdraws what this router claims of a host of a segment and forgets what it remembers of it: the host is then where the mesh file has
/// it, unless another site announces otherwise. Other sites keep what they remember; `weft move --force` is for all.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host, by its name, MAC or IP address in the mesh file.
    host: String,
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let forgotten: Forgotten = ask(&self.run_dir.path, Request::Forget { host: self.host })?;
        self.format.print(&forgotten, text)?;
        Ok(Outcome::Good)
    }
}

fn text(forgotten: &Forgotten) -> String {
    let Forgotten { segment, host, remembered_at, site, claimed_by } = forgotten;
    let before = match remembered_at {
        Some(remembered_at) => format!("{segment}: forgot that {host} was at {remembered_at}"),
        None => format!("{segment}: there was nothing to forget of {host}"),
    };
    match claimed_by {
        None => format!("{before}; it is at {site}, where the mesh file has it"),
        Some(claimed_by) => format!(
            "{before}; it is at {site}, because {claimed_by} claims so: run `weft forget {host}` there, too, or \
             `weft move {host} SITE --force` anywhere"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_where_the_host_is_and_who_says_so() {
        let mut forgotten = Forgotten {
            segment: "vms".to_owned(),
            host: "db1".to_owned(),
            remembered_at: Some("osaka".to_owned()),
            site: "taipei".to_owned(),
            claimed_by: None,
        };
        assert_eq!(text(&forgotten), "vms: forgot that db1 was at osaka; it is at taipei, where the mesh file has it");
        (forgotten.remembered_at, forgotten.claimed_by) = (None, Some("seoul".to_owned()));
        assert_eq!(
            text(&forgotten),
            "vms: there was nothing to forget of db1; it is at taipei, because seoul claims so: run `weft forget db1` there, too, or \
             `weft move db1 SITE --force` anywhere"
        );
    }
}
