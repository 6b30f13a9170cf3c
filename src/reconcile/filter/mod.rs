//! The nftables ruleset of a router: a pure function of the mesh file and the site to a script for `nft -f`.
//!
//! [`Ruleset`] is the whole script, which takes effect in one transaction. [`entry`] has the rules for packets that enter the mesh,
//! [`exit`] for those that leave it, both by [`sources`]; [`overlay`] those of Ethernet segments; [`drops`] says how dropped packets
//! are counted. No route and no link changes the ruleset: interfaces are matched by name, so one that does not exist yet is no error.
//! No rule uses conntrack, which would be switched on for all packets; [`untracked`] keeps control packets away from it where others have.
//! Every chain accepts what it does not drop.

mod drops;
mod entry;
mod exit;
mod overlay;
mod ranges;
mod ruleset;
mod sources;
#[cfg(test)]
mod tests;
mod untracked;

pub use drops::{Reason, SAMPLES, is_filled_by_packets};
pub use ruleset::{FAMILIES, Ruleset};
