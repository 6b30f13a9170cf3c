//! Computes the desired state of the kernel, and the plan that leads from the observed state to it.
//!
//! [`state`] has the types of desired and observed state. [`routes`], [`rules`], [`uplinks`] and [`sysctls`] compute parts of the desired
//! state; [`carriers`] decides which listed prefixes are advertised; [`overlay`] is the part for Ethernet segments, and [`filter`] the
//! nftables ruleset. [`plan`](plan()) computes the [`Step`]s, and [`Attempts`] decides which of them have to wait. [`tunnels`] defines the
//! interface to the drivers of WireGuard. Nothing in this module does I/O.

mod attempts;
pub mod carriers;
pub mod fib;
pub mod filter;
pub mod overlay;
mod plan;
mod renames;
pub mod routes;
pub mod rules;
pub mod state;
mod step;
pub mod sysctls;
pub mod tunnels;
pub mod uplinks;

pub use attempts::Attempts;
pub use plan::{Applied, plan, plan_routes};
pub use renames::renames;
pub use step::Step;
