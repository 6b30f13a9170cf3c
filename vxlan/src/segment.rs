//! An Ethernet segment across sites, as it is configured: the same at every site.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use ipnetwork::Ipv4Network;

use crate::{Mac, Vni};

/// A site's end of the overlay (RFC 7348 §3, VTEP): the address that encapsulated frames are sent to and from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vtep(pub Ipv4Addr);

impl fmt::Display for Vtep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number on the wire.
    pub vni: Vni,
    /// What becomes of questions for a host's MAC address.
    pub resolution: Resolution,
    /// Frames to MAC addresses that the table does not have.
    pub unknown_unicast: UnknownUnicast,
    /// Frames to ff:ff:ff:ff:ff:ff, ARP excepted where [`Resolution`] keeps it.
    pub broadcast: Flooding,
    /// Frames to groups, neighbour discovery excepted where [`Resolution`] keeps it.
    pub multicast: Flooding,
    /// Whether a host that is seen at another site has moved there.
    pub learning: Learning,
    /// What becomes of the hosts of a site that cannot be reached.
    pub unreachable: Unreachable,
    /// Largest IP packet of its hosts, octets.
    pub mtu: u32,
    /// The routers' own address in the segment and its network, the same at every site, so that a host that moves keeps it.
    pub gateway: Option<Ipv4Network>,
    /// The sites that it spans.
    pub members: BTreeSet<Vtep>,
    /// The static table.
    pub hosts: BTreeMap<Mac, Host>,
}

/// A host of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where the table has it: a member.
    pub home: Vtep,
    /// Its IPv4 and IPv6 addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether it may move.
    pub mobility: Mobility,
}

/// Whether a host may be at another site than the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mobility {
    /// It may.
    #[default]
    Movable,
    /// It stays where the table has it, and whoever says otherwise is not believed.
    Pinned,
}

/// ARP and IPv6 neighbour discovery between sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// Hosts of the table are answered for where the question is asked; no other question leaves the site.
    #[default]
    Proxy,
    /// Hosts of the table are answered for where the question is asked; other questions are flooded.
    Suppress,
    /// Every question is flooded.
    Flood,
}

/// What becomes of unicast frames to nobody knows where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownUnicast {
    /// They stay at the site.
    #[default]
    Drop,
    /// They go to every site.
    Flood,
}

/// What becomes of frames to everybody, or to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flooding {
    /// They stay at the site.
    Drop,
    /// They go to every site, as many frames in a second as this; more are dropped.
    Flood(FrameRate),
}

/// Frames in a second.
pub type FrameRate = NonZeroU32;

/// Whether a MAC address of the table that is heard on a port of another site has moved there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Learning {
    /// It has not: hosts are moved by command only.
    #[default]
    Off,
    /// It has.
    On,
}

/// What becomes of the entries for hosts at a site that cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreachable {
    /// They go: nobody answers for the hosts until the site is back.
    #[default]
    Remove,
    /// They stay: questions are answered, and frames are lost, until the site is back.
    Keep,
}

impl Segment {
    /// Whether any frame may have to go to every site.
    pub fn floods(&self) -> bool {
        self.unknown_unicast == UnknownUnicast::Flood
            || [self.broadcast, self.multicast].into_iter().any(|flooding| flooding != Flooding::Drop)
    }

    /// The host with this address.
    pub fn host_with_address(&self, address: IpAddr) -> Option<(Mac, &Host)> {
        self.hosts.iter().find(|(_, host)| host.addresses.contains(&address)).map(|(mac, host)| (*mac, host))
    }
}
