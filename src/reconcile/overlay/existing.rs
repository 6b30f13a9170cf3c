//! Bridges that somebody else makes and a segment uses: whether it can, and what is on them.
//!
//! Of such a bridge weft changes nothing. The VXLAN device is made so that the kernel has nothing to adapt either when it becomes a
//! port: its MTU is no smaller than the bridge's, which follows the smallest of its ports, and its address is greater than any other, for
//! a bridge takes the least of its ports'. A bridge without other ports would take both from it, and is left alone.

use std::fmt;

use vxlan::{Mac, Vni};

use crate::mesh::{IfName, L2Site, VlanId};
use crate::reconcile::state::{Admin, Observed};

/// A bridge that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignBridge {
    /// Octets.
    pub mtu: u32,
    /// Whether it keeps VLANs apart (`vlan_filtering`).
    pub vlan_filtering: bool,
    /// Whether frames can cross.
    pub admin: Admin,
}

/// VLANs that a port of a bridge is a member of, in the kernel's order.
pub type PortVlans = Vec<VlanRange>;

/// Consecutive VLANs that a port is a member of in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    /// The first VLAN identifier.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// Whether frames that come in without a tag belong to it.
    pub pvid: bool,
    /// Whether its frames go out without a tag.
    pub untagged: bool,
}

impl VlanRange {
    /// The membership of a port that knows one VLAN, and no tags.
    pub fn access(vlan: VlanId) -> Self {
        Self { first: vlan.value(), last: vlan.value(), pvid: true, untagged: true }
    }
}

/// How frames of a segment look on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagging {
    /// The VLAN whose tag frames may have that come in.
    pub tag: Option<VlanId>,
    /// Whether frames without a tag that come in are the segment's.
    pub untagged_in: bool,
    /// Whether frames go out without a tag.
    pub untagged_out: bool,
}

impl Tagging {
    /// Of a bridge that knows no VLANs.
    pub const NONE: Self = Self { tag: None, untagged_in: true, untagged_out: true };
}

/// The ports that hosts of a segment are behind at a site, and how its frames look there: of a bridge of weft's those that the mesh
/// file lists, of another all that it has.
pub fn ports(site: &L2Site, observed: &Observed) -> Vec<(IfName, Tagging)> {
    if !site.is_on_existing_bridge() {
        return site.ports.iter().map(|port| (port.clone(), Tagging::NONE)).collect();
    }
    let joined = observed.state.overlay.ports.iter().filter(|(_, bridge)| **bridge == site.bridge);
    let tagging = |port: &IfName| match site.vlan() {
        None => Some(Tagging::NONE),
        Some(vlan) => {
            let mut vlans = observed.vlans.get(port).into_iter().flatten();
            let range = vlans.find(|range| (range.first..=range.last).contains(&vlan.value()))?;
            Some(Tagging { tag: Some(vlan), untagged_in: range.pvid, untagged_out: range.untagged })
        }
    };
    joined.filter_map(|(port, _)| Some((port.clone(), tagging(port)?))).collect()
}

/// The address of a VXLAN device on a bridge that is not ours. No frame has it for its source.
pub fn highest_address(vni: Vni) -> Mac {
    let [_, high, middle, low] = vni.value().to_be_bytes();
    Mac::try_from([0xfe, 0xff, 0xff, high, middle, low]).expect("an even first octet that is not zero")
}

/// The MTU that a segment's VXLAN device has to have on this bridge. `present` is what it has there already.
pub(super) fn device_mtu(segment: u32, bridge: ForeignBridge, present: Option<u32>) -> u32 {
    // It is never lowered: a bridge whose other ports have a small MTU for a while gets its own back.
    segment.max(bridge.mtu).max(present.unwrap_or_default())
}

/// Why a segment cannot use a bridge now. It waits until it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// There is no such interface.
    Missing,
    /// An older mesh file had weft make it.
    Ours,
    /// It is another kind of interface.
    NoBridge,
    /// It keeps VLANs apart, and the mesh file does not say which one the segment is.
    FiltersVlans,
    /// It does not, and the mesh file names one.
    FiltersNoVlans(VlanId),
    /// Nothing else is joined to it.
    NoPort,
}

/// Whether the segment can use the existing bridge of this site; the bridge.
///
/// # Errors
/// If it has to wait.
pub fn usable(site: &L2Site, observed: &Observed) -> Result<ForeignBridge, Unusable> {
    let name = &site.bridge;
    if observed.state.overlay.bridges.contains_key(name) {
        return Err(Unusable::Ours);
    }
    let Some(bridge) = observed.foreign.bridges.get(name).copied() else {
        let there = observed.indexes.contains_key(name);
        return Err(if there { Unusable::NoBridge } else { Unusable::Missing });
    };
    match (bridge.vlan_filtering, site.vlan()) {
        (true, None) => Err(Unusable::FiltersVlans),
        (false, Some(vlan)) => Err(Unusable::FiltersNoVlans(vlan)),
        _ if !observed.state.overlay.ports.values().any(|joined| joined == name) => Err(Unusable::NoPort),
        _ => Ok(bridge),
    }
}

impl Unusable {
    /// What it is, and what would be right, about the bridge of this name.
    pub fn explain(&self, bridge: &IfName) -> String {
        match self {
            Self::Missing => format!(
                "there is no bridge {bridge}, and weft makes none where `existing_bridge` names it: make it, or leave \
                 `existing_bridge` out"
            ),
            Self::Ours => format!(
                "bridge {bridge} was made by weft, which removes it: make one of this name, or write `bridge` in the place of \
                 `existing_bridge`"
            ),
            Self::NoBridge => format!("{bridge} is no bridge: name one in `existing_bridge`"),
            Self::FiltersVlans => format!(
                "bridge {bridge} filters VLANs: say in the mesh file which one the segment is, as in `vlan = 1` for hosts without a \
                 tag where the bridge has its default"
            ),
            Self::FiltersNoVlans(vlan) => format!(
                "bridge {bridge} does not filter VLANs, and the segment is its VLAN {vlan}: leave `vlan` out, or turn filtering on \
                 with `ip link set {bridge} type bridge vlan_filtering 1`"
            ),
            Self::NoPort => format!(
                "bridge {bridge} has no port: weft joins it when it has one, for a bridge without others would take the address of \
                 weft's"
            ),
        }
    }
}

/// What keeps frames from crossing although the device is a port of the bridge.
pub fn obstacles(site: &L2Site, device: &IfName, observed: &Observed) -> Vec<String> {
    let name = &site.bridge;
    let Ok(bridge) = usable(site, observed) else { return Vec::new() };
    let mut obstacles = Vec::new();
    if bridge.admin == Admin::Down {
        obstacles.push(format!("bridge {name} is down: set it up with `ip link set {name} up`"));
    }
    if let Some(state) = observed.held_back.get(device) {
        obstacles.push(format!(
            "the spanning tree of bridge {name} has port {device} in state {state}: frames cross when it is forwarding, after twice \
             the bridge's forward delay; where no loop is possible, `ip link set {name} type bridge stp_state 0` does without"
        ));
    }
    obstacles
}

/// State of a port that a spanning tree lets no frames through (IEEE 802.1D §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// It takes part in the spanning tree only.
    Listening,
    /// It learns where hosts are.
    Learning,
    /// It would make a loop.
    Blocking,
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listening => "listening",
            Self::Learning => "learning",
            Self::Blocking => "blocking",
        })
    }
}
