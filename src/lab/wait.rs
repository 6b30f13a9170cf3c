//! Waits until a lab works, and says what is missing if it does not.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::health::{self, Health};
use super::process::Daemon;
use super::up::Lab;

/// How often the kernels are checked.
const LOOK: Duration = Duration::from_millis(20);
/// How often the daemons are asked for their status.
const ASK: Duration = Duration::from_millis(250);
/// How much of a log is shown: the maximum number of lines, and of bytes.
const LOG_TAIL_LINES: usize = 15;
const LOG_TAIL_BYTES: u64 = 8192;

/// How long a lab took to converge.
#[derive(Debug, Clone, Copy)]
pub struct Convergence {
    /// Time until all routes were in all kernels.
    pub routes: Duration,
    /// Time until every neighbour was Full as well, and hosts of segments answered each other.
    pub everything: Duration,
}

/// Waits until every neighbour is Full, every route is in the kernels, and hosts of segments answer each other; at most `patience` from
/// `start`. Calls `watch` with each state on the way, which can end the wait with an error.
pub fn until_good(
    lab: &Lab,
    start: Instant,
    patience: Duration,
    mut watch: impl FnMut(&Health) -> Result<()>,
) -> Result<Convergence> {
    let mut routes = None;
    let mut next_question = start;
    loop {
        if routes.is_none() && health::routes_are_complete(lab)? {
            routes = Some(start.elapsed());
        }
        let now = Instant::now();
        if now >= next_question || routes.is_some() {
            next_question = now + ASK;
            let health = Health::of(lab)?;
            watch(&health)?;
            if health.is_good() {
                let everything = start.elapsed();
                return Ok(Convergence { routes: routes.unwrap_or(everything), everything });
            }
            if let Some(ended) = lab.mesh.sites.iter().find(|site| Daemon::of(&lab.state.site(&site.name)).is_none()) {
                bail!(
                    "weft of {} ended; the last it said:\n{}",
                    ended.name,
                    log_tail(&lab.state.site(&ended.name).log_file())
                );
            }
            if start.elapsed() > patience {
                bail!("not everything was up after {} s:\n{}", patience.as_secs(), what_is_missing(&health));
            }
        }
        thread::sleep(LOOK);
    }
}

/// One line for each site, and for each host of a segment, that is missing something.
pub fn what_is_missing(health: &Health) -> String {
    let mut lines = Vec::new();
    for site in health.sites.iter().filter(|site| !site.is_good()) {
        let mut parts = Vec::new();
        match (site.pid, &site.status) {
            (None, _) => parts.push("weft does not run".to_owned()),
            (Some(_), None) => parts.push("weft does not answer".to_owned()),
            (Some(_), Some(_)) => {}
        }
        for (what, found) in [("neighbour", &site.neighbors), ("route", &site.routes)] {
            if !found.missing.is_empty() {
                let missing: Vec<&str> = found.missing.iter().map(String::as_str).collect();
                parts.push(format!("no {what} {}", missing.join(", ")));
            }
        }
        lines.push(format!("  {}: {}", site.site, parts.join("; ")));
    }
    for host in health.hosts.iter().filter(|host| !host.is_good()) {
        let missing: Vec<&str> = host.answers.missing.iter().map(String::as_str).collect();
        lines.push(match &host.site {
            None => format!("  {}: no cable", host.host),
            Some(site) => format!("  {} (at {site}): no answer from {}", host.host, missing.join(", ")),
        });
    }
    lines.join("\n")
}

/// The last lines of every site's log, each under a heading.
pub fn log_tails(lab: &Lab) -> String {
    let tails = lab.mesh.sites.iter().map(|site| {
        let tail = log_tail(&lab.state.site(&site.name).log_file());
        format!("--- {}: the last lines of its weft\n{tail}", site.name)
    });
    tails.collect::<Vec<_>>().join("\n")
}

fn log_tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].iter().map(|line| format!("  {line}\n")).collect()
        }
        Err(error) => format!("  (no log: {error})\n"),
    }
}
