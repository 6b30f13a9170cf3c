//! Decides which notifications matter: those about neighbour entries and FDB entries of segments, and those about links and addresses of
//! managed interfaces. A router on a busy LAN, or with a hundred containers, receives many others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader};
use netlink_packet_route::neighbour::NeighbourState;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::neighbors::{FoundForwarding, destination, forwarding};
use super::watch::Change;
use crate::net::IfName;
use crate::reconcile::state::Observed;

/// The managed interfaces: those that weft uses or has created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interfaces {
    /// The interfaces that the mesh file names or implies; `None` for all interfaces.
    pub managed: Option<BTreeSet<IfName>>,
    /// The indexes of those, and of the interfaces that weft has created, if they exist.
    indexes: BTreeSet<u32>,
}

impl Interfaces {
    /// Records the present indexes of the interfaces.
    pub fn find(&mut self, observed: &Observed) {
        let Self { managed: Some(managed), indexes } = self else { return };
        let overlay = &observed.state.overlay;
        let made = observed.state.links.keys().chain(overlay.devices.keys()).chain(overlay.bridges.keys());
        let names = managed.iter().chain(made).chain(overlay.ports.keys());
        *indexes = names.filter_map(|name| observed.indexes.get(name).copied()).collect();
    }

    /// Returns whether RTM_NEWLINK or RTM_DELLINK with this body is about one of them, by its previous or its present name. In doubt, the
    /// result is true.
    pub fn manage_link(&self, body: &[u8]) -> bool {
        /// Octets of `struct ifinfomsg`.
        const HEADER: usize = 16;
        let Some(managed) = &self.managed else { return true };
        let Some(index) = index_in(body) else { return true };
        let name = attribute(body.get(HEADER..).unwrap_or_default(), libc::IFLA_IFNAME);
        let name = name.and_then(|octets| std::str::from_utf8(octets).ok()).map(|name| name.trim_end_matches('\0'));
        name.and_then(IfName::new).is_none_or(|name| managed.contains(&name)) || self.indexes.contains(&index)
    }

    /// Returns whether RTM_NEWADDR or RTM_DELADDR with this body is about one of them.
    pub fn manage_address(&self, body: &[u8]) -> bool {
        self.managed.is_none() || index_in(body).is_none_or(|index| self.indexes.contains(&index))
    }

    /// Returns whether RTM_NEWNETCONF with this body is about the settings of one of them, or about those of all interfaces together.
    pub fn manage_settings(&self, body: &[u8]) -> bool {
        /// Octets of `struct netconfmsg`, padded.
        const HEADER: usize = 4;
        /// `<linux/netconf.h>`
        const NETCONFA_IFINDEX: u16 = 1;
        const NETCONFA_IFINDEX_ALL: i32 = -1;
        let index = attribute(body.get(HEADER..).unwrap_or_default(), NETCONFA_IFINDEX);
        let Some(index) = index.and_then(|octets| octets.try_into().ok()).map(i32::from_ne_bytes) else { return true };
        index == NETCONFA_IFINDEX_ALL
            || u32::try_from(index).is_ok_and(|index| self.managed.is_none() || self.indexes.contains(&index))
    }
}

/// Returns the index of the interface, which is at the same place in `struct ifinfomsg` and `struct ifaddrmsg`.
pub(super) fn index_in(body: &[u8]) -> Option<u32> {
    let octets = body.get(4..8)?;
    Some(u32::from_ne_bytes(octets.try_into().ok()?))
}

/// Returns the value of the first attribute of this type (`struct rtattr`).
pub(super) fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    const HEADER: usize = 4;
    loop {
        let header: &[u8; HEADER] = attributes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = attributes.get(HEADER..length)?;
        if u16::from_ne_bytes([header[2], header[3]]) == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// The interfaces and neighbour entries of segments, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attention {
    /// VXLAN devices, and bridges of ours.
    ours: BTreeSet<u32>,
    /// Ports that lead to hosts.
    ports: BTreeSet<u32>,
    /// Permanent neighbour entries on bridges of ours and on VXLAN devices.
    neighbors: BTreeSet<(u32, IpAddr)>,
}

