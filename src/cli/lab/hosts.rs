//! `weft lab move`, and hosts of segments in `weft lab status`.

use anyhow::{Result, bail};
use vxlan::segment::Mobility;

use crate::control::{self, Request};
use crate::lab::cable;
use crate::lab::health::Health;
use crate::lab::layout::{HostPlan, Layout, SegmentPlan};
use crate::lab::state::State;
use crate::lab::up::Lab;
use crate::mesh::L2;

/// How weft learns that a host has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// By `weft move`, at the site where the host is now.
    Command,
    /// By itself.
    None,
}

/// Moves the cable of `host` into the switch of `site`.
pub(super) fn relocate(lab: &Lab, host: &str, site: &str, notice: Notice) -> Result<()> {
    let (segment, host) = find(&lab.layout, host)?;
    let l2 = lab.mesh.segments.iter().find(|l2| l2.name == segment.name);
    let pinned = l2.is_some_and(|l2| l2.segment.hosts[&host.mac].mobility == Mobility::Pinned);
    if pinned && notice == Notice::Command {
        bail!(
            "{} is pinned to {}: weft would refuse to move it (to see what becomes of it: --silent)",
            host.name,
            host.home
        );
    }
    {
        let _lock = State::lock()?;
        cable::replug(&lab.layout, segment, host, site)?;
    }
    super::super::say(format_args!("{} is plugged in at {site}", host.name));
    if notice == Notice::Command {
        let named = l2.and_then(|l2: &L2| l2.host_names.get(&host.mac)).cloned();
        let request =
            Request::Move { host: named.unwrap_or_else(|| host.mac.to_string()), site: site.to_owned(), force: false };
        control::ask::<()>(&lab.state.site(site).run_directory(), request)?;
    }
    Ok(())
}

/// Finds the host with this name, MAC or IP address.
fn find<'a>(layout: &'a Layout, text: &str) -> Result<(&'a SegmentPlan, &'a HostPlan)> {
    let (mac, address) = (text.parse().ok(), text.parse().ok());
    let meant = |(_, host): &(&SegmentPlan, &HostPlan)| {
        host.name == text || Some(host.mac) == mac || address.is_some_and(|address| host.addresses.contains(&address))
    };
    let found: Vec<_> = layout.hosts().filter(meant).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names: Vec<&str> = layout.hosts().map(|(_, host)| host.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            bail!("mesh {} has no host `{text}` on a segment; there are {names}", layout.mesh)
        }
        _ => {
            let names: Vec<&str> = found.iter().map(|(_, host)| host.name.as_str()).collect();
            bail!("`{text}` may be {}: say which by its name", names.join(" or "))
        }
    }
}

/// Finds a host of the segment that may move, another host that it can reach, and a site that is not its home.
pub(super) fn may_move<'a>(layout: &'a Layout, l2: &L2) -> Option<(&'a str, &'a str, &'a str)> {
    let segment = layout.segments.iter().find(|segment| segment.name == l2.name)?;
    let host = segment.hosts.iter().find(|host| l2.segment.hosts[&host.mac].mobility == Mobility::Movable)?;
    let other = segment.hosts.iter().find(|other| other.mac != host.mac)?;
    let site = segment.switches.keys().find(|site| **site != host.home)?;
    Some((&host.name, &other.name, site))
}

/// The column headings of [`rows`].
pub(super) const HEAD: [&str; 6] = ["HOST", "SEGMENT", "MAC", "ADDRESS", "PLUGGED IN AT", "ANSWERED BY"];

/// A row for each host.
pub(super) fn rows(layout: &Layout, health: &Health) -> impl Iterator<Item = [String; 6]> {
    health.hosts.iter().zip(layout.hosts()).map(|(host, (_, plan))| {
        let site = match &host.site {
            Some(site) if *site != host.home => format!("{site} (home {})", host.home),
            Some(site) => site.clone(),
            None => "no cable".to_owned(),
        };
        let address = plan.addresses.first().map_or_else(|| "-".to_owned(), ToString::to_string);
        let answers = format!("{} of {}", host.answers.present.len(), host.answers.expected());
        [host.host.clone(), host.segment.clone(), host.mac.clone(), address, site, answers]
    })
}
