//! From what should be to what is: desired state, observed state, and the plan between them.
//!
//! [`state`] has the types of both sides; [`routes`], [`rules`], [`uplinks`] and [`sysctls`] compute the parts of desired state that take thought,
//! [`carriers`] which listed prefixes are advertised;
//! [`overlay`] is the part of Ethernet segments, [`filter`] the nftables ruleset; [`plan`](plan()) gives the [`Step`]s, [`Attempts`] says which of them wait; [`tunnels`] says what WireGuard's drivers have to offer. Nothing here does I/O.

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
