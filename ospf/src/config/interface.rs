//! Interfaces (RFC 2328 appendix C.3).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::authentication::Authentication;
use crate::ids::{AreaId, Prefix, RouterId};

/// One interface (RFC 2328 §9 and appendix C.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "crate::serial::blank_interface"))]
pub struct InterfaceConfig {
    /// The name for events and shows.
    pub name: String,
    /// The area it belongs to.
    pub area: AreaId,
    /// The kind of network.
    pub network: NetworkType,
    /// Router Priority: 0 = never the designated router. Of no meaning where none is elected.
    pub priority: u8,
    /// Passive: its network is advertised, no packet is sent or taken.
    pub passive: bool,
    /// Interface output cost, 1..=65535.
    pub cost: u16,
    /// HelloInterval, whole seconds.
    pub hello_interval: Duration,
    /// RouterDeadInterval, whole seconds.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, whole seconds.
    pub transmit_delay: Duration,
    /// Accept Database Description packets whatever Interface MTU they claim.
    pub mtu_ignore: bool,
    /// Hide the interface's network, on which there are routers only, from the routes of all (RFC 6860). A passive interface's network,
    /// on which there are hosts, stays visible.
    pub prefix_suppression: bool,
    /// Neighbours on non-broadcast networks, by address; of no meaning elsewhere (§C.5, §C.6).
    ///
    /// On a point-to-multipoint network without any, neighbours are found by multicast hellos, as on broadcast networks.
    pub neighbors: BTreeMap<Ipv4Addr, NbmaNeighbor>,
    /// PollInterval: between hellos to a neighbour of a non-broadcast network that is down.
    pub poll_interval: Duration,
    /// Further addresses of the interface with their networks, while it is up. Nobody is spoken to there: they are advertised as stub
    /// networks. Among them may be an address without a network of its own, of which [`crate::Addressing::Unnumbered`] says nothing to
    /// others.
    pub further_addresses: BTreeMap<Ipv4Addr, Prefix>,
    /// How packets are signed and verified.
    pub authentication: Authentication,
    /// Whose packets are taken.
    pub speaker: Speaker,
}

impl InterfaceConfig {
    /// An active interface with the sample values of appendix C.3, cost 10 and priority 1.
    pub fn new(name: impl Into<String>, area: AreaId, network: NetworkType) -> Self {
        Self {
            name: name.into(),
            area,
            network,
            priority: 1,
            passive: false,
            cost: 10,
            hello_interval: Duration::from_secs(10),
            dead_interval: Duration::from_secs(40),
            retransmit_interval: Duration::from_secs(5),
            transmit_delay: Duration::from_secs(1),
            mtu_ignore: false,
            prefix_suppression: false,
            authentication: Authentication::Null,
            further_addresses: BTreeMap::new(),
            neighbors: BTreeMap::new(),
            poll_interval: Duration::from_secs(120),
            speaker: Speaker::Anyone,
        }
    }
}

impl InterfaceConfig {
    /// Whether a packet that is taken here is its sender's: it carries a digest that only holders of the key can make. A simple password
    /// is in every multicast hello, readable by all who could forge one.
    pub(crate) fn is_authenticated(&self) -> bool {
        match self.authentication {
            Authentication::Cryptographic(_) => true,
            Authentication::Null | Authentication::Simple(_) => false,
        }
    }

    /// Whether the interface's network is hidden: it is transit-only in the sense of RFC 6860 §1.
    pub(crate) fn hides_network(&self) -> bool {
        self.prefix_suppression && !self.passive
    }
}

/// Whose packets are taken on an interface. Virtual links have a rule of their own: see [`NetworkType::VirtualLink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Speaker {
    /// Those of whoever is on the link (RFC 2328 §8.2).
    #[default]
    Anyone,
    /// Those of the router at the other end of a tunnel, into which others than the two ends may have packets forwarded.
    Peer {
        /// The source of its packets.
        address: Ipv4Addr,
        /// Whether the TTL has to show that they were not forwarded.
        ttl_security: TtlSecurity,
    },
}

/// The Generalized TTL Security Mechanism (RFC 5082): a packet that is sent with TTL 255 and arrives with it was forwarded by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TtlSecurity {
    /// Packets are taken with TTL 255.
    #[default]
    Required,
    /// Packets are taken with any TTL: the peer sends them with another, as RFC 2328 §A.1 has it.
    Off,
}

/// Network type (RFC 2328 §1.2, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NetworkType {
    /// Any number of neighbours that find each other by multicast; a designated router is elected.
    Broadcast,
    /// Any number of configured neighbours, all of which reach each other; a designated router is elected.
    NonBroadcast,
    /// Any number of neighbours, not all of which need reach each other: as many point-to-point links.
    PointToMultipoint,
    /// Exactly one neighbour, reached at AllSPFRouters (224.0.0.5).
    PointToPoint,
    /// A link of the backbone through another area, between two of its border routers (§15).
    VirtualLink {
        /// The area it runs through, neither the backbone nor a stub area.
        transit_area: AreaId,
        /// The border router at its other end.
        far_end: RouterId,
    },
}

/// A neighbour on a non-broadcast network (§C.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NbmaNeighbor {
    /// Its Router Priority, as far as is known before it is heard: 0 = not eligible to become the designated router.
    pub priority: u8,
}

impl Default for NbmaNeighbor {
    fn default() -> Self {
        Self { priority: 1 }
    }
}
