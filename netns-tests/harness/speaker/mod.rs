//! The implementations under one interface: a plan's router as a running process.

mod bird;
mod frr;
mod weft;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::net::plan::{Plan, Router, Speaker};

/// How long a daemon may take until it answers.
const START: Duration = Duration::from_secs(20);

/// A router's process, or the place of one that is dead.
pub trait Daemon {
    /// Starts it and returns when it answers.
    fn start(&mut self) -> Result<()>;
    /// SIGKILL: no farewell.
    fn kill(&mut self) -> Result<()>;
    /// Ends it in good order: SIGTERM.
    fn stop(&mut self) -> Result<()>;
    /// Ends it so that it may start again gracefully (RFC 3623), its routes left in the kernel.
    fn stop_gracefully(&mut self) -> Result<()>;
    /// Gives the running process the configuration that `router` has in `plan` now, and returns when it has taken it.
    fn reload(&mut self, plan: &Plan, router: &Router) -> Result<()>;
    /// Its neighbours.
    fn neighbors(&self) -> Result<Vec<Neighbor>>;
    /// Where its configuration and its logs are.
    fn dir(&self) -> &Path;
    /// All that it has logged.
    fn log(&self) -> Result<String>;
    /// For failures: what it has to say of itself.
    fn evidence(&self) -> String;
    /// The answer to a question in the implementation's own words.
    fn ask(&self, question: &str) -> Result<String>;
}

/// A neighbour as a router sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbor {
    pub router_id: Ipv4Addr,
    pub interface: String,
    /// `Full`, `2-Way` …
    pub state: String,
    /// The neighbour's part on a LAN, where this implementation says it.
    pub role: Option<Role>,
    /// Since when it has been in this state, where this implementation says it.
    pub in_state: Option<Duration>,
    /// LSAs that it has not acknowledged, where this implementation says it.
    pub unacknowledged: Option<u64>,
}

/// Parts on a LAN (RFC 2328 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Designated,
    Backup,
    Other,
}

/// The router of the plan, configured in namespace `netns` and not yet started.
pub fn daemon(plan: &Plan, router: &Router, netns: &str) -> Result<Box<dyn Daemon>> {
    Ok(match router.speaker {
        Speaker::Weft => Box::new(weft::Weft::new(plan, router, netns)?),
        Speaker::Frr => Box::new(frr::FrrRouter::new(plan, router, netns)?),
        Speaker::Bird => Box::new(bird::Bird::new(plan, router, netns)?),
    })
}

/// The role in "Full/DR", FRR's and BIRD's way to write it.
fn role(state: &str) -> Option<Role> {
    match state.split_once('/')?.1.trim() {
        "DR" => Some(Role::Designated),
        "BDR" | "Backup" => Some(Role::Backup),
        "DROther" | "Other" => Some(Role::Other),
        _ => None,
    }
}

/// "Full" of "Full/DR".
fn state(state: &str) -> String {
    state.split('/').next().unwrap_or(state).trim().to_owned()
}
