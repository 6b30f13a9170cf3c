//! The configuration of an Ethernet segment across sites, which is the same at every site.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use ipnetwork::Ipv4Network;

use crate::{Mac, Vni};

/// A site's end of the overlay (RFC 7348 §3, VTEP): the source and destination address of encapsulated frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vtep(pub Ipv4Addr);

impl fmt::Display for Vtep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The configuration of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its VNI.
    pub vni: Vni,
    /// How ARP requests and neighbour solicitations are handled.
    pub resolution: Resolution,
    /// How frames to MAC addresses that are not in the table are handled.
    pub unknown_unicast: UnknownUnicast,
    /// How frames to ff:ff:ff:ff:ff:ff are handled, except ARP that [`Resolution`] keeps at the site.
    pub broadcast: Flooding,
    /// How frames to groups are handled, except neighbour discovery that [`Resolution`] keeps at the site.
    pub multicast: Flooding,
    /// Whether a host moves to another site when it is seen there.
    pub learning: Learning,
    /// What happens to the entries of hosts at an unreachable site.
    pub unreachable: Unreachable,
    /// The largest IP packet of its hosts, in octets.
    pub mtu: u32,
    /// The routers' address in the segment and its network. It is the same at every site, so that a host that moves keeps its gateway.
    pub gateway: Option<Ipv4Network>,
    /// The sites that the segment spans.
    pub members: BTreeSet<Vtep>,
    /// The static table of hosts.
    pub hosts: BTreeMap<Mac, Host>,
}

/// A host of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its site in the table, which is a member of the segment.
    pub home: Vtep,
    /// Its IPv4 and IPv6 addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether it may move.
    pub mobility: Mobility,
}

/// Whether a host may be at another site than the one in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mobility {
    /// It may move.
    #[default]
    Movable,
    /// It stays at its site in the table; claims of another location are refused.
    Pinned,
}

/// How ARP requests and IPv6 neighbour solicitations are handled between sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// The site where the request is made answers for hosts of the table; other requests do not leave the site.
    #[default]
    Proxy,
    /// The site where the request is made answers for hosts of the table; other requests are flooded.
    Suppress,
    /// All requests are flooded.
    Flood,
}

/// How unicast frames to an unknown MAC address are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownUnicast {
    /// They stay at the site.
    #[default]
    Drop,
    /// They go to every site.
    Flood,
}

/// How broadcast or multicast frames are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flooding {
    /// They stay at the site.
    Drop,
    /// They go to every site, up to this rate; frames above it are dropped.
    Flood(FrameRate),
}

/// Frames per second.
pub type FrameRate = NonZeroU32;

/// Whether a host of the table moves to another site when a frame from it arrives on a port there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Learning {
    /// The site does not learn: hosts are moved by command only.
    #[default]
    Off,
    /// The site learns.
    On,
}

/// What happens to the entries of hosts at an unreachable site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreachable {
    /// They are removed: nobody answers for the hosts until the site is reachable again.
    #[default]
    Remove,
    /// They are kept: requests are answered, and frames are lost, until the site is reachable again.
    Keep,
}

impl Segment {
    /// Whether any kind of frame is flooded to all sites.
    pub fn floods(&self) -> bool {
        self.unknown_unicast == UnknownUnicast::Flood
            || [self.broadcast, self.multicast].into_iter().any(|flooding| flooding != Flooding::Drop)
    }

    /// The host of the table with this IP address.
    pub fn host_with_address(&self, address: IpAddr) -> Option<(Mac, &Host)> {
        self.hosts.iter().find(|(_, host)| host.addresses.contains(&address)).map(|(mac, host)| (*mac, host))
    }
}
