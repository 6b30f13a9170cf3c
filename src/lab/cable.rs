//! The cables of hosts on segments. One end of a cable is the host's; the other is in the switch of a site, and can be moved into another
//! switch. The kernel stores the location: the end is in the namespace of the switch.

use anyhow::{Context, Result, bail};

use super::announce::announce;
use super::layout::{HostPlan, Layout, SegmentPlan};
use super::netlink::{LinkRow, Netlink};
use super::netns::Namespace;
use super::segment_link;

/// The site whose switch the host is plugged into; `None` if it has no cable.
pub fn plugged_at(segment: &SegmentPlan, host: &HostPlan) -> Result<Option<String>> {
    Ok(find(segment, host)?.map(|end| end.site.to_owned()))
}

/// Moves the host's cable into the switch of `site`, and announces the host there. The host's end of the cable does not change, so the host
/// keeps its addresses and connections.
///
/// # Errors
/// If the segment has no switch there, or the host has no cable.
pub fn replug(layout: &Layout, segment: &SegmentPlan, host: &HostPlan, site: &str) -> Result<()> {
    let end =
        find(segment, host)?.with_context(|| format!("{} has no cable; `weft lab up` gives it one", host.name))?;
    put(layout, segment, host, end, site)?;
    announce(&Namespace::existing(&host.namespace)?, HostPlan::interface().as_str(), host.mac)
}

/// Connects the host by a cable to its site in the mesh file, if it has none. A cable that was moved stays where it is, unless the mesh
/// file has been changed since and places the host at another site.
pub fn connect(layout: &Layout, segment: &SegmentPlan, host: &HostPlan) -> Result<()> {
    let namespace = Namespace::existing(&host.namespace)?;
    let mut netlink = Netlink::open(&namespace)?;
    let interface = HostPlan::interface();
    let near = netlink.link(interface.as_str())?;
    if near.as_ref().is_some_and(|near| !near.ours) {
        bail!("{interface} in {} exists and was not made by the lab; remove it", host.namespace);
    }
    let far = find(segment, host)?;
    let (end, site) = match (near, far) {
        (Some(near), Some(far)) if is_of(host, &near.alias) && is_of(host, &far.link.alias) => {
            let site = if far.link.alias == alias(host) { far.site } else { host.home.as_str() };
            (far, site)
        }
        (near, far) => {
            // One end is missing, or creating the pair was interrupted before it was labelled.
            near.map_or(Ok(()), |near| netlink.delete_link(&near))?;
            far.map_or(Ok(()), |mut far| far.netlink.delete_link(&far.link))?;
            netlink.add_veth(interface.as_str(), host.cable.as_str(), &switch(segment, &host.home)?)?;
            (find(segment, host)?.context("the new cable vanished")?, host.home.as_str())
        }
    };
    // The switch's end is labelled last: its label is the one that counts.
    segment_link::configure(&namespace, &mut netlink, &layout.nodes[&host.namespace], &interface)?;
    netlink.bring_up(interface.as_str(), Some(&alias(host)))?;
    let moves = end.site != site;
    put(layout, segment, host, end, site)?;
    if moves { announce(&namespace, interface.as_str(), host.mac) } else { Ok(()) }
}

/// The end of a cable in a switch.
struct End<'a> {
    site: &'a str,
    netlink: Netlink,
    link: LinkRow,
}

fn find<'a>(segment: &'a SegmentPlan, host: &HostPlan) -> Result<Option<End<'a>>> {
    for (site, namespace) in &segment.switches {
        let mut netlink = Netlink::open(&Namespace::existing(namespace)?)?;
        if let Some(link) = netlink.link(host.cable.as_str())?.filter(|link| link.ours) {
            return Ok(Some(End { site, netlink, link }));
        }
    }
    Ok(None)
}

fn switch(segment: &SegmentPlan, site: &str) -> Result<Namespace> {
    match segment.switches.get(site) {
        Some(namespace) => Namespace::existing(namespace),
        None => {
            let sites: Vec<&str> = segment.switches.keys().map(String::as_str).collect();
            bail!(
                "segment {} has no port at site `{site}` to plug a host into; it has at {}",
                segment.name,
                sites.join(", ")
            )
        }
    }
}

fn put(layout: &Layout, segment: &SegmentPlan, host: &HostPlan, mut end: End<'_>, site: &str) -> Result<()> {
    let namespace = switch(segment, site)?;
    if end.site != site {
        end.netlink.move_to(&end.link, &namespace)?;
    }
    let mut netlink = Netlink::open(&namespace)?;
    segment_link::configure(&namespace, &mut netlink, &layout.nodes[namespace.name()], &host.cable)?;
    netlink.bring_up(host.cable.as_str(), Some(&alias(host)))
}

/// The label of both ends of a cable: the host that it belongs to, and the host's site in the mesh file when that was last read.
fn alias(host: &HostPlan) -> String {
    format!("{}{}", label(host), host.home)
}

fn label(host: &HostPlan) -> String {
    format!("lab cable {}:{} home ", host.namespace, HostPlan::interface())
}

fn is_of(host: &HostPlan, alias: &str) -> bool {
    alias.starts_with(&label(host))
}
