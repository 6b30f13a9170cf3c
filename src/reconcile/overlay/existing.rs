//! Existing bridges that weft does not create and a segment uses: whether the segment can use one, and the VLANs of its ports.
//!
//! Weft changes nothing of such a bridge. It also creates the VXLAN device so that the kernel adapts nothing when the device becomes a
//! port. Its MTU is not smaller than the bridge's, which follows the smallest MTU of the ports. Its address is higher than all others,
//! because a bridge takes the lowest address of its ports. A bridge without other ports would take both from the device, so it is not used.

use std::fmt;

use vxlan::{Mac, Vni};

use crate::mesh::{L2Site, VlanId};
use crate::net::IfName;
use crate::reconcile::state::{Admin, Observed};

/// A foreign bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignBridge {
    /// MTU in octets.
    pub mtu: u32,
    /// Whether it filters VLANs (`vlan_filtering`).
    pub vlan_filtering: bool,
    /// Administrative state.
    pub admin: Admin,
}

/// VLANs that a port of a bridge is a member of, in the kernel's order.
pub type PortVlans = Vec<VlanRange>;

/// Consecutive VLANs that a port is a member of in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    /// The first VLAN identifier.
    pub first: u16,
    /// The last VLAN identifier.
    pub last: u16,
    /// Whether received frames without a tag belong to it.
    pub pvid: bool,
    /// Whether its frames are sent without a tag.
    pub untagged: bool,
}

impl VlanRange {
    /// The membership of a port that is in one VLAN, and receives and sends frames without a tag.
    pub fn access(vlan: VlanId) -> Self {
        Self { first: vlan.value(), last: vlan.value(), pvid: true, untagged: true }
    }
}

/// How frames of a segment are tagged on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagging {
    /// The VLAN in the tag that received frames may have.
    pub tag: Option<VlanId>,
    /// Whether received frames without a tag belong to the segment.
    pub untagged_in: bool,
    /// Whether frames are sent without a tag.
    pub untagged_out: bool,
}

impl Tagging {
    /// The tagging on a bridge that does not filter VLANs.
    pub const NONE: Self = Self { tag: None, untagged_in: true, untagged_out: true };
}

/// Returns the ports that lead to hosts of a segment at a site, and how its frames are tagged there. On a bridge of weft these are the
/// ports that the mesh file lists, on another bridge all its ports.
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

/// Returns the address of a VXLAN device on a foreign bridge. No frame has it as its source.
pub fn highest_address(vni: Vni) -> Mac {
    let [_, high, middle, low] = vni.value().to_be_bytes();
    Mac::try_from([0xfe, 0xff, 0xff, high, middle, low]).expect("an even first octet that is not zero")
}

/// Returns the MTU that a segment's VXLAN device needs on this bridge. `present` is the MTU that it already has there.
pub(super) fn device_mtu(segment: u32, bridge: ForeignBridge, present: Option<u32>) -> u32 {
    // It is never lowered: if the other ports of a bridge have a small MTU for a while, the bridge gets its own MTU back afterwards.
    segment.max(bridge.mtu).max(present.unwrap_or_default())
}

/// Why a segment cannot use a bridge at present. The segment waits until it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// The bridge does not exist.
    Missing,
    /// weft created it for an older mesh file.
    Ours,
    /// It is an interface of another kind.
    NoBridge,
    /// It filters VLANs, and the mesh file does not say which VLAN the segment is.
    FiltersVlans,
    /// It does not filter VLANs, and the mesh file says which VLAN the segment is.
    FiltersNoVlans(VlanId),
    /// It has no other port.
    NoPort,
}

/// Returns the existing bridge of this site if the segment can use it.
///
/// # Errors
/// If the segment has to wait.
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
    /// Describes the reason, and what the operator can do about it, for the bridge of this name.
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

/// Describes what keeps frames from crossing although the device is a port of the bridge.
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

/// State of a port that the spanning tree does not forward frames through (IEEE 802.1D §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// It only takes part in the spanning tree.
    Listening,
    /// It also learns MAC addresses.
    Learning,
    /// It would close a loop.
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
