//! Checks of the interfaces of segments at each site: bridges and ports must belong to no other segment, and must be nothing else that
//! weft makes or uses at the site.

use std::collections::BTreeMap;
use std::fmt;

use super::diagnostic::{Diagnostic, Span, quoted};
use super::model::{BridgeOwner, VlanId};
use super::names::{overlay_interface, tunnel_interface};
use super::reader::{At, Report};
use super::segment::{MemberDraft, SegmentDraft};
use super::site::SiteDraft;
use crate::net::IfName;

/// A use of an interface of a site.
#[derive(Debug, Clone)]
struct Use {
    role: Role,
    /// The position in the file that is the reason for it.
    span: Span,
}

/// The role of an interface in weft. Segments are in the words of messages.
#[derive(Debug, Clone)]
enum Role {
    /// The tunnel to the site of this name.
    Tunnel(String),
    /// The VXLAN device of the segment.
    Device(String),
    /// The bridge of the segment, which weft makes.
    Bridge(String),
    /// A bridge that weft does not make; the segment is the whole bridge, or this VLAN of it.
    Existing(String, Option<VlanId>),
    /// A `[[site.interface]]`.
    Own,
    /// A port of the segment.
    Port(String),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(site) => write!(f, "the tunnel to `{site}`"),
            Self::Device(segment) => write!(f, "the VXLAN device of segment {segment}"),
            Self::Bridge(segment) => write!(f, "the bridge of segment {segment}"),
            Self::Existing(segment, None) => write!(f, "the existing bridge of segment {segment}"),
            Self::Existing(segment, Some(vlan)) => write!(f, "the existing bridge of segment {segment} (VLAN {vlan})"),
            Self::Own => f.write_str("a `[[site.interface]]`"),
            Self::Port(segment) => write!(f, "a port of segment {segment}"),
        }
    }
}

impl Role {
    /// Whether one interface may have both roles: only segments that are different VLANs of one bridge may share it.
    fn goes_with(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Existing(_, Some(one)), Self::Existing(_, Some(other))) if one != other)
    }

    /// The text of a note at the position that is the reason for the role.
    fn note(&self) -> &'static str {
        match self {
            Self::Tunnel(_) => "this site's tunnel",
            Self::Device(_) => "this segment's device",
            Self::Bridge(_) | Self::Existing(..) => "its bridge",
            Self::Own => "has addresses of its own, which a port has not",
            Self::Port(_) => "first here",
        }
    }
}

/// The uses of interfaces, by name. Several segments may share a bridge that weft does not make.
type Uses = BTreeMap<IfName, Vec<Use>>;

/// Reports bridges and ports that have another use, or are listed twice.
pub(super) fn check(sites: &[SiteDraft<'_>], segments: &[SegmentDraft<'_>], report: &mut Report) {
    let names = || sites.iter().filter_map(|site| site.name.given());
    let tunnels: BTreeMap<IfName, At<&str>> = names().map(|name| (tunnel_interface(name.value), *name)).collect();
    let mut here: BTreeMap<&str, Vec<(&SegmentDraft<'_>, &MemberDraft<'_>)>> = BTreeMap::new();
    for segment in segments {
        for member in &segment.sites {
            let Some(name) = member.name.given() else { continue };
            let here = here.entry(name.value).or_default();
            // A site that is listed twice has been reported.
            if here.last().is_none_or(|(last, _)| last.span != segment.span) {
                here.push((segment, member));
            }
        }
    }
    for site in sites {
        if let Some(here) = site.written_name.and_then(|name| here.get(name)) {
            Interfaces { site, tunnels: &tunnels, uses: Uses::new() }.check(here, report);
        }
    }
}

/// The interfaces of one site.
struct Interfaces<'d, 'a> {
    site: &'d SiteDraft<'a>,
    /// The tunnels of all sites to all others.
    tunnels: &'d BTreeMap<IfName, At<&'a str>>,
    /// All uses except tunnels.
    uses: Uses,
}

impl Interfaces<'_, '_> {
    fn check(mut self, here: &[(&SegmentDraft<'_>, &MemberDraft<'_>)], report: &mut Report) {
        // If the devices of two segments have the same name, their bridges do as well by default, and it has been reported.
        let mut distinct = here.to_vec();
        distinct.retain(|(segment, _)| self.add_device(segment));
        for (segment, member) in distinct {
            if let Some(bridge) = member.bridge(segment) {
                let (role, help) = match member.owner() {
                    None => continue,
                    Some(BridgeOwner::Weft) => (
                        Role::Bridge(segment.called()),
                        "write a name that nothing else has, as in `bridge = \"br-vms\"`: weft makes the bridge",
                    ),
                    Some(BridgeOwner::Others { vlan }) => (
                        Role::Existing(segment.called(), vlan),
                        "name a bridge that nothing else uses; segments may share one that filters VLANs, if each has a `vlan` of its \
                         own",
                    ),
                };
                self.give(bridge, role, help, report);
            }
        }
        self.check_own(report);
        for (segment, member) in here {
            for port in &member.ports {
                let help = "name interfaces that hosts of this segment are behind, each once";
                self.give(port.clone(), Role::Port(segment.called()), help, report);
            }
        }
    }

    /// Adds the VXLAN device of `segment`. Returns whether its name is unique.
    fn add_device(&mut self, segment: &SegmentDraft<'_>) -> bool {
        let Some(name) = segment.name.given() else { return true };
        let device = Use { role: Role::Device(segment.called()), span: name.span };
        self.uses.insert(overlay_interface(name.value), vec![device]).is_none()
    }

    /// Checks the site's own interfaces. OSPF may run on a bridge, where it reaches the segment; on a port of a bridge it would receive
    /// nothing. `identity` checks that an interface of the site's own is not a tunnel.
    fn check_own(&mut self, report: &mut Report) {
        for name in self.site.interfaces.iter().filter_map(|interface| interface.name.given()) {
            match self.uses.get(&name.value).and_then(|uses| uses.first()) {
                Some(Use { role: device @ Role::Device(_), span }) => {
                    let title = format!("{} is {device}", quoted(name.value.as_str()));
                    report.push(
                        Diagnostic::error(name.span, title, "not an interface of the site's own")
                            .note(*span, device.note())
                            .help("a `[[site.interface]]` may be the bridge of a segment"),
                    );
                }
                Some(_) => {}
                None => {
                    self.uses.insert(name.value.clone(), vec![Use { role: Role::Own, span: name.span }]);
                }
            }
        }
    }

    /// Gives `interface` the role `role`, or reports the role that it already has.
    fn give(&mut self, interface: At<IfName>, role: Role, help: &str, report: &mut Report) {
        match self.find(&interface.value, &role) {
            Some(before) => {
                let title = format!("{} cannot be {role}", quoted(interface.value.as_str()));
                let label = format!("at site {} it is already {}", self.site.called(), before.role);
                report.push(
                    Diagnostic::error(interface.span, title, label).note(before.span, before.role.note()).help(help),
                );
            }
            None => {
                self.uses.entry(interface.value).or_default().push(Use { role, span: interface.span });
            }
        }
    }

    /// A use of `interface` that excludes `role`.
    fn find(&self, interface: &IfName, role: &Role) -> Option<Use> {
        let tunnel = self.tunnels.get(interface).filter(|peer| Some(peer.value) != self.site.written_name);
        let tunnel = tunnel.map(|peer| Use { role: Role::Tunnel(peer.value.to_owned()), span: peer.span });
        let mut uses = self.uses.get(interface).into_iter().flatten();
        tunnel.or_else(|| uses.find(|before| !before.role.goes_with(role)).cloned())
    }
}
