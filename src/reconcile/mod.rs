//! Computes the desired state of the kernel, and the plan that leads from the observed state to it.
//!
//! [`state`] has the types of desired and observed state. [`routes`], [`rules`], [`uplinks`] and [`sysctls`] compute parts of the desired
//! state; [`carriers`] decides which listed prefixes are advertised; [`overlay`] is the part for Ethernet segments, and [`filter`] the
//! nftables ruleset. [`plan`](plan()) computes the [`Step`]s; [`Planner`] decides which of them have to wait, and takes note of what came of
//! them. [`tunnels`] defines the interface to the drivers of WireGuard. Nothing in this module does I/O.

mod attempts;
pub mod carriers;
mod check;
mod dependencies;
pub mod fib;
pub mod filter;
pub mod overlay;
mod plan;
mod planner;
mod renames;
pub mod routes;
pub mod rules;
pub mod state;
mod step;
pub mod sysctls;
pub mod tunnels;
pub mod uplinks;

pub use attempts::Attempts;
pub use dependencies::Missing;
pub use plan::{Applied, plan, plan_routes};
pub use planner::{Failure, Outcome, Plan, Planner};
pub use renames::{renamed, renames};
pub use step::Step;