impl Attention {
    /// Collects those that were observed.
    pub fn of(observed: &Observed) -> Self {
        let overlay = &observed.state.overlay;
        let index = |name| observed.indexes.get(name).copied();
        let ports = overlay.ports.iter().filter(|(_, bridge)| overlay.uses_bridge(bridge));
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

    /// Returns whether this has the same interfaces as the other. Then no notification of a new neighbour entry on them was missed.
    pub fn is_to_interfaces_of(&self, other: &Self) -> bool {
        (&self.ours, &self.ports) == (&other.ours, &other.ports)
    }

    /// Returns whether there are no segments.
    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    /// Returns what RTM_NEWNEIGH or RTM_DELNEIGH with this body means.
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
            // The neighbour entries that a gateway itself learns change all the time, by thousands when a host scans its network. Only
            // permanent entries are configured, and the notification that one is deleted does not contain its former state.
            let known = || destination(&message).is_some_and(|address| self.neighbors.contains(&(index, address)));
            let meant = message.header.state == NeighbourState::Permanent || known();
            return (meant && self.ours.contains(&index)).then_some(Change::Entries);
        }
        match forwarding(&message) {
            Some(FoundForwarding::Learned(_, mac, vlan)) if !gone && self.ports.contains(&index) => {
                Some(Change::Learned { port: index, mac, vlan })
            }
            _ if self.ours.contains(&index) => Some(Change::Entries),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::state::{Admin, Backend, Link};

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn link(index: u32, name: &str) -> Vec<u8> {
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        // An attribute before it, whose length is no multiple of four.
        body.extend([5, 0, 99, 0, 1, 0, 0, 0]);
        body.extend(u16::try_from(4 + name.len() + 1).unwrap().to_ne_bytes());
        body.extend(libc::IFLA_IFNAME.to_ne_bytes());
        body.extend(name.as_bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
        body
    }

    #[test]
    fn interfaces_are_known_by_name_and_by_index() {
        let mut interfaces = Interfaces { managed: Some([name("eth1"), name("lo")].into()), ..Interfaces::default() };
        let indexes = [(name("lo"), 1), (name("eth1"), 7), (name("veth9"), 9), (name("wg-old"), 11)].into();
        let mut observed = Observed { indexes, ..Observed::default() };
        let tunnel = Link { backend: Backend::Userspace, mtu: 1420, admin: Admin::Up };
        observed.state.links.insert(name("wg-old"), tunnel);
        interfaces.find(&observed);
        assert!(interfaces.manage_link(&link(7, "eth1")));
        assert!(interfaces.manage_link(&link(8, "eth1")), "made anew");
        assert!(interfaces.manage_link(&link(7, "renamed")), "it was eth1");
        assert!(interfaces.manage_link(&link(11, "wg-old")), "made by weft, though the file does not name it any more");
        assert!(!interfaces.manage_link(&link(9, "veth9")));
        assert!(interfaces.manage_address(&[2, 24, 0, 0, 7, 0, 0, 0]));
        assert!(!interfaces.manage_address(&[2, 24, 0, 0, 9, 0, 0, 0]));
    }

    #[test]
    fn settings_count_of_all_interfaces_together_and_of_those_of_weft() {
        let managed = Some([name("wg-a")].into());
        let mut interfaces = Interfaces { managed, ..Interfaces::default() };
        let indexes = [(name("wg-a"), 7), (name("veth9"), 9)].into();
        interfaces.find(&Observed { indexes, ..Observed::default() });
        // NETCONFA_FORWARDING comes after the index.
        let about = |index: i32| {
            let [index, off] = [index, 0].map(i32::to_ne_bytes);
            [&[2, 0, 0, 0][..], &[8, 0, 1, 0], &index, &[8, 0, 2, 0], &off].concat()
        };
        for (index, expected) in [(-1, true), (7, true), (-2, false), (9, false)] {
            assert_eq!(interfaces.manage_settings(&about(index)), expected, "{index}");
        }
        assert!(interfaces.manage_settings(&[2, 0, 0, 0, 8]), "what is cut counts");
    }

    #[test]
    fn what_is_cut_counts_and_so_does_everything_before_anything_is_said() {
        let interfaces = Interfaces { managed: Some(BTreeSet::new()), ..Interfaces::default() };
        let whole = link(9, "veth9");
        assert!(!interfaces.manage_link(&whole));
        for cut in 0..24 {
            assert!(interfaces.manage_link(&whole[..cut]), "{cut} octets");
        }
        assert!(interfaces.manage_address(&[2, 24, 0]));
        assert!(Interfaces::default().manage_link(&whole) && Interfaces::default().manage_address(&whole));
    }
}
