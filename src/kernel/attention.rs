//! Which notifications about neighbours and forwarding entries matter: those of segments. A router on a busy LAN gets many others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader};
use netlink_packet_route::neighbour::NeighbourState;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::neighbors::{FoundForwarding, destination, forwarding};
use super::watch::Change;
use crate::reconcile::state::Observed;

/// The interfaces of segments, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attention {
    /// VXLAN devices and bridges.
    ours: BTreeSet<u32>,
    /// What hosts are behind.
    ports: BTreeSet<u32>,
    /// Permanent neighbours on bridges.
    neighbors: BTreeSet<(u32, IpAddr)>,
}

impl Attention {
    /// To what was observed.
    pub fn of(observed: &Observed) -> Self {
        let overlay = &observed.state.overlay;
        let index = |name| observed.indexes.get(name).copied();
        let ports = overlay.ports.iter().filter(|(_, bridge)| overlay.bridges.contains_key(*bridge));
        Self {
            ours: overlay.devices.keys().chain(overlay.bridges.keys()).filter_map(index).collect(),
            ports: ports.filter_map(|(port, _)| index(port)).collect(),
            neighbors: overlay
                .neighbors
                .keys()
                .filter_map(|(bridge, address)| Some((index(bridge)?, *address)))
                .collect(),
        }
    }

    /// Whether it is to the same interfaces. New neighbours on them have been heard of.
    pub fn is_to_interfaces_of(&self, other: &Self) -> bool {
        (&self.ours, &self.ports) == (&other.ours, &other.ports)
    }

    /// Whether there are no segments.
    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    /// What RTM_NEWNEIGH or RTM_DELNEIGH with this body means.
    pub fn change_of(&self, kind: u16, body: &[u8]) -> Option<Change> {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        let (RouteNetlinkMessage::NewNeighbour(message) | RouteNetlinkMessage::DelNeighbour(message)) =
            RouteNetlinkMessage::deserialize(&header, body).ok()?
        else {
            return None;
        };
        let index = message.header.ifindex;
        let gone = kind == libc::RTM_DELNEIGH;
        if message.header.family != AddressFamily::Bridge {
            // What a gateway itself asks and hears comes and goes, thousands at a time where somebody scans its network; only
            // permanent neighbours are anybody's doing, and a message about one's end does not say what it was.
            let known = || destination(&message).is_some_and(|address| self.neighbors.contains(&(index, address)));
            let meant = message.header.state == NeighbourState::Permanent || known();
            return (meant && self.ours.contains(&index)).then_some(Change::Entries);
        }
        match forwarding(&message) {
            Some(FoundForwarding::Heard(_, mac)) if !gone && self.ports.contains(&index) => {
                Some(Change::Heard { port: index, mac })
            }
            _ if self.ours.contains(&index) => Some(Change::Entries),
            _ => None,
        }
    }
}
