//! Cuts the path between two sites: rules in the network between them drop the packets from one to the other. The sites' interfaces stay
//! up, so only a protocol notices the cut.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;

use super::layout::{Layout, SitePlan};
use super::netlink::{Blackhole, Netlink};
use super::netns::Namespace;

/// Drops all packets between two sites, in both directions, IPv4 and IPv6.
pub fn cut(layout: &Layout, a: &SitePlan, b: &SitePlan) -> Result<()> {
    let mut netlink = middle(layout)?;
    rules(a, b).into_iter().try_for_each(|rule| netlink.add_blackhole(rule))
}

/// Lets packets between two sites pass again.
pub fn heal(layout: &Layout, a: &SitePlan, b: &SitePlan) -> Result<()> {
    let mut netlink = middle(layout)?;
    rules(a, b).into_iter().try_for_each(|rule| netlink.delete_blackhole(rule))
}

/// Lets packets between all sites pass again.
pub fn heal_all(layout: &Layout) -> Result<()> {
    let mut netlink = middle(layout)?;
    netlink.blackholes()?.into_iter().try_for_each(|rule| netlink.delete_blackhole(rule))
}

/// The pairs of sites that are cut, by name, the site with the lower id first.
pub fn cuts(layout: &Layout) -> Result<BTreeSet<(String, String)>> {
    let site_of = |address: IpAddr| layout.sites.iter().position(|site| site.underlay.contains(&address));
    let pairs = middle(layout)?.blackholes()?.into_iter().filter_map(|rule| {
        let (from, to) = (site_of(rule.from)?, site_of(rule.to)?);
        Some((layout.sites[from.min(to)].name.clone(), layout.sites[from.max(to)].name.clone()))
    });
    Ok(pairs.collect())
}

fn middle(layout: &Layout) -> Result<Netlink> {
    Netlink::open(&Namespace::existing(&layout.network())?)
}

fn rules(a: &SitePlan, b: &SitePlan) -> Vec<Blackhole> {
    let mut rules = Vec::new();
    for &from in &a.underlay {
        for &to in b.underlay.iter().filter(|to| to.is_ipv4() == from.is_ipv4()) {
            rules.extend([Blackhole { from, to }, Blackhole { from: to, to: from }]);
        }
    }
    rules
}
