//! The nftables ruleset of a router, as a script for `nft -f`. It is a pure function of the mesh file and the site.
//!
//! [`Ruleset`] is the whole script, which takes effect in one transaction. [`entry`] has the rules for packets that enter the mesh, and
//! [`exit`] those for packets that leave it; both use [`sources`]. [`overlay`] has the rules for Ethernet segments, and [`drops`] those
//! that count dropped packets. Routes and links do not change the ruleset: interfaces are matched by name, so that one that does not exist
//! yet is no error. No rule uses conntrack, because that would switch it on for all packets; [`untracked`] exempts control packets where
//! other rulesets have switched it on. Every chain accepts what it does not drop.

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
