//! The nftables ruleset of a router: a pure function of the mesh file and the site to a script for `nft -f`.
//!
//! [`Ruleset`] is the whole script, which takes effect in one transaction; [`overlay`] has the rules that Ethernet segments need.
//! No route and no link changes the ruleset: interfaces are matched by name, so one that does not exist yet is no error.

mod overlay;
mod ruleset;

pub use ruleset::{FAMILIES, Ruleset};
